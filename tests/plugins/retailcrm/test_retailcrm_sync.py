"""The account's people and orders, pulled over real HTTP from an account in a box."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import plugins.retailcrm as connector
from app.core.outbound import BODY_CAP, Outgate
from app.sdk import (
    Batch,
    Health,
    Installation,
    Later,
    LoginRefused,
    Order,
    Person,
    Response,
    State,
    Stopped,
    UpstreamFailed,
    told_amount,
)
from app.sdk.simulation import Call, Reply, serving
from plugins.retailcrm import account as reading
from plugins.retailcrm import records, sync
from plugins.retailcrm.cursor import Cursor, read_cursor, write_cursor
from plugins.retailcrm.simulator import Simulator, Traffic, over_limit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = {"code": "acme", "secret": "s" * 20, "api_key": "key-of-the-account"}


@dataclass
class World:
    """An account on loopback, the host's own gate to it, and a mirror that takes batches as the host does."""

    account: Simulator
    gate: Outgate
    address: str
    cursor: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    orders: dict[str, dict[str, Order]] = field(default_factory=dict)
    by_order: set[str] = field(default_factory=set)
    departed: set[str] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)
    seconds: float = 20.0
    most_calls: int = 2

    @property
    def installation(self) -> Installation:
        facts = {"public_url": "https://shop.simla.com"}
        secrets = {"api_key": (KEYS["api_key"],)}
        return Installation(
            "i1", "w1", "retailcrm", "t", "A shop", State.ACTIVE, lambda name: secrets[name], self.address, "", facts
        )

    def step(self) -> Batch:
        """One pull and what the host makes of it; mostly no more than two calls."""
        before = len(self.account.calls)
        batch = connector.pull(self.installation, self.gate.within(self.seconds), self.cursor, self.account.clock())
        assert len(self.account.calls) - before <= self.most_calls
        self.take(batch)
        return batch

    def take(self, batch: Batch) -> None:
        self.batches.append(batch)
        listed = {person.external_id: person for person in batch.people}
        self.people.update(listed)
        self.departed -= listed.keys()
        self.by_order -= listed.keys()
        for buyer in batch.buyers:
            held = self.people.get(buyer.external_id)
            may_tell = held is None or (held.external_id in self.by_order and held.updated_at <= buyer.updated_at)
            if may_tell and buyer.external_id not in self.departed:
                self.people[buyer.external_id] = buyer
                self.by_order.add(buyer.external_id)
        for old, new in batch.merged:
            self.people.pop(old, None)
            self.orders.setdefault(new, {}).update(self.orders.pop(old, {}))
        for id in batch.gone:
            self.people.pop(id, None)
            self.orders.pop(id, None)
            self.departed.add(id)
        named = {order.external_id for _, order in batch.orders} | set(batch.gone_orders)
        for owner, orders in self.orders.items():
            self.orders[owner] = {one.number: one for one in orders.values() if one.external_id not in named}
        for id, order in batch.orders:
            if id in self.departed:
                continue
            assert id in self.people, "an order came before its person"
            self.orders.setdefault(id, {})[order.number] = order
        self.cursor = batch.cursor

    def rest(self) -> list[Batch]:
        """Steps until there is nothing more for now."""
        batches = [self.step()]
        while batches[-1].more:
            assert len(batches) < 500, "no end"
            batches.append(self.step())
        return batches

    def check_true(self) -> None:
        """The mirror holds what the account holds."""
        crm, account = "https://shop.simla.com", self.account
        assert self.people == {str(id): records.to_person(account.entry(id), crm) for id in account.ids("customers")}
        kept = {(id, order) for id, orders in self.orders.items() for order in orders.values()}
        assert kept == {
            (str(account.owner(id)), records.to_order(account.entry(id), crm)) for id in account.ids("orders")
        }


@pytest.fixture
def world() -> Iterator[World]:
    """An account with 250 customers."""
    account = Simulator("http://host", KEYS)
    account.clock = lambda: NOW
    account.size = 250
    with serving(account.received) as address:
        gate = Outgate([address.removeprefix("http://")])
        yield World(account, gate, address)
        account.release.set()
        gate.close()


@pytest.fixture
def live(world: World) -> World:
    """The same after its first pass."""
    world.rest()
    world.account.calls.clear()
    return world


def paths(world: World) -> list[str]:
    return [call.path.removeprefix("/api/v5/") for call in world.account.calls]


# The first pass


def test_a_first_pass_brings_every_customer_once_and_all_orders(world: World) -> None:
    batches = world.rest()
    listed = [batch for batch in batches if batch.people and not batch.orders]
    ids = [person.external_id for batch in listed for person in batch.people]
    assert (len(ids), len(set(ids))) == (250, 250)
    world.check_true()
    assert [batch.live for batch in batches] == sorted(batch.live for batch in batches)
    assert (batches[-1].live, batches[-1].done, batches[-1].total) == (True, 625, 625)


def test_progress_never_goes_back(world: World) -> None:
    batches = world.rest()
    shares = [batch.done / batch.total for batch in batches]
    assert shares == sorted(shares)
    assert {batch.total for batch in batches[1:]} == {250 + 375}


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200])
def test_an_account_of_any_size(world: World, size: int) -> None:
    world.account.size = size
    world.rest()
    assert len(world.people) == size
    world.check_true()


def test_a_pass_goes_on_from_its_last_cursor(world: World) -> None:
    for _ in range(3):
        world.step()
    world.account.calls.clear()
    world.step()
    assert [call.query for call in world.account.calls] == ["limit=100&page=3"]


