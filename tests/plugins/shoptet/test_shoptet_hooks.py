"""What is peculiar to Shoptet, hook by hook, against its simulator over real HTTP through the host's own gate."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.outbound import Outgate
from app.sdk import (
    Batch,
    Expired,
    Health,
    Inbound,
    Installation,
    Later,
    Malformed,
    Order,
    Person,
    State,
    Stopped,
    Unverified,
    UpstreamFailed,
    Verified,
)
from app.sdk.simulation import Outgoing, Reply, serving
from plugins import shoptet
from plugins.shoptet import api, records, schemas, sync
from plugins.shoptet.cursor import Cursor, read_cursor, write_cursor
from plugins.shoptet.simulator import Simulator, guid_of, reply

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Addresses:
    """The host's addresses."""

    public_url: str = "http://host.example"

    def to(self, action: str, key: str = "") -> str:
        return f"{self.public_url}/shoptet/{action}"

    def token(self, purpose: str) -> str:
        raise AssertionError("no link secret is needed")


@dataclass
class World:
    """An e-shop on loopback, the host's gate to it, and a mirror that takes batches as the host does."""

    eshop: Simulator
    gate: Outgate
    held: dict[str, str] = field(default_factory=dict)
    state: State = State.ACTIVE
    facts: Mapping[str, str] = field(default_factory=dict)
    cursor: str = ""
    now: datetime = NOW
    people: dict[str, Person] = field(default_factory=dict)
    orders: dict[str, tuple[str, Order]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        return self.eshop.settings()

    @property
    def installation(self) -> Installation:
        def secrets(name: str) -> list[str]:
            return [self.held[name]] if name in self.held else []

        tenant = str(self.eshop.keys["eshop_id"])
        return Installation("i", "w", "shoptet", tenant, "An e-shop", self.state, secrets, facts=self.facts)

    def by_tenant(self, tenant: str) -> Installation | None:
        return self.installation if tenant == self.installation.tenant else None

    def by_link(self, purpose: str, token: str) -> Installation | None:
        raise AssertionError("no link secret is needed")

    def install(self, code: str = "") -> Any:
        """The install hook, as after `verify`."""
        verified = Verified("shoptet", "install", self.now, fields={"code": code or self.eshop.code()})
        return shoptet.install(verified, self.settings, self.gate.within(20), Addresses())

    def prove(self, outgoing: Outgoing, at: datetime | None = None) -> Any:
        """The verify hook."""
        path, _, query = outgoing.path.partition("?")
        action = path.rpartition("/")[2]
        headers = {name.lower(): value for name, value in outgoing.headers.items()}
        request = Inbound(action, outgoing.method, at or self.now, None, query.encode(), headers, outgoing.body)
        return shoptet.verify(request, self)

    def probe(self) -> Health:
        return shoptet.probe(self.installation, self.settings, self.gate.within(20))

    def step(self) -> Batch:
        """One pull, and what the host makes of it."""
        batch: Batch = shoptet.pull(self.installation, self.settings, self.gate.within(20), self.cursor, self.now)
        self.people.update({person.external_id: person for person in batch.people})
        self.orders.update({order.external_id: (buyer, order) for buyer, order in batch.orders})
        for id in batch.gone:
            self.people.pop(id, None)
        for code in batch.gone_orders:
            self.orders.pop(code, None)
        self.cursor = batch.cursor
        return batch

    def rest(self) -> list[Batch]:
        """Steps until there is nothing more for now; then a minute passes."""
        batches = [self.step()]
        while batches[-1].more:
            assert len(batches) < 100, "no end"
            batches.append(self.step())
        self.now += timedelta(minutes=1)
        return batches

    def check_true(self) -> None:
        """The mirror holds what the e-shop holds, and nothing else."""
        people = [records.to_person(item) for item in self.eshop.customers.records.values()]
        assert self.people == {one.external_id: one for one in people if one}
        placed = [records.to_order(item) for item in self.eshop.orders.records.values()]
        assert self.orders == {one[1].external_id: one for one in placed if one}


@pytest.fixture
def world() -> Iterator[World]:
    api.TOKENS.clear()
    eshop = Simulator("http://127.0.0.1:1", Simulator.make_keys())
    with serving(eshop.received) as home:
        eshop.home = home
        made = World(eshop, Outgate([home.removeprefix("http://")]))
        eshop.clock = lambda: made.now
        made.held = dict(made.install().credentials)
        yield made


# Installing


def test_an_install_takes_three_calls_and_stores_what_works(world: World) -> None:
    world.eshop.calls.clear()
    made = world.install()
    paths = [call.path.rpartition("/")[2] for call in world.eshop.calls]
    assert paths == ["token", "getAccessToken", "renew-signature-key"]
    assert made.tenant == str(world.eshop.keys["eshop_id"])
    assert made.title == f"{made.tenant}.myshoptet.com"
    assert made.credentials["signature_key"] == world.eshop.keys["signature_key"]
    assert made.proven


def test_a_code_is_good_once_and_a_strangers_never(world: World) -> None:
    code = world.eshop.code()
    world.install(code)
    for wrong in (code, "x" * 255):
        with pytest.raises(Unverified) as refused:
            world.install(wrong)
        assert refused.value.reason == "code_refused"


@pytest.mark.parametrize("code", ["", "short", "a" * 513, "with space in the code", "č" * 30])
def test_what_can_be_no_code_is_refused(world: World, code: str) -> None:
    with pytest.raises(Malformed):
        world.prove(Outgoing("GET", f"/shoptet/install?code={code.replace(' ', '%20')}"))


# Webhooks


def test_a_webhook_is_proven_by_the_e_shops_own_key(world: World) -> None:
    claims = world.prove(world.eshop.webhook())
    assert claims.tenant == world.installation.tenant
    assert claims.fields["notice"].hints
    other = world.eshop.beside({"eshop_id": 7, "signature_key": world.eshop.keys["signature_key"]})
    other.clock = world.eshop.clock
    with pytest.raises(Unverified) as refused:
        world.prove(other.webhook())
    assert refused.value.reason == "unknown_eshop"


@pytest.mark.parametrize("hash", ["sha256", "md5", "sha512"])
def test_only_sha1_in_plain_hex_counts(world: World, hash: str) -> None:
    genuine = world.eshop.webhook()
    tag = hmac.new(world.held["signature_key"].encode(), genuine.body, hash).hexdigest()
    right = genuine.headers["Shoptet-Webhook-Signature"]
    for given in (tag, f"{hash}={tag}", f"sha1={right}", right.upper(), right[:-1]):
        with pytest.raises(Unverified):
            world.prove(replace(genuine, headers={"Shoptet-Webhook-Signature": given}))
    assert hashlib.new(hash).digest_size != 20


def test_a_webhook_counts_through_its_last_attempt(world: World) -> None:
    late = world.eshop.webhook()
    assert world.prove(late, world.now + timedelta(minutes=31))
    with pytest.raises(Expired):
        world.prove(late, world.now + timedelta(minutes=61))


def test_a_removal_is_believed_at_its_own_address_alone(world: World) -> None:
    assert world.prove(world.eshop.uninstall())
    for outgoing in (world.eshop.uninstall(event="customer:delete"), world.eshop.webhook(event=schemas.LEAVING)):
        with pytest.raises(Unverified) as refused:
            world.prove(outgoing)
        assert refused.value.reason == "other_event"


@pytest.mark.parametrize("eshop_id", [None, "222651", True, 0, -1, 1.5, 10**12, [1]])
def test_an_e_shop_is_named_by_a_number(world: World, eshop_id: object) -> None:
    body = json.dumps({"eshopId": eshop_id, "event": "order:create", "eventCreated": "2026-03-01T12:00:00+0000"})
    with pytest.raises(Malformed):
        schemas.read_notice(body.encode())


def test_the_later_word_on_the_standing_counts(world: World) -> None:
    def told(outgoing: Outgoing) -> Any:
        fields = world.prove(outgoing).fields
        return shoptet.webhook(Verified("shoptet", "webhook", world.now, fields=fields), world.installation)

    suspended = world.eshop.suspend()
    world.now += timedelta(seconds=5)
    approved = told(world.eshop.approve())
    assert approved.state is State.ACTIVE
    world.facts = approved.facts
    assert told(suspended).state is None
    world.facts = {}
    assert told(suspended).state is State.PAUSED


def test_webhooks_are_made_once_mended_and_left_out_where_denied(world: World) -> None:
    def subscribe(links: Addresses) -> None:
        shoptet.subscribe(world.installation, world.settings, world.gate.within(20), links)

    world.eshop.denied = {"order:create"}
    subscribe(Addresses())
    made = {hook["event"]: hook["url"] for hook in world.eshop.webhooks.values()}
    assert made["addon:uninstall"] == "http://host.example/shoptet/uninstall"
    assert made["customer:delete"] == "http://host.example/shoptet/webhook"
    assert "order:create" not in made
    assert len(made) == 9
    world.eshop.calls.clear()
    subscribe(Addresses())
    assert {call.method for call in world.eshop.calls} == {"GET", "POST"}  # what was denied is asked for again
    subscribe(Addresses("https://moved.example"))
    assert all(hook["url"].startswith("https://moved.example/") for hook in world.eshop.webhooks.values())
    assert len(world.eshop.webhooks) == 9


@pytest.mark.parametrize("errors", [["limit reached"], None], ids=["partial", "control"])
def test_a_webhook_that_was_made_in_part_is_none(world: World, errors: list[str] | None) -> None:
    told = Reply(201, json.dumps({"data": {"webhooks": []}, "errors": errors}).encode())
    world.eshop.behaviour["webhooks"] = lambda call: told if call.method == "POST" else None
    refused = False
    try:
        shoptet.subscribe(world.installation, world.settings, world.gate.within(20), Addresses())
    except UpstreamFailed as failure:
        refused = failure.reason == "not_done_by_shop"
    assert refused is bool(errors)


# Tokens


def test_one_token_serves_until_it_is_refused(world: World) -> None:
    before = world.eshop.fetched
    world.rest()
    world.rest()
    assert world.eshop.fetched == before
    world.now += timedelta(minutes=31)
    world.rest()
    assert world.eshop.fetched == before + 1


def test_all_tokens_taken_means_later_and_alive(world: World) -> None:
    for _ in range(5):
        api.TOKENS.clear()
        try:
            world.step()
        except Later:
            break
    else:
        pytest.fail("the sixth token was handed out")
    assert world.probe() is Health.ALIVE
    world.now += timedelta(minutes=31)
    world.step()


@pytest.mark.parametrize(
    ("answer", "state", "health"),
    [
        (None, State.ACTIVE, Health.ALIVE),
        (401, State.ACTIVE, Health.DEAD),
        (403, State.ACTIVE, Health.UNSURE),
        (403, State.PAUSED, Health.UNSURE),
        (403, State.UNINSTALLING, Health.DEAD),
        (500, State.UNINSTALLING, Health.UNSURE),
        (Reply(200, b"<h1>Maintenance</h1>", "text/html"), State.ACTIVE, Health.UNSURE),
        (reply({"error": "maximum_tokens_reached"}, 403), State.UNINSTALLING, Health.ALIVE),
    ],
)
def test_what_a_probe_believes(world: World, answer: Any, state: State, health: Health) -> None:
    world.state, world.eshop.behaviour["getAccessToken"] = state, answer
    assert world.probe() is health


def test_a_dead_access_stops_a_pull(world: World) -> None:
    world.eshop.tokens.clear()
    world.eshop.access.clear()
    with pytest.raises(Stopped):
        world.step()


def test_a_limit_is_kept_as_long_as_it_says(world: World) -> None:
    at = "Sun, 01 Mar 2026 12:07:00 GMT"
    world.eshop.behaviour["customers"] = Reply(429, b"{}", headers={"Retry-After": at})
    with pytest.raises(Later) as later:
        world.step()
    assert later.value.at == NOW + timedelta(minutes=7)
    world.eshop.behaviour["customers"] = 423
    with pytest.raises(Later):
        world.step()


# Filling


@pytest.mark.parametrize("frugal", [False, True])
def test_the_mirror_is_the_e_shop(world: World, frugal: bool) -> None:
    world.eshop.size, world.eshop.frugal = 120, frugal
    batches = world.rest()
    world.check_true()
    assert [batch.live for batch in batches].index(True) == 8  # three pages of customers, four of orders, the logs
    assert batches[-1].live
    assert not all(item["customerGuid"] for item in world.eshop.orders.records.values())


@pytest.mark.parametrize("kind", ["customers", "orders"])
@pytest.mark.parametrize("most", [sync.MOST_PASSES, 1], ids=["guarded", "control"])
def test_one_who_moves_up_while_a_newcomer_makes_up_the_number_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, most: int
) -> None:
    monkeypatch.setattr(sync, "MOST_PASSES", most)
    world.eshop.size = 120
    while not ((at := read_cursor(world.cursor, world.now)).phase == kind and at.page == 2):
        world.step()
    if kind == "customers":
        world.eshop.remove(guid_of(1))
        world.eshop.add()
    else:
        codes = list(world.eshop.orders.records)
        world.eshop.remove_order(codes[0])
        world.eshop.orders.records["later"] = world.eshop.orders.records[codes[-1]] | {"code": "later"}
        world.eshop.change_order("later")
    batches = world.rest()
    assert [batch.live for batch in batches].index(True) == len(batches) - 1
    assert all(0 < batch.done <= batch.total for batch in batches)
    if most > 1:
        world.check_true()
    else:
        with pytest.raises(AssertionError):
            world.check_true()


