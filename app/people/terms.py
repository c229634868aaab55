"""The index: which words find a person, and which words a query asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from itertools import combinations, groupby, islice
from operator import itemgetter

from app.people import emails, phones
from app.people.models import LONGEST_TERM
from app.people.names import further
from app.people.pieces import pieces
from app.people.text import APOSTROPHES, fold, forms, split, visible, words
from app.sdk import Person

MOST_WORDS = 8
LONGEST_QUERY = 2000
# Fewer digits are a word like any other, the 54 of "Studio 54", unless they come in groups or behind a plus.
SHORTEST_PHONE, SHORTEST_IN_GROUPS = 5, 4
# Beginnings up to this length are kept as terms of their own, in the order of rank.
LONGEST_GRAM = 3
# One or two digits begin a phone of nearly everybody: they find none.
SHORTEST_PHONE_GRAM = 3
# In front of a beginning, so that it is no word; no term can have it.
GRAM = "\t"
# So many beginnings of a person are paired with each other: a name, an address and a company seldom have more.
MOST_PAIRED = 10
# An address is found from so many of its words beside the first. What is left of it has a mark behind it that no whole
# one has: who has just that as an address is a better match, and nobody else is taken for its owner.
MOST_INNER, LEFT = 4, "/"
_INNER_WORD = re.compile(r"(?<=[\W_])[^\W_]")
_DIGIT = re.compile(r"\d")
_PHONE_PART = re.compile(r"[+\uff0b()\d./-]+")
_ABROAD = re.compile(r"[(\s]*[+\uff0b][^\d]*\d")

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
        joined = text.translate(APOSTROPHES)
        found = {*split(text), *(split(joined) if joined != text else ())}
        if field != Field.EMAIL:
            found.update(further(text))
            if _DIGIT.search(text):  # which a query takes for a phone
                yield from ((field, word[0]) for word in query_words(text))
        for word in found:
            for form in forms(word):
                yield field, form
        for address in emails.addresses(text):
            yield from ((field, term) for term in _address_terms(address))
    yield from ((Field.PHONE, form[:LONGEST_TERM]) for form in phones.stored_forms(person.phone))


def spelled(found: dict[str, int]) -> str:
    """The terms as one text, sorted: a line for each field, a space before and after every term."""
    lines: list[list[str]] = [[] for _ in Field]
    for term, field in sorted(found.items()):
        lines[field].append(term)
    return "\n".join(f" {' '.join(line)} " if line else "" for line in lines)


def read(words: str) -> dict[str, int]:
    """The terms of such a text."""
    return {term: field for field, line in enumerate(words.split("\n")) for term in line.split()}


def entries(found: dict[str, int]) -> dict[str, int]:
    """What the index holds for these terms: the whole ones, the beginnings, each with its best field, and every two
    long beginnings together, with the sum of theirs."""
    held = dict(found)
    paired: dict[str, int] = {}
    for term, field in found.items():
        for gram in _grams(term, SHORTEST_PHONE_GRAM if field == Field.PHONE else 1):
            if held.get(gram, field) >= field:
                held[gram] = field
        if is_paired(term):
            paired[term[:LONGEST_GRAM]] = min(field, paired.get(term[:LONGEST_GRAM], field))
    best = sorted(islice(sorted(paired.items(), key=itemgetter(1)), MOST_PAIRED))
    return held | {pair(one, two): field + others for (one, field), (two, others) in combinations(best, 2)}


def is_paired(term: str) -> bool:
    """Whether the index holds the beginning of the term together with others': short ones and digits find too many,
    and an address as a whole finds few."""
    return len(term) >= LONGEST_GRAM and term[:LONGEST_GRAM].isalpha() and "@" not in term


def pair(one: str, two: str) -> str:
    """The entry of who has words with these two beginnings, given in the order of letters."""
    return GRAM + one + GRAM + two


@lru_cache(maxsize=4096)
def _grams(term: str, shortest: int) -> tuple[str, ...]:
    return tuple(GRAM + term[:length] for length in range(shortest, min(len(term), LONGEST_GRAM) + 1))


def email_term(address: str) -> str:
    """The whole address as one term; empty when nothing of it can be one."""
    return _printable(address)[:LONGEST_TERM]


def _address_terms(address: str) -> Iterator[str]:
    """The whole address, and what is left of it from each further word before its ``@``."""
    whole = _printable(address)
    yield whole[:LONGEST_TERM]
    for word in islice(_INNER_WORD.finditer(whole, 1, whole.find("@")), MOST_INNER):
        yield whole[word.start() :][: LONGEST_TERM - 1] + LEFT


def _printable(address: str) -> str:
    printable = fold(visible(address).translate(APOSTROPHES))
    return "".join(character for character in printable if character.isprintable() and character != " ")


def query_words(query: str) -> list[Word]:
    """The words of a query, at most 8, each as its alternative spellings of at most 64 characters.

    Neighbouring pieces of a phone number are one word, and so is an e-mail address.
    """
    found: dict[Word, None] = {}
    for word in _asked(query[:LONGEST_QUERY]):
        found |= {word: None} if word else {}
        if len(found) == MOST_WORDS:
            break
    return list(found)


def _asked(query: str) -> Iterator[Word]:
    for like_a_phone, group in groupby(pieces(query), lambda piece: _PHONE_PART.fullmatch(piece) is not None):
        run = list(group)
        if like_a_phone and _is_number(" ".join(run)):
            yield from map(phones.asked_forms, phones.numbers(" ".join(run)))
        else:
            yield from (word for piece in run for word in _words_of(piece))


def _is_number(run: str) -> bool:
    groups = re.findall(r"\d+", run)
    shortest = SHORTEST_PHONE if len(groups) == 1 else SHORTEST_IN_GROUPS
    return sum(map(len, groups)) >= shortest or _ABROAD.match(run) is not None


def _words_of(piece: str) -> list[Word]:
    addresses = emails.addresses(piece)
    rest = emails.without(piece) if addresses else piece
    return [(email_term(address),) for address in addresses] + [forms(word) for word in words(rest)]
