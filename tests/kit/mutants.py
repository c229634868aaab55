"""Every way in which a connector may be weakened, made of the template by a change of a few words."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[2] / "plugins" / "example"
NAME = "mutant"
BODY_CHECK = 'check_hmac_hex(request.header("x-bazaar-signature"), request.body, settings["secret"])'
GIVEN = 'request.header("x-bazaar-signature")'
RIGHT = 'hmac_hex(settings["secret"][-1], request.body)'


@dataclass(frozen=True)
class Mutant:
    """A change of one file, and a rule that it breaks."""

    id: str
    rule: str
    file: str
    old: str
    new: str
    imports: str = ""
    more: tuple[tuple[str, str, str], ...] = ()


def proof(id: str, rule: str, tag: str, imports: str = "") -> Mutant:
    """Another check of the signature."""
    return Mutant(id, rule, "proof.py", BODY_CHECK, tag, imports)


def asks(then: str, otherwise: str = "raise") -> tuple[str, str]:
    """An install that asks the shop's API who it is."""
    return (
        "    given = verified.fields\n    return Registration(",
        "    given = verified.fields\n    try:\n"
        '        told = outbound.request("GET", given["api_url"] + "/me")\n'
        f"    except UpstreamFailed:\n        {otherwise}\n    {then}\n    return Registration(",
    )


