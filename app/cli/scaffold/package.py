"""What `connectors new` writes: the template with the wished scheme and actions, in a project of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from app.cli.scaffold import editing, manifest, source

TEMPLATE = Path(__file__).resolve().parents[3] / "plugins" / "example"
PROJECT = Path(__file__).with_name("project")
PROOFS: Mapping[str, str] = {
    "hmac-body": "an HMAC over the body, in a header",
    "hmac-query": "an HMAC over the query, in it",
    "rsa-fields": "an RSA signature over some fields",
    "bearer": "a secret in the Authorization header",
    "none": "nothing but an address of its own for each customer",
}
ACTIONS = ("open", "search", "uninstall", "webhook")
LANGUAGES = ("en", "cs", "sk", "ru", "es")
# A secret of ours is all there: the operator adds a customer, and the platform has no API to ask.
UNSIGNED: Mapping[str, set[str]] = {
    "__init__.py": {"probe"},
    "simulator.py": {"install", "answer", "told", "make_proof_keys"},
    "connector.toml": {"secrets", "limits", "actions.install.proof"},
}
UNWANTED: Mapping[str, Mapping[str, set[str]]] = {"none": UNSIGNED, "bearer": UNSIGNED}
# The folders of schemes that are laid over the template, one after the other.
LAYERS: Mapping[str, Sequence[str]] = {
    "hmac-body": (),
    "hmac-query": ("hmac_query",),
    "rsa-fields": ("rsa_fields",),
    "bearer": ("none", "bearer"),
    "none": ("none",),
}
SILENT = """
# Where the platform does not let us keep a rule of the conformance kit.
[[weakness]]
rule = "told_of_leaving"
reason = "The platform does not say when a customer leaves: the host finds out that its access is dead."
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What its author wants: ``name`` as in addresses, ``title`` as people say it; ``install`` is always there."""

    name: str
    title: str
    proof: str
    actions: Sequence[str] = ACTIONS
    languages: Sequence[str] = ("en",)

    @property
    def package(self) -> str:
        """The name under which its code is imported."""
        return f"stallholder_{self.name}"

    @property
    def left_out(self) -> set[str]:
        """The actions of the template that are not wanted."""
        return set(ACTIONS) - set(self.actions)


def files_of(wish: Wish) -> dict[str, bytes]:
    """Every file of the package by its path."""
    connector = {**code_of(wish), "connector.toml": manifest_of(wish)}
    files = {f"{wish.package}/{name}": worded(wish, text).encode() for name, text in connector.items()}
    for language in wish.languages:
        for file in (TEMPLATE / "translations" / language / "LC_MESSAGES").iterdir():
            files[f"{wish.package}/translations/{language}/LC_MESSAGES/{file.name}"] = file.read_bytes()
    return files | {name: text.encode() for name, text in project_of(wish).items()}


def code_of(wish: Wish) -> dict[str, str]:
    """The Python files."""
    unwanted = UNWANTED.get(wish.proof, {})
    modules = {}
    for file in sorted(TEMPLATE.glob("*.py")):
        module = source.read(file.read_text("utf-8"))
        for layer in layers(wish, file.name):
            module = editing.lay_over(module, source.read(layer))
        modules[file.name] = editing.cut(module, wish.left_out | unwanted.get(file.name, set()))
    return {name: source.write(module) for name, module in editing.sweep(modules).items()}


def layers(wish: Wish, name: str) -> Iterator[str]:
    """What the wished scheme lays over one of the template's files."""
    for folder in LAYERS[wish.proof]:
        file = TEMPLATE / "schemes" / folder / name
        if file.is_file():
            yield file.read_text("utf-8")


def manifest_of(wish: Wish) -> str:
    """The ``connector.toml``."""
    tables = manifest.tables_of((TEMPLATE / "connector.toml").read_text("utf-8"))
    for layer in layers(wish, "connector.toml"):
        tables = manifest.lay_over(tables, manifest.tables_of(layer))
    if len(wish.actions) < 2:  # with one action there is no other that its secret could prove
        tables = [table for table in tables if 'rule = "own_action"' not in table.text]
    unwanted = UNWANTED.get(wish.proof, {}).get("connector.toml", set())
    text = manifest.headed(list(manifest.without(tables, wish.left_out, unwanted)), wish.title, wish.languages)
    return text + SILENT if "uninstall" in wish.left_out else text


def worded(wish: Wish, text: str) -> str:
    """The template's text with the names of this marketplace."""
    word = re.sub("[^A-Za-z0-9]+", "-", wish.title).strip("-") or wish.name
    spoken = ", ".join(f'"{language}"' for language in wish.languages)
    told = wish.title.replace("\\", "").replace('"', "")
    words = {
        "X-Bazaar-": f"X-{word}-",
        "x-bazaar-": f"x-{word.lower()}-",
        "bazaar\\.example": f"{wish.name.replace('_', '-')}\\.example",
        "bazaar.example": f"{wish.name.replace('_', '-')}.example",
        ": an invented marketplace, the template for a connector of yours.": ", a marketplace.",
        '"example"': f'"{wish.name}"',
        'LANGUAGES = ("en", "cs", "sk", "ru", "es")': f"LANGUAGES = ({spoken}{',' * (len(wish.languages) == 1)})",
        '"one of en, cs, sk, ru, es"': "one of ours",
        "README.md": "PROTOCOL.md",
        "Bazaar": told,
    }
    # All at once, and not in the manifest's title: a marketplace's own name may hold a word of the template.
    places = "|".join(["(?m:^title = .*$)", *map(re.escape, words)])
    return re.sub(places, lambda found: words.get(found[0], found[0]), text)


def project_of(wish: Wish) -> dict[str, str]:
    """The files around the connector; in their names and texts ``$name`` and the like are filled in."""
    words = {
        "name": wish.name,
        "package": wish.package,
        "title": wish.title,
        "distribution": wish.package.replace("_", "-"),
        "proof": PROOFS[wish.proof],
    }
    files = {str(file.relative_to(PROJECT)): file.read_text("utf-8") for file in PROJECT.rglob("*.txt")}
    return {filled(path_of(name), words): filled(text, words) for name, text in files.items()}


def path_of(name: str) -> str:
    """Where a file of the project goes; packaging would leave it out if it began with a dot here."""
    return name.removesuffix(".txt").replace("dot-", ".")


def filled(text: str, words: Mapping[str, str]) -> str:
    """A text with its words put in."""
    return Template(text).substitute(words)
