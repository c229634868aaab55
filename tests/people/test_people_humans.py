"""Who is one human: one answer, for a card, a list, a request and a platform, whoever asks and in whatever process."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.core.database import reading, writing
from app.core.services import services
from app.people import contacts, joining, mirror, phones, requests
from app.people.directory import PeopleDirectory
from app.people.models import PersonRow
from app.sdk import Order, Person, State

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHOPS = ("shop1", "shop3", "shop4")
PHONE, EMAIL = "+420777123456", "jan@x.cz"


@dataclass(frozen=True)
class Known:
    """One person as far as it tells who it is."""

    source: str
    contacts: str


@pytest.fixture
def shops(mine: PeopleDirectory, installed: Callable[..., None]) -> PeopleDirectory:
    """A workspace with three shops."""
    for id in SHOPS:
        installed(id, "w1")
    with writing() as session:
        for id in SHOPS:
            services().ring.new_data_key(session, id, NOW)
    return mine


@pytest.fixture
def chain(shops: PeopleDirectory) -> dict[str, str]:
    """The ids of three records: the first has nothing in common with the third, the second something with both."""
    mirror.store("w1", "shop1", [Person("a", "Jan Novák", EMAIL)])
    mirror.store("w1", "shop3", [Person("b", "Jan Novák", EMAIL, PHONE)])
    mirror.store("w1", "shop4", [Person("c", "Jan N.", "", PHONE, orders=[Order("1", "2026-01-01")])])
    return ids()


def ids() -> dict[str, str]:
    with reading() as session:
        return {row.external_id: str(row.id) for row in session.scalars(select(PersonRow).order_by(PersonRow.id))}


def humans(directory: PeopleDirectory) -> dict[str, set[str]]:
    """Whose records the card of each person shows, by its name in the shop."""
    cards = {name: directory.person(id) for name, id in ids().items()}
    return {name: set(card.known_as) for name, card in cards.items() if card is not None}


def found(id: str) -> requests.Held:
    held = requests.find("w1", id)
    assert held is not None
    return held


def by_hash(same: Iterable[Any]) -> Any:
    """The rule of before: whoever comes first in the order of a set."""
    return next(iter(same), None)


@pytest.mark.parametrize(("rule", "answers"), [(contacts.chosen, 1), (by_hash, 2)], ids=["guarded", "control"])
def test_the_order_of_a_set_decides_nothing(
    rule: Callable[..., Any], answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "chosen", rule)
    monkeypatch.setattr(contacts, "keys", lambda one: dict.fromkeys(one.contacts.split("\n")).keys())
    told = set()
    for lines in (f"{PHONE}\n{EMAIL}", f"{EMAIL}\n{PHONE}"):
        people = [Known("a", EMAIL), Known("b", PHONE), Known("c", lines)]
        told.add(tuple(tuple(one.source for one in human.people) for human in contacts.humans(people)))
    assert (("a", "c"), ("b",)) in told
    assert len(told) == answers


def test_a_chain_is_told_the_same_by_each_of_its_links(shops: PeopleDirectory, chain: dict[str, str]) -> None:
    assert humans(shops) == {"a": {"a", "b"}, "b": {"a", "b"}, "c": {"c"}}
    assert [hit.id for hit in shops.search("jan")] == [chain["c"], chain["a"]]
    asked = shops.person(chain["b"])
    assert asked is not None
    assert (asked.id, asked.external_id, asked.known_as) == (chain["a"], "b", ("b", "a"))


def only_the_card(session: Any, workspace: str, sources: Any, ids: Iterable[int]) -> list[int]:
    """The rule of before."""
    return sorted(ids)


@pytest.mark.parametrize(
    ("rule", "left"), [(joining.with_records, set()), (only_the_card, {"c"})], ids=["guarded", "control"]
)
def test_nobody_with_a_contact_of_the_erased_stays(
    shops: PeopleDirectory,
    chain: dict[str, str],
    rule: Callable[..., Any],
    left: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joining, "with_records", rule)
    told = {one["external_id"].partition(":")[2] for one in requests.export(found(chain["b"]))["records"]}
    assert told == {"a", "b", "c"} - left
    requests.erase(found(chain["b"]), NOW)
    assert ids().keys() == left


def test_what_a_shop_brought_that_is_not_shown_any_more_is_erased_too(
    shops: PeopleDirectory, chain: dict[str, str], installed: Callable[..., None]
) -> None:
    """Hidden, it is still by whom the shown would be told apart."""
    installed("shop1", "w1", State.UNINSTALLING)
    assert humans(shops) == {"b": {"b", "c"}, "c": {"b", "c"}}
    requests.erase(found(chain["c"]), NOW)
    assert ids() == {}


def test_two_customers_of_one_shop_are_erased_each(shops: PeopleDirectory) -> None:
    mirror.store("w1", "shop1", [Person("a", "Jan", phone=PHONE), Person("z", "Eva", phone=PHONE)])
    mirror.store("w1", "shop3", [Person("b", "Jan", phone=PHONE)])
    requests.erase(found(ids()["a"]), NOW)
    assert ids().keys() == {"z"}


def bests(people: Sequence[Any], humans_of: Callable[..., Any]) -> Iterator[Any]:
    """The rule of before: whoever shares something with the best that is found."""
    return (human.best for human in contacts.humans(people))


@pytest.mark.parametrize(("rule", "alike"), [(joining.first_of_each, True), (bests, False)], ids=["guarded", "control"])
def test_whatever_they_share_each_human_is_one_hit(
    shops: PeopleDirectory, rule: Callable[..., Any], alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many contacts as people, so that there are chains; the lists are as the cards, and the cards as each
    other."""
    monkeypatch.setattr(joining, "first_of_each", rule)
    dice = random.Random(3)
    for shop in SHOPS:
        some = [
            Person(
                f"{shop}-{number}",
                "Jan",
                dice.choice(["", f"jan{dice.randrange(12)}@x.cz"]),
                dice.choice(["", f"+4207771234{dice.randrange(12):02}"]),
                orders=[Order("1", f"2026-01-{1 + dice.randrange(9):02}")],
            )
            for number in range(12)
        ]
        mirror.store("w1", shop, some)
    known = humans(shops)
    assert all(known[other] == human for human in known.values() for other in human)
    names = {id: name for name, id in ids().items()}
    told = [names[hit.id] for hit in shops.search("jan", 100)]
    ones = {frozenset(human) for human in known.values()}
    assert len(ones) < len(known)
    assert ({frozenset(known[name]) for name in told} == ones and len(told) == len(ones)) is alike
    with reading() as session:
        pushed = joining.humans_of(session, "w1", SHOPS, map(int, names))
    assert {str(id): {names[str(one)] for one in human} for id, human in pushed.items()} == {
        id: known[name] for id, name in names.items()
    }


