"""The shop's people and orders, pulled over real HTTP from a shop in a box."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.core.outbound import Outgate
from app.sdk import (
    Batch,
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
from plugins import upgates
from plugins.upgates import cursor as cursors
from plugins.upgates import records, sync
from plugins.upgates import shop as reading
from plugins.upgates.cursor import Cursor, advance, read_cursor, since, write_cursor
from plugins.upgates.simulator import Simulator, Traffic, basic, moved, over_limit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class World:
    """A shop on loopback, the host's own gate to it, and a mirror that takes batches as the host does."""

    shop: Simulator
    gate: Outgate
    address: str
    cursor: str = ""
    now: datetime = NOW
    people: dict[str, Person] = field(default_factory=dict)
    orders: dict[str, tuple[str, Order]] = field(default_factory=dict)
    early: dict[str, tuple[str, Order]] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    seconds: float = 20.0

    @property
    def installation(self) -> Installation:
        held = {name: (self.shop.keys[name],) for name in ("api_user", "api_key")}
        return Installation("i1", "w1", "upgates", "t", "A shop", State.ACTIVE, lambda name: held[name], self.address)

    def step(self) -> Batch:
        """One pull and what the host makes of it; never more than three calls."""
        before = len(self.shop.calls)
        batch = upgates.pull(self.installation, self.gate.within(self.seconds), self.cursor, self.now)
        assert len(self.shop.calls) - before <= 3
        self.batches.append(batch)
        self.people.update({person.external_id: person for person in batch.people})
        told = self.early | {order.number: (id, order) for id, order in batch.orders}
        self.orders.update({number: one for number, one in told.items() if one[0] in self.people})
        self.early = {} if batch.live else told if batch.early else self.early
        self.cursor = batch.cursor
        return batch

    def step_to_customers(self) -> Batch:
        """Up to the first page of the customers."""
        while read_cursor(self.cursor).phase == "orders":
            self.step()
        return self.step()

    def rest(self) -> list[Batch]:
        """Steps until there is nothing more for now."""
        batches = [self.step()]
        while batches[-1].more:
            assert len(batches) < 500, "no end"
            batches.append(self.step())
        return batches

    def later(self, minutes: float) -> None:
        """Time passes, for the shop and for us."""
        self.now += timedelta(minutes=minutes)

    def check_true(self) -> None:
        """The mirror holds what the shop holds, but for what was deleted: no list tells that."""
        people = [records.to_person(self.shop.customers[number]) for number in self.shop.customers.numbers]
        assert [one for one in people if one and self.people.get(one.external_id) != one] == []
        placed = [records.to_order(self.shop.orders[number]) for number in self.shop.orders.numbers]
        assert [one for one in placed if one and self.orders.get(one[1].number) != one] == []


@pytest.fixture
def world(keys: dict[str, Any]) -> Iterator[World]:
    """A shop with 250 customers."""
    shop = Simulator("http://host", keys)
    shop.size = 250
    with serving(shop.received) as address:
        gate = Outgate([address.removeprefix("http://")])
        world = World(shop, gate, f"{address}/api/v2")
        shop.clock = lambda: world.now
        yield world
        shop.release.set()
        gate.close()


@pytest.fixture
def live(world: World) -> World:
    """The same after its first pass, an hour later."""
    world.rest()
    world.shop.calls.clear()
    world.batches.clear()
    world.later(60)
    return world


def paths(world: World) -> list[str]:
    return [call.path.removeprefix("/api/v2/") for call in world.shop.calls]


# The first pass


def test_a_first_pass_brings_every_customer_once_and_all_orders(world: World) -> None:
    batches = world.rest()
    ids = [person.external_id for batch in batches for person in batch.people]
    assert (len(ids), len(set(ids))) == (250, 250)
    assert len(world.orders) == 375
    world.check_true()
    assert [batch.live for batch in batches] == [False] * 6 + [True]
    assert (batches[-1].done, batches[-1].total) == (625, 625)
    assert all("last_update_time_from" not in call.query for call in world.shop.calls)