def test_changes_and_deletions_are_followed(world: World) -> None:
    world.rest()
    orders = world.eshop.orders.records
    first, second, third = [code for code, item in orders.items() if item["customerGuid"]][:3]
    world.eshop.change(guid_of(2), fullName="Jiná Osoba", email="jina@eshop.example")
    world.eshop.add(fullName="Nový Zákazník")
    world.eshop.remove(guid_of(4))
    world.eshop.change_order(first, status={"id": -4, "name": "Stornována"})
    world.eshop.change_order(third, customerGuid=None)
    world.eshop.remove_order(second)
    world.rest()
    world.check_true()


def of_them(shop: api.Shop, codes: Sequence[str]) -> list[Any]:
    """The rule as it would be without a look at whether the answer is complete."""
    return sync.listed(shop, "orders", "orders", {"codes": ",".join(codes)}, 1)[0]


@pytest.mark.parametrize("complete", [True, False], ids=["guarded", "control"])
def test_an_answer_that_is_not_complete_deletes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, complete: bool
) -> None:
    if not complete:
        monkeypatch.setattr(sync, "by_code", of_them)
    world.rest()
    first, second = [code for code, item in world.eshop.orders.records.items() if item["customerGuid"]][:2]
    half = {"orders": [world.eshop.orders.records[second]], "paginator": {"totalCount": 2, "page": 1, "pageCount": 1}}
    for code in (first, second):
        world.eshop.change_order(code, status={"id": -4, "name": "Stornována"})
    answer = reply({"data": half, "errors": None})
    world.eshop.behaviour["orders"] = lambda call: answer if "codes=" in call.query else None
    if not complete:
        world.rest()
        assert first not in world.orders
        return
    with pytest.raises(UpstreamFailed):
        world.rest()
    world.eshop.behaviour.clear()
    world.rest()
    world.check_true()


