"""The index: which words find a person, and which words a query asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from itertools import groupby

from app.people import phones
from app.people.models import LONGEST_TERM
from app.people.text import APOSTROPHES, fold, forms, split, words
from app.sdk import Person

MOST_WORDS = 8
LONGEST_QUERY = 2000
# Fewer digits are a word like any other: the 54 of "Studio 54".
SHORTEST_PHONE = 5
_PHONE_PART = re.compile(r"[+()\d./-]+")
_AROUND_EMAIL = "<>()[],;:\"'"

Word = tuple[str, ...]


class Field(IntEnum):
    """Where a word stands; the lower, the better a match."""

    NAME = 0
    EMAIL = 1
    PHONE = 2
    COMPANY = 3


def terms(person: Person) -> dict[str, int]:
    """Every term that finds the person, with the best field it stands in."""
    found: dict[str, int] = {}
    for field, term in _all_terms(person):
        found[term] = min(found.get(term, field), int(field))
    return found


def _all_terms(person: Person) -> Iterator[tuple[Field, str]]:
    for field, text in ((Field.NAME, person.name), (Field.COMPANY, person.company), (Field.EMAIL, person.email)):
        for word in {*split(text), *words(text)}:
            yield from ((field, form) for form in forms(word))
    if "@" in person.email:
        yield Field.EMAIL, email_term(person.email)
    yield from ((Field.PHONE, form[:LONGEST_TERM]) for form in phones.stored_forms(person.phone))


def email_term(address: str) -> str:
    """The whole address as one term; empty when nothing of it can be one."""
    printable = (character for character in fold(address) if character.isprintable() and character != " ")
    return "".join(printable)[:LONGEST_TERM]


def query_words(query: str) -> list[Word]:
    """The words of a query, at most 8, each as its alternative spellings of at most 64 characters.

    Neighbouring pieces of a phone number are one word, and so is an e-mail address.
    """
    found: list[Word] = []
    pieces = query[:LONGEST_QUERY].split()
    for like_a_phone, group in groupby(pieces, lambda piece: _PHONE_PART.fullmatch(piece) is not None):
        run = list(group)
        if like_a_phone and len(phones.digits("".join(run))) >= SHORTEST_PHONE:
            found.append(phones.asked_forms(" ".join(run)))
        else:
            found.extend(word for piece in run for word in _words_of(piece))
    return list(dict.fromkeys(word for word in found if word))[:MOST_WORDS]


def _words_of(piece: str) -> list[Word]:
    bare = piece.strip(_AROUND_EMAIL)
    if "@" in bare[1:] and (term := email_term(bare)):
        return [(term,)]
    return [forms(word) for word in words(piece.translate(APOSTROPHES))]