def test_the_calls_are_what_the_platform_takes(world: World, keys: dict[str, Any]) -> None:
    world.rest()
    assert {call.headers["authorization"] for call in world.shop.calls} == {basic(keys["api_user"], keys["api_key"])}
    newest = f"creation_time_from={quote((NOW - cursors.OVERLAP).isoformat())}&page=1"
    asked = [call.query for call in world.shop.calls if call.path.endswith("customers")]
    assert asked == ["page=1", newest, "page=1", "page=2", "page=3", newest]
    placed = [call.query for call in world.shop.calls if call.path.endswith("orders")]
    assert placed == [f"order_by=last_update_time&order_dir=desc&page={page}" for page in range(1, 5)]
    world.shop.calls.clear()
    world.rest()
    assert all("%2B00%3A00" in call.query for call in world.shop.calls)


def test_progress_never_goes_back(world: World) -> None:
    shares = [batch.done / batch.total for batch in world.rest()]
    assert shares == sorted(shares)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200])
def test_a_shop_of_any_size(world: World, size: int) -> None:
    world.shop.size = size
    world.rest()
    assert len(world.people) == size
    assert world.batches[-1].live
    world.check_true()


def test_a_pass_goes_on_from_its_last_cursor(world: World) -> None:
    world.step_to_customers(), world.step()
    world.shop.calls.clear()
    world.later(600)
    world.step()
    assert world.shop.calls[0].query == "page=3"
    world.rest()
    assert len(world.people) == 250


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


@pytest.mark.parametrize("pause", [0.1, 7, 90], ids="{} minutes a page".format)
@pytest.mark.parametrize("seed", range(6))
def test_what_changes_during_a_pass_is_not_lost(world: World, seed: int, pause: float) -> None:
    dice = random.Random(seed)
    for rounds in range(3):
        more = True
        while more:
            more = world.step().more
            world.later(pause)
            if rounds < 2:
                disturb(world.shop, dice)
    world.rest()
    world.check_true()


def disturb(shop: Simulator, dice: random.Random) -> None:
    """Something happens in the shop between two pages."""
    one = 1000 + dice.choice(list(shop.customers.numbers))
    match dice.randrange(5):
        case 0:
            shop.add(firstname="Nový")
        case 1:
            shop.change(one, surname="Změněná")
        case 2:
            shop.add_order(one)
        case 3:
            shop.change_order(dice.choice(list(shop.orders.numbers)), status="Odeslaná")
        case 4:
            shop.add_order(shop.add(firstname="Nová"))


def slow_pass(world: World) -> bool:
    """Whether a change on the first page is lost, when the last page changed long after it."""
    world.step_to_customers()
    world.later(1)
    world.shop.change(1001, surname="Early")
    world.later(30)
    world.shop.change(1250, surname="Late")
    world.rest()
    world.later(1)
    world.rest()
    return world.people["1001"].name.split()[-1] != "Early"


def test_the_cursor_never_passes_the_beginning_of_its_round(world: World) -> None:
    assert not slow_pass(world)


def test_a_cursor_that_follows_the_latest_change_alone_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "advance", lambda read_to, seen, top, start: advance(read_to, seen, top, top))
    assert slow_pass(world)


def late_customer(world: World) -> bool:
    """Whether an order is lost whose customer came too late for the round."""
    world.rest()
    world.later(60)
    world.step()  # the customers of the next round
    world.later(20)
    number = world.shop.add_order(world.shop.add(firstname="Pozdní"))
    world.later(20)
    world.shop.change_order(1, status="Odeslaná")
    for _ in range(2):
        world.rest()
        world.later(20)
    return world.shop.orders[number]["order_number"] not in world.orders


def test_an_order_before_its_customer_comes_again(world: World) -> None:
    assert not late_customer(world)


def test_orders_read_past_the_customers_are_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = sync.orders
    monkeypatch.setattr(
        sync, "orders", lambda shop, at: genuine(shop, replace(at, start=cursors.write_time(world.now)))
    )
    assert late_customer(world)


def lose(world: World) -> bool:
    """Whether the mirror misses someone when the first page loses five while the second is read."""
    world.step_to_customers()
    for id in range(1001, 1006):
        world.shop.remove(id)
    world.rest()
    return len(world.people) != 250


def test_pages_that_move_up_are_read_again(world: World) -> None:
    assert not lose(world)


