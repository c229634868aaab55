"""What is pushed: the contacts and deals as Wazzup's sheet asks for them, over a real door to the platform in a box."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

import plugins.wazzup as wazzup
from app.core.outbound import Outgate
from app.sdk import (
    Changes,
    Health,
    Installation,
    Later,
    LoginRefused,
    Order,
    Outbound,
    Person,
    Refused,
    Response,
    State,
    Stopped,
    UpstreamFailed,
    Verified,
)
from app.sdk.simulation import Call, Reply, serving
from plugins.wazzup import api, schemas, sync
from plugins.wazzup.simulator import MOST_CALLS, Connection, Simulator

KEY = "5b1d7c0e94f24a6d8e3370c2a19bf648"
SETTINGS: Mapping[str, Any] = {"name": "Acme", "api_url": "https://api.wazzup24.com/v3"}
KINDS = ("users", "contacts", "pipelines", "deals")


def held(key: str = KEY, **facts: str) -> Installation:
    """An installation with this API key, and with a former one that must never be used."""
    secrets = (key, "the-former-key") if key else ()
    return Installation("one", "ws", "wazzup", "1", "Wazzup", State.ACTIVE, lambda name: secrets, facts=facts)


def person(id: int, *orders: str, **changes: str) -> Person:
    """A person with a phone and an address of its own."""
    given = {"phone": f"+420 777 {id:06d}", "url": f"https://shop.example/customers/{id}", **changes}
    told = [Order(number, url=f"https://shop.example/orders/{number}") for number in orders]
    return Person(str(id), given.pop("name", f"Person {id}"), orders=told, **given)


def changes(*people: Person, **more: Any) -> Changes:
    """These people and all their orders as the host hands them over."""
    named = [
        replace(one, id=one.external_id, orders=[replace(o, id=f"{one.external_id}:{o.number}") for o in one.orders])
        for one in people
    ]
    return Changes(named, orders=[(one, order) for one in named for order in one.orders], **more)


def push(
    settings: Mapping[str, Any], outbound: Outbound, *people: Person, key: str = KEY, memo: str = "", **more: Any
) -> str:
    return wazzup.push(held(key), settings, outbound, changes(*people, **more), memo)


class Box:
    """The platform in a box, with one connection, and the host's own door to it."""

    def __init__(self, simulator: Simulator, outbound: Outbound) -> None:
        self.simulator = simulator
        self.outbound = outbound
        self.memo = ""
        self.settings = {**SETTINGS, "api_url": f"{simulator.home}/v3"}
        simulator.connections[KEY] = Connection("1", "crm-key", "Acme", "https://hub.example/wazzup/webhook/p")

    def push(self, *people: Person, **more: Any) -> None:
        self.memo = push(self.settings, self.outbound, *people, memo=self.memo, **more)

    def probe(self, **facts: str) -> Health:
        return wazzup.probe(held(**facts), self.settings, self.outbound)

    def pushed(self, kind: str) -> list[Any]:
        return list(self.simulator.connection.pushed.get(kind, {}).values())

    def routes(self) -> list[str]:
        return [call.path.removeprefix("/v3/") for call in self.simulator.calls]


@contextmanager
def boxed(seconds: float = 30) -> Iterator[Box]:
    simulator = Simulator("", Simulator.make_keys())
    with serving(simulator.received) as simulator.home:
        gate = Outgate(allow=[urlsplit(simulator.home).netloc])
        try:
            yield Box(simulator, gate.within(seconds))
        finally:
            simulator.release.set()
            gate.close()


@pytest.fixture
def box() -> Iterator[Box]:
    with boxed() as box:
        yield box


class Platform:
    """Answers in turn, the last one for ever, and notes what it was sent."""

    def __init__(self, *answers: Response | Refused) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str, Mapping[str, str], Any]] = []

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, json: object = None, **_: Any
    ) -> Response:
        self.calls.append((method, url, headers or {}, json))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Refused):
            raise answer
        return answer

    def exempts(self, url: str) -> bool:
        return False

    def sent(self, kind: str) -> list[list[dict[str, Any]]]:
        return [body for _, url, _, body in self.calls if url.endswith(f"/{kind}")]


# What is sent


def test_a_person_with_an_order_takes_four_calls_in_order() -> None:
    platform = Platform(Response(200))
    push(SETTINGS, platform, person(7, "A-1"))
    deal = platform.sent("deals")[0][0]
    stages = [{"id": "new", "name": "New"}, {"id": "closed", "name": "Closed"}]
    contact = {
        "id": "p-7",
        "responsibleUserId": "stallholder",
        "name": "Person 7",
        "contactData": [{"chatType": "whatsapp", "chatId": "420777000007"}],
        "uri": "https://shop.example/customers/7",
    }
    order = {
        "id": deal["id"],
        "responsibleUserId": "stallholder",
        "name": "Order A-1",
        "uri": "https://shop.example/orders/A-1",
        "contacts": ["p-7"],
        "closed": False,
    }
    base, bearer = SETTINGS["api_url"], {"Authorization": f"Bearer {KEY}"}
    assert platform.calls == [
        ("POST", f"{base}/users", bearer, [{"id": "stallholder", "name": "Acme"}]),
        ("POST", f"{base}/pipelines", bearer, [{"id": "stallholder", "name": "Acme", "stages": stages}]),
        ("POST", f"{base}/contacts", bearer, [contact]),
        ("POST", f"{base}/deals", bearer, [order]),
    ]


