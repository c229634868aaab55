"""The settings, and the reading of what Wazzup sends (protocols/wazzup.md 1.6 and 3)."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from marshmallow import fields, validate

from app.sdk import Answer, Directory, Event, Malformed, Outcome, Person, Setting, read_json, read_object, text_field

from . import messages

Fields = Mapping[str, Any]

CODE = fields.String(required=True, validate=validate.Regexp(r"\A[A-Za-z0-9_-]{1,50}\Z"))
NAME = fields.String(load_default="Stallholder", validate=validate.Length(1, 200))
API_URL = fields.URL(load_default="https://api.wazzup24.com/v3", schemes={"http", "https"}, require_tld=False)

SETTINGS = (
    Setting("crm_code", CODE, "Your code at Wazzup: Latin letters, digits, - and _, at most 50.", required=True),
    Setting("secret", fields.String(required=True), "The secret registered at Wazzup for it.", True, True),
    Setting("name", NAME, "The add-on's public name, in English, as Wazzup shows it to the customer."),
    Setting("api_url", API_URL, "Where Wazzup's API v3 is reached."),
    Setting("developer_key", fields.String(), "Your own API key at Wazzup; only the commands use it.", secret=True),
)

LISTS = {"messages", "statuses", "channelsUpdates"}
OBJECTS = {"createContact", "createDeal", "templateStatus"}


def account_of(state: str) -> str:
    """The `accountId` that the `state` tells, UNVERIFIED; empty when it cannot be read."""
    try:
        payload = state.split(".")[1]
        account = read_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("accountId")
    except (IndexError, ValueError, Malformed):
        return ""
    text = str(account) if isinstance(account, int | str) and not isinstance(account, bool) else ""
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text) else ""


def is_test(body: bytes) -> bool:
    """Whether the body is `{"test": true}` and nothing else (2.5); a longer one is not even parsed."""
    try:
        value = read_json(body) if len(body) <= 64 else None
    except Malformed:
        return False
    return isinstance(value, dict) and len(value) == 1 and value.get("test") is True


def read_callback(body: bytes) -> Fields:
    """The body as an object; unknown keys are kept, known ones must have the shape of section 3. Raises `Malformed`."""
    value = read_object(body)
    for name in LISTS & value.keys():
        if not isinstance(value[name], list) or not all(isinstance(item, dict) for item in value[name]):
            raise Malformed("not_objects")
    if not all(isinstance(value[name], dict) for name in OBJECTS & value.keys()):
        raise Malformed("not_an_object")
    return value


def take(body: Fields, people: Directory, installation: str, uri: str, at: datetime) -> Outcome:
    """The answer to a callback that came ``at``, and what to keep; ``uri`` is where a contact or a deal is seen."""
    events = {event.key: event for event in events_of(body)}  # one delivery may repeat itself, too
    reply: Fields = {"ok": True}
    persons: tuple[Person, ...] = ()
    if "createContact" in body:
        reply, persons = contact(body["createContact"], people, installation, uri)
    elif "createDeal" in body:
        reply = deal(body["createDeal"], uri)
    written = tuple(messages.to_message(item, at) for item in body.get("messages", ()) if messages.is_message(item))
    news = tuple(map(messages.to_delivery, filter(messages.is_delivery, body.get("statuses", ()))))
    kept = tuple(events.values())
    return Outcome(Answer.json(reply), kept, people=persons, messages=written, deliveries=news)


def events_of(body: Fields) -> Iterator[Event]:
    """What else happened, under keys that a repeated delivery shares ("duplicates: assume yes", 3.1).

    A message or a status is kept as such; one that cannot be read is kept as it came.
    """
    for item in itertools.filterfalse(messages.is_message, body.get("messages", ())):
        yield Event(f"message:{digest(item)}", "message", item)
    for item in itertools.filterfalse(messages.is_delivery, body.get("statuses", ())):
        yield Event(f"status:{digest(item)}", "status", item)
    for item in body.get("channelsUpdates", ()):
        yield Event(f"channel:{known(item, 'channelId', 'timestamp', 'state')}", "channel", item)
    if "templateStatus" in body:
        yield Event(f"template:{digest(body['templateStatus'])}", "template", body["templateStatus"])
    if "createContact" in body:
        yield Event(f"contact:{contact_id(*chat_of(body['createContact']))}", "contact", body["createContact"])
    if "createDeal" in body:
        yield Event(f"deal:{deal_id(body['createDeal'])}", "deal", body["createDeal"])
    if not (LISTS | OBJECTS) & body.keys() and body != {"test": True}:
        yield Event(f"unknown:{digest(body)}", "unknown", body)


def known(item: Fields, *names: str) -> str:
    """The values under ``names`` as `a:b`, or a digest of the item where they would make no good key."""
    values = [str(item.get(name, "")) for name in names]
    fit = all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value) for value in values)
    return ":".join(values) if fit else digest(item)


def digest(value: object, length: int = 32) -> str:
    """Hexadecimal; the same for the same content, whatever the order of its names."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:length]