def test_what_happens_during_the_first_pass_is_not_lost(world: World) -> None:
    world.eshop.size = 120
    world.step()
    world.eshop.remove(guid_of(1))  # those behind it move forward, onto the page already read
    world.eshop.change(guid_of(2), fullName="Přejmenovaná Paní")
    world.now += timedelta(minutes=20)
    world.rest()
    world.check_true()


def test_a_long_log_is_read_twice(world: World) -> None:
    world.eshop.size = 120
    world.rest()
    for number in range(1, 61):
        world.eshop.change(guid_of(number), remark="Nová poznámka")
    world.now += timedelta(minutes=10)  # beyond the overlap of two rounds
    assert world.step().more
    world.eshop.change(guid_of(1), remark="Ještě novější")  # the 51st moves onto the page already read
    world.rest()
    world.check_true()


def test_after_a_month_of_silence_everything_is_read_anew(world: World) -> None:
    world.rest()
    assert read_cursor(world.cursor, world.now).follows
    world.now += timedelta(days=30)
    assert read_cursor(world.cursor, world.now) == Cursor()


@pytest.mark.parametrize(
    "text", ["", "x", "[]", '{"phase": "else"}', '{"page": 0}', '{"phase": "order_changes"}', '{"start": "never"}']
)
def test_what_is_no_cursor_begins_anew(text: str) -> None:
    assert read_cursor(text, NOW) == Cursor()
    assert read_cursor(write_cursor(Cursor(page=2)), NOW) == Cursor(page=2)