def test_a_step_may_be_taken_twice(world: World) -> None:
    """A crash between the call and the commit repeats a step with the same cursor."""
    more = True
    while more:
        cursor = world.cursor
        first = world.step()
        world.cursor = cursor
        assert world.step() == first
        more = first.more
    world.check_true()


@pytest.mark.parametrize("zone", [-12, -5, 0, 14])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_what_changes_during_the_pass_is_not_lost(world: World, zone: int, newest_first: bool, seed: int) -> None:
    account, dice = world.account, random.Random(seed)
    account.newest_first, account.zone = newest_first, timezone(timedelta(hours=zone))
    start = NOW
    while world.step().more:
        start += timedelta(minutes=7)
        account.clock = lambda at=start: at  # type: ignore[misc]
        if len(world.batches) < 12:
            disturb(account, dice)
    world.rest()
    world.check_true()


def disturb(account: Simulator, dice: random.Random) -> None:
    """Something happens in the account between two pages."""
    one, other = dice.sample(list(account.ids("customers")), 2)
    match dice.randrange(6):
        case 0:
            account.add(firstName="New", lastName="Comer")
        case 1:
            account.change(one, firstName="Changed")
        case 2:
            account.remove(one)
        case 3:
            account.combine(one, other)
        case 4:
            account.add("orders", customer=one)
        case 5:
            account.change(dice.choice(list(account.ids("orders"))), status="sent")


def lose(world: World) -> bool:
    """Whether the mirror misses someone when the first page loses five while the second is read."""
    world.step(), world.step(), world.step()
    for id in list(world.account.ids("customers"))[:5]:
        world.account.remove(id)
    world.rest()
    return len(world.people) != 245


def test_pages_that_move_up_are_read_again(world: World) -> None:
    assert not lose(world)


def test_a_pass_that_never_turns_back_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MOST_TURNS_BACK", 0)
    monkeypatch.setattr(sync, "MOST_PASSES", 1)
    assert lose(world)


def one_for_one(world: World, kind: str) -> None:
    """Between the second page and the third of a list its first entry goes, and a new one comes at the other end."""
    while not (read_cursor(world.cursor).phase == kind and read_cursor(world.cursor).page == 3):
        world.step()
    world.account.remove(next(iter(world.account.ids(kind))))
    world.account.add(kind, **({"customer": 4703} if kind == "orders" else {}))


@pytest.mark.parametrize("kind", ["customers", "orders"])
@pytest.mark.parametrize("most", [sync.MOST_PASSES, 1], ids=["guarded", "control"])
def test_one_who_moves_up_while_a_newcomer_makes_up_the_number_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, most: int
) -> None:
    monkeypatch.setattr(sync, "MOST_PASSES", most)
    one_for_one(world, kind)
    batches = world.rest()
    assert [batch.live for batch in batches] == [False] * (len(batches) - 1) + [True]
    if most > 1:
        world.check_true()
    else:
        with pytest.raises(AssertionError):
            world.check_true()


@pytest.mark.parametrize("kind", ["customers", "orders"])
def test_of_a_list_that_comes_newest_first_nothing_moves_up_unseen(world: World, kind: str) -> None:
    world.account.newest_first = True
    one_for_one(world, kind)
    world.rest()
    world.check_true()
    assert read_cursor(world.cursor).passes == 1


def test_deletions_without_end_do_not_hold_the_pass_for_ever(world: World) -> None:
    while world.step().more:
        if read_cursor(world.cursor).page == 3:
            one_for_one(world, read_cursor(world.cursor).phase)
    assert (read_cursor(world.cursor).passes, world.batches[-1].live) == (sync.MOST_PASSES, True)
    shares = [batch.done / batch.total for batch in world.batches]
    assert min(shares[shares.index(1.0) :]) == 1.0
    world.rest()
    assert read_cursor(world.cursor).lost == 0


def test_our_own_time_in_place_of_the_accounts_is_noticed(world: World) -> None:
    """West of Greenwich the history from "now" on, in our time, begins hours too late."""
    world.account.zone = timezone(timedelta(hours=-5))
    world.step()
    world.cursor = write_cursor(replace(read_cursor(world.cursor), since="2026-03-01 12:00:00"))
    world.step()
    world.account.change(4704, firstName="Changed")  # who has no orders, and is not read again with them
    world.rest()
    with pytest.raises(AssertionError):
        world.check_true()


@pytest.mark.parametrize(
    "told", [None, [], 7, "soon", "2099-01-01 00:00:00", "1999-01-01 00:00:00", "2026-02-30 0:0:0"]
)
def test_an_odd_clock_of_the_account_is_not_believed(world: World, told: Any) -> None:
    whole = {"success": True, "generatedAt": told, "history": [], "pagination": []}
    world.account.behaviour["customers_history"] = whole
    world.step()
    assert read_cursor(world.cursor).since == "2026-02-28 23:00:00"


# What happens afterwards


def test_a_quiet_round_costs_two_calls(live: World) -> None:
    batches = live.rest()
    assert paths(live) == ["customers/history", "orders/history"]
    assert not any(batch.people or batch.orders or batch.gone or batch.merged for batch in batches)