def test_the_user_and_the_pipeline_are_sent_once_and_again_when_they_change(box: Box) -> None:
    for number in range(3):
        box.push(person(number, "A"))
    times = box.simulator.connection.times
    assert (times("users"), times("pipelines")) == ({"stallholder": 1}, {"stallholder": 1})
    box.settings["name"] = "Another"
    box.push(person(1, "B"))
    assert (times("users"), times("pipelines")) == ({"stallholder": 2}, {"stallholder": 2})
    assert [user["name"] for user in box.pushed("users")] == ["Another"]
    # The control: what is not remembered is sent again.
    box.memo = ""
    box.push(person(1))
    assert times("users") == {"stallholder": 3}


def test_a_closed_order_is_a_closed_deal(box: Box) -> None:
    orders = [Order("A", url=FITTING, closed=True), Order("B", url=FITTING)]
    box.push(Person("1", "One", phone="+420777123456", orders=orders))
    assert {deal["name"]: deal["closed"] for deal in box.pushed("deals")} == {"Order A": True, "Order B": False}


def test_every_number_of_a_human_is_a_chat_of_one_contact(box: Box) -> None:
    box.push(Person("1", "One", phone="+420 777 123 456, 00420777123457; 777 000 000, +420777123456"))
    (contact,) = box.pushed("contacts")
    assert [chat["chatId"] for chat in contact["contactData"]] == ["420777123456", "420777123457"]


def test_what_is_gone_is_deleted_by_the_hundred(box: Box) -> None:
    people = [person(id, "A", "B") for id in range(1, 202)]
    box.push(*people)
    told = changes(*people)
    box.push(gone_people=[*told.people[:200], told.people[0]], gone_orders=[order.id for _, order in told.orders[:400]])
    assert [contact["id"] for contact in box.pushed("contacts")] == ["p-201"]
    assert [deal["contacts"] for deal in box.pushed("deals")] == [["p-201"], ["p-201"]]
    assert box.routes()[-6:] == ["deals/bulk_delete"] * 4 + ["contacts/bulk_delete"] * 2
    assert len(set(box.simulator.connection.deleted)) == len(box.simulator.connection.deleted) == 600
    # What is not there any more is no failure.
    box.push(gone_people=told.people[:1])


def test_who_lost_the_phone_loses_contact_and_deals(box: Box) -> None:
    box.push(person(1, "A"), person(2, "B"))
    box.push(person(1, "A", phone="777"), person(3, "C", phone="777"), known={"1"})
    assert [contact["id"] for contact in box.pushed("contacts")] == ["p-2"]
    assert [deal["name"] for deal in box.pushed("deals")] == ["Order B"]
    assert [id for kind, id in box.simulator.connection.deleted if kind == "contacts"] == ["p-1"]


def test_whom_wazzup_brought_keeps_the_id_that_it_was_answered(box: Box) -> None:
    whom = replace(person(7, "A"), sources=("one",), known_as=("whatsapp:420777000007",))
    box.push(whom, replace(person(8), sources=("another",), known_as=("whatsapp:1",)))
    ours, theirs = (contact["id"] for contact in box.pushed("contacts"))
    assert theirs == "p-8"
    assert ours == schemas.contact_id("whatsapp", "420777000007")
    assert box.pushed("deals")[0]["contacts"] == [ours]


def test_people_without_orders_take_one_call(box: Box) -> None:
    box.push()
    box.push(*(person(id) for id in range(1, 101)))
    assert box.routes() == ["users", "pipelines", "contacts"]
    assert len(box.pushed("contacts")) == 100