UNSIGNED = ('signed = ["body"]\n', 'signed = ["body"]\nunsigned = ["language"]\n')
NO_UNINSTALL = ('[actions.uninstall]\nmethods = ["POST"]', "[actions.uninstall]\nmethods = []")
FROM_HEADER = ('tenant=given["shop"]', 'tenant=request.header("x-bazaar-shop") or given["shop"]')
SIGNATURE = '"X-Bazaar-Signature": signature'
SENT = (("simulator.py", SIGNATURE, f'{SIGNATURE}, "X-Bazaar-Shop": told["shop"]'),)
TOLD_UNSIGNED = ("connector.toml", 'signed = ["body"]\n', 'signed = ["body"]\nunsigned = ["header.x-bazaar-shop"]\n')
TABLE = """\
scheme = "hmac-sha256"
fields = ["header.x-bazaar-signature"]
signed = ["body"]
time = "sent_at"
past = 300
future = 60
"""
CHANGING = ('tenant=given.get("api_token", given["shop"])',)
NAMED = (
    "def uninstall() -> Answer:\n    return DONE",
    'def uninstall(installation: Installation) -> Answer:\n    return Answer.json({"ok": bool(installation.id)})',
)
MUTANTS = [
    Mutant("an-import-of-nothing", "loads", "api.py", "import re\n", "import re\nimport nothing_of_that_name\n"),
    Mutant("an-action-not-played", "played", "simulator.py", "def webhook", "def customers"),
    # The proof
    proof("no-check", "wrong_secret", "b'tag' + request.body"),
    proof("no-check-near-miss", "bent", "b'tag' + request.body"),
    proof("no-check-another-customer", "swapped", "b'tag' + request.body"),
    proof(
        "compared-by-prefix",
        "bent",
        f"({GIVEN}.encode() if {RIGHT}.startswith({GIVEN}) else check_hmac_hex('', b'', ()))",
        "from app.sdk import hmac_hex",
    ),
    proof(
        "compared-without-case",
        "bent",
        f"({GIVEN}.encode() if {GIVEN}.lower() == {RIGHT} else check_hmac_hex('', b'', ()))",
        "from app.sdk import hmac_hex",
    ),
    proof(
        "an-empty-proof-passes",
        "missing",
        f"(b'none' if not {GIVEN} else {BODY_CHECK})",
    ),
    proof(
        "a-body-written-anew",
        "tampered",
        'check_hmac_hex(request.header("x-bazaar-signature"), json.dumps(json.loads(request.body), '
        'ensure_ascii=False).encode(), settings["secret"])',
        "import json",
    ),
    proof("the-current-secret-alone", "genuine", BODY_CHECK.replace('settings["secret"]', 'settings["secret"][:1]')),
    proof("the-previous-secret-alone", "rotation", BODY_CHECK.replace('settings["secret"]', 'settings["secret"][1:]')),
    proof("crash-on-a-proof", "garbage", f"bytes.fromhex({GIVEN}) and {BODY_CHECK}"),
    Mutant(
        "crash-on-a-body",
        "malformed",
        "proof.py",
        "read_object(request.body))",
        "json.loads(request.body))",
        "import json",
    ),
    Mutant(
        "the-last-of-two-names",
        "duplicated",
        "proof.py",
        f"    given = read_call(request.action, read_object(request.body))\n    tag = {BODY_CHECK}",
        "    fields = json.loads(request.body)\n    given = read_call(request.action, fields)\n"
        "    again = json.dumps(fields, ensure_ascii=False).encode()\n"
        f"    tag = {BODY_CHECK.replace('request.body', 'again')}",
        "import json",
    ),
    # The time
    Mutant("no-expiry", "expires", "proof.py", "past=PAST", "past=timedelta(days=999)"),
    Mutant("a-minute-longer", "expires", "proof.py", "past=PAST", "past=PAST + timedelta(seconds=60)"),
    Mutant("a-second-shorter", "expires", "proof.py", "past=PAST", "past=PAST - timedelta(seconds=1)"),
    Mutant("no-bound-ahead", "too_early", "proof.py", "future=FUTURE", "future=timedelta(days=999)"),
    # Whose and what for
    Mutant("the-tenant-of-a-header", "unsigned", "proof.py", *FROM_HEADER, more=(*SENT, TOLD_UNSIGNED)),
    Mutant("a-header-that-nobody-lists", "listed", "proof.py", *FROM_HEADER, more=SENT),
    Mutant("any-action", "own_action", "proof.py", 'given["call"] != request.action', "False"),
    Mutant("no-proof-for-the-journal", "single_use", "proof.py", "proof=proof,", ""),
    Mutant("a-tenant-that-changes", "reinstalled", "proof.py", 'tenant=given["shop"]', *CHANGING),
    # What is told
    Mutant(
        "the-secret-in-a-reply",
        "kept_secret",
        "__init__.py",
        'def open(page_url: str) -> Answer:\n    return Answer.json({"url": page_url})',
        "def open(page_url: str, installation: Installation) -> Answer:\n"
        '    return Answer.json({"url": page_url, "key": installation.secret("api_token")})',
    ),
    Mutant(
        "the-credential-in-the-clear",
        "kept_secret",
        "__init__.py",
        'credentials={"api_token": given["api_token"]},',
        'credentials={"api_token": given["api_token"]}, facts={"token": given["api_token"]},',
    ),
    Mutant(
        "markup-as-it-came",
        "escaped",
        "schemas.py",
        '    return Answer.json({"people": [{"id": hit.id, "name": hit.name} for hit in hits]})',
        '    return Answer(200, "".join(hit.name for hit in hits).encode(), "text/html")',
    ),
    Mutant(
        "a-message-in-english-alone",
        "translated",
        "schemas.py",
        'Malformed("bad_language")',
        'Malformed("bad_language", "This language is not spoken.")',
    ),
    Mutant(
        "a-refusal-in-another-shape",
        "shaped",
        "connector.toml",
        'body = { ok = false, why = "$message" }\nstatus = { malformed = 400,',
        'body = { ok = false, why = "$message" }\nstatus = { malformed = 500,',
    ),
    # The platform's answers
    Mutant("an-install-that-trusts-answers", "lies", "__init__.py", *asks('if not told.json()["ok"]: return None')),
    Mutant("an-install-that-bears-no-wait", "hangs", "__init__.py", *asks("pass", "raise RuntimeError")),
    Mutant("crash-on-the-second-uninstall", "left", "__init__.py", *NAMED),
    Mutant(
        "a-crash-on-a-wrong-answer",
        "called",
        "api.py",
        "    return HEALTH.get(reply.status, Health.UNSURE)",
        '    return Health.ALIVE if reply.json()["ok"] else Health.DEAD',
    ),
    Mutant(
        "a-call-without-the-guard",
        "imports",
        "api.py",
        "import re\n",
        "import re\nimport urllib.request\n",
    ),
    # What the manifest says
    Mutant("nothing-said-of-a-proof", "declared", "connector.toml", f"[actions.search.proof]\n{TABLE}", ""),
    Mutant("a-field-not-listed", "listed", "connector.toml", 'signed = ["body"]', "signed = []"),
    Mutant(
        "signed-and-told-unsigned",
        "unsigned",
        "connector.toml",
        *UNSIGNED,
    ),
    Mutant("a-window-that-is-longer", "expires", "connector.toml", "past = 300", "past = 600"),
    Mutant("a-secret-not-named", "stored", "connector.toml", "api_token =", "other_token ="),
    Mutant("anybody-may-frame", "framed", "connector.toml", '["https://admin.bazaar.example"]', '["https://*"]'),
    Mutant(
        "a-host-not-named",
        "reached",
        "api.py",
        "HEALTH = {",
        'HOME = "https://api.elsewhere.org"\nHEALTH = {',
    ),
    Mutant("a-secret-that-is-shown", "signed", "connector.toml", 'scheme = "hmac-sha256"', 'scheme = "bearer"'),
    Mutant("a-field-that-is-not-signed", "covered", "connector.toml", *UNSIGNED),
    Mutant("nobody-tells-of-leaving", "told_of_leaving", "connector.toml", *NO_UNINSTALL),
    Mutant(
        "a-weakness-that-is-not-there",
        "expires",
        "connector.toml",
        "[secrets]\n",
        '[[weakness]]\nrule = "expires"\nreason = "It is said that no time is signed here."\n\n[secrets]\n',
    ),
]


def made(mutant: Mutant, folder: Path) -> Path:
    """The mutant's folder."""
    target = folder / NAME
    shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
    replaced(target / "simulator.py", 'connector = "example"', f'connector = "{NAME}"')
    replaced(target / "connector.toml", "enabled = false", "enabled = true")
    text = (target / mutant.file).read_text("utf-8")
    assert mutant.old in text, f"the template has changed: {mutant.old!r} is not in {mutant.file}"
    future = "from __future__ import annotations\n"
    text = text.replace(mutant.old, mutant.new).replace(future, f"{future}{mutant.imports}\n")
    (target / mutant.file).write_text(text, "utf-8")
    for file, old, new in mutant.more:
        replaced(target / file, old, new)
    forget()
    return target


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text, f"the template has changed: {old!r} is not in {file.name}"
    file.write_text(text.replace(old, new), "utf-8")


def forget() -> None:
    """Let the next mutant of the same name be imported anew."""
    for name in [name for name in sys.modules if name.startswith(f"stallholder_connector_{NAME}")]:
        del sys.modules[name]
