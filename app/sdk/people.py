"""People as they cross between the host and a connector: with their orders and their messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a person; ``total`` is a decimal in text, ``currency`` ISO 4217, ``date`` ISO 8601."""

    number: str
    date: str = ""
    status: str = ""
    total: str = ""
    currency: str = ""
    url: str = ""


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

    ``sources`` are the installations that know the person, ``messages`` the newest ones, newest first; only the
    directory fills them.
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
    sources: Sequence[str] = ()
    messages: Sequence[Message] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One person found, best first."""

    id: str
    name: str
