"""Somebody is found by a few letters and a name, however many others the letters or the name would find."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from string import ascii_lowercase
from typing import Any

import pytest
from sqlalchemy import Select, select

from app.people import directory, mirror, plan, statements
from app.people.directory import PeopleDirectory
from app.people.models import TermRow
from app.people.plan import Driver, Look, Place
from app.people.terms import is_paired
from app.sdk import Order, Person, State

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


def as_far_as_we_count(found: Sequence[Driver], looks: Mapping[Place, Look]) -> Driver:
    """The rule that takes all for the same that is too much to count."""
    return min(found, key=lambda driver: sum(looks[place].entries for place in driver.places))


RULES = pytest.mark.parametrize(
    ("rule", "right"), [(plan.best, True), (as_far_as_we_count, False)], ids=["guarded", "control"]
)


@RULES
def test_a_surname_of_few_is_found_with_a_letter_of_many(
    namesakes: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, rule: Callable[..., Driver], right: bool
) -> None:
    """A thousand words begin with the name, and with the letter: as far as we count it is the same."""
    monkeypatch.setattr(plan, "best", rule)
    monkeypatch.setattr(directory, "DEEPER", 1)
    assert names(namesakes, "j kripescerly") == ["Jana Kripescerly"] * (PAGE if right else 0)
    assert len(names(namesakes, "j kripescer")) == (PAGE if right else 0)


@RULES
def test_two_spellings_of_few_are_rarer_than_one_of_more_than_we_count(
    rule: Callable[..., Driver], right: bool
) -> None:
    rare, common = (Driver(tuple(map(plan.beginning, word)), word) for word in (("ivanov", "iwanow"), ("jan",)))
    looks = {place: Look(600, 0) for place in rare.places} | {place: Look(plan.FEW, 0) for place in common.places}
    looks |= {place: Look(0, 0) for place in common.whole}
    assert (rule([common, rare], looks) is rare) is right


@RULES
def test_of_the_common_the_one_leads_among_whose_best_most_have_the_others(
    rule: Callable[..., Driver], right: bool
) -> None:
    longer, shorter = (Driver((plan.beginning(word),), (word,)) for word in ("a", "b"))
    looks = {longer.places[0]: Look(plan.FEW, 3), shorter.places[0]: Look(plan.FEW, 70)}
    looks |= {place: Look(0, 0) for driver in (longer, shorter) for place in driver.whole}
    assert (rule([longer, shorter], looks) is shorter) is right


@pytest.fixture
def namesake(mine: PeopleDirectory) -> PeopleDirectory:
    """Three people called Tereza Kopková behind those who have either name, and ordered: more than are read."""
    bought = [Order("1", "2026-01-01")]
    store([Person(f"t{place}", f"Tereza Nová{place}", orders=bought) for place in range(1700)])
    store([Person(f"k{place}", f"Anna{place} Kopková", orders=bought) for place in range(1700)])
    store([Person(f"both{place}", "Tereza Kopková") for place in range(3)])
    return mine


@pytest.mark.parametrize(("paired", "found"), [(is_paired, 3), (lambda term: False, 0)], ids=["guarded", "control"])
@pytest.mark.parametrize("query", ["tereza kopková", "kopk tere", "Тереза Копкова"])
def test_two_words_that_thousands_have_find_the_few_who_have_both(
    namesake: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, paired: Callable[[str], bool], found: int, query: str
) -> None:
    monkeypatch.setattr(plan, "is_paired", paired)
    monkeypatch.setattr(directory, "DEEPER", 1)
    assert names(namesake, query) == ["Tereza Kopková"] * found


@pytest.mark.parametrize(("depth", "found"), [(directory.DEEPER, 3), (1, 0)], ids=["guarded", "control"])
def test_a_page_that_is_not_full_is_looked_for_deeper(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, depth: int, found: int
) -> None:
    monkeypatch.setattr(directory, "DEEPER", depth)
    bought = [Order("1", "2026-01-01")]
    for name in ("Tereza Nová", "Žaneta Žitná"):
        store([Person(f"{name}{place}", name, orders=bought) for place in range(1600)])
    store([Person(f"both{place}", "Tereza Žulová") for place in range(3)])
    assert names(mine, "tereza ž") == ["Tereza Žulová"] * found


@pytest.mark.parametrize(
    ("behind", "found"), [(plan.behind, 3), (lambda drivers, driver, looks: driver, 0)], ids=["guarded", "control"]
)
def test_of_two_words_that_begin_like_many_others_the_longer_leads(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, behind: Callable[..., Driver], found: int
) -> None:
    """More whose names begin with the same letters than are asked, and more who have the surname than are counted."""
    bought = [Order("1", "2026-01-01")]
    store([Person(f"k{place}", "Petr Larka", orders=bought) for place in range(1700)])
    store([Person(f"e{place}", "Eva Larbenová", orders=bought) for place in range(1100)])
    store([Person(f"both{place}", "Petr Larbenův") for place in range(3)])
    monkeypatch.setattr(plan, "behind", behind)
    assert names(mine, "petr larben") == ["Petr Larbenův"] * found


@pytest.mark.parametrize(
    ("hopes", "entries", "leads"),
    [(10 * plan.FEW, plan.ALL - 1, True), (10 * plan.FEW, plan.ALL, False), (plan.MOST_ASKED, plan.ALL - 1, False)],
    ids=["in-vain", "too-long-to-read", "hope-says-something"],
)
def test_the_longer_leads_where_hope_says_nothing_and_all_of_it_is_read(hopes: int, entries: int, leads: bool) -> None:
    words = [("jan",), ("larben",)]
    pair, _, longer = found = plan.drivers(words)
    looks = dict.fromkeys(plan.looked_at(found), Look(plan.FEW, 0)) | {pair.places[0]: Look(plan.FEW, hopes)}
    looks[Place("all", "larben")] = Look(entries, 0)
    looks[Place("list", "larben")] = Look(1, 0)
    assert (plan.behind(found, pair, looks) is longer) is leads
    read = {arm.place for stage in plan.deeper(longer, words, looks, plan.DEEPER) for arm in stage}
    assert (plan.beginning("lar") in read) is (entries >= plan.ALL), "who was read is not looked for elsewhere"


@pytest.mark.parametrize(("read", "found"), [(plan.FEW, 3), (plan.MOST_ASKED, 0)], ids=["guarded", "control"])
def test_of_a_short_list_nobody_is_left_out(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, read: int, found: int
) -> None:
    """More whom the signature promises than are asked elsewhere, and behind them those who are meant."""
    for name in ("Terezie Kopková", "Tereza Kopřiva"):
        store([Person(f"{name}{n}", name, orders=[Order("1", "2026-01-01")]) for n in range(plan.MOST_ASKED)])
    store([Person(f"b{n}", "Tereza Kopková") for n in range(3)])
    monkeypatch.setattr(plan, "FEW", read)
    monkeypatch.setattr(plan, "VERY_FEW", 200)
    monkeypatch.setattr(plan, "is_short", lambda driver, looks: True)
    monkeypatch.setattr(plan, "behind", lambda drivers, driver, looks: driver)
    assert names(mine, "tereza kopk") == ["Tereza Kopková"] * found


@pytest.mark.parametrize(("depth", "found"), [(directory.BEHIND_HIDDEN, PAGE), (1, 0)], ids=["guarded", "control"])
@pytest.mark.parametrize("query", ["jan", "nov", "novák", "nová", "j", "jan novák", "n jan"])
def test_the_hidden_people_of_a_shop_that_leaves_do_not_crowd_out_the_others(
    mine: PeopleDirectory,
    installed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    depth: int,
    found: int,
    query: str,
) -> None:
    monkeypatch.setattr(directory, "BEHIND_HIDDEN", depth)
    monkeypatch.setattr(directory, "MANY_SPARE", 30)
    installed("shop2", "w1", State.UNINSTALLING)
    store([Person(str(n), "Jan Novák", orders=[Order("1", "2026-01-01")]) for n in range(1700)], "shop2")
    store([Person(str(n), "Jan Novák") for n in range(PAGE)])
    assert len(names(mine, query)) == found


@pytest.mark.parametrize("found", [True, False], ids=["guarded", "control"])
def test_two_shops_with_the_same_people_do_not_hide_the_better_ones(
    mine: PeopleDirectory, installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    """Everybody is there twice: half of those who are read turn out to be the others, and the page must be filled."""
    installed("shop2", "w1")
    for source in ("shop1", "shop2"):
        store([Person(f"a{n}", f"Jan {n}", f"a{n}@x.cz") for n in range(100)], source)
        store([Person(f"b{n}", "Jana", f"b{n}@x.cz", orders=[Order("1", "2026-01-01")]) for n in range(200)], source)
    if not found:  # a second round that knows beginnings only
        real = plan.deeper
        monkeypatch.setattr(plan, "deeper", lambda driver, *told: real(driver._replace(word=()), *told))
    assert ("Jana" not in names(mine, "jan")) is found


def entry_by_entry(kind: str) -> Select[Any]:
    """Who may have a word, once for every entry."""
    read = select(TermRow.person_id, TermRow.rank.label("place")).where(statements._where(kind, 0))
    return read.order_by(*statements.ORDER)


@pytest.mark.parametrize("maybe", [statements._maybe, entry_by_entry], ids=["guarded", "control"])
def test_whose_words_all_begin_alike_takes_one_place(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, maybe: Callable[[str], Select[Any]]
) -> None:
    """So does one whose only word has two spellings."""
    monkeypatch.setattr(statements, "_maybe", maybe)
    monkeypatch.setattr(statements, "reading", statements.reading.__wrapped__)  # those that were made are kept
    alike = " ".join(f"svobo{one}{two}" for one, two in product("abcde", repeat=2))
    store([Person(str(n), alike) for n in range(30)])
    store([Person(f"a{n}", "Алексей", orders=[Order("1", f"2026-01-{n + 1:02}")]) for n in range(25)])
    for query in ("svob", "алекс"):
        assert (len(names(mine, query)) == PAGE) == (maybe is not entry_by_entry)


@pytest.fixture
def wordy(mine: PeopleDirectory) -> PeopleDirectory:
    """Hundreds whose signature promises every word, before a page of those whom the query is about."""
    made = random.Random(3)

    def words() -> Iterator[str]:
        return ("".join(made.choices(ascii_lowercase, k=6)).replace("zd", "ze") for _ in range(60))

    store(
        [Person(f"a{n}", "Eva Novák", company=" ".join(words()), orders=[Order("1", "2026-01-01")]) for n in range(450)]
    )
    store([Person(f"z{place}", "Karel Novák", company="Zdar") for place in range(PAGE)])
    store([Person(f"b{place}", "Zdeněk Aaa") for place in range(500)])  # the rarer word is the name
    return mine


@pytest.mark.parametrize(("asked", "found"), [(plan.asked, PAGE), (lambda *_: (), 0)], ids=["guarded", "control"])
def test_whom_only_the_signature_promises_keeps_nobody_out(
    wordy: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, asked: Callable[..., Any], found: int
) -> None:
    monkeypatch.setattr(plan, "asked", asked)
    assert names(wordy, "novák zd") == ["Karel Novák"] * found


@pytest.mark.parametrize(
    ("many", "depth", "found"),
    [(directory.MANY_SPARE, directory.DEEPER, PAGE), (directory.SPARE_OF_ONE_WORD, 1, 12)],
    ids=["guarded", "control"],
)
def test_a_page_is_filled_although_many_turn_out_to_be_one(
    mine: PeopleDirectory,
    installed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    depth: int,
    found: int,
) -> None:
    monkeypatch.setattr(directory, "MANY_SPARE", many)
    monkeypatch.setattr(directory, "DEEPER", depth)
    installed("shop2", "w1")
    for place in range(30):
        for source in ("shop1", "shop2"):
            store([Person(str(place), "Jan", f"jan{place}@x.cz")], source)
    assert len(names(mine, "jan")) == found
