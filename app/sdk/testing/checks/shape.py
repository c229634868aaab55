"""Does it load, import what it may, declare what it does, and speak for itself?"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from ... import errors
from ...promises import SIGNATURES
from ..case import Case, served
from ..findings import Broken, Weaker
from ..imports import foreign
from ..market import Market
from ..message import BODY, KEY, QUERY, parts

ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+\.[A-Za-z]{2,})")
# Names that no machine has: documentation writes them.
NOWHERE = (".example", ".invalid", ".test", "example.com", "example.org")
REFUSALS = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.Refused)}


def sources(folder: Path) -> Iterator[tuple[Path, str]]:
    """The connector's own code."""
    for file in sorted(folder.rglob("*.py")):
        if "__pycache__" not in file.parts:
            yield file, file.read_text("utf-8")


def loads(market: Market, case: Case) -> None:
    """A market that opened is the proof."""


def imports(market: Market, case: Case) -> None:
    """The allow-list, by reading the code."""
    for file, text in sources(market.subject.folder):
        found = foreign(text, simulator=file.name == "simulator.py")
        if found:
            raise Broken(file.name, f"it reaches for {', '.join(found)}")


def declared(market: Market, case: Case) -> None:
    """Everything but a public answer says what proves it."""
    action = market.manifest.actions[case.action]
    if action.proof is None and action.hook != "describe":
        raise Broken("connector.toml", f"[actions.{case.action}.proof] is missing")


def played(market: Market, case: Case) -> None:
    """The simulator has a request for the action."""
    market.played(case.action)


def listed(market: Market, case: Case) -> None:
    """Every part of a genuine request is named in the proof table."""
    proof = market.manifest.actions[case.action].proof
    if proof is None:
        return
    named = {*proof.fields, *proof.signed, *proof.unsigned}
    for name in market.played(case.action):
        outgoing = market.genuine(case.action, name=name)
        in_body = BODY in named and outgoing.body
        covered = {part for part in parts(outgoing) if covers(named, part, bool(in_body))}
        if unnamed := sorted(parts(outgoing).keys() - covered):
            raise Broken(f"a genuine {name}", f"it brings what the manifest does not name: {', '.join(unnamed)}")


def covers(named: set[str], part: str, in_body: bool) -> bool:
    """Whether a part is named, by itself or within a whole."""
    if part in named:
        return True
    apart = part == KEY or part.startswith("header.")
    return not apart and (QUERY in named or in_body)


def signed(market: Market, case: Case) -> None:
    """A secret that is shown proves less than a signature: whoever saw it once has it."""
    proof = market.manifest.actions[case.action].proof
    if proof is not None and proof.scheme not in SIGNATURES:
        raise Weaker(f"the scheme {proof.scheme!r}", "it is no signature")


def covered(market: Market, case: Case) -> None:
    """What the manifest lists as unsigned is not covered; `unsigned` sees that it is so."""
    proof = market.manifest.actions[case.action].proof
    if proof is not None and proof.unsigned:
        raise Weaker("connector.toml", f"these are not signed: {', '.join(proof.unsigned)}")


def told_of_leaving(market: Market, case: Case) -> None:
    """An action that uninstalls."""
    if not any(action.hook == "uninstall" for action in served(market.subject)):
        raise Weaker("connector.toml", "no action has the hook uninstall")


def stored(market: Market, case: Case) -> None:
    """The sealed credentials are those that the manifest names."""
    held, named = market.host.credentials(market.installation()), market.manifest.secrets
    if held.keys() != named.keys():
        raise Broken(f"the table [secrets] names {sorted(named)}", f"the installation holds {sorted(held)}")


def called(market: Market, case: Case) -> None:
    """Addresses in the code belong to what the manifest says is called."""
    known = " ".join([*market.manifest.hosts, *market.manifest.frame_ancestors])
    for file, text in sources(market.subject.folder):
        if file.name == "simulator.py":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not is_docstring(node, text):
                for host in ADDRESS.findall(node.value):
                    if host not in known and not host.endswith(NOWHERE):
                        raise Broken(f"{file.name}:{node.lineno}", f"{host} is not among the hosts of connector.toml")


def is_docstring(node: ast.Constant, text: str) -> bool:
    """Whether a text is prose: only addresses in short texts are called."""
    return "\n" in str(node.value) or " " in str(node.value)


def framed(market: Market, case: Case) -> None:
    """Who may frame the pages is said exactly."""
    for origin in market.manifest.frame_ancestors:
        if not re.fullmatch(r"https://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?", origin):
            raise Broken(f"frame_ancestors lists {origin!r}", "that is no https origin of one domain")


def translated(market: Market, case: Case) -> None:
    """Every message of a refusal is in every catalogue."""
    folder = market.subject.folder
    for file, text in sources(folder):
        for message in messages(text) if file.name != "simulator.py" else ():
            for language in market.manifest.languages:
                if language != "en" and not is_known(folder, language, message):
                    raise Broken(f"{file.name} says {message!r}", f"translations/{language} does not have it")


def messages(text: str) -> Iterator[str]:
    """The messages of the refusals that the code raises: their second argument."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in REFUSALS:
            given = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "message")]
            yield from (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str))


def is_known(folder: Path, language: str, message: str) -> bool:
    """Whether the compiled catalogue of a language has a message."""
    file = folder / "translations" / language / "LC_MESSAGES" / "messages.mo"
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return gettext.GNUTranslations(opened).gettext(message) != message
