"""Phone numbers in any spelling: which digits find a number, and which numbers some digits ask for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    format_number,
    is_valid_number,
    national_significant_number,
    parse,
)

# Marks a number without a country, so that +420 777… finds a bare 777… but never +421 777….
COUNTRY_UNKNOWN = "?"
# Between a number and its extension in a key: two people behind one switchboard are two.
EXTENSION = ";"
LONGEST = 40
# Of a whole field, which may have several numbers.
LONGEST_FIELD = 5 * LONGEST
# Fewer digits are an extension or a short code, which many share.
SHORTEST_KEY = 7
# Of ten digits one in eight of Mexico's national numbers is another country's valid one.
SHORTEST_GUESSED = 11
_BARE = re.compile(r"[0-9 .()/\u00a0-]+")
_NO_DIGITS = re.compile(r"[^0-9]+")
# One number and nothing else, as nearly all fields are: too short for two.
_ONE = re.compile(r"\+?[0-9][0-9 ()-]{3,15}[0-9]")
# What stands between two numbers whatever they are; what may, where there are enough digits on both sides for two.
_BETWEEN = re.compile(r"[,;|\n]|(?=[+\uff0b])")
_PERHAPS = re.compile(r"[^\d]*(?:/|[^\W\d_])[^\d]*|(?<=\d{9})\s+(?=\d{9})")
SHORTEST_ALONE = 9
_NUMBER = re.compile(r"[+\uff0b(\s]*\d(?:.*\d)?", re.DOTALL)
_TRUNK = re.compile(r"\(\s*0\s*\)")


def stored_forms(text: str) -> set[str]:
    """The terms under which the numbers in a phone field are found."""
    return set[str]().union(*map(_forms_of_one, numbers(text)))


def numbers(text: str) -> tuple[str, ...]:
    """The numbers of a field, each as it is written: ``777 123 456 / 602 111 222`` are two."""
    if _ONE.fullmatch(text):
        return (text,)
    text = text[:LONGEST_FIELD]
    written = (_NUMBER.search(text, start, end) for start, end in _places(text))
    return tuple(number[0].strip()[:LONGEST] for number in written if number)


def whole(text: str) -> str:
    """The field cut to its longest, in front of the number that would be cut in two."""
    if len(text) <= LONGEST_FIELD:
        return text
    fitting = [end for _, end in _places(text[: LONGEST_FIELD + LONGEST]) if end <= LONGEST_FIELD]
    return text[: fitting[-1] if fitting else LONGEST_FIELD].strip()


def keys(text: str) -> set[str]:
    """What two spellings of one number share and two numbers do not: all digits, with the country where that is known,
    and the extension."""
    return {key for number in numbers(text) if (key := _key(number))}


def number_of(key: str) -> str:
    """The number of a key without the extension: a term by which it is found."""
    return key.partition(EXTENSION)[0]


def joined(texts: Iterable[str]) -> str:
    """The numbers of several phone fields as one field, each number once."""
    told: dict[str, str] = {}
    for number in (number for text in texts for number in numbers(text)):
        told.setdefault(_key(number) or number, number)
    return ", ".join(told.values())


def with_countries(text: str) -> str:
    """A phone field with ``+`` put before each number that is a valid one with its country code, or after a trunk 8.

    Only for numbers of 11 digits and more: a shorter one may as well be a national number, and somebody else's.
    """
    return ", ".join(map(_with_plus, numbers(text)))


def _with_plus(number: str) -> str:
    raw = digits(number)
    bare = len(raw) >= SHORTEST_GUESSED and _BARE.fullmatch(number) is not None and not raw.startswith("0")
    guess = _guessed(raw) if bare else None
    return f"+{_international(guess)}" if guess else number


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where in the text each number stands."""
    start = 0
    for mark in [*_BETWEEN.finditer(text), None]:
        end = mark.start() if mark else len(text)
        yield from _places_between(text, start, end)
        start = mark.end() if mark else end


def _places_between(text: str, start: int, last: int) -> Iterator[tuple[int, int]]:
    marks = [mark.span() for mark in _PERHAPS.finditer(text, start, last)]
    for (end, behind), (following, _) in pairwise([*marks, (last, last)]):
        if min(len(digits(text[start:end])), len(digits(text[behind:following]))) >= SHORTEST_ALONE:
            yield start, end
            start = behind
    if digits(text[start:last]):
        yield start, last


def _key(text: str) -> str:
    raw = digits(text)
    if len(raw) < SHORTEST_KEY:
        return ""
    number = _with_country(text)
    if number is None:
        return COUNTRY_UNKNOWN + raw
    extension = f"{EXTENSION}{number.extension}" if number.extension else ""
    return _international(number) + extension


def _forms_of_one(text: str) -> set[str]:
    raw = digits(text)
    number = _with_country(text)
    if number is not None:
        return {raw, _international(number), *_national(number)} - {""}
    # Without a country any reading is a guess: what it gives is added, what was written stays.
    bare = {raw, raw.lstrip("0")} - {""}
    guess = _guessed(raw)
    more = {_international(guess), *_national(guess)} if guess else set()
    return bare | {COUNTRY_UNKNOWN + form for form in bare} | more


def asked_forms(text: str) -> tuple[str, ...]:
    """The terms to look for, the surest first; the first is good for a prefix while a number is being typed."""
    text = text[:LONGEST]
    raw = digits(text)
    number = _with_country(text) or _guessed(raw)
    if number is None:
        # 00 is how many dial the plus; the number behind it may still be half typed.
        return tuple(form for form in (raw, raw[2:] if raw.startswith("00") else "") if form)
    first = raw if _with_country(text) is None else _international(number)
    unknown = (COUNTRY_UNKNOWN + form for form in _national(number))
    return tuple(dict.fromkeys((first, _international(number), *unknown)))


def digits(text: str) -> str:
    """The digits of every script as ASCII."""
    if text.isascii():
        return _NO_DIGITS.sub("", text)
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


@lru_cache(maxsize=1024)
def _with_country(text: str) -> PhoneNumber | None:
    """The number, where it says its country by ``+`` or ``00``; without the zero of ``+420 (0) 777…`` where it is none
    with it."""
    plain = unicodedata.normalize("NFKC", text).strip().lstrip("(")
    number = _parse("+" + plain[2:] if plain.startswith("00") else plain)
    if number is None or not _TRUNK.search(plain) or is_valid_number(number):
        return number
    return _with_country(_TRUNK.sub("", plain))


def _guessed(raw: str) -> PhoneNumber | None:
    """The number behind bare digits: with its country code but no ``+``, or after the trunk 8 of country code 7."""
    tries = ["+" + raw] + (["+7" + raw[1:]] if len(raw) == 11 and raw.startswith("8") else [])
    return next((number for number in map(_parse, tries) if number and is_valid_number(number)), None)


def _parse(text: str) -> PhoneNumber | None:
    try:
        return parse(text, None)
    except NumberParseException:
        return None


def _international(number: PhoneNumber) -> str:
    return f"{number.country_code}{national_significant_number(number)}"


def _national(number: PhoneNumber) -> tuple[str, ...]:
    """Without the country: as the numbering plan writes it, and with the trunk prefix of that country."""
    bare = PhoneNumber()
    bare.merge_from(number)
    bare.extension = None
    significant = national_significant_number(bare)
    return tuple(dict.fromkeys((significant, digits(format_number(bare, PhoneNumberFormat.NATIONAL)))))