def test_only_what_changed_is_read_anew(live: World) -> None:
    live.account.change(4710, firstName="Zora", phones=[{"number": "+420777123456"}])
    live.account.change(47110, status="returned")
    batches = live.rest()
    assert [person.external_id for batch in batches for person in batch.people] == ["4710", "4711"]
    assert live.people["4710"].phone == "+420777123456"
    assert live.orders["4711"]["4711A"].status == "returned"
    live.check_true()


def test_new_ones_arrive(live: World) -> None:
    id = live.account.add(firstName="Nová")
    live.account.add("orders", customer=id)
    live.rest()
    assert (live.people[str(id)].name.split()[0], len(live.orders[str(id)])) == ("Nová", 1)
    live.check_true()


def test_deleted_ones_go(live: World) -> None:
    live.account.change(4703, firstName="Almost")
    live.account.remove(4703)
    assert [id for batch in live.rest() for id in batch.gone] == ["4703"]
    live.check_true()


def test_orders_that_are_deleted_moved_or_combined_end_right(live: World) -> None:
    orders = iter(list(live.account.ids("orders")))
    deleted, moved, combined, into = (next(orders) for _ in range(4))
    live.account.remove(deleted)
    other = next(id for id in live.account.ids("customers") if id != live.account.owner(moved))
    live.account.change(moved, customer={"id": other, "type": "customer"})
    live.account.combine_orders(combined, into)
    batches = live.rest()
    assert {id for batch in batches for id in batch.gone_orders} == {str(deleted), str(combined)}
    live.check_true()


def test_an_order_that_is_gone_when_read_anew_goes(live: World) -> None:
    id = next(iter(live.account.ids("orders")))
    live.account.change(id, status="complete")
    while read_cursor(live.cursor).phase != "changed":
        live.step()
    live.account.remove(id)
    live.account.history["orders"].pop()
    assert live.step().gone_orders == [str(id)]
    live.rest()
    live.check_true()


PAGINATION = {"limit": 100, "currentPage": 1, "totalPageCount": 1}


def of_them(account: reading.Account, kind: str, ids: Mapping[int, None]) -> list[Any]:
    """The rule as it would be without a look at whether the answer is complete."""
    return account.entries(kind, *(("filter[ids][]", id) for id in ids))[0] if ids else []


@pytest.mark.parametrize("complete", [True, False], ids=["guarded", "control"])
@pytest.mark.parametrize("pages", [None, PAGINATION | {"totalCount": 1}], ids=["without-pages", "not-all"])
def test_an_answer_that_is_not_complete_deletes_nothing(
    live: World, monkeypatch: pytest.MonkeyPatch, pages: object, complete: bool
) -> None:
    if not complete:
        monkeypatch.setattr(reading.Account, "by_id", of_them)
    id = next(iter(live.account.ids("orders")))
    live.account.change(id, status="complete")
    while read_cursor(live.cursor).phase != "changed":
        live.step()
    live.account.behaviour["orders"] = {"success": True, "orders": [], "pagination": pages}
    if not complete:
        assert live.step().gone_orders == [str(id)]
        return
    with pytest.raises(UpstreamFailed):
        live.step()
    live.account.behaviour.clear()
    live.rest()
    live.check_true()


