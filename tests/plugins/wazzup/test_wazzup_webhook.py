"""The webhook: who may call it, and what is kept and answered for every body of the fact sheet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import plugins.wazzup as wazzup
from app.sdk import (
    Claims,
    Delivery,
    Event,
    Hit,
    Inbound,
    Installation,
    Malformed,
    Message,
    Outcome,
    Person,
    Refused,
    State,
    Unknown,
    Unverified,
    Verified,
    bearer_token,
)
from plugins.wazzup import proof

AT = datetime(2026, 1, 15, 9, 12, 44, tzinfo=UTC)
PATH, BEARER, OTHER_PATH, OTHER_BEARER = (f"{name}-{'x' * 38}" for name in ("path1", "bear1", "path2", "bear2"))
TEST = b'{"test":true}'
MESSAGES = (  # the fact sheet's 10.6
    b'{"messages":[{"messageId":"70886090-f611-4733-a263-f8ad88de116b","channelId":"01e9d92c-3f8f-4a8d-9e5b-bde5ebb22e10",'
    b'"chatType":"whatsapp","chatId":"79001234567","dateTime":"2026-01-15T09:12:44.120Z","type":"text","isEcho":false,'
    b'"status":"inbound","text":"Is it in stock?","contact":{"name":"Oleg"}}],'
    b'"statuses":[{"messageId":"418926ef-77d3-4c7d-99b6-9cb6ad6bd042","timestamp":"2026-01-15T09:12:44.300Z","status":"read"}]}'
)
CONTACT = {  # 10.7
    "responsibleUserId": "u-7",
    "name": "79005550011",
    "contactData": [{"chatType": "whatsapp", "chatId": "79005550011"}],
    "source": "auto",
}
DEAL = {"responsibleUserId": "u-7", "contacts": ["c-102"], "source": "auto"}


def installation(id: str, state: State = State.ACTIVE) -> Installation:
    return Installation(id, "ws", "wazzup", id, f"Wazzup {id}", state, secrets=lambda name: ())


class FakeInstallations:
    """Two installations with a link secret of each purpose."""

    def __init__(self, state: State = State.ACTIVE) -> None:
        one, two = installation("one", state), installation("two", state)
        self.links = {("path", PATH): one, ("crm_key", BEARER): one}
        self.links |= {("path", OTHER_PATH): two, ("crm_key", OTHER_BEARER): two}

    def by_link(self, purpose: str, token: str) -> Installation | None:
        return self.links.get((purpose, token))

    def by_tenant(self, tenant: str) -> Installation | None:
        raise AssertionError("a webhook is named by its secrets alone")


class FakeDirectory:
    """People by id; found by phone as the host does it, digits only."""

    def __init__(self, **people: Person) -> None:
        self.people = people

    def search(self, query: str, limit: int = 20) -> list[Hit]:
        raise AssertionError("nobody searches here")

    def person(self, id: str) -> Person | None:
        person = self.people.get(id)
        if person is None:
            return None
        source = "one" if person.external_id.startswith(("whatsapp:", "viber:")) else "shop"
        return replace(person, id=id, sources=(source,), known_as=(person.external_id,))

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        wanted = re.sub("[^0-9]", "", phone)
        same = (id for id, person in self.people.items() if wanted and re.sub("[^0-9]", "", person.phone) == wanted)
        return next((Hit(id, self.people[id].name) for id in same), None)

    def store(self, outcome: Outcome) -> None:
        known = {person.external_id: id for id, person in self.people.items()}
        for person in outcome.people:
            self.people[known.get(person.external_id, f"n{len(self.people)}")] = person


def request(
    body: bytes = MESSAGES,
    key: str | None = PATH,
    authorization: str | None = f"Bearer {BEARER}",
    media_type: str = "application/json; charset-utf-8",
) -> Inbound:
    sent = {"content-type": media_type}
    if authorization is not None:
        sent["authorization"] = authorization
    return Inbound("webhook", "POST", AT, key=key, headers=sent, body=body)


def take(body: Mapping[str, Any] | bytes, people: FakeDirectory | None = None) -> Outcome:
    """A genuine call, through `verify` and `webhook`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    claims = wazzup.verify(request(raw), FakeInstallations())
    verified = Verified("wazzup", "webhook", AT, fields=claims.fields)
    links: Any = SimpleNamespace(public_url="https://hub.example")
    return wazzup.webhook(verified, installation("one"), links, people or FakeDirectory())