@pytest.mark.parametrize("people", [[], [person(1, "A", phone="777 123 456")]], ids=["nobody", "no usable phone"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_right_after_connecting_there_is_a_user_who_can_be_given_a_role(
    box: Box, monkeypatch: pytest.MonkeyPatch, people: Sequence[Person], guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(sync.Told, "introduce", lambda self: None)
    for _ in range(2):
        box.push(*people)
    assert box.routes() == (["users", "pipelines"] if guarded else [])


def test_the_platform_takes_all_of_it(box: Box) -> None:
    box.push(*(person(id, f"{id}-1", f"{id}-2") for id in range(1, 101)))
    assert box.routes() == ["users", "pipelines", "contacts", "deals", "deals"]
    assert [len(box.pushed(kind)) for kind in KINDS] == [1, 100, 1, 200]
    assert {deal["contacts"][0] for deal in box.pushed("deals")} == {f"p-{id}" for id in range(1, 101)}
    assert box.simulator.connection.ids("contacts") == [f"p-{id}" for id in range(1, 101)]


def test_a_batch_that_comes_again_changes_nothing(box: Box) -> None:
    people = [person(id, "A", "B") for id in range(1, 4)]
    box.push(*people)
    first = json.dumps(box.simulator.connection.pushed)
    box.push(*people)
    assert json.dumps(box.simulator.connection.pushed) == first
    assert set(box.simulator.connection.times("deals").values()) == {2}


# Phones

USABLE = {
    "+420777123456": "420777123456",
    " +420 777 123 456\n": "420777123456",
    "00420 777 123 456": "420777123456",
    "+1 (555) 010-9999": "15550109999",
    "+44 (0)20 7946 0958": "442079460958",
    "+49.30/123456": "4930123456",
    "+7\u00a0900\u00a0123-45-67": "79001234567",
    "+" + "9" * 15: "9" * 15,
    "+6901234": "6901234",
}
UNUSABLE = [
    "",
    "+",
    "777 123 456",
    "8 900 123-45-67",
    "420777123456",
    "0777123456",
    "+0777123456",
    "000420777123456",
    "++420777123456",
    "+420777123456 ext. 5",
    "+420777123456x5",
    "+420777123456, +420777000000",
    "+" + "9" * 16,
    "+690123",
    "+\u0664\u0662\u0660\u0667\u0667\u0667\u0661\u0662\u0663",
    "+\uff14\uff12\uff10777123456",
    "tel:+420777123456",
    "+420\x00777123456",
]


@pytest.mark.parametrize(("phone", "chat"), USABLE.items(), ids=map(repr, USABLE))
def test_an_international_phone_is_told_in_digits(phone: str, chat: str) -> None:
    assert sync.chat_id(phone) == chat


@pytest.mark.parametrize("phone", UNUSABLE, ids=map(repr, UNUSABLE))
def test_any_other_phone_is_passed_over(phone: str) -> None:
    assert sync.chat_id(phone) == ""


def test_who_has_no_phone_is_passed_over_with_the_orders(box: Box) -> None:
    box.push(person(1, "A", phone="777 123 456"), person(2, "B"), person(3, "C", phone=""))
    assert [contact["id"] for contact in box.pushed("contacts")] == ["p-2"]
    assert [deal["name"] for deal in box.pushed("deals")] == ["Order B"]


# Names and addresses


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"name": "Zo\u00eb  Ng\n"}, "Zo\u00eb Ng", id="in one line"),
        pytest.param({"name": "a" * 201}, "a" * 200, id="too long"),
        pytest.param({"name": "\U0001f600" * 101}, "\U0001f600" * 100, id="too long in UTF-16"),
        pytest.param({"name": "a" + "\U0001f600" * 100}, "a" + "\U0001f600" * 99, id="no half of a pair"),
        pytest.param({"name": "a\ud800b"}, "ab", id="lone surrogate"),
        pytest.param({"name": "", "company": "Acme s.r.o."}, "Acme s.r.o.", id="company"),
        pytest.param({"name": " \x00 "}, "420777000007", id="number"),
    ],
)
def test_a_name_fits(box: Box, changes: dict[str, str], name: str) -> None:
    box.push(person(7, **changes))
    assert [contact["name"] for contact in box.pushed("contacts")] == [name]


def test_the_longest_settings_name_fits(box: Box) -> None:
    box.settings["name"] = "\u0416" * 200
    box.push(person(1, "A"))
    assert (len(box.pushed("users")[0]["name"]), len(box.pushed("pipelines")[0]["name"])) == (150, 100)


FITTING, LONG = "https://shop.example/".ljust(200, "a"), "https://shop.example/".ljust(201, "a")


@pytest.mark.parametrize(
    ("url", "of_order", "of_contact", "of_deal"),
    [
        pytest.param(FITTING, FITTING, FITTING, FITTING, id="longest"),
        pytest.param(FITTING, LONG, FITTING, FITTING, id="the person's instead"),
        pytest.param(FITTING, "", FITTING, FITTING, id="the person's for none"),
        pytest.param(LONG, FITTING, None, FITTING, id="the order's alone"),
        pytest.param(LONG, LONG, None, None, id="both too long"),
        pytest.param("", "", None, None, id="none"),
    ],
)
def test_an_address_fits_or_is_left_out(
    box: Box, url: str, of_order: str, of_contact: str | None, of_deal: str | None
) -> None:
    box.push(Person("1", "One", phone="+420777123456", url=url, orders=[Order("A", url=of_order)]))
    assert [contact.get("uri") for contact in box.pushed("contacts")] == [of_contact]
    assert [deal["uri"] for deal in box.pushed("deals")] == ([of_deal] if of_deal else [])
    assert box.routes() == ["users", "pipelines", "contacts", *(["deals"] if of_deal else [])]


def test_an_order_without_a_number_is_passed_over(box: Box) -> None:
    box.push(Person("1", "One", phone="+420777123456", url=FITTING, orders=[Order("")]))
    assert box.pushed("deals") == []


@pytest.mark.parametrize(("length", "taken"), [(62, 1), (63, 0)])
def test_an_id_is_never_cut(box: Box, length: int, taken: int) -> None:
    box.push(Person("9" * length, "Long", phone="+420777123456"))
    assert len(box.pushed("contacts")) == taken


# Nothing twice


