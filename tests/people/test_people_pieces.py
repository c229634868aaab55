"""Queries as people type and paste them: whatever surrounds a number, an address or a name, it is found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import groupby

import pytest

from app.people import phones, pieces, terms
from app.people.directory import PeopleDirectory
from app.people.terms import Word, email_term, query_words
from app.people.text import APOSTROPHES, forms
from app.sdk import Person
from tests.people.test_people_directory import names, store
from tests.people.truth import finds

JAN = Person("1", "Jan Novák", "jan@x.cz", "+420 777 123 456")
PASTED = [
    "777 123 456, Novák",
    "777 123 456;",
    "\u202a+420 777 123 456\u202c",
    "\u2066777 123 456\u2069",
    "777\u2011123\u2011456",
    "777 \u2013 123 \u2013 456",
    "tel:+420-777-123-456",
    "Tel.: 777 123 456",
    "mailto:jan@x.cz",
    "<mailto:jan@x.cz?subject=Jan%20Kos>",
    "jan@x.cz.",
    "„jan@x.cz“",
    "Novák<jan@x.cz>",
    "no\u00advák",
    "777 123 456 / +420 777 123 456",
]
Rule = Callable[[str], Sequence[Word]]


def at_spaces(query: str) -> list[Word]:
    """The rule that takes each piece as it was pasted."""
    found: list[Word] = []
    for phone, group in groupby(query.split(), lambda piece: bool(re.fullmatch(r"[+()\d./-]+", piece))):
        run = list(group)
        if phone and len(phones.digits("".join(run))) >= 5:
            found.append(phones.asked_forms(" ".join(run)))
            continue
        for bare in (piece.strip("<>()[],;:\"'") for piece in run):
            whole = unicodedata.normalize("NFC", bare.translate(APOSTROPHES))
            apart = "".join(letter if letter.isalnum() else " " for letter in whole).split()
            found += [(email_term(bare),)] if "@" in bare[1:] else map(forms, apart)
    return found


@pytest.mark.parametrize(("rule", "found"), [(query_words, True), (at_spaces, False)], ids=["guarded", "control"])
@pytest.mark.parametrize("query", PASTED)
def test_what_is_pasted_finds(query: str, rule: Rule, found: bool) -> None:
    assert finds(query, JAN, rule) is found


@pytest.mark.parametrize(
    "query",
    [
        "Novák; 777 123 456", "+420\u00a0777\u2009123\u202f456", "*777123456*", "(jan@x.cz),", "'jan@x.cz'",
        "\ufeffJan",
        "Jan\u200bNovák", "jan@x.cz|777123456", "Jan (+420) 777-123-456", "_Jan Novák_", "jan@", "jan@x.",
    ],
)  # fmt: skip
def test_what_else_surrounds_it_does_no_harm(query: str) -> None:
    assert finds(query, JAN)


def test_what_is_pasted_finds_in_the_directory(mine: PeopleDirectory) -> None:
    store(JAN, Person("2", "Eva Malá", "eva@x.cz", "+420 777 123 457"))
    assert {query: names(mine, query) for query in PASTED} == {query: ["Jan Novák"] for query in PASTED}


TYPED = [
    "7",
    "77",
    "777",
    "777 ",
    "777 1",
    "777 12",
    "777 123",
    "777 123 4",
    "+",
    "+4",
    "+42",
    "+420",
    "+420 7",
    "420 7",
]


@pytest.mark.parametrize(("groups", "empty"), [(4, []), (5, ["777 1", "420 7"])], ids=["guarded", "control"])
def test_no_digit_of_a_number_empties_the_list(monkeypatch: pytest.MonkeyPatch, groups: int, empty: list[str]) -> None:
    monkeypatch.setattr(terms, "SHORTEST_IN_GROUPS", groups)
    typed = [query for query in TYPED if len(phones.digits(query)) >= terms.SHORTEST_PHONE_GRAM]
    assert [query for query in typed if not finds(query, JAN)] == empty


@pytest.mark.parametrize(
    ("abroad", "found"), [(terms._ABROAD, True), (re.compile("(?!)"), False)], ids=["guarded", "control"]
)
def test_a_plus_begins_a_number(monkeypatch: pytest.MonkeyPatch, abroad: re.Pattern[str], found: bool) -> None:
    monkeypatch.setattr(terms, "_ABROAD", abroad)
    monkeypatch.setattr(terms, "SHORTEST_IN_GROUPS", 5)
    assert finds("+420 7", JAN) is found


@pytest.mark.parametrize(
    ("abbreviated", "spoken", "found"),
    [(pieces.ABBREVIATED, pieces.SPOKEN, True), (frozenset(), frozenset(), False)],
    ids=["guarded", "control"],
)
@pytest.mark.parametrize(
    "query",
    [
        "Ing. Jan Novák", "Mgr. Ing. arch. Jan Novák, Ph.D.", "JAN NOVÁK, CSc.", "pan Novák", "Pán Novák", "Mr Novák",
        "Sr. Novák", "señor Novák", "г-н Novák", "Господин Novák", "tel. 777123456", "Novák, Mr.", "ing. n",
    ],
)  # fmt: skip
def test_a_title_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, query: str, abbreviated: frozenset[str], spoken: frozenset[str], found: bool
) -> None:
    monkeypatch.setattr(pieces, "ABBREVIATED", abbreviated)
    monkeypatch.setattr(pieces, "SPOKEN", spoken)
    assert finds(query, JAN) is found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Ing.", [("ing",)]), ("pan", [("pan",)]), ("Peter Pan", [("peter",), ("pan",)]),
        ("ING Bank", [("ing",), ("bank",)]),
        ("dr.max@x.cz", [("dr.max@x.cz",)]), ("ing.novak", [("ing",), ("novak",)]), ("D. Novák", [("d",), ("novak",)]),
        ("Hotel:Praha", [("hotel",), ("praha",)]),
    ],
)  # fmt: skip
def test_what_may_be_a_name_is_asked_for(query: str, words: list[Word]) -> None:
    assert query_words(query) == words