def test_a_pass_that_never_turns_back_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MOST_TURNS_BACK", 0)
    monkeypatch.setattr(sync, "MOST_PASSES", 1)
    assert lose(world)


@pytest.mark.parametrize("skew", [-4, 0, 4], ids="our clock {} minutes ahead".format)
@pytest.mark.parametrize("most", [sync.MOST_PASSES, 1], ids=["guarded", "control"])
def test_one_who_moves_up_while_a_newcomer_makes_up_the_number_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, most: int, skew: int
) -> None:
    monkeypatch.setattr(sync, "MOST_PASSES", most)
    world.shop.clock = lambda: world.now - skew * MINUTE
    world.step_to_customers()
    world.shop.remove(1001), world.shop.add()
    batches = world.rest()
    assert [batch.live for batch in batches] == [False] * (len(batches) - 1) + [True]
    missing = {1000 + number for number in world.shop.customers.numbers} - set(map(int, world.people))
    assert missing == (set() if most > 1 else {1101})
    assert read_cursor(world.cursor).passes == (2 if most > 1 else 1)


def test_a_shop_that_cannot_be_asked_for_newcomers_is_pulled_all_the_same(world: World) -> None:
    world.shop.behaviour["customers"] = lambda call: 400 if "creation_time_from" in call.query else None
    world.step_to_customers()
    world.shop.add()
    world.rest()
    world.check_true()
    assert read_cursor(world.cursor).passes == 1


def test_newcomers_alone_do_not_make_another_pass(world: World) -> None:
    more = True
    while more:
        more = world.step().more
        world.later(1)
        world.shop.add()
    assert read_cursor(world.cursor).passes == 1
    world.rest()
    world.check_true()


def test_deletions_without_end_do_not_hold_the_pass_for_ever(world: World) -> None:
    while world.step().more:
        if read_cursor(world.cursor).page == 3:
            world.shop.remove(1000 + next(iter(world.shop.customers.numbers))), world.shop.add()
    assert (read_cursor(world.cursor).passes, world.batches[-1].live) == (sync.MOST_PASSES, True)
    shares = [batch.done / batch.total for batch in world.batches]
    assert min(shares[-5:]) == 1.0


# What happens afterwards


def test_only_what_changed_is_read(live: World) -> None:
    live.shop.change(1010, surname="Nováková-Malá")
    live.shop.change_order(20, status="Stornovaná")
    live.rest()
    assert paths(live) == ["customers", "orders"]
    assert live.people["1010"].name.endswith("Nováková-Malá")
    live.check_true()


def test_an_overlap_of_five_minutes_is_read_again(live: World) -> None:
    """A record may be written with a time that is already past."""
    live.shop.change(1010, surname="Second")
    live.rest()
    live.shop.customers.change(11, {"surname": "First", "last_update_time": (live.now - 4 * MINUTE).isoformat()})
    live.rest()
    live.check_true()


def test_a_missing_overlap_is_noticed(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "OVERLAP", timedelta(0))
    with pytest.raises(AssertionError):
        test_an_overlap_of_five_minutes_is_read_again(live)


def read_in(world: World) -> int:
    """How many customers a round brings."""
    return sum(len(batch.people) for batch in world.rest())


def test_a_mass_change_is_not_read_in_every_round(live: World) -> None:
    for id in range(1001, 1201):
        live.now += timedelta(seconds=1)
        live.shop.change(id, note="Sleva")
    counts = []
    for _ in range(5):
        counts.append(read_in(live))
        live.later(3)
    assert counts == [201, 200, 200, 1, 1]
    live.later(60)
    live.shop.change(1005, note="Bez slevy")
    assert read_in(live) == 2
    live.check_true()


def test_a_mass_change_that_is_read_for_ever_is_noticed(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "since", lambda read_to, seen: since(read_to, "always"))
    with pytest.raises(AssertionError):
        test_a_mass_change_is_not_read_in_every_round(live)