def test_deletions_that_are_not_told_are_noticed(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    take = World.take
    monkeypatch.setattr(World, "take", lambda self, batch: take(self, replace(batch, gone_orders=())))
    live.account.remove(next(iter(live.account.ids("orders"))))
    live.rest()
    with pytest.raises(AssertionError):
        live.check_true()


def test_a_note_after_the_deletion_does_not_bring_back(live: World) -> None:
    live.account.remove(4703)
    live.account.note("customers", "user", {"id": 4703, "site": "shop"}, field="email")
    assert [id for batch in live.rest() for id in batch.gone] == ["4703"]


def test_merged_ones_are_followed(live: World) -> None:
    live.account.combine(4703, 4704)
    live.account.combine(4704, 4705)
    assert [pair for batch in live.rest() for pair in batch.merged] == [("4703", "4704"), ("4704", "4705")]
    assert len(live.orders["4705"]) == 3 + 0 + 1
    live.check_true()


def test_a_long_history_is_read_to_its_end(live: World) -> None:
    for number in range(350):
        live.account.change(4701 + number % 240, firstName=f"N{number}")
        live.account.change(47010, status=f"s{number}")
    live.rest()
    live.check_true()
    assert paths(live).count("customers/history") == 4
    assert paths(live).count("orders/history") == 4


@pytest.mark.parametrize(("by", "read"), [("own", 0), ("api", 1), ("user", 1)])
def test_our_own_changes_are_skipped(live: World, by: str, read: int) -> None:
    live.account.change(4710, by, firstName="Zora")
    live.account.change(47110, by, status="sent")
    live.rest()
    assert paths(live).count("orders") == read
    assert paths(live).count("customers") == 2 * read
    assert read_cursor(live.cursor).last_customer_change == 901


def test_own_changes_that_are_not_skipped_are_noticed(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "is_own", lambda entry: False)
    live.account.change(4710, "own", firstName="Zora")
    live.rest()
    assert paths(live).count("customers") == 1


ANA = {"firstName": "Ana", "patronymic": "M.", "lastName": "Ruiz", "phone": "+34 600"}


@pytest.mark.parametrize("when", ["in-the-first-pass", "later"])
def test_an_order_tells_of_a_customer_who_is_not_listed(world: World, when: str) -> None:
    if when == "later":
        world.rest()
    stranger = world.account.add()
    email = world.account.entry(stranger)["email"]
    id = world.account.add("orders", customer=stranger, **ANA)
    del world.account.ids("customers")[stranger]
    world.rest()
    url = f"https://shop.simla.com/customers/{stranger}"
    at = records.date(world.account.entry(id)["createdAt"])
    ana = Person(str(stranger), "Ana M. Ruiz", email, "+34 600", url=url, updated_at=at)
    assert world.people[str(stranger)] == ana
    assert f"N{id}" in world.orders[str(stranger)]


def test_the_first_pass_reads_each_page_of_orders_with_one_call(world: World) -> None:
    while read_cursor(world.cursor).phase != "orders":
        world.step()
    world.account.calls.clear()
    while read_cursor(world.cursor).phase == "orders":
        world.step()
    assert paths(world) == ["orders"] * -(-len(world.account.ids("orders")) // 100)


def test_a_known_customer_is_never_replaced_by_what_an_order_tells(live: World) -> None:
    live.account.add("orders", customer=4701, firstName="Someone", lastName="Else")
    live.rest()
    live.check_true()


def of_nobody(account: Simulator, at: str, **fields: Any) -> int:
    """An order of a company without a contact, which no list of customers has."""
    id = account.add("orders", customer=next(iter(account.ids("customers"))), createdAt=at)
    account._laid_over[id] |= {"customer": {"type": "customer_corporate", "id": 99999}, **fields}
    return id


def told_as(world: World) -> tuple[str, str, str]:
    person = world.people["99999"]
    return person.name, person.email, person.updated_at[:10]


def test_whom_no_list_has_is_known_as_the_newest_order_tells(live: World) -> None:
    first = of_nobody(live.account, "2026-02-01 10:00:00", firstName="Old", email="old@x.example")
    live.rest()
    assert told_as(live) == ("Old", "old@x.example", "2026-02-01")
    live.account.change(first, firstName="New", email="new@x.example")
    live.rest()
    assert told_as(live) == ("New", "new@x.example", "2026-02-01")
    of_nobody(live.account, "2026-02-03 10:00:00", firstName="Third", email="third@x.example")
    of_nobody(live.account, "2026-02-02 10:00:00", firstName="Second", email="second@x.example")
    live.account.change(first, status="complete")
    live.rest()
    assert told_as(live) == ("Third", "third@x.example", "2026-02-03")


def test_a_deleted_customer_stays_away_though_the_account_keeps_the_orders(live: World) -> None:
    account = live.account
    victim = next(id for id in account.ids("customers") if account.orders_of(id))
    kept = account.orders_of(victim)
    for id in kept:
        account._laid_over[id] = account.entry(id)
    del account.ids("customers")[victim]
    account.note("customers", "user", {"id": victim, "site": "shop"}, deleted=True)
    live.rest()
    account.change(kept[0], status="complete")
    assert any(buyer.external_id == str(victim) for batch in live.rest() for buyer in batch.buyers)
    assert str(victim) not in live.people
    account.ids("customers")[victim] = None
    account.note("customers", "user", account.entry(victim), created=True)
    account.change(kept[0], status="new")
    live.rest()
    assert str(victim) in live.people


# What the values become


CRM = "https://crm"


def test_a_customer_becomes_a_person() -> None:
    told = {
        "id": 7,
        "firstName": " Иван ",
        "patronymic": "Петрович",
        "lastName": "Сидоров",
        "email": "ivan@example.com",
        "phones": [{"number": "+7 900"}, {"number": "+7 901"}],
        "contragent": {"contragentType": "legal-entity", "legalName": "ООО Ромашка"},
        "commentary": "Звонить утром",
        "customFields": [],
    }
    assert records.to_person(told, CRM) == Person(
        "7",
        "Иван Петрович Сидоров",
        "ivan@example.com",
        "+7 900, +7 901",
        "ООО Ромашка",
        f"{CRM}/customers/7",
        "Звонить утром",
    )


@pytest.mark.parametrize(
    ("told", "name"),
    [
        pytest.param({"lastName": "Only"}, "Only", id="one-name"),
        pytest.param({"firstName": None, "email": "a@b.cz"}, "a@b.cz", id="email"),
        pytest.param({"phones": [{"number": "+1"}]}, "+1", id="phone"),
        pytest.param({"contragent": {"legalName": "Acme"}, "email": "a@b.cz"}, "Acme", id="company"),
        pytest.param({"phones": [], "contragent": [], "email": 5}, "#7", id="nothing"),
        pytest.param({"phones": {"0": 1}, "contragent": "x", "firstName": ["y"]}, "#7", id="odd"),
        pytest.param({"phones": [[]], "lastName": {"a": 1}}, "#7", id="odder"),
    ],
)
def test_everybody_has_some_name(told: dict[str, Any], name: str) -> None:
    person = records.to_person({"id": 7} | told, CRM)
    assert person is not None
    assert person.name == name


@pytest.mark.parametrize(
    ("numbers", "phone"),
    [
        pytest.param(["+7 900", "+7 901", "+7 900"], "+7 900, +7 901", id="each once"),
        pytest.param(["", "+7 901"], "+7 901", id="the first is empty"),
        pytest.param([None, {}, 7, "+7 901"], "+7 901", id="the first are odd"),
        pytest.param([f"+{n}" for n in range(1, 9)], "+1, +2, +3, +4, +5", id="eight"),
        pytest.param([], "", id="none"),
    ],
)
def test_all_numbers_of_a_customer_are_told(numbers: list[Any], phone: str) -> None:
    person = records.to_person({"id": 7, "phones": [{"number": number} for number in numbers]}, CRM)
    assert person is not None
    assert person.phone == phone


@pytest.mark.parametrize("id", [None, True, 0, -1, 1.5, "", "x", "1 ", [], {}, 10**18])
def test_what_has_no_id_is_skipped(id: Any) -> None:
    assert records.to_person({"id": id}, CRM) is None
    assert records.to_order({"id": id}, CRM) is None
    assert records.buyer_of({"id": 1, "customer": {"id": id}}, CRM) is None


def test_odd_records_do_not_hold_up_the_others(world: World) -> None:
    genuine = [world.account.entry(4701), None, 7, [], {"id": []}, world.account.entry(4702)]
    pages = {"limit": 100, "totalCount": 6, "currentPage": 1, "totalPageCount": 1}
    world.account.behaviour["customers"] = {"success": True, "customers": genuine, "pagination": pages}
    world.step(), world.step()
    assert sorted(world.people) == ["4701", "4702"]
    assert (world.batches[-1].done, read_cursor(world.cursor).phase) == (6, "orders")


def test_an_order_of_a_company_belongs_to_its_contact() -> None:
    told = {"customer": {"type": "customer_corporate", "id": 5}, "contact": {"id": 6}, "contragent": {"legalName": "A"}}
    person = records.buyer_of(told, CRM)
    assert person is not None
    assert (person.external_id, person.company) == ("6", "A")
    without = records.buyer_of(told | {"contact": []}, CRM)
    assert without is not None
    assert without.external_id == "5"


@pytest.mark.parametrize(
    ("told", "total"),
    [(10.5, "10.50"), (7, "7.00"), ("12.345", "12.34"), (-3, "-3.00"), (0, "0.00")]
    + [(odd, "") for odd in (None, True, [], {}, "", "NaN", "1e9", 1e300, "1_0", "٣")],
)
def test_a_total_is_a_plain_decimal(told: Any, total: str) -> None:
    assert told_amount(told) == total


@pytest.mark.parametrize(
    ("told", "date"),
    [("2025-01-02 12:30:00", "2025-01-02T12:30:00"), ("2025-01-02", "2025-01-02"), ("soon", ""), (5, ""), (None, "")],
)
def test_a_date_is_iso(told: Any, date: str) -> None:
    assert records.date(told) == date


# Refusals


def drifted(how: Any) -> Callable[[World], None]:
    def bend(world: World) -> None:
        for name in ("customers", "orders", "customers_history", "orders_history"):
            world.account.behaviour[name] = how

    return bend


def revoked(world: World) -> None:
    world.account.keys = {**KEYS, "api_key": "another-key"}


def hung(world: World) -> None:
    world.seconds = 0.3
    drifted("hang")(world)


def refusing(status: int, text: str) -> Reply:
    return Reply(status, json.dumps({"success": False, "errorMsg": text}).encode())


HTTP_DATE = "Sun, 01 Mar 2026 12:05:00 GMT"
REFUSALS = [
    pytest.param(revoked, LoginRefused, "wrong_key", id="revoked"),
    pytest.param(drifted(refusing(400, '"apiKey" is missing.')), LoginRefused, "wrong_key", id="key-missing"),
    pytest.param(drifted(401), LoginRefused, "wrong_key", id="401"),
    pytest.param(drifted(403), Stopped, "access_denied", id="403"),
    pytest.param(drifted(refusing(400, "Access denied.")), Stopped, "access_denied", id="access-denied"),
    pytest.param(drifted(429), Later, "status_429", id="429"),
    pytest.param(drifted(503), Later, "status_503", id="503"),
    pytest.param(drifted(500), Later, "status_500", id="500"),
    pytest.param(drifted(404), UpstreamFailed, "refused_by_account", id="404"),
    pytest.param(drifted(402), UpstreamFailed, "refused_by_account", id="402"),
    pytest.param(
        drifted(refusing(200, "Account does not exist.")), UpstreamFailed, "refused_by_account", id="no-account"
    ),
    pytest.param(drifted("html"), UpstreamFailed, "refused_by_account", id="html"),
    pytest.param(drifted(Reply(200, b"[]")), UpstreamFailed, "refused_by_account", id="list"),
    pytest.param(drifted(Reply(200, b'{"success": 1}')), UpstreamFailed, "refused_by_account", id="not-quite-true"),
    pytest.param(drifted(Reply(302, b"", headers={"Location": "/"})), UpstreamFailed, "refused_by_account", id="302"),
    pytest.param(hung, UpstreamFailed, "timeout", id="hang"),
]


@pytest.mark.parametrize("stage", ["first", "middle", "live"])
@pytest.mark.parametrize(("bend", "kind", "reason"), REFUSALS)
def test_every_refusal_has_its_kind(
    world: World, stage: str, bend: Callable[[World], None], kind: type[Exception], reason: str
) -> None:
    for _ in range({"first": 0, "middle": 3, "live": 0}[stage]):
        world.step()
    if stage == "live":
        world.rest()
    before = world.cursor
    bend(world)
    with pytest.raises(kind) as caught:
        world.step()
    assert (type(caught.value), getattr(caught.value, "reason", "")) == (kind, reason)
    assert KEYS["api_key"] not in repr(vars(caught.value))
    assert world.cursor == before
    world.account.behaviour.clear()
    world.account.keys, world.seconds = KEYS, 20.0
    world.rest()
    world.check_true()


@pytest.mark.parametrize("right", ["customer_read", "order_read"])
def test_a_missing_right_is_named(live: World, right: str) -> None:
    live.account.permitted = [one for one in live.account.permitted if one != right]
    with pytest.raises(Stopped) as caught:
        live.rest()
    assert caught.value.params == {"rights": right}


def test_without_a_key_nothing_is_asked(world: World) -> None:
    keyless = replace(world.installation, secrets=lambda name: ())
    with pytest.raises(Stopped):
        connector.pull(keyless, world.gate.within(5), "", NOW)
    assert connector.probe(keyless, world.gate.within(5)) is Health.UNSURE
    assert world.account.calls == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        pytest.param("120", 120, id="seconds"),
        pytest.param(HTTP_DATE, 300, id="date"),
        pytest.param("Sunday, 01-Mar-26 12:05:00 GMT", 300, id="rfc850"),
        pytest.param("Sun Mar  1 12:05:00 2026", 300, id="asctime"),
        pytest.param("Sun, 01 Mar 2026 13:05:00 +0100", 300, id="offset"),
        pytest.param("999999999", 86_400, id="years"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 86_400, id="the-last-day"),
        pytest.param("", None, id="none"),
        pytest.param("0", None, id="zero"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1e3", None, id="exponent"),
        pytest.param("soon", None, id="word"),
        pytest.param("Sun, 01 Mar 2026 11:59:59 GMT", None, id="past"),
        pytest.param("Sun, 99 Mar 2026 12:05:00 GMT", None, id="no-such-day"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 -2359", 86_400, id="beyond-time"),
    ],
)
def test_come_again_when_told(world: World, status: int, told: str, seconds: int | None) -> None:
    drifted(over_limit(told, status))(world)
    with pytest.raises(Later) as caught:
        world.step()
    assert caught.value.at == (None if seconds is None else NOW + timedelta(seconds=seconds))


# Answers that are too large

LARGE = Reply(200, b'{"success": true, "pad": "' + b"x" * BODY_CAP + b'"}')


def large(kind: str, page: int = 0) -> Callable[[Call], Reply | None]:
    """A hundred entries are too large an answer: those of one page, or of each."""

    def answer(call: Call) -> Reply | None:
        query = dict(parse_qsl(call.query))
        return LARGE if query["limit"] == "100" and (not page or query.get("page") == str(page)) else None

    return answer


@pytest.mark.parametrize("page", [0, 1, 2, 3], ids="page {}".format)
@pytest.mark.parametrize("kind", ["customers", "orders"])
def test_a_page_that_is_too_large_is_read_in_parts(world: World, kind: str, page: int) -> None:
    world.step()
    world.account.calls.clear()
    world.account.behaviour[kind] = large(kind, page)
    batches = world.rest()
    world.check_true()
    shares = [batch.done / batch.total for batch in batches]
    assert shares == sorted(shares)
    read = [call.query for call in world.account.calls if call.path.endswith(f"/{kind}") and "limit=20&" in call.query]
    assert len(read) == len(set(read))
    if page:
        assert f"limit=100&page={page + 1}" in [call.query for call in world.account.calls], "the next is tried whole"


def test_parts_that_move_up_are_read_again(world: World) -> None:
    world.account.behaviour["customers"] = large("customers")
    for _ in range(9):
        world.step()
    assert read_cursor(world.cursor) == replace(read_cursor(world.cursor), page=2, part=4)
    for id in list(world.account.ids("customers"))[:45]:
        world.account.remove(id)
    world.rest()
    world.check_true()


@pytest.mark.parametrize("kind", ["customers", "orders", "customers_history", "orders_history"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_what_changed_is_read_in_parts_too(
    live: World, monkeypatch: pytest.MonkeyPatch, kind: str, guarded: bool
) -> None:
    def give_up(failure: UpstreamFailed) -> None:
        raise failure

    if not guarded:
        for module in (sync, reading):
            monkeypatch.setattr(module, "smaller", give_up)
    live.most_calls = 12
    for number in range(90):
        live.account.change(4701 + number, firstName=f"N{number}")
        live.account.change(list(live.account.ids("orders"))[number], status=f"s{number}")
    live.account.behaviour[kind] = large(kind)
    if guarded:
        live.rest()
        live.check_true()
    else:
        with pytest.raises(UpstreamFailed, match="too_large"):
            live.rest()


# Lies


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"totalPageCount": 1}, "too_few_pages"),
        ({"totalPageCount": 0}, "too_few_pages"),
        ({"totalCount": 9999}, "too_few_pages"),
        ({"limit": 20}, "too_few_pages"),
        ({"currentPage": 1}, "other_page"),
        ({"currentPage": 3}, "other_page"),
        ({"totalCount": "250"}, "bad_pagination"),
        ({"totalCount": None}, "bad_pagination"),
        ({"totalCount": True}, "bad_pagination"),
        ({"totalCount": -1}, "bad_pagination"),
        ({"totalPageCount": 3.0}, "bad_pagination"),
        ({"totalPageCount": 10**12}, "bad_pagination"),
    ],
    ids=str,
)
def test_pages_that_contradict_themselves_are_no_success(world: World, lie: dict[str, Any], reason: str) -> None:
    world.step(), world.step()
    world.account.lies["customers"] = lie
    with pytest.raises(UpstreamFailed) as caught:
        world.step()
    assert caught.value.reason == reason


