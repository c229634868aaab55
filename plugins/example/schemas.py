"""The settings, and the reading and writing of Bazaar's values: README.md, 3 and 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marshmallow import fields

from app.sdk import Answer, Hit, Malformed, Person, Setting, text_field, unix_time

MOST_RESULTS = 20
LANGUAGES = ("en", "cs", "sk", "ru", "es")

SETTINGS = (
    Setting("secret", fields.String(), "The add-on's secret from the partner cabinet.", required=True, secret=True),
)


def read_install(given: Mapping[str, Any]) -> dict[str, Any]:
    """A shop connects: what it is called, and how its API is reached."""
    return {
        "name": text_field(given, "name", longest=100),
        "language": language_of(given),
        "api_url": text_field(given, "api_url", longest=255),
        "api_token": text_field(given, "api_token", longest=255),
    }


def read_open(given: Mapping[str, Any]) -> dict[str, Any]:
    """A person opens the add-on in the shop's admin."""
    return {"language": language_of(given)}


def read_search(given: Mapping[str, Any]) -> dict[str, Any]:
    """Somebody looks for a person; "an empty query finds nobody"."""
    return {"q": text_field(given, "q", longest=200, empty=True)}


def read_uninstall(given: Mapping[str, Any]) -> dict[str, Any]:
    """A shop leaves; the call has nothing else to say."""
    return {}


def read_webhook(given: Mapping[str, Any]) -> dict[str, Any]:
    """A customer is new or has changed."""
    customer = Person(
        external_id=text_field(given, "customer_id", longest=64),
        name=text_field(given, "customer_name", longest=200),
        email=text_field(given, "customer_email", longest=200, empty=True),
        phone=text_field(given, "customer_phone", longest=40, empty=True),
    )
    return {"customer": customer}


READERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "install": read_install,
    "open": read_open,
    "search": read_search,
    "uninstall": read_uninstall,
    "webhook": read_webhook,
}


def read_call(action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What every call brings, and what this one brings besides. Raises `Malformed`."""
    return {
        "call": text_field(given, "call", longest=20),
        "shop": text_field(given, "shop", longest=64),
        "sent_at": unix_time(text_field(given, "sent_at", longest=12)),
        **READERS[action](given),
    }


def language_of(given: Mapping[str, Any]) -> str:
    """The reader's language, "one of en, cs, sk, ru, es"; `Malformed` for any other."""
    language = text_field(given, "language", longest=5)
    if language not in LANGUAGES:
        raise Malformed("bad_language")
    return language


def results(hits: Sequence[Hit]) -> Answer:
    """The people found, best first."""
    return Answer.json({"people": [{"id": hit.id, "name": hit.name} for hit in hits]})