@pytest.mark.parametrize(
    "told", ["2099-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "", None, 5]
)
def test_an_odd_time_of_change_hides_nothing(world: World, told: Any) -> None:
    world.shop.customers.change(5, {"last_update_time": "2026-03-01T00:00:00+01:00"})
    genuine = world.shop.customers[5]
    world.shop.customers._laid_over[5] = genuine | {"last_update_time": told}
    world.shop.customers.moment = lambda number: NOW if number == 5 else NOW - 60 * MINUTE  # type: ignore[method-assign]
    world.rest()
    assert "1005" in world.people
    del world.shop.customers.moment  # type: ignore[method-assign]
    world.shop.customers._laid_over[5] = genuine
    world.later(30)
    world.shop.change(1006, surname="Změněná")
    world.rest()
    assert world.people["1006"].name.endswith("Změněná")


def test_the_cursor_waits_for_all_pages(world: World) -> None:
    for step in (world.step_to_customers, world.step):
        step()
        assert read_cursor(world.cursor).customers_from == ""
    world.step()
    assert read_cursor(world.cursor).customers_from == "2026-01-11T22:10:00.000000+00:00"


# What the values become


def test_a_customer_becomes_a_person() -> None:
    told = {
        "customer_id": 7,
        "firstname": " Žofie",
        "surname": "Nováková ",
        "login": {"email": "zofie@example.com"},
        "email": "elsewhere@example.com",
        "communication": {"phone": "+420 601"},
        "company": {"name": "Pekárna"},
        "note": "Ráno",
        "admin_url": "https://a/customers/7",
        "last_update_time": "2026-01-01T10:00:00+01:00",
        "groups": [],
    }
    assert records.to_person(told) == Person(
        "7",
        "Žofie Nováková",
        "zofie@example.com",
        "+420 601",
        "Pekárna",
        "https://a/customers/7",
        "Ráno",
        "2026-01-01T10:00:00+01:00",
    )


@pytest.mark.parametrize(
    ("told", "name"),
    [
        pytest.param({"surname": "Only"}, "Only", id="one-name"),
        pytest.param({"nickname": "Nick", "login": {"email": "a@b.cz"}}, "Nick", id="nickname"),
        pytest.param({"firstname": None, "login": {"email": "a@b.cz"}}, "a@b.cz", id="email"),
        pytest.param({"communication": {"phone": "+1"}}, "+1", id="phone"),
        pytest.param({"company": {"name": "Acme"}}, "Acme", id="company"),
        pytest.param({"company": [], "login": [], "communication": None}, "#7", id="nothing"),
        pytest.param({"company": "x", "login": 5, "surname": {"a": 1}}, "#7", id="odd"),
    ],
)
def test_everybody_has_some_name(told: dict[str, Any], name: str) -> None:
    person = records.to_person({"customer_id": 7} | told)
    assert person is not None
    assert person.name == name


@pytest.mark.parametrize("id", [None, True, 0, -1, 1.5, "", "x", "1 ", [], {}, 10**18])
def test_what_has_no_id_is_skipped(id: Any) -> None:
    assert records.to_person({"customer_id": id}) is None
    assert records.to_order({"order_number": "O1", "customer": {"customer_id": id, "email": "a@b.cz"}}) is None


@pytest.mark.parametrize("told", [None, 7, [], "x", {}, {"customer": {"customer_id": 7}}, {"order_number": "O1"}])
def test_what_is_no_order_is_skipped(told: Any) -> None:
    assert records.to_order(told) is None


def test_an_order_keeps_its_page_and_sum() -> None:
    told = {
        "order_number": "O1",
        "order_total": 199.5,
        "currency_id": "CZK",
        "status": "Přijatá",
        "creation_time": "2026-02-01T12:00:00+01:00",
        "admin_url": "https://a/orders/1",
        "customer": {"customer_id": 7},
    }
    order = Order("O1", "2026-02-01T12:00:00+01:00", "Přijatá", "199.50", "CZK", "https://a/orders/1", external_id="O1")
    assert records.to_order(told) == ("7", order)


@pytest.mark.parametrize("odd", [None, True, [], {}, "", "NaN", "1e9", 1e300, "1_0", "٣"])
def test_an_odd_total_is_none(odd: Any) -> None:
    assert told_amount(odd) == ""


def test_odd_records_do_not_hold_up_the_others(world: World) -> None:
    shown = [world.shop.customers[1], None, 7, [], {"customer_id": []}, world.shop.customers[2]]
    pages = {"current_page": 1, "number_of_pages": 1, "number_of_items": 6}
    world.shop.behaviour["customers"] = pages | {"customers": shown}
    world.step_to_customers()
    assert sorted(world.people) == ["1001", "1002"]
    assert (world.batches[-1].done, world.batches[-1].live) == (375 + 6, True)


# Moving


def test_a_move_is_told_to_the_host(world: World) -> None:
    world.step()
    before = world.cursor
    new = world.address.replace("/api/v2", "/elsewhere/api/v2")
    world.shop.behaviour["*"] = moved(new)
    assert world.step() == Batch(cursor=before, more=True, moved=new)
    world.shop.behaviour.clear()
    world.address = new
    world.rest()
    world.check_true()


@pytest.mark.parametrize(
    "url",
    [
        "https://demo.admin.s1.upgates.com.evil.example/api/v2",
        "https://evil.example/api/v2",
        "http://demo.admin.s1.upgates.com/api/v2",
        "https://demo.admin.s1.upgates.com:8443/api/v2",
        "https://u:p@demo.admin.s1.upgates.com/api/v2",
        "https://demo.admin.s1.upgates.com/api/v2?x",
        "http://127.0.0.1:9/api/v2",
        "",
        None,
        5,
        [],
    ],
)
def test_a_move_elsewhere_is_refused(world: World, url: Any) -> None:
    world.shop.behaviour["*"] = moved(url)
    with pytest.raises(UpstreamFailed) as caught:
        world.step()
    assert caught.value.reason == "moved_elsewhere"


def test_an_unchecked_move_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "address_of", lambda url, outbound: url)
    with pytest.raises(pytest.fail.Exception):
        test_a_move_elsewhere_is_refused(world, "https://evil.example/api/v2")


