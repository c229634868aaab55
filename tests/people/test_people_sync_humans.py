"""Push: one human is one contact, whatever shops know it; what comes apart, joins or vanishes ends right there too."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from app.core.database import reading, writing
from app.core.models import CredentialRow, InstallationRow
from app.people import joining, mirror, pile, pushing
from app.people.directory import PeopleDirectory
from app.people.models import PersonRow, PushedRow
from app.people.pushing import SWEEP, Pushing
from app.people.turns import Turn
from app.sdk import Batch, Changes, Order, Person, State
from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in, install
from tests.postgres import new_database

KIND = Pushing()
JAN = {"email": "jan@example.com", "phone": "+420 777 123 456"}


@dataclass
class There:
    """What the platform has after all that it was told, and how often it was told it."""

    platform: Platform
    people: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)

    def push(self, at: datetime | None = None) -> There:
        """Steps until nothing is to be done; then take over what was told."""
        moment = at or datetime.now(UTC)
        KIND.wanted(moment)
        for run in KIND.wanted(moment):
            while KIND.step(run, moment):
                pass
        self.told = [one for shop, batch in self.platform.pushed if shop == "taker" for one in batch]
        self.platform.pushed.clear()
        for one in self.told:
            self.take(one)
        return self

    def take(self, one: dict[str, Any]) -> None:
        match one:
            case {"gone": id}:
                self.people.pop(id, None)
            case {"gone_order": id}:
                self.orders.pop(id, None)
            case {"order": id, "of": person}:
                self.orders[id] = person
            case {"id": id, "name": name}:
                self.people[id] = name


@pytest.fixture(params=["sqlite", "postgresql"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    """Two shops and the installation ``taker`` in one workspace; another shop in another."""
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    with serving_platform(Platform(people=0)) as platform, host_in(tmp_path / "instance", platform, database):
        for id in ("taker", "shop", "store"):
            install(platform, id)
        install(platform, "elsewhere", workspace="other")
        yield There(platform).push()


SQLITE = pytest.mark.parametrize("there", ["sqlite"], indirect=True)


def apply(source: str, *people: Person, **more: Any) -> None:
    """One page of a pull."""
    workspace = "other" if source == "elsewhere" else "ws"
    batch = Batch(people=people, **more)
    mirror.apply(workspace, source, batch, lambda session: pushing.mark(session, workspace, source, batch))


def ids(*external_ids: str) -> list[str]:
    with reading() as session:
        known = dict(session.execute(select(PersonRow.external_id, PersonRow.id)).all())
    return [str(known[id]) for id in external_ids]


def test_the_same_human_in_two_shops_is_one_contact_with_the_orders_of_both(there: There) -> None:
    apply("shop", Person("a", "Jan Novák", **JAN), orders=[("a", Order("1"))])
    apply("store", Person("b", "J. Novak", phone="00420777123456"), orders=[("b", Order("1"))])
    apply("elsewhere", Person("x", "Jan", **JAN))
    a, b = ids("a", "b")
    there.push()
    assert there.people == {a: "Jan Novák"}
    assert there.orders == {f"{a}:1": a, f"{b}:1": a}
    assert len(there.told) == 3
    assert there.push(datetime.now(UTC) + 2 * SWEEP).told == []
    # Its name in the directory is the same, whoever is asked.
    for id in (a, b):
        person = PeopleDirectory("ws").person(id)
        assert person is not None
        assert person.id == a


@SQLITE
@pytest.mark.parametrize(("merge", "leader"), [(pile.merge, "a"), (lambda: None, "b")], ids=["guarded", "control"])
def test_who_waits_for_the_index_is_one_human_with_whom_is_pushed(
    there: There, monkeypatch: pytest.MonkeyPatch, merge: Callable[[], None], leader: str
) -> None:
    monkeypatch.setattr(pile, "merge", merge)
    mirror.apply("ws", "shop", Batch(people=[Person("a", "Jan Novák", **JAN)]), later=True)
    apply("store", Person("b", "J. Novák", **JAN))
    assert [*there.push().people] == ids(leader)


@SQLITE
def test_every_number_of_a_person_joins_is_searched_by_and_handed_over_as_dialled_from_abroad(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[str] = []
    real = pushing.push

    def noting(turn: Turn, changes: Changes) -> str:
        handed.extend(person.phone for person in changes.people if turn.installation.id == "taker")
        return real(turn, changes)

    monkeypatch.setattr(pushing, "push", noting)
    apply("shop", Person("a", "Jan Novák", phone="8 (921) 123-45-67, 777 123 456, +420 602 111 222"))
    apply("store", Person("b", "J. Novak", phone="00420602111222"))
    apply("elsewhere", Person("x", "Jan", phone="+420602111222"))
    assert list(there.push().people.values()) == ["Jan Novák"]
    assert handed == ["+79211234567, 777 123 456, +420 602 111 222"]
    for query in ("+7 921 123 45 67", "777123456", "602 111 222"):
        assert len(PeopleDirectory("ws").search(query)) == 1
        assert PeopleDirectory("ws").by_contact(phone=query) is not None


def test_who_joins_later_is_taken_back_and_who_comes_apart_is_told_again(there: There) -> None:
    apply("shop", Person("a", "Jan", **JAN), orders=[("a", Order("1"))])
    apply("store", Person("b", "Johann", email="other@example.com"), orders=[("b", Order("2"))])
    a, b = ids("a", "b")
    assert there.push().people == {a: "Jan", b: "Johann"}
    apply("store", Person("b", "Johann", email="Jan@Example.com"))
    there.push()
    assert (there.people, there.orders) == ({a: "Jan"}, {f"{a}:1": a, f"{b}:2": a})
    apply("store", Person("b", "Johann", email="third@example.com"))
    there.push()
    assert (there.people, there.orders) == ({a: "Jan", b: "Johann"}, {f"{a}:1": a, f"{b}:2": b})


def test_when_the_first_leaves_the_others_take_over(there: There) -> None:
    apply("shop", Person("a", "Jan", **JAN), orders=[("a", Order("1"))])
    apply("store", Person("b", "Johann", **JAN), orders=[("b", Order("2"))])
    a, b = ids("a", "b")
    assert there.push().people == {a: "Jan"}
    apply("shop", gone=["a"])
    there.push()
    assert (there.people, there.orders) == ({b: "Johann"}, {f"{b}:2": b})


def test_the_vanished_vanish_there(there: There) -> None:
    apply("shop", Person("a", "Jan", **JAN), Person("c", "Cyril"), orders=[("a", Order("1"))])
    apply("store", Person("b", "Berta"))
    a, b, c = ids("a", "b", "c")
    assert there.push().people == {a: "Jan", b: "Berta", c: "Cyril"}
    apply("shop", gone=["a"])
    assert there.push().people == {b: "Berta", c: "Cyril"}
    assert there.orders == {}
    mirror.forget("ws", "shop")
    assert there.push().people == {b: "Berta"}
    with reading() as session:
        left = session.scalars(select(PushedRow.person_id).where(PushedRow.installation_id == "taker"))
        assert [str(id) for id in left] == [b]


def test_a_merged_customer_is_one_contact(there: There) -> None:
    apply("shop", Person("a", "Jan"), Person("b", "Jan again"), orders=[("a", Order("1")), ("b", Order("2"))])
    a, b = ids("a", "b")
    assert there.push().people == {a: "Jan", b: "Jan again"}
    batch = Batch(merged=[("b", "a")])
    mirror.apply("ws", "shop", batch, lambda session: pushing.mark(session, "ws", "shop", batch))
    there.push()
    assert (there.people, there.orders) == ({a: "Jan"}, {f"{a}:1": a, f"{a}:2": a})


@SQLITE
def test_a_shop_that_is_not_served_any_more_is_found_by_the_sweep(there: There) -> None:
    apply("shop", Person("a", "Jan"))
    assert there.push().people
    with writing() as session:
        session.get_one(InstallationRow, "shop").state = State.UNINSTALLING
    assert there.push(datetime.now(UTC) + 2 * SWEEP).people == {}


@SQLITE
def test_what_the_platform_brought_itself_keeps_its_name(there: There) -> None:
    apply("taker", Person("chat:1", "J", phone="+420777123456"))
    apply("shop", Person("a", "Jan", **JAN))
    (a,) = ids("a")
    assert there.push().people == {a: "Jan"}
    with reading() as session:
        row = session.get_one(PushedRow, ("taker", int(a)))
    assert row.known_as == "chat:1"
    # It was there before the shop knew of it, and stays when the shop forgets.
    apply("shop", gone=["a"])
    assert there.push().people == {a: "Jan"}


@SQLITE
def test_a_new_connection_is_told_everything_again(there: There) -> None:
    apply("shop", Person("a", "Jan"))
    (a,) = ids("a")
    assert there.push().told == [{"id": a, "name": "Jan"}]
    with writing() as session:
        sealed = {"installation_id": "taker", "name": "key", "slot": "current", "sealed": "another"}
        session.add(CredentialRow(**sealed))
    assert there.push(datetime.now(UTC) + 2 * SWEEP).told == [{"id": a, "name": "Jan"}]
    assert there.push(datetime.now(UTC) + 4 * SWEEP).told == []


@SQLITE
def test_a_number_of_very_many_joins_nobody(there: There) -> None:
    crowd = [Person(f"s{number}", f"S{number}", phone="+420777000000") for number in range(joining.MOST_SHARING)]
    apply("shop", *crowd)
    apply("store", Person("b", "Berta", phone="+420777000000"))
    assert "Berta" in there.push().people.values()
    assert len(there.people) == len(crowd) + 1


def test_whatever_happens_the_platform_ends_right(there: There) -> None:
    """Random lives of a few people in two shops; the control is that a contact forgotten there would be seen."""
    dice = random.Random(7)
    emails = ["", "a@x.cz", "b@x.cz"]
    for _ in range(60):
        source, id = dice.choice(["shop", "store"]), dice.choice("abc")
        name = f"{source}-{id}"
        if dice.random() < 0.3:
            apply(source, gone=[name])
        else:
            orders = [(name, Order(str(dice.randrange(3))))] if dice.random() < 0.5 else []
            phone = dice.choice(["", "+420777123456", "+420777123457"])
            apply(source, Person(name, name, email=dice.choice(emails), phone=phone), orders=orders)
        if dice.random() < 0.5:
            there.push()
    there.push()
    check_truth(there)
    with writing() as session:
        session.execute(delete(PushedRow))
    there.people["999"] = "forgotten"
    there.push(datetime.now(UTC) + 2 * SWEEP)
    with pytest.raises(AssertionError):
        check_truth(there)


def check_truth(there: There) -> None:
    """Each human is there once, under its first person's id, with the orders of all, and nobody else is."""
    with reading() as session:
        everybody = list(session.scalars(select(PersonRow.id)))
        humans = joining.humans_of(session, "ws", ["shop", "store"], everybody)
    assert set(there.people) == {str(human[0]) for human in humans.values()}
    orders = {}
    for id in everybody:
        person = PeopleDirectory("ws").person(str(id))
        assert person is not None
        assert person.id == str(humans[id][0])
    with reading() as session:
        for id in everybody:
            for order in mirror.orders.of(session, [id]):
                orders[f"{id}:{order.number}"] = str(humans[id][0])
    assert there.orders == orders
