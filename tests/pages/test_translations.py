"""Every text is translated into every language, and the compiled catalogues are those of the written ones."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from app.pages.language import CATALOGUES, LANGUAGES
from app.pages.messages import Unreadable, find_messages

ROOT = Path(__file__).resolve().parents[2]
ORLO = ("missing or invalid sig or expires params", "Signature mismatch", "request expired")
NAMED = re.compile(r"%\(\w+\)s")


def catalogue(language: str) -> Catalog:
    return read_po(io.BytesIO((CATALOGUES / language / "LC_MESSAGES" / "messages.po").read_bytes()), locale=language)


def words(catalog: Catalog) -> dict[str | tuple[str, ...], str | tuple[str, ...]]:
    """Msgids and translations without the header."""
    texts = {}
    for message in catalog:
        key = message.id if isinstance(message.id, str) else tuple(message.id)
        texts[key] = message.string if isinstance(message.string, str) else tuple(message.string)
    texts.pop("", None)
    return texts


def used() -> Iterator[str]:
    """Every msgid in the code and in the templates, read as ``pybabel extract`` reads it."""
    with (CATALOGUES / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    for _, _, message, _, _ in extract_from_dir(ROOT, methods, options):
        yield message if isinstance(message, str) else message[0]


@pytest.fixture(scope="module")
def msgids() -> set[str]:
    return set(used())


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_fresh(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.mo").open("rb") as kept:
        assert words(read_mo(kept)) == words(read_mo(compiled))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_lacks_a_translation(language: str, msgids: set[str]) -> None:
    known = {key if isinstance(key, str) else key[0]: value for key, value in words(catalogue(language)).items()}
    assert msgids - known.keys() == set()
    assert known.keys() - msgids == set(), "no longer used"
    empty = [key for key, value in known.items() if not all([value] if isinstance(value, str) else value)]
    assert empty == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_keep_their_places(language: str) -> None:
    for message in catalogue(language):
        singular = message.id if isinstance(message.id, str) else message.id[0]
        for text in [message.string] if isinstance(message.string, str) else message.string:
            assert not message.id or sorted(NAMED.findall(text)) == sorted(NAMED.findall(singular)), singular
        assert not message.fuzzy or not message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_orlo_stay_english(language: str) -> None:
    known = words(catalogue(language))
    assert [known[text] for text in ORLO] == list(ORLO)


def test_sentences_differ_between_languages() -> None:
    """A negative control of the kind of check above: a copied catalogue would pass it."""
    catalogues = {language: words(catalogue(language)) for language in LANGUAGES}
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