def test_upgates_own_hosts_are_taken(world: World) -> None:
    world.shop.behaviour["*"] = moved("https://demo.admin.s7.upgates.com/")
    assert world.step().moved == "https://demo.admin.s7.upgates.com/api/v2"


def test_a_move_to_where_it_is_leads_nowhere(world: World) -> None:
    world.shop.behaviour["*"] = moved(world.address)
    with pytest.raises(UpstreamFailed) as caught:
        world.step()
    assert caught.value.reason == "moved_nowhere"


# Refusals


def drifted(how: Any, **others: Any) -> Callable[[World], None]:
    """Everything is answered like this, but for ``others``; those of None are genuine."""

    def bend(world: World) -> None:
        world.shop.behaviour.update({"*": how} | others)

    return bend


def revoked(world: World) -> None:
    world.shop.access = None


def hung(world: World) -> None:
    world.seconds = 0.3
    drifted("hang")(world)


HTTP_DATE = "Sun, 01 Mar 2026 12:05:00 GMT"
REFUSALS = [
    pytest.param(revoked, LoginRefused, "access_gone", id="revoked"),
    pytest.param(drifted(401), LoginRefused, "access_gone", id="401"),
    pytest.param(drifted(403, status=None), Stopped, "access_denied", id="403"),
    pytest.param(drifted(Reply(403, b"<html>", "text/html"), status=None), Stopped, "access_denied", id="403-page"),
    pytest.param(drifted(403), Later, "locked_out", id="locked-out"),
    pytest.param(drifted(403, status=401), LoginRefused, "access_gone", id="403-then-401"),
    pytest.param(drifted(403, status=503), Later, "status_503", id="403-then-503"),
    pytest.param(drifted(403, status=404), UpstreamFailed, "status_404", id="403-then-404"),
    pytest.param(drifted(429), Later, "status_429", id="429"),
    pytest.param(drifted(500), Later, "status_500", id="500"),
    pytest.param(drifted(503), Later, "status_503", id="503"),
    pytest.param(drifted(400), UpstreamFailed, "status_400", id="400"),
    pytest.param(drifted(404), UpstreamFailed, "status_404", id="404"),
    pytest.param(drifted(Reply(302, b"", headers={"Location": "/"})), UpstreamFailed, "status_302", id="302"),
    pytest.param(drifted(Reply(204, b"")), UpstreamFailed, "status_204", id="204"),
    pytest.param(drifted("html"), UpstreamFailed, "not_json", id="html"),
    pytest.param(drifted(Reply(301, b"")), UpstreamFailed, "not_json", id="301-without-body"),
    pytest.param(drifted([]), UpstreamFailed, "no_list", id="list"),
    pytest.param(drifted({"customers": {}, "orders": {}}), UpstreamFailed, "no_list", id="no-list"),
    pytest.param(hung, UpstreamFailed, "timeout", id="hang"),
]