def test_pages_believed_blindly_are_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = reading.Pages
    monkeypatch.setattr(reading, "read_pages", lambda told, asked, filled: genuine(100, asked, 1))
    world.rest()
    assert len(world.people) < 250


def test_more_pages_than_there_are_end_in_a_refusal(world: World) -> None:
    world.account.lies["customers"] = {"totalPageCount": 10_000, "totalCount": 1_000_000}
    with pytest.raises(UpstreamFailed) as caught:
        world.rest()
    assert (caught.value.reason, len(world.batches)) == ("nothing_on_page", 1 + 3)


def test_a_count_that_never_rests_does_not_hold_the_pass_for_ever(world: World) -> None:
    counts = iter(range(10**6))

    def restless(call: Call) -> Any:
        by_page = "filter" not in call.query
        world.account.lies["customers"] = {"totalCount": 250 - next(counts) % 2} if by_page else {}

    world.account.behaviour["customers"] = restless
    world.rest()
    world.check_true()


def test_a_history_that_stands_still_is_no_success(live: World) -> None:
    live.account.change(4710, firstName="Zora")
    live.rest()
    pages = {"limit": 100, "totalCount": 101, "currentPage": 1, "totalPageCount": 2}
    again = {"success": True, "history": live.account.history["customers"], "pagination": pages}
    live.account.behaviour["customers_history"] = again
    with pytest.raises(UpstreamFailed) as caught:
        live.step()
    assert caught.value.reason == "history_stands_still"