def batches_of(people: Sequence[Person]) -> list[tuple[str, list[str]]]:
    """The ids of every batch that ``people`` become."""
    platform = Platform(Response(200))
    push(SETTINGS, platform, *people)
    return [(url.rpartition("/")[2], [item["id"] for item in body]) for _, url, _, body in platform.calls]


def doubled(batches: Sequence[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """What stands in more than one place of one push."""
    counted = Counter((kind, id) for kind, ids in batches for id in ids)
    return [pushed for pushed, times in counted.items() if times > 1]


SOME = st.builds(
    Person,
    st.sampled_from([*"123456", "9" * 63]),
    st.text(max_size=5),
    phone=st.sampled_from([*USABLE, *UNUSABLE]),
    url=st.sampled_from(["", FITTING, LONG]),
    orders=st.lists(st.builds(Order, st.sampled_from(["", "1", "2", "11"]), url=st.sampled_from(["", FITTING]))),
)


@given(st.lists(SOME, max_size=40))
@examples(deadline=None, max_examples=200)
def test_no_id_stands_twice_in_a_push(people: list[Person]) -> None:
    batches = batches_of(people)
    assert doubled(batches) == []
    assert all(0 < len(ids) <= 100 and all(0 < len(id) <= 64 for id in ids) for _, ids in batches)


def test_the_last_of_two_with_one_id_counts(box: Box) -> None:
    box.push(person(1, "A", "A", name="Former"), person(1, "A", name="Latter"))
    assert [contact["name"] for contact in box.pushed("contacts")] == ["Latter"]
    assert len(box.pushed("deals")) == 1


def test_a_number_is_one_order_only_within_a_person() -> None:
    people = [person(1, "23", "3"), person(12, "3", "23")]
    deals = [id for kind, ids in batches_of(people) if kind == "deals" for id in ids]
    assert len(set(deals)) == 4


def test_control_a_doubled_id_is_noticed(box: Box) -> None:
    assert doubled([("contacts", ["p-1"]), ("contacts", ["p-1"])])
    twice = [sync.contact_of("p-1", person(1)), sync.contact_of("p-1", person(1))]
    answer = requests.post(
        f"{box.simulator.home}/v3/contacts", json=twice, headers={"Authorization": f"Bearer {KEY}"}, timeout=30
    )
    assert answer.status_code == 500
    assert box.pushed("contacts") == []


def test_more_than_a_hundred_are_sent_by_the_hundred(box: Box) -> None:
    box.push(*(person(id) for id in range(1, 251)))
    assert [len(ids) for kind, ids in box.simulator.connection.batches if kind == "contacts"] == [100, 100, 50]


# A batch that Wazzup rejects

INTRODUCED = (Response(200), Response(200))  # the user and the pipeline were taken


def refuse(*indexes: object, code: str = "INVALID_CONTACTS_DATA") -> Response:
    """A rejection that names these indexes."""
    told = {"error": code, "description": "x", "data": [{"index": index, "fields": ["name"]} for index in indexes]}
    return Response(400, json.dumps(told).encode())


def test_what_a_rejection_names_is_dropped_with_its_deals() -> None:
    platform = Platform(*INTRODUCED, refuse(1), Response(200))
    push(SETTINGS, platform, person(1, "A"), person(2, "B"), person(3, "C"))
    assert [[item["id"] for item in body] for body in platform.sent("contacts")] == [
        ["p-1", "p-2", "p-3"],
        ["p-1", "p-3"],
    ]
    assert [item["name"] for item in platform.sent("deals")[0]] == ["Order A", "Order C"]


def test_a_genuine_rejection_leaves_the_rest(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = sync.contact_of
    odd = {"contactData": [{"chatType": "whatsapp", "chatId": "+420777000002"}]}
    monkeypatch.setattr(sync, "contact_of", lambda id, who: {**genuine(id, who), **(odd if id == "p-2" else {})})  # type: ignore[dict-item]
    box.push(person(1, "A"), person(2, "B"), person(3))
    assert [contact["id"] for contact in box.pushed("contacts")] == ["p-1", "p-3"]
    assert [deal["name"] for deal in box.pushed("deals")] == ["Order A"]
    assert box.routes() == ["users", "pipelines", "contacts", "contacts", "deals"]


def test_a_batch_of_which_nothing_is_left_is_not_sent_again() -> None:
    platform = Platform(*INTRODUCED, refuse(0, 1), Response(200))
    push(SETTINGS, platform, person(1, "A"), person(2))
    assert [url.rpartition("/")[2] for _, url, _, _ in platform.calls] == ["users", "pipelines", "contacts"]


Judge = Callable[[Sequence[str]], Mapping[str, Any] | None]
INVALID = {"error": "INVALID_CONTACTS_DATA", "description": "x"}
WRONG = {"p-50", "p-60"}


def names_none(ids: Sequence[str]) -> Mapping[str, Any] | None:
    """Says that the batch is wrong, and not where."""
    return INVALID if WRONG & set(ids) else None


def names_first(ids: Sequence[str]) -> Mapping[str, Any] | None:
    """Names one wrong item at a time."""
    wrong = [{"index": index, "fields": ["name"]} for index, id in enumerate(ids) if id in WRONG]
    return INVALID | {"data": wrong[:1]} if wrong else None


def blocks(ids: Sequence[str]) -> Mapping[str, Any] | None:
    """Something in front of the platform does not like what is written in some item."""
    return {} if WRONG & set(ids) else None


def judging(box: Box, judge: Judge) -> None:
    """Have the platform refuse contacts like this."""

    def judged(asked: Call) -> Reply | None:
        told = judge([item["id"] for item in json.loads(asked.body)])
        return None if told is None else Reply(400, json.dumps(told).encode())

    box.simulator.behaviour["POST contacts"] = judged


def deliver_once_more(call: Callable[..., Response], path: str, items: Sequence[sync.Item]) -> list[sync.Item]:
    """The former rule: what a rejection names is dropped, and the rest is sent once more."""
    taken: list[sync.Item] = []
    for start in range(0, len(items), 100):
        batch = items[start : start + 100]
        response = call("POST", path, batch)
        if bad := sync.rejected(response, len(batch)):
            batch = [item for index, item in enumerate(batch) if index not in bad]
            response = call("POST", path, batch)
        sync.check_taken(response)
        taken += batch
    return taken


@pytest.mark.parametrize("judge", [names_none, names_first, blocks])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_two_bad_people_do_not_hold_up_the_others(
    box: Box, monkeypatch: pytest.MonkeyPatch, judge: Judge, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(sync, "deliver", deliver_once_more)
    judging(box, judge)
    ended = outcome(lambda: box.push(*(person(id, *["A"] * (id == 50)) for id in range(1, 101))))
    taken = {contact["id"] for contact in box.pushed("contacts")}
    assert (ended, len(taken)) == ((None, 98) if guarded else (UpstreamFailed, 0))
    assert not taken & WRONG
    assert box.pushed("deals") == [], "an order of somebody who is not there"


def test_one_bad_person_among_a_thousand_is_dropped_alone(box: Box) -> None:
    judging(box, lambda ids: INVALID if "p-50" in ids else None)
    for start in range(1, 1001, 100):
        box.push(*(person(id) for id in range(start, start + 100)))
    assert len(box.pushed("contacts")) == 999
    assert 10 < box.routes().count("contacts") <= 10 + 2 * 7


def test_one_that_is_called_invalid_is_dropped_though_it_comes_alone(box: Box) -> None:
    judging(box, names_none)
    box.push(person(50))
    box.push(person(51))
    assert [contact["id"] for contact in box.pushed("contacts")] == ["p-51"]


def test_all_of_a_batch_may_be_named_one_by_one() -> None:
    platform = Platform(*INTRODUCED, refuse(0))
    push(SETTINGS, platform, *(person(id) for id in range(1, 101)))
    assert [len(items) for items in platform.sent("contacts")] == list(range(100, 0, -1))


def test_a_rejected_deal_is_dropped_alone() -> None:
    platform = Platform(*INTRODUCED, Response(200), refuse(0, code="INVALID_DEALS_DATA"), Response(200))
    push(SETTINGS, platform, person(1, "A", "B"))
    assert [[item["name"] for item in body] for body in platform.sent("deals")] == [["Order A", "Order B"], ["Order B"]]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(refuse(), id="no index"),
        pytest.param(refuse(-1), id="negative"),
        pytest.param(refuse(2), id="beyond the batch"),
        pytest.param(refuse(True), id="boolean"),
        pytest.param(refuse("0"), id="text"),
        pytest.param(refuse(None, [], {}), id="no numbers"),
        pytest.param(Response(400, b'{"error":"INVALID_CONTACTS_DATA","data":{"index":0}}'), id="an object"),
        pytest.param(Response(400, b'{"error":"INVALID_CONTACTS_DATA","data":[0]}'), id="bare numbers"),
        pytest.param(Response(400, b'{"error":"INVALID_CONTACTS_DATA"}'), id="no data"),
    ],
)
def test_a_rejection_that_names_nothing_is_found_out_by_halves(answer: Response) -> None:
    platform = Platform(*INTRODUCED, answer, answer, Response(200))
    push(SETTINGS, platform, person(1, "A"), person(2, "B"))
    assert [[item["id"] for item in body] for body in platform.sent("contacts")] == [["p-1", "p-2"], ["p-1"], ["p-2"]]
    assert [item["name"] for item in platform.sent("deals")[0]] == ["Order B"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(refuse(0, code="TOO_MANY_ENTITIES"), id="another code"),
        pytest.param(refuse(0, code=""), id="no code"),
        pytest.param(Response(400), id="empty"),
        pytest.param(Response(400, b"[]"), id="array"),
        pytest.param(Response(400, b"<html>"), id="html"),
    ],
)
def test_where_all_is_refused_and_nothing_said_of_the_items_it_is_no_success(answer: Response) -> None:
    platform = Platform(*INTRODUCED, answer)
    with pytest.raises(UpstreamFailed, match="push_refused"):
        push(SETTINGS, platform, person(1, "A"), person(2))
    assert len(platform.sent("contacts")) == 3


@pytest.mark.parametrize("code", ["DUPLICATE", "DUPLICATE_PHONE_NUMBER", "duplicateContacts"])
def test_a_duplicate_is_there_already(code: str) -> None:
    platform = Platform(Response(400, json.dumps({"error": code}).encode()))
    push(SETTINGS, platform, person(1, "A"))
    assert len(platform.calls) == 4


# What ends a push

GOOD = {
    "empty": Response(200),
    "created": Response(201, b"{}"),
    "no JSON": Response(200, b"{ ok }"),
    "what was taken": Response(200, b'[{"id":"p-1"}]'),
    "no error": Response(200, b'{"error":null}'),
}
BAD: dict[str, tuple[Response | Refused, type[Refused], str]] = {
    "401": (Response(401), LoginRefused, "key_refused"),
    "403": (Response(403, b'{"error":"FORBIDDEN"}'), Stopped, "not_allowed"),
    "429": (Response(429, headers={"retry-after": "soon"}), Later, "rate_limited"),
    "408": (Response(408), Later, "out_of_order"),
    "500": (Response(500), Later, "out_of_order"),
    "503, html": (Response(503, b"<html>"), Later, "out_of_order"),
    "404": (Response(404), UpstreamFailed, "push_refused"),
    "413": (Response(413), UpstreamFailed, "push_refused"),
    "redirect": (Response(302, headers={"location": "/"}), UpstreamFailed, "push_refused"),
    "no status": (Response(0), UpstreamFailed, "push_refused"),
    "200, html": (Response(200, b" <!doctype html>"), UpstreamFailed, "push_refused"),
    "200 with an error": (Response(200, b'{"error":"UNKNOWN_ERROR"}'), UpstreamFailed, "push_refused"),
    "500 that names an item": (Response(500, refuse(0).body), Later, "out_of_order"),
    "404 for a duplicate": (Response(404, b'{"error":"DUPLICATE"}'), UpstreamFailed, "push_refused"),
    "no answer": (UpstreamFailed("timeout"), UpstreamFailed, "timeout"),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
def test_success_is_known_by_its_status(answer: Response) -> None:
    platform = Platform(answer)
    push(SETTINGS, platform, person(1, "A"))
    assert len(platform.calls) == 4


@pytest.mark.parametrize("before", range(4), ids=KINDS)
@pytest.mark.parametrize(("answer", "kind", "reason"), BAD.values(), ids=BAD)
def test_anything_else_ends_the_push(answer: Response | Refused, kind: type[Refused], reason: str, before: int) -> None:
    platform = Platform(*[Response(200)] * before, answer)
    with pytest.raises(Refused) as caught:
        push(SETTINGS, platform, person(1, "A"))
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert len(platform.calls) == before + 1
    assert KEY not in f"{caught.value!r} {caught.value.message} {caught.value.params}"


def test_control_a_trusting_push_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "check_taken", lambda response: None)
    for answer, _, _ in BAD.values():
        if isinstance(answer, Response):
            push(SETTINGS, Platform(answer), person(1, "A"))


def test_without_a_key_nothing_is_asked() -> None:
    platform = Platform(Response(200))
    with pytest.raises(Stopped, match="no_key"):
        push(SETTINGS, platform, person(1), key="")
    assert platform.calls == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["index", "fields", "code"]), inner),
    max_leaves=8,
)
CODES = st.sampled_from(["INVALID_CONTACTS_DATA", "invalidDealsData", "DUPLICATE", "X", ""]) | JSON
TOLD = st.fixed_dictionaries({"error": CODES}, optional={"data": JSON, "webhooksUri": JSON})
BODIES = st.binary(max_size=30) | (TOLD | JSON).map(lambda value: json.dumps(value).encode())
ANSWERS = st.builds(Response, st.sampled_from([0, 200, 201, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503]), BODIES)


