"""The numbers that the index is kept by: a workspace's scope, a person's rank, and what a signature says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

from app.people.terms import LONGEST_GRAM, Field, Word

# A signature has two halves: a place for each of so many beginnings and whole words, several to a place, and one for
# each first letter of any word, and of one of the name, with what is left of it for numbers, which have no letters.
WORD_PLACES, LETTER_PLACES, NUMBER_PLACES = 62, 27, 8
# A rank is read as one number: 16 bits for the day of the last order, and 42 for the beginning of the name, seven
# letters of six bits; of who has ordered 11 of those are the minute of that day.
LETTER_BITS, NAME_LETTERS, MINUTE_BITS = 6, 7, 11
NAME_BITS = LETTER_BITS * NAME_LETTERS
_NONE, _UNDATED = 0xFFFF, 0xFFFE
_EPOCH = date(1970, 1, 1).toordinal()
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@lru_cache(maxsize=4096)
def scope_of(workspace_id: str) -> int:
    """48 bits for a workspace: short in every row of the index. Should two ever share one, the person still tells."""
    return int.from_bytes(blake2b(workspace_id.encode(), digest_size=6).digest())


def rank(has_orders: bool, last_order: str, sort_name: str) -> int:
    """Who comes first, in 58 bits, the lowest: by the minute of the last order, then by the beginning of the name."""
    day = _recency(has_orders, last_order)
    name = 0
    for letter in sort_name[:NAME_LETTERS].ljust(NAME_LETTERS):
        name = name << LETTER_BITS | _place(letter)
    if day < _UNDATED:
        name = _lateness(last_order) << NAME_BITS - MINUTE_BITS | name >> MINUTE_BITS
    return day << NAME_BITS | name


def in_field(field: int, person_rank: int) -> int:
    """The rank of one term: where the word stands comes before who the person is."""
    return field << 16 + NAME_BITS | person_rank


def _recency(has_orders: bool, last_order: str) -> int:
    if not has_orders:
        return _NONE
    try:
        day = date.fromisoformat(last_order[:10]).toordinal() - _EPOCH
    except ValueError:
        return _UNDATED
    return _UNDATED - 1 - min(max(day, 0), _UNDATED - 1)


def _lateness(last_order: str) -> int:
    """How many minutes before the end of its day; a day without a time comes after all of it."""
    time = _TIME.match(last_order, len("2026-01-31T"))
    return 1440 - (int(time[1]) * 60 + int(time[2]) + 1 if time else 0)


def _place(letter: str) -> int:
    """0 to 63 in the order of code points: Latin letters have a place each, Cyrillic ones four share three."""
    if letter < "0":
        return 0
    if letter < "a":
        return min(ord(letter) - ord("0"), 10) + 1
    if letter < "а":
        return min(ord(letter) - ord("a"), 26) + 12
    return min((ord(letter) - ord("а")) * 3 // 4, 24) + 39


def signature(found: Mapping[str, int]) -> int:
    """What a person's terms with their fields are: a bit that is not set is a word the person has not.

    The fewer are set, the more it says: of digits, which every phone begins with, only the longest beginning has one,
    and an address as a whole, which few have, none.
    """
    bits = 0
    for term, field in found.items():
        bits |= _whole(term) | (_letter(term) << LETTER_PLACES if field == Field.NAME else 0)
    return bits


def mask(words: Iterable[Word], *, whole: bool = False, named: bool = False) -> int:
    """The bits that a person found by every word must have: by the beginnings, the ``whole`` words, or in the name."""
    bits = 0
    for word in words:
        every = ~0
        for form in word:
            every &= (_whole(form) if whole else _begun(form)) | (_letter(form) << LETTER_PLACES if named else 0)
        bits |= every
    return bits


def halves(bits: int) -> tuple[int, int]:
    """The two numbers as which it is kept: the beginnings and words, and the letters."""
    return bits & (1 << WORD_PLACES) - 1, bits >> WORD_PLACES


@lru_cache(maxsize=4096)
def _whole(term: str) -> int:
    return _begun(term) if "@" in term else _begun(term) | _word(term + " ")


def _begun(form: str) -> int:
    if form.isdigit():
        begun = form[:LONGEST_GRAM]
        return _word(begun) | _number(begun) if len(form) >= LONGEST_GRAM else 0
    bits = _letter(form)
    for length in range(2, min(len(form), LONGEST_GRAM) + 1):
        bits |= _word(form[:length])
    return bits


def _word(text: str) -> int:
    return 1 << crc32(text.encode(errors="replace")) % WORD_PLACES


def _number(begun: str) -> int:
    return 1 << WORD_PLACES + 2 * LETTER_PLACES + crc32(begun.encode()) // WORD_PLACES % NUMBER_PLACES


def _letter(term: str) -> int:
    return 1 << WORD_PLACES + (ord(term[0]) - ord("a") if "a" <= term[0] <= "z" else LETTER_PLACES - 1)