@pytest.mark.parametrize("stage", ["first", "middle", "live"])
@pytest.mark.parametrize(("bend", "kind", "reason"), REFUSALS)
def test_every_refusal_has_its_kind(
    world: World, stage: str, bend: Callable[[World], None], kind: type[Exception], reason: str
) -> None:
    for _ in range({"first": 0, "middle": 4, "live": 7}[stage]):
        world.step()
    before, access = world.cursor, world.shop.access
    bend(world)
    with pytest.raises(kind) as caught:
        world.step()
    assert (type(caught.value), getattr(caught.value, "reason", "")) == (kind, reason)
    assert world.shop.keys["api_key"] not in repr(vars(caught.value))
    assert world.cursor == before
    world.shop.behaviour.clear()
    world.shop.access, world.seconds = access, 20.0
    world.rest()
    world.check_true()


@pytest.mark.parametrize("missing", ["api_user", "api_key", "address"])
def test_without_access_nothing_is_asked(world: World, missing: str) -> None:
    """A failed login would count towards the lock-out."""
    whole = world.installation
    bare = replace(whole, secrets=lambda name: () if name == missing else whole.secrets(name))
    bare = replace(bare, address="") if missing == "address" else bare
    with pytest.raises(Stopped):
        upgates.pull(bare, world.gate.within(5), "", NOW)
    assert world.shop.calls == []


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        pytest.param(HTTP_DATE, 300, id="date"),
        pytest.param("120", 120, id="seconds"),
        pytest.param("Sunday, 01-Mar-26 12:05:00 GMT", 300, id="rfc850"),
        pytest.param("Sun Mar  1 12:05:00 2026", 300, id="asctime"),
        pytest.param("999999999", 86_400, id="years"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 86_400, id="the-last-day"),
        pytest.param("", None, id="none"),
        pytest.param("0", None, id="zero"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1e3", None, id="exponent"),
        pytest.param("soon", None, id="word"),
        pytest.param("Sun, 01 Mar 2026 11:59:59 GMT", None, id="past"),
        pytest.param("Sun, 99 Mar 2026 12:05:00 GMT", None, id="no-such-day"),
    ],
)
def test_come_again_when_told(world: World, told: str, seconds: int | None) -> None:
    drifted(over_limit(told))(world)
    with pytest.raises(Later) as caught:
        world.step()
    assert caught.value.at == (None if seconds is None else NOW + timedelta(seconds=seconds))


# Lies


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"number_of_pages": 1}, "too_few_pages"),
        ({"number_of_pages": 0}, "too_few_pages"),
        ({"number_of_items": 9999}, "too_few_pages"),
        ({"current_page": 1}, "other_page"),
        ({"current_page": 3}, "other_page"),
        ({"number_of_items": "250"}, "bad_pagination"),
        ({"number_of_items": None}, "bad_pagination"),
        ({"number_of_items": True}, "bad_pagination"),
        ({"number_of_pages": -1}, "bad_pagination"),
        ({"number_of_pages": 3.0}, "bad_pagination"),
    ],
    ids=str,
)
def test_pages_that_contradict_themselves_are_no_success(world: World, lie: dict[str, Any], reason: str) -> None:
    world.step_to_customers()
    world.shop.lies["customers"] = lie
    with pytest.raises(UpstreamFailed) as caught:
        world.step()
    assert caught.value.reason == reason


def test_pages_believed_blindly_are_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = reading.Pages
    monkeypatch.setattr(reading, "read_pages", lambda told, asked, filled: genuine(100, asked, 1))
    world.rest()
    assert len(world.people) < 250