@pytest.mark.parametrize(
    "data",
    [
        {"customers": "no list", "paginator": {"totalCount": 0, "page": 1, "pageCount": 1}},
        {"customers": [{"guid": "a"}]},
        {"customers": [], "paginator": {"totalCount": 40, "page": 1, "pageCount": 1}},
        {"customers": [{"guid": "a"}], "paginator": {"totalCount": 400, "page": 1, "pageCount": 1}},
        {"customers": [{"guid": str(number)} for number in range(51)], "paginator": {}},
    ],
)
def test_a_list_that_cannot_be_believed_ends_nothing(world: World, data: object) -> None:
    world.eshop.behaviour["customers"] = reply({"data": data, "errors": None})
    with pytest.raises(UpstreamFailed):
        world.step()


def test_people_are_looked_up_by_e_mail_and_phone_alone(world: World) -> None:
    def lookup(query: str) -> list[str]:
        found = shoptet.lookup(world.installation, world.settings, world.gate.within(20), query)
        return [person.external_id for person in found]

    somebody = world.eshop.customers.records[guid_of(7)]
    assert lookup(somebody["email"]) == [guid_of(7)]
    assert lookup(somebody["phone"]) == [guid_of(7)]
    world.eshop.calls.clear()
    assert lookup("Kovářová") == []
    assert world.eshop.calls == []
