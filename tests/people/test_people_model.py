"""Whatever happens to the mirror, in whatever order: the index, the facts, the humans and the searches say what its
people say, worked out the slow way.

``MODEL_SEEDS=200 MODEL_STEPS=100`` tries more histories, ``MODEL_QUERIES=1000`` more searches; ``MODEL_STRICT=0`` does
not ask whether a page is full and leaves nobody out who is better than whom it shows.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import select

from app.core.database import reading, writing
from app.core.services import services
from app.people import contacts, index, joining, keeping, mirror, pile, requests
from app.people.directory import PeopleDirectory, best_first, shown_sources
from app.people.models import IMPORT, OrderRow, PersonRow
from app.people.orders import facts_of
from app.people.search import score
from app.people.terms import query_words
from app.people.text import fold
from app.sdk import Batch, Order, Person
from tests.people.conftest import NOW
from tests.people.truth import check_terms_are_true

SEEDS = int(os.environ.get("MODEL_SEEDS", "2"))
STEPS = int(os.environ.get("MODEL_STEPS", "20"))
# Steps in which each of the broken parts is noticed.
ENOUGH = 40
CROWD_QUERIES = int(os.environ.get("MODEL_QUERIES", "30"))
STRICT = os.environ.get("MODEL_STRICT", "1") != "0"

FIRST = [
    *("Jan", "Jana", "Иван", "Łukasz", "José", "Юрій", "O’Neil", "王小明", "محمد", "Γιώργος", "Jan-Petr", "J."),
    *("Ing. Eva", ""),
]
LAST = [
    *("Novák", "Nováková", "Иванов", "O'Hara", "Jan", "Dvořák-Šír", "Гриценко", "Wałęsa", "Ng", "Janowski", "Novotný"),
    *("👍", "12"),
]
MAILS = ["", "jan.novak+{i}@seznam.cz", "ivan{i}@x.cz", "IVAN{i}@X.cz", "o'hara{i}@x.ie", *["jan{i}@nova.cz"] * 5]
PHONES = [
    *(
        "",
        "+420 777 {i:03} 456",
        "777 {i:03} 456",
        "00420 777 {i:03} 456",
        "8 (900) {i:03}-45-67",
        "+7 900 {i:03} 45 67",
    ),
    *(
        "12",
        "1",
        "777 {i:03} 456, +421 905 {i:03} 456",
        "77712",
        "+420 222 {i:03} 444 ext. 1",
        "+420 222 {i:03} 444 x2",
    ),
]
COMPANIES = ["", "", "Jan a syn", "Nova s.r.o.", "Studio 54", "12 Monkeys", "777 Shop", "x" * 80]
DATES = ["", "2025-01-1{d}", "2025-02-0{d}T1{d}:00:00", "2024-12-31T23:59:59+01:00", "tomorrow", "2025-02-3{d}"]
QUERIES = [
    *("jan", "ja", "j", "n", "nov", "nova", "novak", "иван", "yur", "o", "o'h", "hara", "12", "1", "777", "77712"),
    *("+42077712", "x.cz", "jan@nova.cz", "jan.novak+1", "ivan@x", "54", "wang", "xxxx", "8900", "info@shop.cz", "s"),
    *("sr", "ing", "лук", "luk", "m"),
]

People = Mapping[int, PersonRow]


class World:
    """Two workspaces, their shops and their files, and what happens to them by the roll of dice."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.shops = [("w1", "shop1"), ("w1", "shop3"), ("w2", "shop2")]
        self.log: list[str] = []

    def id(self) -> str:
        return str(self.dice.randrange(40))

    def fill(self, text: str, id: str = "0") -> str:
        """The same person of two shops has the same e-mail or phone, or none that is told; two share each phone."""
        return text.format(i=int(id) if "@" in text else int(id) // 2, d=self.dice.randrange(10))

    def order(self) -> Order:
        number = str(self.dice.randrange(60))
        external_id = self.dice.choice(["", f"e{number}", f"e{self.dice.randrange(60)}"])
        return Order(number, self.fill(self.dice.choice(DATES)), external_id=external_id)

    def person(self, id: str, *, bought: bool = True) -> Person:
        pick = self.dice.choice
        orders = [self.order() for _ in range(pick([0, 0, 1, 2]))] if bought else []
        name, reached = f"{pick(FIRST)} {pick(LAST)}".strip(), (self.fill(pick(some), id) for some in (MAILS, PHONES))
        return Person(id, name, *reached, pick(COMPANIES), orders=orders)

    def batch(self) -> Batch:
        def some(most: int) -> range:
            return range(self.dice.randrange(most))

        ids = self.dice.sample([str(id) for id in range(40)], 2 * self.dice.randrange(4))
        return Batch(
            people=[self.person(self.id(), bought=False) for _ in some(8)],
            buyers=[self.person(self.id(), bought=False) for _ in some(4)],
            orders=[(self.id(), self.order()) for _ in some(10)],
            gone=[self.id() for _ in some(3)],
            gone_orders=[f"e{self.dice.randrange(60)}" for _ in some(3)],
            merged=list(zip(ids[::2], ids[1::2], strict=True)),
        )

    def step(self, installed: Callable[..., None]) -> None:
        """One thing happens."""
        workspace, source = self.dice.choice([*self.shops, ("w1", IMPORT), ("w2", IMPORT)])
        [kind] = self.dice.choices(["store", "apply", "remove", "erase", "forget", "move"], [5, 10, 2, 2, 0.4, 0.4])
        if source == IMPORT and kind == "apply":  # a file is stored, never pulled
            kind = "store"
        self.log.append(f"{kind} {workspace} {source}")
        match kind:
            case "store":
                mirror.store(workspace, source, [self.person(self.id()) for _ in range(self.dice.randrange(20))])
            case "apply":
                self.apply(workspace, source)
            case "remove":
                mirror.remove(workspace, source, [self.id() for _ in range(3)])
            case "erase":
                self.erase(workspace)
            case "forget":
                mirror.forget(workspace, self.dice.choice([source, source, None]))
            case "move":
                mirror.move("w2", "w1")
                self.shops[-1] = ("w1", "shop2")
                installed("shop2", "w1")

    def apply(self, workspace: str, source: str) -> None:
        """A page of a first pass or of a later one."""
        batch = self.batch()
        self.log.append(repr(batch))
        mirror.apply(workspace, source, batch, later=self.dice.random() < 0.7)
        if self.dice.random() < 0.5:
            self.merge_for_a_while()

    def merge_for_a_while(self) -> None:
        """Put the pile into the index, or die after some of it."""
        moments = iter(range(self.dice.choice([1, 3, 10**6])))

        def do(statement: str, values: Sequence[Any], real: Any = pile._do) -> None:
            if next(moments, None) is None:
                raise InterruptedError
            real(statement, values)

        with patch.object(pile, "_do", do), suppress(InterruptedError):
            pile.merge()

    def erase(self, workspace: str) -> None:
        """Somebody's request: the human goes, and every record of another source with a contact of its own."""
        before = people_of(workspace)
        if not before:
            return
        humans = slow_humans(before)
        # Of a few the one whom most sources know.
        id = max(self.dice.sample([*before], min(5, len(before))), key=lambda one: len(humans[one]))
        human = humans[id]
        said = keys_of(before[one] for one in human)
        theirs = {before[one].source for one in human}
        right = {*human} | {one for one, row in before.items() if row.source not in theirs and keys_of([row]) & said}
        held = requests.find(workspace, str(id))
        assert held is not None
        requests.erase(held, NOW)
        assert people_of(workspace).keys() == before.keys() - right


def people_of(workspace: str) -> dict[int, PersonRow]:
    """Everybody who may be shown, by their ids."""
    with reading() as session:
        shown = shown_sources(session, workspace)
        mine = PersonRow.workspace_id == workspace, PersonRow.source.in_(shown)
        return {row.id: row for row in session.scalars(select(PersonRow).where(*mine).order_by(PersonRow.id))}


def keys_of(people: Iterable[PersonRow]) -> set[str]:
    return {key for row in people for key in row.contacts.split("\n") if key}


def slow_humans(people: People) -> dict[int, tuple[int, ...]]:
    """Each joins the first human whose first it shares something with, unless its shop is there already."""
    its = {id: keys_of([row]) for id, row in people.items()}
    humans: list[list[int]] = []
    for id in sorted(people):
        same = (one for one in humans if its[one[0]] & its[id])
        human = next((one for one in same if people[id].source not in {people[other].source for other in one}), None)
        if human is None:
            humans.append([id])
        else:
            human.append(id)
    return {id: tuple(human) for human in humans for id in human}


def check_facts_are_true() -> None:
    """What is derived from a person and from its orders is what they say, and no order is nobody's."""
    with reading() as session:
        people = {row.id: row for row in session.scalars(select(PersonRow))}
        bought: dict[int, list[str]] = {id: [] for id in people}
        for order in session.scalars(select(OrderRow)):
            assert order.person_id in bought
            bought[order.person_id].append(order.date)
    for id, row in people.items():
        facts = facts_of(bought[id])
        assert (row.has_orders, row.last_order) == (facts.has_orders, facts.last_order), (row.external_id, row.source)
        assert row.sort_name == fold(row.name)
        assert row.contacts == contacts.spelled(row.email, row.phone)


def check_humans_are_true(dice: random.Random, workspace: str, people: People) -> None:
    """Everybody asked at once, and a few asked alone, by their cards."""
    right = slow_humans(people)
    with reading() as session:
        assert joining.humans_of(session, workspace, shown_sources(session, workspace), people) == right
    for id in dice.sample([*people], min(2, len(people))):
        card = PeopleDirectory(workspace).person(str(id))
        assert card is not None
        assert card.id == str(right[id][0])
        assert sorted(card.sources) == sorted(people[one].source for one in right[id])


def check_searches_are_true(dice: random.Random, workspace: str, people: People, queries: int, most: int = 20) -> None:
    """Who is found comes in the right order, nobody twice, and somebody does where there is anybody."""
    humans = slow_humans(people)
    for _ in range(queries):
        query = " ".join(dice.sample(QUERIES, dice.choice([1, 1, 2, 3])))
        words = query_words(query)
        points = {id: its for id, row in people.items() if words and (its := score(row.words, words)) is not None}
        # How well the words fit, and the day of the last order.
        places = {row.id: (points[row.id], row.rank >> 42) for row in best_first(map(people.get, points), points)}
        told = [int(hit.id) for hit in PeopleDirectory(workspace).search(query, most)]
        assert set(told) <= places.keys(), query
        assert len(set(told)) == len(told) >= min(1, len(places)), query
        assert [places[id] for id in told] == sorted(places[id] for id in told), query
        if STRICT:
            check_nobody_is_left_out(told, places, humans, most, query)


def check_nobody_is_left_out(
    told: Sequence[int], places: Mapping[int, Any], humans: Mapping[int, Any], most: int, query: str
) -> None:
    """The page is filled, the best is the first; of one word nobody who is left out, in any of its records, is better
    than who is shown."""
    assert len(told) >= min(most, len({humans[id] for id in places})), query
    assert [places[id] for id in told[:1]] == [*places.values()][:1], query
    shown = {humans[id] for id in told}
    left = [place for id, place in places.items() if humans[id] not in shown]
    if len(query_words(query)) == 1 and len(told) == most:
        assert all(place >= places[told[-1]] for place in left), query


@pytest.fixture
def world(mine: PeopleDirectory, theirs: PeopleDirectory, installed: Callable[..., None]) -> Callable[[int], World]:
    """Makes the world of a seed."""
    installed("shop3", "w1")
    with writing() as session:
        for id in ("shop1", "shop2", "shop3"):
            services().ring.new_data_key(session, id, NOW)
    return World


def live(world: World, installed: Callable[..., None], steps: int) -> None:
    """A whole history, looked at after every step."""
    for number in range(steps):
        world.step(installed)
        check_facts_are_true()
        if world.dice.random() < 0.5:  # the next thing happens before all are in the index
            continue
        pile.merge()
        for workspace in ("w1", "w2"):
            people = people_of(workspace)
            check_humans_are_true(world.dice, workspace, people)
            check_searches_are_true(world.dice, workspace, people, queries=2)
        if number % 2:
            check_terms_are_true()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_history_leaves_the_truth(world: Callable[[int], World], installed: Callable[..., None], seed: int) -> None:
    one = world(seed)
    try:
        live(one, installed, STEPS)
    except AssertionError as error:
        error.add_note("\n".join(one.log[-3:]))
        raise


def without(left_out: Mapping[str, str], real: Any = index._run) -> Any:
    """An index that leaves out one of the things that it does."""

    def run(connection: Any, statements: Mapping[str, str], *told: Any, **named: Any) -> None:
        if statements is not left_out:
            real(connection, statements, *told, **named)

    return run


def the_worst_first(people: Sequence[Any], humans_of: Any) -> Iterator[Any]:
    return iter(people[::-1])


@pytest.mark.parametrize("host", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("part", "name", "broken"),
    [
        pytest.param(keeping, "recall", lambda *anything: {}, id="facts"),
        pytest.param(index, "_run", without(index._TAKE), id="terms-gone"),
        pytest.param(index, "_run", without(index._MOVE), id="terms-moved"),
        pytest.param(pile, "without", lambda connection, ids: set(), id="pile"),
        pytest.param(contacts, "chosen", lambda same: max(same, key=lambda one: one.place, default=None), id="humans"),
        pytest.param(joining, "with_records", lambda session, workspace, sources, ids: [*ids][:1], id="erasure"),
        pytest.param(joining, "first_of_each", the_worst_first, id="searches"),
    ],
)
def test_what_is_broken_is_noticed(
    world: Callable[[int], World],
    installed: Callable[..., None],
    part: Any,
    name: str,
    broken: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part, name, broken)
    with pytest.raises(AssertionError):
        live(world(0), installed, ENOUGH)


def test_a_crowd_is_found_as_the_slow_way_finds_it(world: Callable[[int], World]) -> None:
    one = world(3)
    for source in ("shop1", "shop3"):
        mirror.store("w1", source, [one.person(str(id)) for id in range(100)])
    check_terms_are_true()
    people = people_of("w1")
    check_humans_are_true(one.dice, "w1", people)
    check_searches_are_true(one.dice, "w1", people, CROWD_QUERIES)
