"""Whoever is in the directory is found by what the person's own card says, however that is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.people import phones, terms
from app.people.directory import PeopleDirectory
from app.people.pieces import pieces
from app.people.rows import to_storable
from app.people.terms import LONGEST_QUERY, MOST_WORDS, query_words
from app.sdk import Person
from tests.people.test_people_directory import store
from tests.people.truth import finds

LETTERS = "aábcčdďžøßИйгіїέούش王小김さO'’`"
MARKS = ' -.,;:|/()+@_\u00ad\u200b\u202a\u2011\u2013\u00a0\n"„“«»'
NAMES = st.text(st.sampled_from(LETTERS + MARKS + "0123456789"), max_size=60) | st.text(max_size=60)
WORDS = st.text("abcdefghijklmnopqrstuvwxyzáčě0123456789", min_size=1, max_size=8)
LOCALS = st.lists(WORDS, min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from("._-+'’").map(lambda mark: mark.join(words))
)
ADDRESSES = st.builds("{}@{}.{}".format, LOCALS, WORDS, st.sampled_from(["cz", "sk", "ru", "рф", "co.uk"]))
# National numbers, with what stands in front of them abroad.
NUMBERS = st.builds(
    lambda country, rest: (country, country[1] + rest),
    st.sampled_from([("420", "77"), ("421", "90"), ("7", "91"), ("34", "61"), ("48", "60")]),
    st.text("123456789", min_size=7, max_size=7),
).map(lambda told: (told[0][0], told[1] + "5" * (told[0][0] == "7")))
APART = st.sampled_from([", ", ";", " / ", "/", "\n", " | ", " a ", " nebo ", " or ", " или "])
GAPS = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2011", "\u2013", " - "])
AROUND = st.sampled_from(
    [
        "{}",
        " {} ",
        "{},",
        "{};",
        "„{}“",
        '"{}"',
        "<{}>",
        "\u202a{}\u202c",
        "\u2068{}\u2069",
        "{}.",
        "[{}]",
        "*{}*",
        "{}?",
    ]
)


def spoken(draw: Any, number: tuple[str, str], *, bare: bool) -> str:
    """The number as somebody writes it, ``bare`` or with its country."""
    country, national = number
    gap = draw(GAPS)
    groups = gap.join([national[:3], national[3:6], national[6:]])
    fronts = ["+{} {}", "+{}{}", "00{} {}", "(+{}) {}", "+{}-{}", "+{} (0) {}", "tel:+{}{}", "Tel.: +{} {}"]
    return groups if bare else draw(st.sampled_from(fronts)).format(country, groups)


@given(NAMES)
def test_by_the_name(name: str) -> None:
    person = to_storable(Person("1", name))
    name = person.name  # as the card has it
    assert finds(name, person) or not query_words(name)
    assert finds(f"„{name}“", person) or not query_words(name) or "@" in name
    # A word has letters, digits or both: who has one is never without a way to be found.
    assert query_words(name) or not any(letter.isascii() and letter.isalnum() for letter in name)


@given(st.lists(ADDRESSES, min_size=1, max_size=4), st.sampled_from([", ", "; ", " ", "/", "\n"]), st.data())
def test_by_each_address(addresses: list[str], apart: str, data: st.DataObject) -> None:
    person = to_storable(Person("1", "Jan", apart.join(addresses)))
    for address in addresses:
        query = data.draw(st.sampled_from(["{}", "mailto:{}", "MAILTO:{}", "Jan <{}>", "({})"])).format(address)
        query = data.draw(AROUND).format(query)
        assert finds(query, person), query
        local, _, domain = address.partition("@")
        for start in [place for place, mark in enumerate(local) if mark in "._-+"]:
            end = data.draw(st.integers(0, len(domain)))
            assert finds(f"{local[start + 1 :]}@{domain[:end]}", person)


@given(st.lists(NUMBERS, min_size=1, max_size=5), APART, st.data())
def test_by_each_phone(numbers: list[tuple[str, str]], apart: str, data: st.DataObject) -> None:
    written = [spoken(data.draw, number, bare=data.draw(st.booleans())) for number in numbers]
    person = to_storable(Person("1", "Jan", phone=apart.join(written)))
    for number, text in zip(numbers, written, strict=True):
        query = data.draw(AROUND).format(spoken(data.draw, number, bare=True))
        assert finds(query, person), query
        query = data.draw(AROUND).format(spoken(data.draw, number, bare=False))
        assert finds(query, person), query
        assert finds(text, person), text


@given(NUMBERS, st.data())
def test_by_each_beginning_of_a_phone(number: tuple[str, str], data: st.DataObject) -> None:
    """From the third digit on; the country may be half typed too."""
    person = to_storable(Person("1", "Jan", phone=spoken(data.draw, number, bare=False)))
    gap = data.draw(st.sampled_from(["", " ", "-"]))
    for query in (gap.join([number[1][:3], number[1][3:6], number[1][6:]]), f"+{number[0]} {number[1]}"):
        for length in range(1, len(query) + 1):
            typed = query[:length]
            assert finds(typed, person) or len(phones.digits(typed)) < terms.SHORTEST_PHONE_GRAM, typed


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_nothing_raises(name: str, email: str, phone: str, company: str) -> None:
    person = to_storable(Person("1", name, email, phone, company))
    found = terms.terms(person)
    assert terms.read(terms.spelled(found)) == found
    assert all(0 < len(term) <= 64 and not any(map(str.isspace, term)) for term in found)


LONG = ["+420777123456 a ", "777 ", "1 2 ", "+1", "+", "a@b.", "@", "a.", "a b.", "Ing. ", "ou", "ου", "㈱", "\u202a",
        "„", "1/", "(0)", "mailto:", "王", "ﷺ", "x" * 50 + " ", "9", ",", "1 a ", "é́"]  # fmt: skip


@pytest.mark.parametrize("part", LONG)
def test_a_long_query_is_a_few_words(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    calls = count_parsed(monkeypatch)
    assert len(query_words(part * (LONGEST_QUERY // len(part)) * 2)) <= MOST_WORDS
    assert len({*calls}) <= 4 * MOST_WORDS
    terms.terms(to_storable(Person("1", part * 2000, part * 2000, part * 2000, part * 2000)))


def count_parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The numbers that are read from now on."""
    calls: list[str] = []
    parse = phones._parse
    phones._with_country.cache_clear()
    monkeypatch.setattr(phones, "_parse", lambda text: (calls.append(text), parse(text))[1])
    return calls