def test_a_longer_page_than_asked_for_is_refused(world: World) -> None:
    people = [world.account.entry(id) for id in list(world.account.ids("customers"))[:101]]
    pages = {"limit": 100, "totalCount": 101, "currentPage": 1, "totalPageCount": 2}
    world.step()
    world.account.behaviour["customers"] = {"success": True, "customers": people, "pagination": pages}
    with pytest.raises(UpstreamFailed):
        world.step()


# Any shape at all


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**6), st.just(10**25), st.floats(allow_nan=False), st.text(max_size=5)
)
NAMES = st.sampled_from(
    ["id", "customer", "order", "phones", "number", "customers", "history", "pagination", "success"]
)
ODD = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
PHASES = ["begin", "customers", "orders", "customers/history", "orders/history", "changed"]


class Bending:
    """Genuine answers with something odd put in at some places."""

    def __init__(self, account: Simulator, data: st.DataObject) -> None:
        self.account, self.data = account, data

    def request(self, method: str, url: str, *, headers: Mapping[str, str], **more: Any) -> Response:
        path, _, query = url.removeprefix("http://crm").partition("?")
        names = {name.lower(): value for name, value in headers.items()}
        told = json.loads(self.account.answer(Call(method, path, query, names)).body)
        for _ in range(self.data.draw(st.integers(0, 3))):
            told = self.bent(told)
        status = self.data.draw(st.sampled_from([200, 200, 200, 400, 403, 404]))
        return Response(status, json.dumps(told).encode())

    def bent(self, told: Any) -> Any:
        """The answer with one node replaced, somewhere down."""
        if not told or not isinstance(told, dict | list) or self.data.draw(st.integers(0, 4)) == 0:
            return self.data.draw(ODD)
        keys = list(told) if isinstance(told, dict) else list(range(min(3, len(told))))
        key = self.data.draw(st.sampled_from(keys))
        told[key] = self.bent(told[key])
        return told

    def exempts(self, url: str) -> bool:
        return False


