"""Phone numbers in any spelling: which digits find a number, and which numbers some digits ask for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

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
LONGEST = 40
# Fewer digits are an extension or a short code, which many share.
SHORTEST_KEY = 7
_NO_DIGITS = re.compile(r"[^0-9]+")
_SEVERAL = re.compile(r"[,;|\n]|/(?=\s*\+)")


def stored_forms(text: str) -> set[str]:
    """The terms under which the numbers in a phone field are found."""
    found = (_forms_of_one(part[:LONGEST]) for part in _SEVERAL.split(text[: 4 * LONGEST]))
    return set[str]().union(*found)


def keys(text: str) -> set[str]:
    """What two spellings of one number share and two numbers do not: all digits, with the country where it is known."""
    return {key for part in _SEVERAL.split(text[: 4 * LONGEST]) if (key := _key(part[:LONGEST]))}


def joined(texts: Iterable[str]) -> str:
    """The numbers of several phone fields as one field, each number once."""
    told: dict[str, str] = {}
    for text in texts:
        told.setdefault("\n".join(sorted(keys(text))) or text.strip(), text.strip())
    return ", ".join(filter(None, told.values()))


def _key(text: str) -> str:
    raw = digits(text)
    if len(raw) < SHORTEST_KEY:
        return ""
    number = _with_country(text)
    return _international(number) if number else COUNTRY_UNKNOWN + raw


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
    """The number, where it says its country by ``+`` or ``00``."""
    plain = unicodedata.normalize("NFKC", text).strip().lstrip("(")
    return _parse("+" + plain[2:] if plain.startswith("00") else plain)


def _guessed(raw: str) -> PhoneNumber | None:
    """The number behind bare digits: with its country code but no ``+``, or after the trunk 8 of country code 7."""
    tries = ["+" + raw] + (["+7" + raw[1:]] if len(raw) == 11 and raw.startswith("8") else [])
    return next((number for number in map(_parse, tries) if number and is_valid_number(number)), None)


def _parse(text: str) -> PhoneNumber | None:
    try:
        number = parse(text, None)
    except NumberParseException:
        return None
    number.extension = None
    return number


def _international(number: PhoneNumber) -> str:
    return f"{number.country_code}{national_significant_number(number)}"


def _national(number: PhoneNumber) -> tuple[str, ...]:
    """Without the country: as the numbering plan writes it, and with the trunk prefix of that country."""
    significant = national_significant_number(number)
    return tuple(dict.fromkeys((significant, digits(format_number(number, PhoneNumberFormat.NATIONAL)))))