def test_all_of_them_in_one_directory(mine: PeopleDirectory) -> None:
    """What is typed reaches the real index: a crowd, each found by its own card."""
    firsts, lasts = ["Jan", "Сергій", "José", "王小明", "Ing. Eva"], ["Novák", "Žák s.r.o.", "O’Neil", "Иванов"]
    people = [
        Person(
            f"{n}",
            f"{firsts[n % 5]} Q{n} {lasts[n % 4]}",
            f"first{n}@x.cz, second.q{n}@y.cz",
            f"+420 777 {n} 456 / 602 {n} 789",
        )
        for n in range(100, 130)
    ]
    store(*people)
    for n, person in enumerate(people, 100):
        for query in (
            person.name,
            f"q{n}@y",
            f"„first{n}@x.cz“.",
            f"\u202a777 {n} 456\u202c,",
            f"+420602{n}789",
        ):
            assert [hit.name for hit in mine.search(query)] == [person.name], query


@pytest.mark.parametrize("rule", [pieces, str.split], ids=["guarded", "control"])
def test_the_old_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, rule: Callable[[str], list[str]]) -> None:
    monkeypatch.setattr(terms, "pieces", rule)
    person = Person("1", "Jan", phone="777 123 456")
    kept = [finds(around.format("777 123 456"), person) for around in ("{}", "{},", "„{}“", "\u202a{}\u202c")]
    assert all(kept) is (rule is pieces)
