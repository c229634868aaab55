"""The values that cross between the host and a connector: frozen, without behaviour of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .people import Delivery, Message, Order, Person

EMPTY: Mapping[str, Any] = {}
# The kind of an event that only hints at something to read.
HINT = "hint"
NAMES = 100


@dataclass(frozen=True, slots=True)
class Inbound:
    """One request as it came: bytes read once, before any parsing.

    ``headers`` have lower-case names; ``query`` is the raw query string; ``key`` is the last
    segment of ``/<connector>/<action>/<key>``; ``received_at`` is an aware UTC time.
    """

    action: str
    method: str
    received_at: datetime
    key: str | None = None
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """The header's value; empty when absent."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Claims:
    """What ``verify`` vouches for.

    ``fields`` holds what the action may use, already parsed and checked. The installation is named by
    ``tenant`` (the platform's stable name for it) or by ``installation`` (our id, where a link secret
    named it). ``proof`` is the decoded proof and the text it covers: the journal binds it to its first
    action; leave it empty only for pure reads and for bearer secrets. ``unsigned`` is what the
    proof does not cover but the effect depends on. ``valid_until`` is when the proof ends (None: never),
    ``issued_at`` its place among this tenant's requests, where the platform tells one.
    """

    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tenant: str = ""
    installation: str = ""
    proof: bytes = field(default=b"", repr=False)
    unsigned: bytes = field(default=b"", repr=False)
    valid_until: datetime | None = None
    issued_at: datetime | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A request whose proof held. Only the pipeline of the host makes one.

    ``at`` is when the request came: the only clock a connector sees.
    """

    connector: str
    action: str
    at: datetime
    tenant: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    language: str = ""


class State(StrEnum):
    """Where an installation stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    UNINSTALLING = "uninstalling"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation as its connector may see it.

    ``tenant`` is the platform's stable name for it, ``address`` the base URL of its API, ``facts`` what
    the connector stored in the clear. ``secrets(name)`` unseals a credential: current first, then the
    previous one while it is still accepted; empty when there is none.
    """

    id: str
    workspace: str
    connector: str
    tenant: str
    title: str
    state: State
    secrets: Callable[[str], Sequence[str]] = field(repr=False)
    address: str = ""
    language: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def secret(self, name: str) -> str:
        """The current value of a credential; empty when there is none."""
        return next(iter(self.secrets(name)), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply in the platform's own shape."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200) -> Answer:
        """A JSON answer, UTF-8."""
        return cls(status, json.dumps(value, ensure_ascii=False).encode())

    @classmethod
    def see_other(cls, url: str) -> Answer:
        """303: a POST answered by a page elsewhere."""
        return cls(303, b"", "text/plain", {"Location": url})


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the host's own: ``view`` names it, ``params`` fill it."""

    view: str
    params: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """What ``install`` returns: the host seals and stores it.

    ``tenant`` must be stable across re-installs. ``proven`` says that the credentials were seen to
    work at that tenant; without it, credentials that replace working ones wait until ``probe`` finds them alive.
    ``issued_at`` orders installs of one tenant: an older one changes nothing.
    """

    tenant: str
    title: str
    reply: Answer | Page
    address: str = ""
    language: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    facts: Mapping[str, str] = field(default_factory=dict)
    proven: bool = False
    issued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on the platform; ``key`` is unique within the installation."""

    key: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def changed(cls) -> Event:
        """A hint that records changed: the host pulls at once. Of many that wait together one is kept."""
        return cls(HINT, HINT)

    @classmethod
    def named(cls, *, people: Sequence[str] = (), orders: Sequence[str] = ()) -> Sequence[Event]:
        """Hints at records that may be gone: the host has them read again, by ``reread``, at most 100 at once."""
        parts = [{"people": list(people[at : at + NAMES])} for at in range(0, len(people), NAMES)]
        parts += [{"orders": list(orders[at : at + NAMES])} for at in range(0, len(orders), NAMES)]
        return [cls(f"{HINT}:{json.dumps(part)}", HINT, part) for part in parts]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``webhook`` returns: the reply, and what the host should store of it.

    ``state``, ``address`` and ``facts`` change the installation where given; ``people`` are upserted
    into its workspace; each event is kept once. ``messages`` and ``deliveries`` may come twice and in any order.
    """

    reply: Answer
    events: Sequence[Event] = ()
    state: State | None = None
    address: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    people: Sequence[Person] = ()
    messages: Sequence[Message] = ()
    deliveries: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """One page of what changed on the platform: what ``pull`` returns.

    ``people`` are upserted by ``external_id`` (their own ``orders`` are not looked at), ``orders`` by (external_id of
    the person, number). ``buyers`` are people as their orders tell of them: stored only where the person is not held,
    or nothing but an order with the same or an earlier ``updated_at`` told of it, since whoever is in ``people`` is
    known better; and not for one that was ``gone``, until it is among the ``people`` again. ``gone`` are external_ids
    that were deleted, ``gone_orders`` the `Order.external_id` of deleted orders, ``merged`` pairs of an old one and the
    one it was combined into. ``early`` says that orders may come before their people: those of people who are not held
    wait for them, until a batch is ``live``; else they are left out. ``cursor`` comes back with the next call; the host
    stores it together with the batch, all or nothing. ``more`` asks to be called again at once. ``done`` of ``total``
    tell how far the first pass is; ``live`` says that it is complete. ``moved`` is the new address of the
    API, checked: the host stores it and calls again.
    """

    people: Sequence[Person] = ()
    orders: Sequence[tuple[str, Order]] = ()
    buyers: Sequence[Person] = ()
    gone: Sequence[str] = ()
    gone_orders: Sequence[str] = ()
    merged: Sequence[tuple[str, str]] = ()
    early: bool = False
    cursor: str = ""
    more: bool = False
    done: int = 0
    total: int = 0
    live: bool = False
    moved: str = ""


class Health(StrEnum):
    """What ``probe`` found out about an installation's credentials.

    ``REPLACED``: they live, but the platform's callbacks go to somebody else. Alert, and do not fight.
    """

    ALIVE = "alive"
    DEAD = "dead"
    REPLACED = "replaced"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Document:
    """A public document at ``url``; a fetched copy for which ``is_good`` is false is thrown away."""

    url: str
    is_good: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of ``CONNECTORS.<name>``: ``field`` is a marshmallow field.

    A ``secret`` takes one value or a list (current first, then previous) and reaches the connector as
    a tuple; a connector whose ``required`` keys are absent is not loaded.
    """

    name: str
    field: Any
    help: str
    required: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an operator's command."""

    name: str
    help: str
    required: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's command that a connector brings: ``stallholder <connector> <name>``.

    ``run(options, settings, outbound, links)`` returns the text to print or raises a refusal.
    """

    name: str
    help: str
    run: Callable[..., str]
    options: Sequence[Option] = ()
