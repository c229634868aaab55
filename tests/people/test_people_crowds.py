"""Somebody is found by a few letters and a name, however many others the letters or the name would find."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from string import ascii_lowercase
from typing import Any

import pytest
from sqlalchemy import literal, select

from app.core.database import reading
from app.people import directory, mirror, search
from app.people.directory import PeopleDirectory
from app.people.terms import Word
from app.sdk import Order, Person

PAGE = 20


def store(people: Sequence[Person], source: str = "shop1") -> None:
    mirror.store("w1", source, people)


def names(mine: PeopleDirectory, query: str) -> list[str]:
    return [hit.name for hit in mine.search(query, PAGE)]


@pytest.fixture
def namesakes(mine: PeopleDirectory) -> PeopleDirectory:
    """More people called Jan who order than are read, and 350 called Kripescerly, each with an address of that name."""
    store([Person(f"j{place}", f"Jan Aaa{place}", orders=[Order("1", "2026-01-01")]) for place in range(1600)])
    first = ["Jana", *["Petr"] * 9]
    store(
        [
            Person(f"k{place}", f"{first[place % 10]} Kripescerly", f"kripescerly{place}@x.cz", "")
            for place in range(350)
        ]
    )
    return mine


def as_far_as_we_count(word: Word, sizes: dict[str, int]) -> int:
    """The rule that takes all for the same that is too much to count."""
    return sum(sizes.get(form, search.FEW) for form in word)


@pytest.mark.parametrize(
    ("rule", "found"), [(search._commonness, PAGE), (as_far_as_we_count, 0)], ids=["guarded", "control"]
)
def test_a_surname_of_few_is_found_with_a_letter_of_many(
    namesakes: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, rule: Callable[..., object], found: int
) -> None:
    """A thousand words begin with the name, and with the letter: as far as we count it is the same."""
    monkeypatch.setattr(search, "_commonness", rule)
    assert names(namesakes, "j kripescerly") == ["Jana Kripescerly"] * found
    assert len(names(namesakes, "j kripescer")) == found


@pytest.mark.parametrize(
    ("rule", "rarer"), [(search._commonness, True), (as_far_as_we_count, False)], ids=["guarded", "control"]
)
def test_two_spellings_of_few_are_rarer_than_one_of_more_than_we_count(rule: Callable[..., Any], rarer: bool) -> None:
    sizes = {"ivanov": 600, "iwanow": 600, "jan": search.FEW}
    assert (rule(("ivanov", "iwanow"), sizes) < rule(("jan",), sizes)) is rarer


@pytest.fixture
def wordy(mine: PeopleDirectory) -> PeopleDirectory:
    """Hundreds whose signature promises every word, before a page of those whom the query is about."""
    made = random.Random(3)

    def words() -> Iterator[str]:
        return ("".join(made.choices(ascii_lowercase, k=6)) for _ in range(60))

    store(
        [Person(f"a{n}", "Eva Novák", company=" ".join(words()), orders=[Order("1", "2026-01-01")]) for n in range(300)]
    )
    store([Person(f"z{place}", "Zdeněk Novák") for place in range(PAGE)])
    store([Person(f"b{place}", "Zdeněk Aaa") for place in range(400)])  # the rarer word is the name
    return mine


@pytest.mark.parametrize(("like", "found"), [(search.like, PAGE), (lambda form: "%", 0)], ids=["guarded", "control"])
def test_whom_only_the_signature_promises_keeps_nobody_out(
    wordy: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, like: Callable[[str], str], found: int
) -> None:
    monkeypatch.setattr(search, "like", like)
    assert names(wordy, "novák zden") == ["Zdeněk Novák"] * found


@pytest.mark.parametrize(("many", "found"), [(directory.MANY_SPARE, PAGE), (4, 12)], ids=["guarded", "control"])
def test_a_page_is_filled_although_many_turn_out_to_be_one(
    mine: PeopleDirectory,
    installed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    found: int,
) -> None:
    monkeypatch.setattr(directory, "MANY_SPARE", many)
    installed("shop2", "w1")
    for place in range(30):
        for source in ("shop1", "shop2"):
            store([Person(str(place), "Jan", f"jan{place}@x.cz")], source)
    assert len(names(mine, "jan")) == found


@pytest.mark.parametrize(("like", "means"), [(search.like, False), ("% {}%".format, True)], ids=["guarded", "control"])
@pytest.mark.parametrize(("typed", "others"), [("50%", "500"), ("a_b", "axb"), ("a/_b", "a_b")])
def test_a_pattern_means_nothing_but_itself(
    mine: PeopleDirectory, like: Callable[[str], str], means: bool, typed: str, others: str
) -> None:
    def matches(words: str) -> bool:
        with reading() as session:
            return bool(session.scalar(select(literal(f" {words} ").like(like(typed), escape="/"))))

    assert matches(others) is means
    assert matches(typed) or means