def reply(outcome: Outcome) -> Any:
    assert outcome.reply.status == 200
    assert outcome.reply.media_type == "application/json"
    return json.loads(outcome.reply.body)


# who may call


def test_a_genuine_call_names_its_installation() -> None:
    claims = wazzup.verify(request(), FakeInstallations())
    assert claims.installation == "one"
    assert claims.fields == json.loads(MESSAGES)
    assert claims.proof == b""  # a bearer proves nothing about the body: the journal must not bind it


@pytest.mark.parametrize("state", [State.ACTIVE, State.PENDING])
@pytest.mark.parametrize(
    "authorization", [None, f"Bearer {BEARER}", "Bearer wrong", f"Bearer {OTHER_BEARER}", "Basic x"]
)
@pytest.mark.parametrize("body", [TEST, b'{"test": true}', b' {\n"test" : true }\r\n'], ids=["sheet", "space", "lines"])
def test_the_test_body_is_taken_whatever_the_header(body: bytes, authorization: str | None, state: State) -> None:
    claims = wazzup.verify(request(body, authorization=authorization), FakeInstallations(state))
    assert (claims.installation, dict(claims.fields)) == ("one", {"test": True})


def test_the_test_has_no_effect() -> None:
    outcome = take(TEST)
    assert reply(outcome) == {"ok": True}
    assert (outcome.events, outcome.people, outcome.state, outcome.facts) == ((), (), None, {})


@pytest.mark.parametrize("body", [TEST, MESSAGES], ids=["test", "messages"])
@pytest.mark.parametrize("key", [None, "", "unknown", BEARER, PATH + "x", PATH[:-1], PATH.upper()])
def test_an_unknown_path_is_not_found(key: str | None, body: bytes) -> None:
    with pytest.raises(Unknown):
        wazzup.verify(request(body, key), FakeInstallations())


NEAR_MISSES = {
    "no header": request(authorization=None),
    "empty": request(authorization=""),
    "no token": request(authorization="Bearer "),
    "no scheme": request(authorization=BEARER),
    "another scheme": request(authorization=f"Basic {BEARER}"),
    "wrong": request(authorization=f"Bearer {'y' * 43}"),
    "shortened": request(authorization=f"Bearer {BEARER[:-1]}"),
    "lengthened": request(authorization=f"Bearer {BEARER}x"),
    "upper case": request(authorization=f"Bearer {BEARER.upper()}"),
    "two spaces": request(authorization=f"Bearer  {BEARER}"),
    "newline": request(authorization=f"Bearer {BEARER}\n"),
    "two tokens": request(authorization=f"Bearer {BEARER}, Bearer {OTHER_BEARER}"),
    "another installation's": request(authorization=f"Bearer {OTHER_BEARER}"),
    "the path's secret": request(authorization=f"Bearer {PATH}"),
    "the path of another": request(key=OTHER_PATH),
    "template": request(authorization="Bearer {wazzupKey}"),
    "not quite the test: more keys": request(b'{"test":true,"messages":[]}', authorization=None),
    "not quite the test: false": request(b'{"test":false}', authorization=None),
    "not quite the test: 1": request(b'{"test":1}', authorization=None),
    "not quite the test: text": request(b'{"test":"true"}', authorization=None),
    "not quite the test: twice": request(b'{"test":true,"test":true}', authorization=None),
    "not quite the test: array": request(b'[{"test":true}]', authorization=None),
    "not quite the test: padded": request(TEST + b" " * 64, authorization=None),
    "not quite the test: BOM": request(b"\xef\xbb\xbf" + TEST, authorization=None),
    "empty body": request(b"", authorization=None),
    "no JSON": request(b"messages", authorization=None),
}


def let_in(verify: Callable[[Inbound, FakeInstallations], Claims]) -> set[str]:
    """The near-misses that a verifier does not refuse as unverified."""
    found = set()
    for name, inbound in NEAR_MISSES.items():
        try:
            verify(inbound, FakeInstallations())
        except Unverified:
            continue
        except Refused:
            pass
        found.add(name)
    return found


def test_no_near_miss_is_let_in() -> None:
    assert let_in(wazzup.verify) == set()


