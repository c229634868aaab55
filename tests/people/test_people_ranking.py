"""The numbers of the index: they sort as people are shown, and a signature never hides whom a word finds."""

from __future__ import annotations

import random
from string import ascii_lowercase

import pytest

from app.people.ranking import in_field, mask, rank, scope_of, signature
from app.people.search import score
from app.people.terms import GRAM, MOST_PAIRED, Field, entries, pair, query_words, read, spelled, terms
from app.sdk import Person

FIRST_TO_LAST = [
    (True, "2026-02-01T10:00:00Z", "zed"),
    (True, "2026-01-31", "adam"),
    (True, "1999-12-31", "adam"),
    (True, "1950-01-01", "adam"),
    (True, "", "adam"),
    (False, "", ""),
    (False, "", "adam"),
    (False, "", "adam 1"),
    (False, "", "adam 2"),
    (False, "", "adam b"),
    (False, "", "adama"),
    (False, "", "eva"),
    (False, "", "иван"),
]


def test_ranks_sort_as_people_are_shown() -> None:
    ranks = [rank(*known) for known in FIRST_TO_LAST]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize("date", ["9999-12-31", "2026-13-45", "tomorrow", "0001-01-01", "2026-W01-1"])
def test_any_date_has_a_rank_that_a_database_takes(date: str) -> None:
    assert 0 <= in_field(Field.COMPANY, rank(True, date, "\U0010ffff" * 9)) < 2**63


def test_the_field_comes_before_the_person() -> None:
    last, first = rank(*FIRST_TO_LAST[-1]), rank(*FIRST_TO_LAST[0])
    assert in_field(Field.NAME, last) < in_field(Field.EMAIL, first)


def test_a_workspace_has_one_scope_and_no_other_has_it() -> None:
    assert len({scope_of(f"ws_{number}") for number in range(10_000)}) == 10_000
    assert 0 <= scope_of("ws_1") < 2**48


JAN = terms(Person("1", "Jan Novák", "jan@x.cz", "+420 777 123 456", "Růže"))
QUERIES = ["j", "ja", "jan", "nov jan", "novak", "jan n r", "777123456 ruze", "+420 777", "jan@x.cz nov", "иван"]


def hides(query: str, found: dict[str, int]) -> bool:
    """Whether the signature rejects somebody whom the query finds."""
    words = query_words(query)
    needed = mask(words)
    return score(spelled(found), words) is not None and signature(found) & needed != needed


@pytest.mark.parametrize("query", QUERIES)
def test_a_signature_hides_nobody(query: str) -> None:
    assert not hides(query, JAN)


def test_a_signature_hides_nobody_whatever_the_words_are() -> None:
    made = random.Random(3)
    for _ in range(500):
        name = " ".join("".join(made.choices("aábcčdž1 -'ия", k=6)) for _ in range(3))
        found = terms(Person("1", name))
        words = [word for form in found for word in (form[: made.randint(1, 8)],)]
        assert not hides(" ".join(words[:3]), found), name


def test_a_signature_that_forgets_a_word_is_noticed() -> None:
    needed = mask(query_words("novak"))
    forgetful = {term: field for term, field in JAN.items() if not term.startswith("novak")}
    assert signature(forgetful) & needed != needed


def test_the_first_letter_counts_in_the_name_alone() -> None:
    for query, named in (("j", True), ("nov", True), ("r", False), ("ruze", False), ("x", False)):
        bits = mask(query_words(query), named=True)
        assert (signature(JAN) & bits == bits) is named


def test_the_whole_word_is_asked_for_where_it_counts() -> None:
    begun = [(form,) for term in JAN for form in (term[:3], term[:4])]
    promised = [[word for word in begun if not mask([word], whole=whole) & ~signature(JAN)] for whole in (False, True)]
    assert promised[0] == begun
    assert 0 < len(promised[1]) < len(begun)


def test_words_are_read_as_they_were_spelled() -> None:
    assert read(spelled(JAN)) == JAN
    assert read(spelled({})) == {}
    assert spelled(dict(reversed(JAN.items()))) == spelled(JAN)


def test_the_index_holds_words_and_beginnings_with_their_best_field() -> None:
    held = entries({"novak": Field.COMPANY, "no": Field.NAME, "777123456": Field.PHONE})
    assert {term[1:]: field for term, field in held.items() if term.startswith(GRAM)} == {
        "n": Field.NAME,
        "no": Field.NAME,
        "nov": Field.COMPANY,
        "777": Field.PHONE,
    }


def paired(found: dict[str, int]) -> dict[str, int]:
    return {term: field for term, field in entries(found).items() if term.count(GRAM) == 2}


def test_every_two_long_beginnings_are_held_together() -> None:
    """Digits, short words and addresses as a whole have none, and two words that begin alike have one beginning."""
    words = {"jan": Field.NAME, "novak": Field.NAME, "novakova": Field.COMPANY, "li": Field.NAME, "777": Field.PHONE}
    assert paired(words | {"x.y@z.cz": Field.EMAIL}) == {pair("jan", "nov"): 0}
    assert paired({"zeman": Field.COMPANY, "anna": Field.EMAIL}) == {pair("ann", "zem"): Field.EMAIL + Field.COMPANY}


def test_names_are_paired_before_companies_and_never_more_than_so_many() -> None:
    long = {f"{letter}{letter}{letter}": int(Field.COMPANY) for letter in ascii_lowercase}
    held = paired(long | {"zoe": Field.NAME, "zuz": Field.NAME})
    assert len(held) == MOST_PAIRED * (MOST_PAIRED - 1) // 2
    assert pair("zoe", "zuz") in held


def test_a_sum_of_fields_has_a_rank() -> None:
    assert in_field(2 * max(Field), rank(False, "", "")) < 2**63


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("jan", 0), ("ja", 100), ("x", 1), ("cz", 1), ("777", 102), ("77", None), ("ruze", 3), ("r", 103),
        ("jan nov", 100), ("jan novak", 0), ("jan zed", None),
    ],
)  # fmt: skip
def test_points(query: str, points: int | None) -> None:
    assert score(spelled(JAN), query_words(query)) == points