def contact(asked: Fields, people: Directory, installation: str, uri: str) -> tuple[Fields, tuple[Person, ...]]:
    """The contact in the shape of `POST /v3/contacts` (3.4), and the person to add where nobody has that number.

    "Look up by (chatType, chatId) first and return the existing record": who is there already has the id under which
    the contact is pushed.
    """
    kind, chat = chat_of(asked)
    phone = f"+{chat}" if kind in {"whatsapp", "viber"} and re.fullmatch("[0-9]{5,15}", chat) else ""
    hit = people.by_contact(phone=phone) if phone else None
    person = people.person(hit.id) if hit else None
    name = re.sub(r"[\x00-\x1f\x7f]+", " ", hit.name if hit else str(asked.get("name") or chat))[:200]
    id = id_of(person, installation) if person else contact_id(kind, chat)
    told = {**owned(id, asked, name, uri), "contactData": asked["contactData"]}
    return told, () if hit else (Person(f"{kind}:{chat}", name, phone=phone),)


def chat_of(asked: Fields) -> tuple[str, str]:
    """The first chat of the contact, as `chatType` and `chatId`; raises `Malformed` where there is none."""
    chats = asked.get("contactData")
    if not isinstance(chats, list) or not chats or not all(isinstance(item, dict) for item in chats):
        raise Malformed("no_chat")
    return text_field(chats[0], "chatType", longest=20), text_field(chats[0], "chatId", longest=200)


def contact_id(kind: str, chat: str) -> str:
    """The same id for the same chat, within the 64 characters that every client takes (2.2)."""
    return "c-" + hashlib.sha256(f"{kind}:{chat}".encode()).hexdigest()[:24]


def id_of(person: Person, installation: str) -> str:
    """The contact's id: the one that we answered when Wazzup itself asked for the contact, else the directory's."""
    own = (name for source, name in zip(person.sources, person.known_as, strict=True) if source == installation)
    kind, _, chat = next(own, "").partition(":")
    return contact_id(kind, chat) if chat else f"p-{person.id}"


def deal(asked: Fields, uri: str) -> Fields:
    """The deal in the shape of `POST /v3/deals` (3.5)."""
    return {**owned(deal_id(asked), asked, "New deal", uri), "contacts": asked["contacts"], "closed": False}


def owned(id: str, asked: Fields, name: str, uri: str) -> dict[str, Any]:
    """What contacts and deals have in common; the employee is the one that Wazzup asked for."""
    return {"id": id, "responsibleUserId": str(asked.get("responsibleUserId") or ""), "name": name, "uri": uri}


def deal_id(asked: Fields) -> str:
    """The same id for the same contacts and source; raises `Malformed` where the contacts are no list of ids."""
    ids = asked.get("contacts")
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise Malformed("no_contacts")
    return f"d-{digest([sorted(ids), asked.get('source')], 24)}"