def test_control_without_the_bearer_everything_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "is_test", lambda body: True)
    assert let_in(wazzup.verify) == set(NEAR_MISSES)


def test_control_any_bearer_of_ours_would_be_noticed() -> None:
    def careless(inbound: Inbound, installations: FakeInstallations) -> Claims:
        named = installations.by_link("crm_key", bearer_token(inbound.header("authorization")))
        if named is None:
            raise Unverified("wrong_bearer")
        return Claims(installation=named.id)

    assert let_in(careless) == {"another installation's", "the path of another"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="broken"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'{"messages":{}}', id="messages as an object"),
        pytest.param(b'{"messages":null}', id="messages as null"),
        pytest.param(b'{"messages":["x"]}', id="messages as texts"),
        pytest.param(b'{"statuses":[[]]}', id="statuses as arrays"),
        pytest.param(b'{"channelsUpdates":"x"}', id="channels as a text"),
        pytest.param(b'{"createContact":[]}', id="contact as an array"),
        pytest.param(b'{"createDeal":null}', id="deal as null"),
        pytest.param(b'{"templateStatus":[{}]}', id="template as an array"),
        pytest.param(b'{"messages":[],"messages":[]}', id="twice"),
    ],
)
def test_a_genuine_call_with_another_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        wazzup.verify(request(body), FakeInstallations())


@pytest.mark.parametrize("media_type", ["application/json; charset-utf-8", "text/plain", ""])
def test_the_content_type_does_not_matter(media_type: str) -> None:
    assert wazzup.verify(request(media_type=media_type), FakeInstallations()).installation == "one"


# what is kept


def keys(body: Mapping[str, Any] | bytes) -> list[str]:
    return [event.key for event in take(body).events]


def test_messages_and_statuses_of_one_body() -> None:
    outcome = take(MESSAGES)
    assert reply(outcome) == {"ok": True}
    assert outcome.messages == (
        Message(
            "70886090-f611-4733-a263-f8ad88de116b",
            datetime(2026, 1, 15, 9, 12, 44, 120000, tzinfo=UTC),
            "WhatsApp",
            "whatsapp:79001234567",
            "+79001234567",
            text="Is it in stock?",
        ),
    )
    assert outcome.deliveries == (Delivery("418926ef-77d3-4c7d-99b6-9cb6ad6bd042", "read"),)
    assert outcome.events == ()  # kept once, and not a second time as they came


ECHO = {"messageId": "m-1", "chatType": "whatsapp", "chatId": "79001234567", "isEcho": True, "status": "sent"}
READ: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "echo": ({"authorName": "Irina"}, {"author": "Irina", "outgoing": True, "status": "sent", "at": AT}),
    "error": ({"status": "error", "error": {"error": "BAD_CONTACT"}}, {"status": "error", "failure": "BAD_CONTACT"}),
    "odd error": ({"status": "error", "error": ["<b>"]}, {"status": "error", "failure": ""}),
    "incoming": ({"isEcho": False, "status": "inbound"}, {"outgoing": False, "status": ""}),
    "edited": ({"isEdited": True, "text": "b"}, {"edited": True, "text": "b"}),
    "deleted": ({"isDeleted": True, "text": "b", "contentUri": "https://x"}, {"deleted": True, "text": "", "url": ""}),
    "picture": ({"type": "image", "contentUri": "https://x/1"}, {"kind": "image", "url": "https://x/1"}),
    "telegram": (
        {"chatType": "telegram", "chatId": "4f-1", "contact": {"phone": "+79001234567"}},
        {"channel": "Telegram", "person": "telegram:4f-1", "phone": "+79001234567"},
    ),
    "no phone": ({"chatType": "instagram", "chatId": "79001234567"}, {"person": "instagram:79001234567", "phone": ""}),
    "a group": ({"chatType": "whatsgroup", "chatId": "79001234567"}, {"phone": ""}),
    "bad time": ({"dateTime": "yesterday"}, {"at": AT}),
    "a new channel": ({"chatType": "pigeon"}, {"channel": "pigeon", "phone": ""}),
}