@pytest.mark.parametrize(("most", "hits"), [(joining.MOST_SHARING, 2), (1000, 1)], ids=["guarded", "control"])
def test_a_placeholder_joins_nobody_anywhere(
    shops: PeopleDirectory, most: int, hits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MOST_SHARING", most)
    crowd = [Person(f"a{number}", f"Adam {number}", "none@none.cz", "000000000") for number in range(60)]
    mirror.store("w1", "shop1", [*crowd, Person("a", "Jan", "none@none.cz", "000000000")])
    mirror.store("w1", "shop3", [Person("b", "Jana", "none@none.cz", "000000000")])
    assert len(shops.search("jan")) == hits
    assert humans(shops)["b"] == ({"b"} if hits == 2 else {"b", "a"})
    requests.erase(found(ids()["b"]), NOW)
    assert ("a" in ids()) is (hits == 2)


def without_extensions(text: str, real: Callable[[str], set[str]] = phones.keys) -> set[str]:
    """The rule of before."""
    return set(map(phones.number_of, real(text)))


@pytest.mark.parametrize(
    ("rule", "hits"), [(phones.keys, ["Jan", "Petr"]), (without_extensions, ["Jan"])], ids=["guarded", "control"]
)
def test_two_behind_one_switchboard_are_two(
    shops: PeopleDirectory, rule: Callable[..., Any], hits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones, "keys", rule)
    mirror.store("w1", "shop1", [Person("a", "Jan", phone="+420 222 333 444 ext. 12")])
    mirror.store("w1", "shop3", [Person("b", "Petr", phone="+420 222 333 444 ext. 77")])
    assert [hit.name for hit in shops.search("222 333 444")] == hits


def test_one_behind_a_switchboard_is_one_in_two_shops(shops: PeopleDirectory) -> None:
    mirror.store("w1", "shop1", [Person("a", "Jan", phone="+420 222 333 444 ext. 12")])
    mirror.store("w1", "shop3", [Person("b", "J.", phone="00420222333444 x12")])
    assert humans(shops) == {"a": {"a", "b"}, "b": {"a", "b"}}
