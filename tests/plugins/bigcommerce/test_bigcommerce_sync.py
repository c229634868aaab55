"""The store's people and orders, pulled over real HTTP from a store in a box, and the webhooks that hurry the pull."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.outbound import Outgate
from app.sdk import (
    Batch,
    Event,
    Health,
    Installation,
    Later,
    LoginRefused,
    Malformed,
    Order,
    Person,
    State,
    Stopped,
    UpstreamFailed,
)
from app.sdk.simulation import Call, Reply, serving
from plugins import bigcommerce
from plugins.bigcommerce import sync
from plugins.bigcommerce.cursor import Cursor, read_cursor, write_cursor
from plugins.bigcommerce.schemas import read_hint
from plugins.bigcommerce.simulator import Simulator, over_limit
from plugins.bigcommerce.sync import SPAN, stretches

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Host:
    """The connector with a real gate to the store, and a mirror that takes batches as the host does."""

    store: Simulator
    gate: Outgate
    cursor: str = ""
    token: str = "the-token"
    facts: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    orders: dict[str, tuple[str, Order]] = field(default_factory=dict)

    @property
    def installation(self) -> Installation:
        address, held = f"{self.store.home}/{self.store.context}", ((self.token,) if self.token else ())
        return Installation(
            "i1", "w1", "bigcommerce", self.store.context, "A", State.ACTIVE, lambda name: held, address, "", self.facts
        )

    @property
    def now(self) -> datetime:
        return self.store.clock()

    def step(self) -> Batch:
        batch = bigcommerce.pull(self.installation, self.gate.within(20), self.cursor, self.now)
        self.take(batch)
        self.cursor = batch.cursor
        return batch

    def take(self, batch: Batch) -> None:
        self.people.update({person.external_id: person for person in batch.people})
        self.orders.update({order.external_id: (id, order) for id, order in batch.orders})
        for gone in batch.gone:
            self.people.pop(gone, None)
        for gone in batch.gone_orders:
            self.orders.pop(gone, None)

    def rest(self) -> list[Batch]:
        """Steps until there is nothing more for now."""
        batches = [self.step()]
        while batches[-1].more:
            assert len(batches) < 100, "no end"
            batches.append(self.step())
        return batches

    def reread(self, people: list[str], orders: list[str]) -> Batch:
        return bigcommerce.reread(self.installation, self.gate.within(20), people, orders)


@pytest.fixture
def host() -> Iterator[Host]:
    """A store of 600 customers and 900 orders, at noon."""
    store = Simulator("http://host.example", Simulator.make_keys())
    store.size, store.clock = 600, lambda: NOW
    with serving(lambda call: store.received(call)) as home:
        store.home = home
        store.shop.token = "the-token"
        gate = Outgate([home.removeprefix("http://")])
        yield Host(store, gate)
        gate.close()


def later(host: Host, by: timedelta = HOUR) -> None:
    now = host.now + by
    host.store.clock = lambda: now


def asked(host: Host, name: str) -> list[Call]:
    return [call for call in host.store.calls if call.path.endswith(name)]


# The first pass


def test_everybody_comes_by_pages_of_250_with_all_orders(host: Host) -> None:
    batches = host.rest()
    assert sorted(map(int, host.people)) == list(range(1, 601))
    assert sorted(map(int, host.orders)) == list(range(1, 901))
    assert len(asked(host, "v3/customers")) == 3
    assert len(asked(host, "v2/orders")) == 4
    assert [batch.live for batch in batches][-1]
    assert all(batch.done <= batch.total for batch in batches)


def test_a_customer_is_a_person_and_an_order_is_one_of_theirs(host: Host) -> None:
    host.store.change(7, first_name="Isla", last_name="Núñez", company="", notes="Call in the morning.")
    host.rest()
    person = host.people["7"]
    assert (person.name, person.email, person.note) == (
        "Isla Núñez",
        "customer7@harbour.example",
        "Call in the morning.",
    )
    shop = f"https://store-{host.store.keys['store_hash']}.mybigcommerce.com/manage"
    assert person.url == f"{shop}/customers/7/edit"
    buyer, order = host.orders["2"]
    assert buyer == str(host.store.shop.orders[2]["customer_id"])
    assert (order.date, order.total, order.currency) == ("2026-01-01T09:22:00+00:00", "36.50", "AUD")
    assert (order.status, order.closed, order.url) == ("Completed", True, f"{shop}/orders/2")


def test_a_guests_order_is_nobodys(host: Host) -> None:
    guest = host.store.add_order(0)
    host.rest()
    assert str(guest) not in host.orders


def test_no_orders_at_all_is_an_answer_without_a_body(host: Host) -> None:
    host.store.shop.orders.clear()
    assert host.rest()[-1].live
    assert host.orders == {}


def test_who_moved_forward_while_the_pages_were_read_is_not_missed(host: Host) -> None:
    host.step()
    for id in range(561, 601):
        del host.store.shop.customers[id]
    host.rest()
    assert set(host.people) >= {str(id) for id in range(1, 561)}


@pytest.mark.parametrize(
    ("sort", "first", "lost"),
    [("date_created:desc", 600, set()), ("date_created:asc", 1, {251})],
    ids=["guarded", "control"],
)
def test_one_who_moves_up_while_a_newcomer_makes_up_the_number_is_not_lost(
    host: Host, monkeypatch: pytest.MonkeyPatch, sort: str, first: int, lost: set[int]
) -> None:
    monkeypatch.setattr(sync, "NEWEST_FIRST", {"sort": sort})
    host.step()
    del host.store.shop.customers[first]
    later(host)
    host.store.add()
    host.rest(), host.rest()
    assert set(host.store.shop.customers) - set(map(int, host.people)) == lost


# The rounds after it


def test_a_round_reads_what_was_modified_since_the_one_before(host: Host) -> None:
    host.rest()
    later(host)
    host.store.change(5, last_name="Changed")
    placed = host.store.add_order(5)
    host.store.calls.clear()
    [first, second] = host.rest()
    assert [person.name for person in first.people] == [f"{host.store.shop.customers[5]['first_name']} Changed"]
    assert [order.external_id for _, order in second.orders] == [str(placed)]
    assert len(host.store.calls) == 2


def test_what_changes_while_a_round_runs_is_there_in_the_next(host: Host) -> None:
    host.step()
    later(host, timedelta(seconds=1))
    host.store.change(593, last_name="Late")  # its page was read already
    host.rest()
    assert not host.people["593"].name.endswith("Late")
    later(host, timedelta(minutes=1))
    host.rest()
    assert host.people["593"].name.endswith("Late")


def test_the_overlap_bears_a_clock_that_is_minutes_behind(host: Host) -> None:
    host.rest()
    later(host, timedelta(minutes=1))
    now = host.now
    host.store.clock = lambda: now - timedelta(minutes=8)
    host.store.change(3, last_name="Behind")
    host.store.clock = lambda: now
    host.rest()
    assert host.people["3"].name.endswith("Behind")


@pytest.mark.parametrize("text", ["", "null", "{}x", '{"page": "1"}', '{"since": "yesterday"}', '{"phase": "x"}'])
def test_a_cursor_that_is_none_begins_anew(text: str) -> None:
    assert read_cursor(text) == Cursor()


def test_a_cursor_comes_back_as_it_went() -> None:
    at = Cursor(phase="orders", start="2026-03-01T12:00:00Z", since="2026-03-01T11:00:00Z", last_order=7)
    assert read_cursor(write_cursor(at)) == at


# By name


def test_who_is_deleted_and_what_is_archived_is_gone(host: Host) -> None:
    host.rest()
    host.store.remove(9)
    host.store.archive_order(11)
    host.take(host.reread(["9", "10"], ["11", "12"]))
    assert host.people.keys() & {"9", "10"} == {"10"}
    assert host.orders.keys() & {"11", "12"} == {"12"}


def test_orders_far_apart_take_a_call_for_each_stretch(host: Host) -> None:
    host.store.calls.clear()
    found = host.reread([], ["1", "2", "248", "600"])
    assert sorted(order.external_id for _, order in found.orders) == ["1", "2", "248", "600"]
    assert len(host.store.calls) == 2


def test_a_stretch_fits_one_answer_whether_or_not_its_bounds_count() -> None:
    for first, last in stretches([1, 2, 1 + SPAN, 2 + SPAN, 9999]):
        assert (last + 1) - (first - 1) + 1 <= 250


@pytest.mark.parametrize("name", ["customers", "orders"])
def test_an_answer_about_others_deletes_nobody(host: Host, name: str) -> None:
    strangers = [{"id": id} for id in (70_001, 70_002)]
    pages = {"total": 2, "count": 2, "per_page": 250, "current_page": 1, "total_pages": 1}
    told: Any = {"data": strangers, "meta": {"pagination": pages}} if name == "customers" else strangers
    host.store.behaviour[name] = Reply(200, json.dumps(told).encode())
    with pytest.raises(UpstreamFailed):
        host.reread(["1"] if name == "customers" else [], ["1"] if name == "orders" else [])


# Refusals and limits


def test_too_many_calls_are_told_in_milliseconds(host: Host) -> None:
    host.store.behaviour["customers"] = over_limit(12_500)
    with pytest.raises(Later) as refused:
        host.step()
    assert refused.value.at == NOW + timedelta(seconds=12.5)


@pytest.mark.parametrize("told", ["", "soon", "-5", "１２", "9" * 12])
def test_a_reset_that_is_none_leaves_the_time_to_the_host(host: Host, told: str) -> None:
    host.store.behaviour["customers"] = Reply(
        429, b"{}", headers={"X-Rate-Limit-Time-Reset-Ms": told.encode().decode("latin-1")}
    )
    with pytest.raises(Later) as refused:
        host.step()
    assert refused.value.at is None


@pytest.mark.parametrize(
    ("status", "raised"), [(401, LoginRefused), (403, Stopped), (503, Later), (404, UpstreamFailed)]
)
def test_a_refusal_means_what_its_status_says(host: Host, status: int, raised: type[Exception]) -> None:
    host.store.behaviour["*"] = status
    with pytest.raises(raised):
        host.step()


def lie(**pages: Any) -> Reply:
    whole = {"total": 600, "count": 1, "per_page": 250, "current_page": 1, "total_pages": 3, **pages}
    return Reply(200, json.dumps({"data": [{"id": 1}], "meta": {"pagination": whole}}).encode())


@pytest.mark.parametrize("wrong", [{"total_pages": 1}, {"current_page": 2}, {"total": None}, {"total_pages": "3"}])
def test_pages_that_contradict_themselves_end_no_pass(host: Host, wrong: dict[str, Any]) -> None:
    host.store.behaviour["customers"] = lie(**wrong)
    with pytest.raises(UpstreamFailed):
        host.step()


@pytest.mark.parametrize("ids", [[2, 1], [1, 1]], ids=["downwards", "twice"])
def test_orders_in_another_order_are_not_read_by_their_ids(host: Host, ids: list[int]) -> None:
    host.store.behaviour["orders"] = Reply(200, json.dumps([{"id": id} for id in ids]).encode())
    with pytest.raises(UpstreamFailed, match="sort_ignored"):
        host.rest()


def test_orders_that_never_end_are_noticed(host: Host) -> None:
    host.store.behaviour["orders"] = Reply(200, json.dumps([{"id": id} for id in range(1, 251)]).encode())
    with pytest.raises(UpstreamFailed, match="stands_still"):
        host.rest()


# The token


@pytest.mark.parametrize(
    ("bend", "health"),
    [(lambda host: None, Health.ALIVE), (lambda host: setattr(host.store.shop, "token", ""), Health.DEAD)],
    ids=["it-lives", "it-was-taken-back"],
)
def test_the_probe_tells_whether_the_token_lives(host: Host, bend: Callable[[Host], None], health: Health) -> None:
    bend(host)
    assert bigcommerce.probe(host.installation, host.gate.within(20)) is health


@pytest.mark.parametrize("status", [403, 429, 500, 302])
def test_the_probe_is_unsure_of_anything_else(host: Host, status: int) -> None:
    host.store.behaviour["store"] = status
    assert bigcommerce.probe(host.installation, host.gate.within(20)) is Health.UNSURE


def test_without_a_token_nothing_is_asked(host: Host) -> None:
    host.token = ""
    assert bigcommerce.probe(host.installation, host.gate.within(20)) is Health.UNSURE
    with pytest.raises(Stopped):
        host.step()
    assert host.store.calls == []


def test_a_look_up_asks_by_e_mail_or_name(host: Host) -> None:
    def found(query: str) -> list[str]:
        return [one.external_id for one in bigcommerce.lookup(host.installation, host.gate.within(20), query)]

    assert found("customer5@harbour.example") == ["5"]
    assert found("núñez")
    assert found("12") == found("  ") == []


# Webhooks


class Links:
    """The host's addresses, with a secret that is new each time."""

    public_url = "https://addon.example.com"
    made = 0

    def to(self, action: str, key: str = "") -> str:
        return f"{self.public_url}/bigcommerce/{action}"

    def token(self, purpose: str) -> str:
        assert purpose == "header"
        return f"secret-{self.made}"


