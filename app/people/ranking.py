"""The numbers that the index is kept by: a workspace's scope, a person's rank, and what a signature says of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

from app.people.terms import LONGEST_GRAM, Word

BITS = 62
NAME_LETTERS = 7
LETTER_BITS = 6
_NONE, _UNDATED = 0xFFFF, 0xFFFE
_EPOCH = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=4096)
def scope_of(workspace_id: str) -> int:
    """48 bits for a workspace: short in every row of the index. Should two ever share one, the person still tells."""
    return int.from_bytes(blake2b(workspace_id.encode(), digest_size=6).digest())


def rank(has_orders: bool, last_order: str, sort_name: str) -> int:
    """Who comes first, in 58 bits, the lowest: by the day of the last order, then by the beginning of the name."""
    name = 0
    for letter in sort_name[:NAME_LETTERS].ljust(NAME_LETTERS):
        name = name << LETTER_BITS | _place(letter)
    return _recency(has_orders, last_order) << LETTER_BITS * NAME_LETTERS | name


def in_field(field: int, person_rank: int) -> int:
    """The rank of one term: where the word stands comes before who the person is."""
    return field << 16 + LETTER_BITS * NAME_LETTERS | person_rank


def _recency(has_orders: bool, last_order: str) -> int:
    if not has_orders:
        return _NONE
    try:
        day = date.fromisoformat(last_order[:10]).toordinal() - _EPOCH
    except ValueError:
        return _UNDATED
    return _UNDATED - 1 - min(max(day, 0), _UNDATED - 1)


def _place(letter: str) -> int:
    """0 to 38 in the order of bytes; what stands behind ``z`` is one place."""
    if letter < "0":
        return 0
    if letter < "a":
        return min(ord(letter) - ord("0"), 10) + 1
    return min(ord(letter) - ord("a"), 26) + 12


def signature(found: Iterable[str]) -> int:
    """A bit for every word and for each of its beginnings: a bit that is not set is a word the person has not."""
    bits = 0
    for term in found:
        bits |= _bits(term)
    return bits


def mask(words: Iterable[Word], *, whole: bool) -> int:
    """The bits that a person found by every word must have, by the ``whole`` words or by their beginnings."""
    bits = 0
    for word in words:
        every = ~0
        for form in word:
            every &= _needed(form) | (_bit(form + " ") if whole else 0)
        bits |= every
    return bits


def _needed(form: str) -> int:
    needed = 0
    for length in range(1, min(len(form), LONGEST_GRAM) + 1):
        needed |= _bit(form[:length])
    return needed


@lru_cache(maxsize=4096)
def _bits(term: str) -> int:
    return _needed(term) | _bit(term + " ")


def _bit(text: str) -> int:
    return 1 << crc32(text.encode(errors="replace")) % BITS