def test_more_pages_than_there_are_end_in_a_refusal(world: World) -> None:
    lie = {"number_of_pages": 10_000, "number_of_items": 1_000_000}

    def lying(call: Call) -> None:
        world.shop.lies["customers"] = {} if "creation_time_from" in call.query else lie

    world.shop.behaviour["customers"] = lying
    with pytest.raises(UpstreamFailed) as caught:
        world.rest()
    assert (caught.value.reason, len(world.batches)) == ("nothing_on_page", 4 + 3)


def test_a_count_that_never_rests_does_not_hold_the_pass_for_ever(world: World) -> None:
    counts = iter(range(10**6))

    def restless(call: Call) -> Any:
        by_page = "creation_time_from" not in call.query
        world.shop.lies["customers"] = {"number_of_items": 250 - next(counts) % 2} if by_page else {}

    world.shop.behaviour["customers"] = restless
    world.rest()
    world.check_true()


# Any shape at all


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**6),
    st.just(10**25),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00"]),
)
NAMES = st.sampled_from(["customer_id", "customer", "login", "company", "name", "order_number", "customers", "orders"])
ODD = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


class Bending:
    """Genuine answers with something odd put in at some places."""

    def __init__(self, shop: Simulator, data: st.DataObject) -> None:
        self.shop, self.data = shop, data

    def request(self, method: str, url: str, *, auth: tuple[str, str], **more: Any) -> Response:
        path, _, query = url.removeprefix("https://demo-shop.admin.s1.upgates.com").partition("?")
        told = json.loads(self.shop.answer(Call(method, path, query, {"authorization": basic(*auth)})).body)
        for _ in range(self.data.draw(st.integers(0, 3))):
            told = self.bent(told)
        status = self.data.draw(st.sampled_from([200, 200, 200, 301, 400, 403, 404]))
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


def of(shop: Simulator) -> Installation:
    held = {name: (shop.keys[name],) for name in ("api_user", "api_key")}
    address = "https://demo-shop.admin.s1.upgates.com/api/v2"
    return Installation("i1", "w1", "upgates", "t", "", State.ACTIVE, lambda name: held[name], address)


@given(data=st.data(), phase=st.sampled_from(cursors.PHASES), read=st.booleans())
@hypothesis_settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_no_shape_of_an_answer_crashes(shop: Simulator, data: st.DataObject, phase: str, read: bool) -> None:
    """Two steps, since the second lives on what the first made of the answer."""
    shop.size = 5
    time = cursors.write_time(NOW - 60 * MINUTE)
    at = Cursor(phase=phase, start=time, customers_from=time if read else "", orders_from=time if read else "")
    cursor, outbound = write_cursor(at), Bending(shop, data)
    for _ in range(2):
        try:
            batch = upgates.pull(of(shop), outbound, cursor, NOW)  # type: ignore[arg-type]
        except (Stopped, UpstreamFailed):
            return
        people = [vars_of(person) for person in batch.people]
        texts = people + [[id, order.number, order.total, order.date] for id, order in batch.orders]
        assert all(type(text) is str for some in texts for text in some)
        cursor = batch.cursor
        assert read_cursor(cursor) != Cursor()


def vars_of(person: Person) -> list[str]:
    return [person.external_id, person.name, person.email, person.phone, person.company, person.url, person.updated_at]


@pytest.mark.parametrize("phase", cursors.PHASES)
def test_a_missing_guard_against_odd_shapes_is_noticed(
    shop: Simulator, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"current_page": 1, "number_of_pages": 1, "number_of_items": 1, "customers": [7], "orders": [7]}

    class Straight:
        def request(self, *args: Any, **more: Any) -> Response:
            return Response(200, json.dumps(told).encode())

    outbound: Any = Straight()
    cursor = write_cursor(Cursor(phase=phase, start=cursors.write_time(NOW)))
    upgates.pull(of(shop), outbound, cursor, NOW)
    monkeypatch.setattr(records, "told_fields", lambda value: value)
    with pytest.raises(AttributeError):
        upgates.pull(of(shop), outbound, cursor, NOW)


@given(st.one_of(st.text(max_size=40), ODD.map(json.dumps)))
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_text_is_a_cursor(text: str) -> None:
    assert read_cursor(text) == Cursor() or write_cursor(read_cursor(text))