def small_account() -> Simulator:
    account = Simulator("http://host", KEYS, "http://crm")
    account.clock = lambda: NOW
    account.size = 5
    account.change(4701, firstName="Changed")
    account.combine(4702, 4703)
    account.change(47010, status="sent")
    return account


def asked_by(phase: str) -> str:
    ids = "47010,47030" if phase == "changed" else ""
    return write_cursor(Cursor(phase=phase, since="2026-03-01 11:00:00", ids=ids))


def crooked(world_of: Simulator, data: st.DataObject, phase: str) -> None:
    secrets = {"api_key": (KEYS["api_key"],)}
    one = Installation("i", "w", "retailcrm", "t", "", State.ACTIVE, lambda name: secrets[name], "http://crm")
    outbound: Any = Bending(world_of, data)
    try:
        batch = connector.pull(one, outbound, asked_by(phase), NOW)
    except (Stopped, UpstreamFailed):
        return
    texts = [value for person in batch.people for value in (person.external_id, person.name, person.phone, person.note)]
    texts += [value for id, order in batch.orders for value in (id, order.number, order.total, order.date)]
    texts += [*batch.gone, *(id for pair in batch.merged for id in pair), batch.cursor]
    assert all(type(text) is str for text in texts)
    assert read_cursor(batch.cursor) != Cursor()


@given(data=st.data(), phase=st.sampled_from(PHASES))
@hypothesis_settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_shape_of_an_answer_crashes(data: st.DataObject, phase: str) -> None:
    crooked(small_account(), data, phase)


class Straight:
    """Lists that hold one number where an object belongs."""

    def request(self, method: str, url: str, **more: Any) -> Response:
        pages = {"limit": 100, "totalCount": 1, "currentPage": 1, "totalPageCount": 1}
        kinds = {name: [7] for name in ("customers", "orders", "history")}
        return Response(200, json.dumps({"success": True, "pagination": pages} | kinds).encode())


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_missing_guard_against_odd_shapes_is_noticed(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"api_key": (KEYS["api_key"],)}
    one = Installation("i", "w", "retailcrm", "t", "", State.ACTIVE, lambda name: secrets[name], "http://crm")
    outbound: Any = Straight()
    connector.pull(one, outbound, asked_by(phase), NOW)
    for module in (records, sync, reading):
        monkeypatch.setattr(module, "told_fields", lambda value: value, raising=False)
    with pytest.raises(AttributeError):
        connector.pull(one, outbound, asked_by(phase), NOW)


