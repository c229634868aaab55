"""The hooks: what a connector may implement. The docstrings are the contract.

An implementation declares only the arguments it uses. It returns values and raises refusals
(`Refused` and its kinds); it never writes to a database, never reads the clock, and sees one tenant at a time.

Arguments that recur:

``settings``       the connector's own settings, validated: ``settings["secret"]``
``installations``  read-only look-up among this connector's installations (`Installations`)
``installation``   the one that the claims name; None only where the manifest says ``unknown = true``
``links``          absolute addresses of this connector and the link secrets reserved for this install (`Links`)
``outbound``       guarded HTTP with the action's deadline (`Outbound`)
``documents``      public documents that the host keeps fresh, such as a key or a domain list (`Documents`)
``people``         the directory of the installation's workspace (`Directory`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pluggy

from .people import Changes, Person
from .ports import Directory, Documents, Installations, Links, Outbound
from .values import (
    Answer,
    Batch,
    Claims,
    Command,
    Document,
    Health,
    Inbound,
    Installation,
    Outcome,
    Page,
    Registration,
    Setting,
    Verified,
)

PROJECT = "stallholder"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Settings = Mapping[str, Any]


@hookspec(firstresult=True)
def settings() -> Sequence[Setting]:  # type: ignore[empty-body]
    """The connector's settings, each declared once."""


@hookspec(firstresult=True)
def verify(  # type: ignore[empty-body]
    request: Inbound,
    settings: Settings,
    installations: Installations,
    documents: Documents,
) -> Claims:
    """Check a request's proof and say what it claims.

    Parse strictly first, then check the proof, then its time. Raises `Malformed`, `Unverified`, `Expired`
    or `Unknown`; anything else that escapes, and None, is a refusal too.
    """


@hookspec(firstresult=True)
def describe(settings: Settings, links: Links) -> Answer:  # type: ignore[empty-body]
    """Answer a public question about the add-on itself, the same for everybody. No proof is asked."""


@hookspec(firstresult=True)
def install(  # type: ignore[empty-body]
    verified: Verified,
    settings: Settings,
    installations: Installations,
    links: Links,
    outbound: Outbound,
    documents: Documents,
) -> Registration:
    """Connect a tenant: check what the platform asks to be checked and return what to store.

    Runs inside the deadline of the manifest. May run twice for one tenant; must then lead to the same end.
    """


@hookspec(firstresult=True)
def open(  # type: ignore[empty-body]
    verified: Verified,
    installation: Installation | None,
    people: Directory,
    page_url: str,
) -> Answer | Page:
    """Show the add-on to a person in the platform's admin.

    ``page_url`` is an address of ours that opens the customer's pages once (or explains why it cannot). A
    pure function of its arguments: the same request gets the same answer.
    """


@hookspec(firstresult=True)
def search(verified: Verified, installation: Installation, people: Directory) -> Answer:  # type: ignore[empty-body]
    """Answer a search by the platform with people of the installation's workspace. A pure read."""


@hookspec(firstresult=True)
def uninstall(verified: Verified, installation: Installation | None) -> Answer:  # type: ignore[empty-body]
    """Answer that the tenant leaves. The host stops serving at once and destroys only after ``probe`` says dead."""


@hookspec(firstresult=True)
def webhook(  # type: ignore[empty-body]
    verified: Verified,
    installation: Installation,
    settings: Settings,
    links: Links,
    outbound: Outbound,
    documents: Documents,
    people: Directory,
) -> Outcome:
    """Take a callback of the platform and say what to store of it."""


@hookspec(firstresult=True)
def probe(installation: Installation, settings: Settings, outbound: Outbound) -> Health:  # type: ignore[empty-body]
    """Ask the platform whether the installation's credentials live. ``UNSURE`` on anything but a clear word."""


@hookspec(firstresult=True)
def pull(installation: Installation, settings: Settings, outbound: Outbound, cursor: str, now: datetime) -> Batch:  # type: ignore[empty-body]
    """One page of the people and orders that changed since ``cursor``; an empty cursor begins the first pass.

    A pure function of the platform's answers: called again with the same cursor it may be given the same page. Raises
    `Stopped`, `Later` and `UpstreamFailed`.
    """


@hookspec(firstresult=True)
def reread(  # type: ignore[empty-body]
    installation: Installation,
    settings: Settings,
    outbound: Outbound,
    people: Sequence[str],
    orders: Sequence[str],
    now: datetime,
) -> Batch:
    """Read these records again, at most 100: who is no more there stands in ``gone`` and ``gone_orders``.

    Asked for records that a webhook names (`Event.named`), and once a day for all that the host holds: nothing is
    deleted on a hint alone. ``people`` and ``orders`` are external_ids; of the batch only what was found and what
    is gone counts. Raises `Stopped`, `Later` and `UpstreamFailed`; also where the answer is not about these records.
    """


@hookspec(firstresult=True)
def subscribe(  # type: ignore[empty-body]
    installation: Installation, settings: Settings, outbound: Outbound, links: Links, now: datetime
) -> Mapping[str, str]:
    """Have the platform tell us of changes, at the address under the fresh link secrets in ``links``.

    Called by the worker after each activation and once a day, never inside an install. The link secrets are live
    before the call; the former ones live on until it succeeded, and a while longer. It may have been cut short before:
    look at what the platform has of ours, mend that, and create only what is missing. Where the platform signs its
    calls, do without link secrets and without the manifest's ``[subscription]``. Returns facts to store, in the clear:
    a key that is to be kept sealed is fetched in ``install``. Raises `Stopped`, `Later` and `UpstreamFailed`.
    """


@hookspec(firstresult=True)
def lookup(installation: Installation, settings: Settings, outbound: Outbound, query: str) -> Sequence[Person]:  # type: ignore[empty-body]
    """Ask the platform now, while the first pass is under way: candidates, which the host ranks and merges."""


@hookspec(firstresult=True)
def push(  # type: ignore[empty-body]
    installation: Installation, settings: Settings, outbound: Outbound, changes: Changes, memo: str
) -> str:
    """Tell the platform what changed: people for at most ``limits.batch`` humans, whatever orders they have.

    The first call after the customer connected comes also where nothing has changed yet: nobody and nothing is told.
    Either all is taken, or it raises `Stopped`, `Later` or `UpstreamFailed`, and the same may come again. Returns what
    it wants to be told as ``memo`` the next time; empty at first, and after the customer connected anew.
    """


@hookspec(firstresult=True)
def documents(settings: Settings) -> Sequence[Document]:  # type: ignore[empty-body]
    """The public documents this connector relies on; the worker keeps them fresh."""


@hookspec(firstresult=True)
def commands() -> Sequence[Command]:  # type: ignore[empty-body]
    """Operator's commands of this connector."""
