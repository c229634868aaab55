"""Folding: one spelling for what people write in many, whatever the marks, the case and the script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

from app.people.models import LONGEST_TERM

# Letters that no Unicode decomposition takes apart, and the Cyrillic signs that people leave out.
LETTERS = str.maketrans(
    {
        "ł": "l",
        "đ": "d",
        "ø": "o",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "ð": "d",
        "þ": "th",
        "ъ": "",
        "ь": "",
    }
)
# Straight, grave, curly, modifier letter, prime and acute: all that people type for one.
APOSTROPHES = str.maketrans(dict.fromkeys("'`\u2019\u2018\u02bc\u02b9\u00b4"))
# Every dash is a hyphen; a zero-width space divides words, all other characters without a shape join them.
_PLAIN = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-") | {"\u200b": " "}
)
# Two letters for one sound; letter by letter they would be ``oy``.
_GREEK_U = re.compile("ο[υύ]")
_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")
UNSTORABLE = str.maketrans({"\0": None} | {chr(code): "\N{REPLACEMENT CHARACTER}" for code in range(0xD800, 0xE000)})


def storable(text: str, longest: int) -> str:
    """The text without what a database refuses (NUL, lone surrogates), cut to ``longest`` characters; what came out
    comes out again."""
    clean = text if text.isascii() and "\0" not in text else text.translate(UNSTORABLE)
    return clean.strip()[:longest].rstrip()


def visible(text: str) -> str:
    """The text without what only formats it, such as soft hyphens and the marks that messengers put around numbers."""
    if text.isascii():
        return text
    plain = text.translate(_PLAIN)
    if plain.isprintable():  # as nearly all are
        return plain
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


def fold(text: str) -> str:
    """The text without case and marks: ``Dvořák`` and ``DVORAK`` are one, as are ``Ёлкин`` and ``елкин``."""
    if text.isascii():
        return text.lower()
    bare = unicodedata.normalize("NFKD", text.casefold())
    unmarked = "".join(character for character in bare if not unicodedata.combining(character))
    return unmarked.casefold().translate(LETTERS)


@lru_cache(maxsize=4096)  # most names are many people's
def forms(word: str) -> tuple[str, ...]:
    """The Latin spellings under which a word is kept and asked for, the folded one first.

    The second is the romanised word as it was written: ``андрей`` is kept as ``andrei`` and ``andrey``, so that
    either script and either habit finds the other.
    """
    if word.isascii():
        return (word.lower()[:LONGEST_TERM],)
    folded = fold(word)
    written = word.casefold().translate(LETTERS)
    found = dict.fromkeys(form for form in (romanised(folded), romanised(written)) if form)
    return tuple(found or filter(None, ["".join(folded.split())[:LONGEST_TERM]]))


def romanised(word: str) -> str:
    """The word in Latin letters; empty for a script without a table."""
    latin = anyascii(_GREEK_U.sub("ou", word)).lower()
    return "".join(character for character in latin if character.isalnum())[:LONGEST_TERM]


def split(text: str) -> list[str]:
    """The words as written: letters, digits and the marks that belong to them."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    whole = unicodedata.normalize("NFC", visible(text))
    kept = [c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in whole]
    return [word for word in "".join(kept).split() if any(map(str.isalnum, word))]


def words(text: str) -> list[str]:
    """The words as asked for: an apostrophe joins."""
    return split(text.translate(APOSTROPHES))
