"""People as they cross between the host and a connector: with their orders and their messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a person; ``total`` is a decimal in text, ``currency`` ISO 4217, ``date`` ISO 8601.

    ``closed``: nothing more is expected to happen to it. ``external_id`` is unique within its source: by it the order
    is known when it goes to another person, gets another number or is deleted; empty where the source has none. ``id``
    is the directory's own name for it, which only a push tells.
    """

    number: str
    date: str = ""
    status: str = ""
    total: str = ""
    currency: str = ""
    url: str = ""
    closed: bool = False
    external_id: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message between a person and the workspace, as a messenger tells it.

    ``id`` is unique within its installation, ``at`` an aware time, ``channel`` the messenger's name. Whom it is with:
    ``phone`` in international form (``+`` and digits; empty where the messenger tells none), and ``person``, the
    ``external_id`` that this connector gives to whoever is in that chat. ``kind`` is text, image, audio, video,
    document or whatever else the messenger calls it; ``status`` of an outgoing one is sent, delivered, read or error,
    with a code in ``failure``. Of a deleted one there is neither text nor ``url``.
    """

    id: str
    at: datetime
    channel: str
    person: str = ""
    phone: str = ""
    kind: str = "text"
    text: str = ""
    url: str = ""
    author: str = ""
    outgoing: bool = False
    status: str = ""
    failure: str = ""
    edited: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outgoing message came a step further: ``status`` as in `Message`, or edited."""

    message: str
    status: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A customer of a connected shop; ``external_id`` is unique within its source.

    Only the directory fills the rest: ``id`` is its own name for the human, whichever source was asked; ``sources``
    are the installations that know the human, ``known_as`` the ``external_id`` in each and ``pages`` the address of
    their page there; ``messages`` are the newest.
    """

    external_id: str
    name: str
    email: str = ""
    phone: str = ""
    company: str = ""
    url: str = ""
    note: str = ""
    updated_at: str = ""
    orders: Sequence[Order] = ()
    id: str = ""
    sources: Sequence[str] = ()
    known_as: Sequence[str] = ()
    pages: Sequence[str] = ()
    messages: Sequence[Message] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One person found, best first."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What ``push`` hands over: how people differ from what the platform was given before.

    ``people`` are new or changed, one for each human, no ``id`` twice; they carry all their orders. ``known`` are the
    ``id`` of those of them that were given before. ``orders`` are new or changed, each with the person it belongs to
    now; no `Order.id` twice. ``gone_people`` and ``gone_orders`` (by `Order.id`) must not stay there.
    """

    people: Sequence[Person] = ()
    known: Collection[str] = ()
    orders: Sequence[tuple[Person, Order]] = ()
    gone_people: Sequence[Person] = ()
    gone_orders: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.people or self.orders or self.gone_people or self.gone_orders)