@given(st.one_of(st.text(max_size=40), ODD.map(json.dumps)))
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_text_is_a_cursor(text: str) -> None:
    assert read_cursor(text) == Cursor() or write_cursor(read_cursor(text))


GOOD = json.loads(write_cursor(Cursor("customers", 2, 0, "2026-03-01 11:00:00")))


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "elsewhere"},
        {"phase": 1},
        {"page": 0},
        {"page": "2"},
        {"page": True},
        {"since": ""},
        {"since": "soon"},
        {"ids": "1,x"},
        {"part": 6},
        {"part": -1},
        {"ids": ",".join("1" for _ in range(101))},
        {"more": 1},
    ],
    ids=str,
)
def test_a_malformed_cursor_begins_anew(change: dict[str, Any]) -> None:
    assert read_cursor(json.dumps(GOOD)) != Cursor()
    assert read_cursor(json.dumps(GOOD | change)) == Cursor()


# Asking the account now


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("customer5@example.com", ["4705"]),
        (" +15550100003 ", ["4703"]),
        ("0100003", ["4703"]),
        ("nobody@example.com", []),
        ("", []),
        ("   ", []),
    ],
)
def test_candidates_are_asked_for(world: World, query: str, ids: list[str]) -> None:
    found = connector.lookup(world.installation, world.gate.within(5), query)
    assert [person.external_id for person in found] == ids
    assert len(world.account.calls) == (1 if query.strip() else 0)


def test_at_most_twenty_candidates_are_asked_for(world: World) -> None:
    assert len(connector.lookup(world.installation, world.gate.within(5), "smith")) == 20


@pytest.mark.parametrize(("bend", "kind", "reason"), REFUSALS)
def test_a_lookup_is_refused_alike(
    world: World, bend: Callable[[World], None], kind: type[Exception], reason: str
) -> None:
    bend(world)
    with pytest.raises(kind) as caught:
        connector.lookup(world.installation, world.gate.within(world.seconds), "anna")
    assert getattr(caught.value, "reason", "") == reason


WRONG = 'Wrong "apiKey" value.'


@pytest.mark.parametrize(
    ("how", "health"),
    [
        pytest.param(None, Health.ALIVE, id="alive"),
        pytest.param(401, Health.DEAD, id="401"),
        pytest.param(refusing(403, WRONG), Health.DEAD, id="wrong-key"),
        pytest.param(refusing(400, WRONG), Health.DEAD, id="wrong-key-400"),
        pytest.param(refusing(500, WRONG), Health.UNSURE, id="wrong-key-500"),
        pytest.param(refusing(403, "Access denied."), Health.UNSURE, id="access-denied"),
        pytest.param(refusing(200, "Account does not exist."), Health.UNSURE, id="no-account"),
        pytest.param(Reply(403, b"<html>", "text/html"), Health.UNSURE, id="a-proxy"),
        pytest.param(404, Health.UNSURE, id="404"),
        pytest.param(429, Health.UNSURE, id="429"),
        pytest.param("html", Health.UNSURE, id="html"),
        pytest.param("hang", Health.UNSURE, id="hang"),
        pytest.param({"success": [], "errorMsg": []}, Health.UNSURE, id="odd"),
    ],
)
def test_a_probe_says_dead_only_on_a_clear_word(world: World, how: Any, health: Health) -> None:
    world.account.behaviour["credentials"] = how
    assert connector.probe(world.installation, world.gate.within(0.5)) is health


def test_a_revoked_key_is_dead(world: World) -> None:
    revoked(world)
    assert connector.probe(world.installation, world.gate.within(5)) is Health.DEAD


# The account in a box


def test_a_large_account_is_made_on_demand(world: World) -> None:
    world.account.size = 200_000
    world.step()
    world.cursor = write_cursor(replace(read_cursor(world.cursor), page=2000))
    batch = world.step()
    assert (len(batch.people), batch.people[-1].external_id, batch.done) == (100, "204700", 200_000)


def test_traffic_is_counted() -> None:
    moments = iter([0.0, 0.1, 0.2, 0.9, 1.05, 1.15, 5.0])
    traffic = Traffic(lambda: next(moments))
    with traffic.call(1.0) as first, traffic.call(1.0) as second, traffic.call(1.0) as third:
        assert (first, second, third) == (1, 2, 3)
    for lately in (4, 4, 4, 1):
        with traffic.call(1.0) as now:
            assert now == lately
    assert (traffic.peak_together, traffic.busiest(1.0), traffic.busiest(0.01)) == (3, 4, 1)


def test_above_the_rate_the_account_refuses(world: World) -> None:
    world.account.enforced = True
    world.account.traffic = Traffic(lambda: 0.0)
    for _ in range(5):
        world.step()
    with pytest.raises(Later):
        world.rest()
    assert world.account.busiest() == 11 or world.account.busiest() == 12


def test_the_manifest_states_the_limits() -> None:
    told = tomllib.loads((Path(connector.__file__).parent / "connector.toml").read_text("utf-8"))
    assert told["limits"] == {"rate": 10, "per": 1.0, "together": 2, "batch": 100}