GOOD = json.loads(write_cursor(Cursor("orders", 2, start=cursors.write_time(NOW))))


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "elsewhere"},
        {"phase": 1},
        {"page": 0},
        {"page": "2"},
        {"page": True},
        {"start": "soon"},
        {"top": "2026-03-01"},
        {"top": "2026-03-01T12:00:00+00:00"},
        {"customers_from": "2026-03-01T13:00:00.000000+01:00"},
        {"orders_from": None},
        {"more": 1},
    ],
    ids=str,
)
def test_a_malformed_cursor_begins_anew(change: dict[str, Any]) -> None:
    assert read_cursor(json.dumps(GOOD)) != Cursor()
    assert read_cursor(json.dumps(GOOD | change)) == Cursor()


# Asking the shop now


@pytest.mark.parametrize(
    ("query", "asked", "found"),
    [
        ("zakaznik5@obchod.example", "email=zakaznik5%40obchod.example&page=1", ["1005"]),
        (" +420 601 919 729 ", "phone=%2B420601919729&page=1", []),
        ("602-919-729", "phone=602919729&page=1", ["1001"]),
        ("Pekárna U Mlýna", "company_name=Pek%C3%A1rna+U+Ml%C3%BDna&page=1", None),
        ("Po", "", []),
        ("1234", "", []),
        ("!!!", "", []),
        ("", "", []),
    ],
)
def test_candidates_are_asked_for(world: World, query: str, asked: str, found: list[str] | None) -> None:
    people = upgates.lookup(world.installation, world.gate.within(5), query)
    assert [call.query for call in world.shop.calls] == ([asked] if asked else [])
    if found is None:
        assert {person.company for person in people} == {"Pekárna U Mlýna s.r.o."}
    else:
        assert [person.external_id for person in people] == found


@pytest.mark.parametrize(("bend", "kind", "reason"), REFUSALS)
def test_a_lookup_is_refused_alike(
    world: World, bend: Callable[[World], None], kind: type[Exception], reason: str
) -> None:
    bend(world)
    with pytest.raises(kind) as caught:
        upgates.lookup(world.installation, world.gate.within(world.seconds), "Pekárna")
    assert getattr(caught.value, "reason", "") == reason


def test_a_lookup_at_a_shop_that_moved_fails(world: World) -> None:
    world.shop.behaviour["*"] = moved("https://demo.admin.s7.upgates.com/")
    with pytest.raises(UpstreamFailed):
        upgates.lookup(world.installation, world.gate.within(5), "Pekárna")


# The shop in a box


def test_a_large_shop_is_made_on_demand(world: World) -> None:
    world.shop.size = 200_000
    begun = Cursor("customers", 2000, live=1, start=cursors.write_time(NOW))
    world.cursor = write_cursor(begun)
    batch = world.step()
    assert (len(batch.people), batch.people[-1].external_id) == (100, "201000")
    world.cursor = write_cursor(replace(begun, phase="orders", page=3000))
    assert len(world.step().orders) == 100


def test_traffic_is_counted() -> None:
    moments = iter([0.0, 0.1, 0.2, 0.9, 1.05, 5.0])
    traffic = Traffic(lambda: next(moments))
    with traffic.call() as first, traffic.call() as second, traffic.call() as third:
        assert (first, second, third) == (1, 2, 3)
    for _ in range(3):
        with traffic.call() as alone:
            assert alone == 1
    assert (traffic.peak_together, traffic.busiest(1.0), traffic.busiest(0.01)) == (3, 4, 1)


def test_a_fourth_call_at_once_is_refused(world: World) -> None:
    world.shop.enforced = True
    with (
        world.shop.traffic.call(),
        world.shop.traffic.call(),
        world.shop.traffic.call(),
        pytest.raises(Later) as caught,
    ):
        world.step()
    assert caught.value.at == NOW + timedelta(seconds=2)
    assert world.shop.peak_together == 4
    world.rest()
    world.check_true()


def test_the_manifest_states_the_limits() -> None:
    told = tomllib.loads((Path(upgates.__file__).parent / "connector.toml").read_text("utf-8"))
    assert told["limits"] == {"rate": 20, "per": 1.0, "together": 3, "batch": 100}