def outcome(run: Callable[[], object]) -> type[Refused] | None:
    """How a call ended, by the kind of its refusal; anything else escapes."""
    try:
        run()
    except Refused as refusal:
        return type(refusal)
    return None


@given(st.lists(ANSWERS, min_size=1, max_size=6))
@examples(deadline=None, max_examples=400)
def test_no_answer_raises_anything_but_a_refusal(answers: list[Response]) -> None:
    platform = Platform(*answers)
    ended = outcome(lambda: push(SETTINGS, platform, person(1, "A"), person(2)))
    assert ended in {None, LoginRefused, Stopped, Later, UpstreamFailed}
    assert len(platform.calls) <= 6
    bodies = [[item["id"] for item in body] for _, _, _, body in platform.calls]
    assert all(bodies)
    assert all(len(set(ids)) == len(ids) for ids in bodies)


@given(ANSWERS)
@examples(deadline=None, max_examples=200)
def test_a_probe_survives_any_answer(answer: Response) -> None:
    assert wazzup.probe(held(webhook_origin="https://hub.example"), SETTINGS, Platform(answer)) in Health


# Over the host's own door


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param(401, LoginRefused, id="401"),
        pytest.param(403, Stopped, id="403"),
        pytest.param(429, Later, id="429"),
        pytest.param(502, Later, id="502"),
        pytest.param("html", UpstreamFailed, id="html"),
        pytest.param({"error": "UNKNOWN_ERROR"}, UpstreamFailed, id="lie"),
        pytest.param(Reply(302, headers={"Location": "/v3/users"}), UpstreamFailed, id="redirect"),
    ],
)
def test_a_bent_answer_is_no_success(box: Box, kind: str, how: Any, expected: type[Refused]) -> None:
    box.simulator.behaviour[f"POST {kind}"] = how
    assert outcome(lambda: box.push(person(1, "A"))) is expected
    assert box.routes()[-1] == kind
    assert box.pushed(kind) == []
    box.simulator.behaviour.clear()
    box.push(person(1, "A"))
    assert len(box.pushed(kind)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_platform_that_hangs_is_given_up(kind: str) -> None:
    with boxed(seconds=0.5) as box:
        box.simulator.behaviour[f"POST {kind}"] = "hang"
        with pytest.raises(UpstreamFailed, match="timeout"):
            box.push(person(1, "A"))


def test_a_platform_that_is_gone_is_no_success() -> None:
    with boxed() as box:
        box.settings["api_url"] = "http://127.0.0.1:9/v3"
        with pytest.raises(UpstreamFailed):
            box.push(person(1))


def test_a_removed_integration_stops(box: Box) -> None:
    box.simulator.disconnect()
    with pytest.raises(Stopped, match="key_refused"):
        box.push(person(1))
    assert box.routes() == ["users"]


# The heartbeat

OURS = "https://hub.example"


@pytest.mark.parametrize(
    ("uri", "health"),
    [
        pytest.param(f"{OURS}/wazzup/webhook/abc", Health.ALIVE, id="ours"),
        pytest.param("HTTPS://Hub.Example/wazzup/webhook/abc", Health.ALIVE, id="ours, in another case"),
        pytest.param("", Health.ALIVE, id="none set"),
        pytest.param("https://another-tool.example/hook", Health.REPLACED, id="another's"),
        pytest.param("https://hub.example.evil.example/x", Health.REPLACED, id="ours in front"),
        pytest.param("https://hub.example:8443/x", Health.REPLACED, id="another port"),
        pytest.param(f"https://another.example/?{OURS}/", Health.REPLACED, id="ours inside"),
    ],
)
def test_a_replaced_integration_is_noticed(box: Box, uri: str, health: Health) -> None:
    box.simulator.take_over(uri)
    assert box.probe(webhook_origin=OURS) is health
    assert box.probe(webhook_origin=OURS + "/") is health
    assert box.probe() is Health.ALIVE


class Links:
    """An install's addresses and link secrets."""

    public_url = OURS

    def to(self, action: str, key: str = "") -> str:
        return f"{OURS}/wazzup/{action}/{key}"

    def token(self, purpose: str) -> str:
        return purpose


def test_an_install_notes_what_the_heartbeat_compares_with(box: Box) -> None:
    platform = Platform(Response(200, json.dumps({"data": KEY}).encode()))
    settings = {**SETTINGS, "secret": ("62819894-ab3a-43fa-8309-30a2cf19caf5",)}
    verified = Verified("wazzup", "install", datetime(2026, 1, 15, tzinfo=UTC), fields={"state": "opaque"})
    registration = wazzup.install(verified, settings, Links(), platform)
    assert registration.credentials == {"api_key": KEY}
    assert registration.facts == {"webhook_origin": OURS}
    assert box.probe(**registration.facts) is Health.ALIVE
    box.simulator.take_over()
    assert box.probe(**registration.facts) is Health.REPLACED


def test_control_a_heartbeat_that_looks_at_the_status_alone_is_noticed(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "is_ours", lambda response, origin: True)
    box.simulator.take_over()
    assert box.probe(webhook_origin=OURS) is not Health.REPLACED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{ ok }",
        b"<html>",
        b"[]",
        b"7",
        b"{}",
        b'{"webhooksUri":null}',
        b'{"webhooksUri":7}',
        b'{"webhooksUri":[]}',
    ],
    ids=repr,
)
def test_an_answer_that_cannot_be_read_says_nothing(body: bytes) -> None:
    platform = Platform(Response(200, body))
    assert wazzup.probe(held(webhook_origin=OURS), SETTINGS, platform) is Health.ALIVE