def subscribed(host: Host, links: Links) -> dict[str, Any]:
    links.made += 1
    host.facts = dict(bigcommerce.subscribe(host.installation, host.gate.within(20), links))
    return {hook["scope"]: hook for hook in host.store.shop.hooks.values()}


def test_two_webhooks_are_made_once_and_get_each_new_secret(host: Host) -> None:
    links = Links()
    first = subscribed(host, links)
    assert {hook["destination"] for hook in first.values()} == {"https://addon.example.com/bigcommerce/webhook"}
    again = subscribed(host, links)
    assert len(host.store.shop.hooks) == 2
    assert {hook["headers"]["X-Stallholder-Secret"] for hook in again.values()} == {"secret-2"}


def test_what_is_there_twice_is_deleted_and_what_is_anothers_left_alone(host: Host) -> None:
    links = Links()
    subscribed(host, links)
    other = {"id": 91, "scope": "store/order/*", "destination": "https://another.example/hook"}
    host.store.shop.hooks |= {90: {**host.store.shop.hooks[1], "id": 90}, 91: other}
    subscribed(host, links)
    assert sorted(host.store.shop.hooks) == [1, 2, 91]
    assert host.store.shop.hooks[91] is other


def test_after_a_move_the_former_addresss_webhooks_are_taken_along(host: Host) -> None:
    links = Links()
    subscribed(host, links)
    links.public_url = "https://new.example.com"
    hooks = subscribed(host, links)
    assert len(host.store.shop.hooks) == 2
    assert {hook["destination"] for hook in hooks.values()} == {"https://new.example.com/bigcommerce/webhook"}


@pytest.mark.parametrize(
    ("told", "hints"),
    [
        ({"scope": "store/customer/updated", "data": {"id": 7}}, [Event.changed()]),
        ({"scope": "store/customer/deleted", "data": {"id": 7}}, Event.named(people=["7"])),
        ({"scope": "store/order/archived", "data": {"id": 7}}, Event.named(orders=["7"])),
        ({"scope": "store/customer/deleted", "data": {"id": "7,8"}}, [Event.changed()]),
        ({"scope": ["store"], "data": None}, [Event.changed()]),
        ({}, [Event.changed()]),
    ],
)
def test_a_webhook_is_a_hint_and_a_deletion_names_who_is_to_be_asked_for(told: Any, hints: Any) -> None:
    assert list(read_hint(json.dumps(told).encode())) == list(hints)


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(Malformed):
        read_hint(b"[]")
