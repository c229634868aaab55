"""Every text is translated where it stands, and the compiled catalogues are those of the written ones."""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from app.core.loading import load
from app.core.sources import discover
from app.pages.language import CATALOGUES, LANGUAGES
from app.pages.messages import Unreadable, find_messages

ROOT = Path(__file__).resolve().parents[2]
ORLO = ("missing or invalid sig or expires params", "Signature mismatch", "request expired")
NAMED = re.compile(r"%\(\w+\)s")
MANIFESTS = {found.source.folder: found.manifest for found in load(discover()) if found.manifest}
PLATFORMS = {name.lower() for manifest in MANIFESTS.values() for name in (manifest.name, manifest.title)}


@dataclass(frozen=True)
class Spoken:
    """The words of the host or of a connector in one language."""

    owner: Path
    language: str

    @property
    def folder(self) -> Path:
        return self.owner / "translations" / self.language / "LC_MESSAGES"

    def written(self) -> Catalog:
        return read_po(io.BytesIO((self.folder / "messages.po").read_bytes()), locale=self.language)


def spoken() -> Iterator[Spoken]:
    """What must be there, and what is there besides."""
    for owner, languages in {
        CATALOGUES.parent: LANGUAGES,
        **{key: one.languages for key, one in MANIFESTS.items()},
    }.items():
        present = {file.parents[1].name for file in owner.glob("translations/*/LC_MESSAGES/messages.*")}
        yield from (Spoken(owner, language) for language in sorted({*languages, *present}))


everywhere = pytest.mark.parametrize("one", list(spoken()), ids=lambda one: f"{one.owner.name}-{one.language}")


def words(catalog: Catalog) -> dict[str | tuple[str, ...], str | tuple[str, ...]]:
    """Msgids and translations without the header."""
    texts = {}
    for message in catalog:
        key = message.id if isinstance(message.id, str) else tuple(message.id)
        texts[key] = message.string if isinstance(message.string, str) else tuple(message.string)
    texts.pop("", None)
    return texts


@cache
def used(owner: Path) -> frozenset[str]:
    """Every msgid in the code and in the templates, read as ``pybabel extract`` reads it."""
    with (CATALOGUES / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = (message for _, _, message, _, _ in extract_from_dir(owner, methods, options))
    return frozenset(message if isinstance(message, str) else message[0] for message in found)


def singulars(catalog: Catalog) -> Mapping[str, str | tuple[str, ...]]:
    return {key if isinstance(key, str) else key[0]: value for key, value in words(catalog).items()}


@everywhere
def test_compiled_catalogue_is_fresh(one: Spoken) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, one.written())
    compiled.seek(0)
    with (one.folder / "messages.mo").open("rb") as kept:
        assert words(read_mo(kept)) == words(read_mo(compiled))


@everywhere
def test_nothing_lacks_a_translation(one: Spoken) -> None:
    known = singulars(one.written())
    assert used(one.owner) - known.keys() == set()
    assert known.keys() - used(one.owner) == set(), "no longer used"
    empty = [key for key, value in known.items() if not all([value] if isinstance(value, str) else value)]
    assert empty == []


@everywhere
def test_values_keep_their_places(one: Spoken) -> None:
    for message in one.written():
        singular = message.id if isinstance(message.id, str) else message.id[0]
        for text in [message.string] if isinstance(message.string, str) else message.string:
            assert not message.id or sorted(NAMED.findall(text)) == sorted(NAMED.findall(singular)), singular
        assert not message.fuzzy or not message.id


@everywhere
def test_a_wheel_has_it(one: Spoken) -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    patterns = settings["options.package_data"]["*"].split()
    packed = {file for pattern in patterns for file in one.owner.glob(pattern)}
    assert (one.owner / "__init__.py").is_file()
    assert {one.folder / "messages.po", one.folder / "messages.mo"} <= packed


def test_every_owner_of_words_has_them_here() -> None:
    """A negative control of the parametrised ones above: they look at the host and at each shipped connector."""
    assert {one.owner for one in spoken()} == {
        ROOT / "app",
        *(ROOT / "plugins" / one.name for one in MANIFESTS.values()),
    }
    assert all(used(owner) for owner in MANIFESTS)
    assert {language for manifest in MANIFESTS.values() for language in manifest.languages} <= set(LANGUAGES)


def naming(catalog: Catalog) -> list[str]:
    """The translations and msgids that name a platform."""
    texts = [f"{key} {value}" for key, value in words(catalog).items()]
    return [text for text in texts if any(name in text.lower() for name in PLATFORMS)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_host_names_no_platform(language: str) -> None:
    assert naming(Spoken(CATALOGUES.parent, language).written()) == []
    assert naming(Spoken(ROOT / "plugins" / "upgates", language).written()), "the control: a connector may"


def contradictions(catalogs: Iterable[Mapping[str, str | tuple[str, ...]]]) -> list[str]:
    """The msgids that several translate, each differently: laid over each other, all but one silently lose."""
    given: dict[str, set[str | tuple[str, ...]]] = {}
    for catalog in catalogs:
        for msgid, text in catalog.items():
            given.setdefault(msgid, set()).add(text)
    return [msgid for msgid, texts in given.items() if len(texts) > 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_none_contradicts_another(language: str) -> None:
    catalogs = [singulars(one.written()) for one in spoken() if one.language == language]
    assert contradictions(catalogs) == []
    assert contradictions([*catalogs, {"Not found.": "Nowhere."}]) == ["Not found."]


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_orlo_stay_english(language: str) -> None:
    known = words(Spoken(ROOT / "plugins" / "orlo", language).written())
    assert [known[text] for text in ORLO] == list(ORLO)


def test_sentences_differ_between_languages() -> None:
    """A negative control of the kind of check above: a copied catalogue would pass it."""
    catalogues = {language: words(Spoken(CATALOGUES.parent, language).written()) for language in LANGUAGES}
    for text in ("Not found.", "Find a person", "The request has expired."):
        assert len({catalogues[language][text] for language in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise Malformed("x", "Told.")', ["Told."]),
        ('raise sdk.Unknown("x", message="Told.")', ["Told."]),
        ('raise Malformed("x")', []),
        ('T = "Told."\nraise Unverified("x", T)', ["Told."]),
        ('T = {"a": "One.", "b": "Two."}\nraise UpstreamFailed("x", T.get(code()))', ["One.", "Two."]),
        ('for bad, m in ((1, "One."), (2, "Two.")):\n    raise Malformed("x", m)', ["One.", "Two."]),
        ('class Late(Refused):\n    message: str = "Told."', ["Told."]),
        ('class Late(sdk.Expired):\n    pass\nclass Later(Late):\n    pass\nraise Later("x", "Told.")', ["Told."]),
        ('class Late(Exception):\n    pass\nraise Late("x", "Told.")', []),
        ('row.alarm = "Told."', ["Told."]),
        ('row.alarm = ""', []),
    ],
)
def test_finds_messages(source: str, found: list[str]) -> None:
    assert [text for _, text in find_messages(source)] == found


@pytest.mark.parametrize(
    "source", ['raise Malformed("x", f"Told {name}.")', 'raise Malformed("x", told())', 'raise Malformed("x", nowhere)']
)
def test_refuses_to_miss_a_message(source: str) -> None:
    with pytest.raises(Unreadable):
        find_messages(source)