def test_another_address_in_a_refusal_says_nothing() -> None:
    told = b'{"webhooksUri":"https://another.example/x"}'
    for status, health in ((401, Health.DEAD), (403, Health.UNSURE), (500, Health.UNSURE)):
        assert wazzup.probe(held(webhook_origin=OURS), SETTINGS, Platform(Response(status, told))) is health


# The limits, and the platform that counts


def test_the_manifest_stays_below_the_platforms_limit() -> None:
    limits = tomllib.loads((Path(wazzup.__file__).parent / "connector.toml").read_text("utf-8"))["limits"]
    assert limits == {"rate": 400, "per": 5.0, "together": 2, "batch": 100}
    assert limits["rate"] < MOST_CALLS


def call(kind: str, *items: object) -> Call:
    """A call under the connection's key."""
    return Call("POST", f"/v3/{kind}", headers={"authorization": f"Bearer {KEY}"}, body=json.dumps(items).encode())


def test_the_platform_counts_any_five_seconds(box: Box) -> None:
    platform, now = box.simulator, [0.0]
    platform.ticks = lambda: now[0]
    for number in range(MOST_CALLS):
        now[0] = number / 1024
        assert platform.answer(call("users", {"id": "u", "name": "U"})).status == 200
    for now[0], status in ((4.9, 429), (4.999, 429), (5.2, 200)):
        assert platform.answer(call("users", {"id": "u", "name": "U"})).status == status
    assert platform.connection.busiest() == MOST_CALLS + 2
    assert platform.connection.busiest(8 / 1024) == 8
    with pytest.raises(KeyError):
        platform.connection.pushed["contacts"]