@pytest.mark.parametrize(("more", "expected"), READ.values(), ids=READ)
def test_a_message_is_read(more: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    outcome = take({"messages": [{**ECHO, **more}]})
    (message,) = outcome.messages
    assert {name: getattr(message, name) for name in expected} == expected
    assert outcome.events == ()


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "edited", "error"])
def test_news_are_read(status: str) -> None:
    outcome = take({"statuses": [{**ERROR, "status": status}]})
    assert outcome.deliveries == (Delivery("m-1", status, "BAD_CONTACT" if status == "error" else ""),)
    assert outcome.events == ()


CHANNEL = {
    "channelId": "01e9d92c-3f8f-4a8d-9e5b-bde5ebb22e10",
    "state": "qr",
    "timestamp": 1768468364120,
    "qr": "data:",
}
TEMPLATE = {"templateGuid": "70886090-f611-4733-a263-f8ad88de116b", "name": "hello", "status": "approved"}
ERROR = {"messageId": "m-1", "timestamp": "t", "status": "error", "error": {"error": "BAD_CONTACT", "description": "x"}}
EVERY_BODY: dict[str, tuple[Mapping[str, Any], str, str]] = {
    "no chat": ({"messages": [{"messageId": "m-1", "text": "x"}]}, "message", "message:"),
    "no id": ({"messages": [{"text": "x"}]}, "message", "message:"),
    "odd id": ({"messages": [{"messageId": {"a": 1}}]}, "message", "message:"),
    "new status": ({"statuses": [{**ERROR, "status": "eaten"}]}, "status", "status:"),
    "odd status": ({"statuses": [{**ERROR, "messageId": "a b"}]}, "status", "status:"),
    "channel": ({"channelsUpdates": [CHANNEL]}, "channel", f"channel:{CHANNEL['channelId']}:1768468364120:qr"),
    "template": ({"templateStatus": TEMPLATE}, "template", "template:"),
    "contact": ({"createContact": CONTACT}, "contact", "contact:c-"),
    "deal": ({"createDeal": DEAL}, "deal", "deal:d-"),
    "unknown": ({"news": [1]}, "unknown", "unknown:"),
    "nothing": ({}, "unknown", "unknown:"),
    "test and more": ({"test": True, "more": 1}, "unknown", "unknown:"),
}


@pytest.mark.parametrize(("body", "kind", "start"), EVERY_BODY.values(), ids=EVERY_BODY)
def test_every_body_becomes_one_event_under_one_key(body: Mapping[str, Any], kind: str, start: str) -> None:
    (event,) = take(body).events
    assert event.kind == kind
    assert event.key.startswith(start)
    assert len(event.key) <= 250
    assert event.key.isascii()
    assert keys(body) == [event.key]  # delivered again


def test_the_order_of_names_makes_no_other_event() -> None:
    turned = dict(sorted(TEMPLATE.items(), reverse=True))
    assert list(turned) != list(TEMPLATE)
    assert keys({"templateStatus": turned}) == keys({"templateStatus": TEMPLATE})


def test_distinct_events_have_distinct_keys() -> None:
    assert len(set(keys({"messages": [{"text": "a"}, {"text": "b"}]}))) == 2
    assert (
        len(set(keys({"channelsUpdates": [CHANNEL, {**CHANNEL, "timestamp": 2}, {**CHANNEL, "state": "active"}]}))) == 3
    )


def test_a_body_that_repeats_itself_is_one_event() -> None:
    assert len(keys({"messages": [{"messageId": "m-1"}, {"messageId": "m-1"}]})) == 1


def kept_once(events: list[Event]) -> bool:
    """Whether two deliveries leave one event behind."""
    return len({event.key for event in events}) == 1


def test_control_a_key_that_differs_is_noticed() -> None:
    event = take({"channelsUpdates": [CHANNEL]}).events[0]
    again = take({"channelsUpdates": [CHANNEL]}).events[0]
    assert kept_once([event, again])
    assert not kept_once([event, Event(f"{again.key}:{id(again)}", again.kind)])


@pytest.mark.parametrize("name", ["messages", "statuses", "channelsUpdates"])
def test_an_empty_list_is_no_event(name: str) -> None:
    outcome = take({name: []})
    assert (outcome.events, reply(outcome)) == ((), {"ok": True})


# contacts and deals


