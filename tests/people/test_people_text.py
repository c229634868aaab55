"""Folding, forms and the words of names and queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.people import text
from app.people.models import LONGEST_TERM
from app.people.terms import MOST_WORDS, Field, query_words, terms
from app.people.text import fold, forms, split, storable, words
from app.sdk import Person


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Dvořák", "dvorak"),
        ("ŽLUŤOUČKÝ", "zlutoucky"),
        ("Ľubomír Čunčo", "lubomir cunco"),
        ("Соловьёв", "соловев"),
        ("Подъячий", "подъячий".replace("ъ", "").replace("й", "и")),
        ("Ёлкин", "елкин"),
        ("Muñoz Álvarez", "munoz alvarez"),
        ("Łukasz Wałęsa", "lukasz walesa"),
        ("Straße", "strasse"),
        ("Ægir Øre Ðuro Þór", "aegir ore duro thor"),
        ("Işık", "isik"),
        ("İnci", "inci"),
        ("ﬁancé", "fiance"),
        ("ℌans", "hans"),
        ("Οδυσσεύς", "οδυσσευσ"),
    ],
)
def test_fold(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_fold_is_the_same_for_composed_and_decomposed() -> None:
    assert fold("r\u030cepa") == fold("řepa") == "repa"


@given(st.text())
def test_fold_twice_is_fold_once_for_what_is_indexed(written: str) -> None:
    for word in split(written):
        for form in forms(word):
            assert 0 < len(form) <= LONGEST_TERM
            assert "\0" not in form
            assert form.encode("utf-8")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Иванов", ("ivanov",)),
        ("Андрей", ("andrei", "andrey")),
        ("Соловьёв", ("solovev",)),
        ("Łódź", ("lodz",)),
        ("Novák", ("novak",)),
        ("王", ("wang",)),
    ],
)
def test_forms_are_latin(word: str, expected: tuple[str, ...]) -> None:
    assert forms(word) == expected


@pytest.mark.parametrize("name", ["Иванов", "Андрей", "Dvořáková", "Щукин", "Straße", "Юлия", "Γιώργος"])
def test_the_beginning_of_a_word_gives_the_beginning_of_a_term(name: str) -> None:
    whole = forms(name)
    for length in range(1, len(name) + 1):
        assert any(term.startswith(form) for form in forms(name[:length]) for term in whole)


def test_an_apostrophe_joins_in_a_query_and_both_are_indexed() -> None:
    assert words("O’Brien") == words("O'Brien") == ["OBrien"]
    assert {"o", "brien", "obrien"} <= terms(Person("1", "O'Brien")).keys()


@pytest.mark.parametrize(
    ("rule", "found"), [(text.visible, True), (lambda written: written, False)], ids=["guarded", "control"]
)
@pytest.mark.parametrize("name", ["Nov\u00adák", "No\u2060vák", "\u202aNov\u200dák\u202c"])
def test_what_has_no_shape_splits_no_word(
    monkeypatch: pytest.MonkeyPatch, name: str, rule: Callable[[str], str], found: bool
) -> None:
    monkeypatch.setattr(text, "visible", rule)
    assert bool({"novak", "novakova"} & terms(Person("1", f"Jan {name}")).keys()) is (
        found or "ov\u00e1k\ufeff" in name
    )
    assert terms(Person("1", "Jan\u200bNovák")).keys() == {"jan", "novak"}


def test_every_form_of_every_character_is_one_term() -> None:
    for character in map(chr, [*range(0xD800), *range(0xE000, 0x11000), 0x1F600, 0xE0001]):
        for form in (form for word in split(character) for form in forms(word)):
            assert f"a{form}b".split() == [f"a{form}b"] != ["ab"], hex(ord(character))


def test_terms_keep_the_best_field() -> None:
    found = terms(Person("1", "Acme", email="acme@acme.cz", company="Acme s.r.o."))
    assert found["acme"] == Field.NAME
    assert found["acme@acme.cz"] == found["cz"] == Field.EMAIL
    assert found["o"] == Field.COMPANY


def test_storable_keeps_everything_a_database_takes() -> None:
    assert storable(" a\0b\ud800 ", 10) == "ab\N{REPLACEMENT CHARACTER}"
    assert storable("😀" * 20, 10) == "😀" * 10


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        (" \t\n ", []),
        ("😀 -- %_", []),
        ("Jan Novák", [("jan",), ("novak",)]),
        ("novák-dvořák", [("novak",), ("dvorak",)]),
        ("jan jan", [("jan",)]),
        ("<Jan@Example.com>,", [("jan@example.com",)]),
        ("@example.com", [("example",), ("com",)]),
        ("jan.novak", [("jan",), ("novak",)]),
        ("Studio 54", [("studio",), ("54",)]),
        ("777 123 456", [("777123456",)]),
        ("(777) 123-456", [("777123456",)]),
        ("Jan 777 123 456 Novák", [("jan",), ("777123456",), ("novak",)]),
    ],
)
def test_words_of_a_query(query: str, expected: list[tuple[str, ...]]) -> None:
    assert query_words(query) == expected


def test_a_query_has_at_most_8_words_of_64_characters() -> None:
    found = query_words(" ".join(f"{index}" + "x" * 100 for index in range(20)))
    assert len(found) == MOST_WORDS
    assert {len(form) for word in found for form in word} == {64}


@given(st.text(st.characters(exclude_categories=())))
def test_no_query_crashes_or_gives_a_term_that_a_database_refuses(query: str) -> None:
    for word in query_words(query):
        for form in word:
            assert form
            assert "\0" not in form
            assert form.encode("utf-8")
