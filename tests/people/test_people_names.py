"""How else a name is asked for than it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from app.people import terms, text
from app.people.names import further
from app.sdk import Person
from tests.people.truth import finds


def nothing(name: str) -> Iterable[str]:
    return ()


@pytest.mark.parametrize(("rule", "found"), [(further, True), (nothing, False)], ids=["guarded", "control"])
@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Acme s.r.o.", "acme sro"),
        ("Acme, spol. s r.o.", "acme sro"),
        ("Acme s. r. o.", "sro"),
        ("ACME A.S.", "acme as"),
        ("J. R. R. Tolkien", "jrr tolkien"),
        ("王小明", "小明"),
        ("王小明", "xiaoming"),
        ("歐陽小明", "小明"),
        ("山田さくら", "さくら"),
        ("김철수", "철수"),
        ("Сергій Гриценко", "serhiy hrytsenko"),
        ("Сергій Гриценко", "Serhii"),
        ("СЕРГІЙ", "serh"),
    ],
)
@pytest.mark.parametrize("field", ["name", "company"])
def test_asked_for_in_another_way(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    query: str,
    field: str,
    rule: Callable[[str], Iterable[str]],
    found: bool,
) -> None:
    monkeypatch.setattr(terms, "further", rule)
    assert finds(query, Person("1", **({"name": ""} | {field: name}))) is found
    assert finds(name, Person("1", **({"name": ""} | {field: name})))


@pytest.mark.parametrize(
    "name",
    ["Jan Novák", "Jan Z. Novák", "Dvořáková & syn", "Иван Григорьев", "José María", "A B", "X 1.2", "さくら", "김"],
)
def test_a_plain_name_costs_nothing(name: str) -> None:
    assert not [*further(name)]


@pytest.mark.parametrize(
    ("greek", "found"), [(text._GREEK_U, True), (re.compile("(?!)"), False)], ids=["guarded", "control"]
)
@pytest.mark.parametrize("query", ["papadopoulos", "papadopou", "roussos"])
def test_the_greek_u(monkeypatch: pytest.MonkeyPatch, query: str, greek: re.Pattern[str], found: bool) -> None:
    monkeypatch.setattr(text, "_GREEK_U", greek)
    text.forms.cache_clear()
    person = Person("1", "Γιώργος Παπαδόπουλος Ρούσσος")
    assert finds(query, person) is found
    assert all(finds(typed, person) for typed in ("Παπαδόπο", "ΠΑΠΑΔΟΠΟΥ", "Ρού", "Ρο", "ΓΙΩΡΓΟΣ"))
    text.forms.cache_clear()


@pytest.mark.parametrize(
    ("digit", "found"), [(terms._DIGIT, True), (re.compile("(?!)"), False)], ids=["guarded", "control"]
)
@pytest.mark.parametrize(
    ("person", "query"),
    [
        (Person("1", "Jan 777 123 456"), "jan 777 123 456"),
        (Person("1", "Jan 777 123 456"), "777123456"),
        (Person("1", "X", company="Agro 2020 2021"), "agro 2020 2021"),
        (Person("1", "X", company="Agro 2020 2021"), "agro 2020 2"),
        (Person("1", "Byt 12/34"), "byt 12/34"),
        (Person("1", "+44 (0)7911 123456"), "+44 (0)7911 123456"),
    ],
)
def test_digits_that_are_no_phone(
    monkeypatch: pytest.MonkeyPatch, person: Person, query: str, digit: re.Pattern[str], found: bool
) -> None:
    monkeypatch.setattr(terms, "_DIGIT", digit)
    assert finds(query, person) is found