def test_a_new_contact_is_answered_and_added() -> None:
    outcome = take({"createContact": CONTACT})
    answer = reply(outcome)
    assert re.fullmatch("c-[0-9a-f]{24}", answer["id"])
    assert answer == {
        "id": answer["id"],
        "responsibleUserId": "u-7",
        "name": "79005550011",
        "contactData": CONTACT["contactData"],
        "uri": "https://hub.example/account/",
    }
    assert outcome.people == (Person("whatsapp:79005550011", "79005550011", phone="+79005550011"),)


@pytest.mark.parametrize(
    "chat", [("whatsapp", "79005550011"), ("telegram", "guid-1"), ("instagram", "ana"), ("viber", "49151")]
)
def test_the_same_contact_keeps_its_id_and_is_added_once(chat: tuple[str, str]) -> None:
    people = FakeDirectory()
    asked = {**CONTACT, "contactData": [{"chatType": chat[0], "chatId": chat[1]}]}
    ids = []
    for source in ("auto", "byUser", "auto"):
        outcome = take({"createContact": {**asked, "source": source}}, people)
        people.store(outcome)
        ids.append(reply(outcome)["id"])
    assert len(set(ids)) == 1
    assert len(people.people) == 1


@pytest.mark.parametrize("kind", ["whatsapp", "viber"])
def test_a_known_phone_is_that_person(kind: str) -> None:
    people = FakeDirectory(**{"42": Person("crm:9", "Олег Иванов", phone="+7 (900) 555-00-11")})
    outcome = take({"createContact": {**CONTACT, "contactData": [{"chatType": kind, "chatId": "79005550011"}]}}, people)
    assert (reply(outcome)["id"], reply(outcome)["name"]) == ("p-42", "Олег Иванов")
    assert outcome.people == ()


@pytest.mark.parametrize("kind", ["telegram", "whatsgroup", "vk", "avito", "max"])
def test_digits_of_another_chat_are_no_phone(kind: str) -> None:
    people = FakeDirectory(**{"42": Person("crm:9", "Oleg", phone="+79005550011")})
    outcome = take({"createContact": {**CONTACT, "contactData": [{"chatType": kind, "chatId": "79005550011"}]}}, people)
    assert reply(outcome)["id"].startswith("c-")
    assert [person.phone for person in outcome.people] == [""]


@pytest.mark.parametrize("chat", ["+79005550011", "7900555", "7900 5550011", "٧٩٠٠٥٥٥٠٠١١", "1" * 16], ids=ascii)
def test_only_digits_are_a_phone(chat: str) -> None:
    outcome = take({"createContact": {**CONTACT, "contactData": [{"chatType": "whatsapp", "chatId": chat}]}})
    assert outcome.people[0].phone == ("+7900555" if chat == "7900555" else "")


def test_a_name_is_made_fit() -> None:
    assert reply(take({"createContact": {**CONTACT, "name": "a\nb" + "c" * 300}}))["name"] == "a b" + "c" * 197
    assert reply(take({"createContact": {**CONTACT, "name": None}}))["name"] == "79005550011"


@pytest.mark.parametrize(
    "chats",
    [None, [], {}, "x", ["x"], [{}], [{"chatType": "whatsapp"}], [{"chatType": "whatsapp", "chatId": 7}]],
    ids=repr,
)
def test_a_contact_without_a_chat_is_malformed(chats: object) -> None:
    with pytest.raises(Malformed):
        take({"createContact": {**CONTACT, "contactData": chats}})


def test_a_deal_is_answered_and_keeps_its_id() -> None:
    answer = reply(take({"createDeal": DEAL}))
    assert re.fullmatch("d-[0-9a-f]{24}", answer["id"])
    assert answer == {
        "id": answer["id"],
        "responsibleUserId": "u-7",
        "name": "New deal",
        "uri": "https://hub.example/account/",
        "contacts": ["c-102"],
        "closed": False,
    }
    assert reply(take({"createDeal": {**DEAL, "responsibleUserId": "u-8"}}))["id"] == answer["id"]
    assert reply(take({"createDeal": {**DEAL, "contacts": ["c-103"]}}))["id"] != answer["id"]
    assert reply(take({"createDeal": {**DEAL, "source": "byUser"}}))["id"] != answer["id"]


@pytest.mark.parametrize("contacts", [None, "c-1", {}, [7], [None]], ids=repr)
def test_a_deal_without_contacts_is_malformed(contacts: object) -> None:
    with pytest.raises(Malformed):
        take({"createDeal": {**DEAL, "contacts": contacts}})