def test_a_call_too_many_is_told_to_come_later(box: Box) -> None:
    box.simulator.ticks = lambda: 0.0
    box.simulator.connection.moments += [0.0] * (MOST_CALLS - 2)
    with pytest.raises(Later, match="rate_limited"):
        box.push(person(1))
    assert box.routes() == ["users", "pipelines", "contacts"]
    assert box.pushed("contacts") == []


CONTACT = {
    "id": "p-1",
    "responsibleUserId": "nobody-knows",
    "name": "One",
    "contactData": [{"chatType": "whatsapp", "chatId": "420777123456"}],
}
DEAL = {"id": "o-1", "responsibleUserId": "u", "name": "Order", "uri": FITTING, "contacts": ["p-1"], "closed": False}


def chat(**changes: str) -> dict[str, Any]:
    return {"contactData": [{"chatType": "whatsapp", "chatId": "420777123456", **changes}]}


@pytest.mark.parametrize(
    ("kind", "item", "wrong"),
    [
        pytest.param("users", {"id": "u", "name": ""}, "name", id="user without a name"),
        pytest.param("users", {"id": "u", "name": "a" * 151}, "name", id="user with a long name"),
        pytest.param("contacts", CONTACT, "", id="contact"),
        pytest.param("contacts", {**CONTACT, "id": "p" * 65}, "id", id="long id"),
        pytest.param("contacts", {**CONTACT, "name": "a" * 201}, "name", id="long name"),
        pytest.param("contacts", {**CONTACT, "name": None}, "name", id="no name"),
        pytest.param("contacts", {**CONTACT, "contactData": []}, "contactData", id="no chat"),
        pytest.param("contacts", {**CONTACT, **chat(chatId="+420777123456")}, "contactData", id="plus"),
        pytest.param("contacts", {**CONTACT, **chat(chatId="0777123456")}, "contactData", id="national"),
        pytest.param("contacts", {**CONTACT, **chat(chatType="pigeon")}, "contactData", id="no such chat"),
        pytest.param("contacts", {**CONTACT, **chat(chatType="telegram", chatId="@one")}, "", id="telegram"),
        pytest.param("contacts", {**CONTACT, "uri": LONG}, "uri", id="long address"),
        pytest.param("contacts", {**CONTACT, "responsibleUserId": ""}, "responsibleUserId", id="nobody responsible"),
        pytest.param("deals", DEAL, "", id="deal"),
        pytest.param("deals", {**DEAL, "uri": None}, "uri", id="deal without an address"),
        pytest.param("deals", {**DEAL, "contacts": []}, "contacts", id="deal of nobody"),
        pytest.param("deals", {**DEAL, "closed": "no"}, "closed", id="deal half closed"),
        pytest.param("pipelines", {"id": "p", "name": "P"}, "", id="pipeline without stages"),
        pytest.param("pipelines", {"id": "p", "name": "P", "stages": []}, "stages", id="empty stages"),
        pytest.param("pipelines", {"id": "p", "name": "P", "stages": [{"id": "s"}]}, "stages", id="stage without name"),
        pytest.param("pipelines", {"id": "p", "name": "P", "stages": [{"id": "s", "name": "S"}]}, "", id="pipeline"),
    ],
)
def test_the_platform_names_what_is_wrong(box: Box, kind: str, item: dict[str, Any], wrong: str) -> None:
    answer = box.simulator.answer(call(kind, item))
    if not wrong:
        assert (answer.status, answer.body) == (200, b"")
        return
    told = json.loads(answer.body)
    assert (answer.status, told["error"]) == (400, f"INVALID_{kind.upper()}_DATA")
    assert told["data"] == [{"index": 0, "fields": [wrong]}]
    assert box.simulator.connection.batches == []


def test_the_platform_remembers_order_and_times(box: Box) -> None:
    first, second = ({**CONTACT, "id": id} for id in ("b", "a"))
    for items in ((first, second), (second,), (first, {**CONTACT, "name": ""})):
        box.simulator.answer(call("contacts", *items))
    assert box.simulator.connection.ids("contacts") == ["b", "a", "a"]
    assert box.simulator.connection.times("contacts") == {"a": 2, "b": 1}


def test_a_bend_is_used_up_call_by_call(box: Box) -> None:
    box.simulator.behaviour["POST users"] = [503, None, lambda asked: Reply(418) if b"U" in asked.body else None]
    answers = [box.simulator.answer(call("users", {"id": "u", "name": "U"})).status for _ in range(4)]
    assert answers == [503, 200, 418, 200]
    assert len(box.simulator.connection.moments) == 4
