"""Subscribe: after each activation, and once a day, the platform is asked to tell us what changes.

The link secret is committed before the platform hears of it, and the former one is retired after it took the new one:
at every moment the address that it has is one that we answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from app.core import lifecycle
from app.core.calls import LinksOf
from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.core.seal import new_id
from app.core.services import services
from app.jobs import spread
from app.jobs.kinds import Run
from app.people import due, turns
from app.people.lists import among
from app.people.served import served_with
from app.people.sync_state import LIVE, STOPPED, SUBSCRIBE, SyncRow
from app.people.turns import Turn, WrongResult
from app.sdk.manifest import Manifest

log = structlog.get_logger()

# A platform may switch a subscription off, say after an outage of ours.
EVERY = timedelta(days=1)
# What is due sooner than this is not brought forward: it may wait for our own database.
SOON = timedelta(seconds=5)


class Subscribing:
    """One step is one call of ``subscribe``. The row's ``cursor`` is the activation that it was made for."""

    name = SUBSCRIBE

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        """Active installations that were connected since, or whose own moment of the day has come."""
        if changed is None or changed:
            hurry(now, changed)
        return due.runs(SUBSCRIBE, now, changed)

    def step(self, run: Run, now: datetime) -> bool:
        """Subscribe; a failure is stored instead."""
        return turns.take(run, now, lambda turn: subscribe(turn, now))

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def hurry(now: datetime, changed: Collection[str] | None) -> None:
    """Bring forward those whose installation was connected again: what was subscribed before may be gone."""
    resting = (SyncRow.kind == SUBSCRIBE, SyncRow.state != STOPPED, SyncRow.failures == 0, SyncRow.next_at > now + SOON)
    with reading() as session:
        few = () if changed is None else (among(session, SyncRow.installation_id, changed),)
        rows = session.execute(select(SyncRow.installation_id, SyncRow.cursor).where(*resting, *few))
        made_for = {id: cursor for id, cursor in rows}
    served = served_with(SUBSCRIBE, changed) if made_for else {}
    again = [id for id, one in served.items() if id in made_for and told(one.connected_at) != made_for[id]]
    if again:
        with writing() as session:
            for id in again:
                row = session.get(SyncRow, (id, SUBSCRIBE))
                if row is not None:
                    row.next_at = now


def told(connected_at: datetime | None) -> str:
    """An activation as the row keeps it."""
    return connected_at.isoformat() if connected_at else ""


def subscribe(turn: Turn, now: datetime) -> None:
    """Mint and commit, tell the platform, then note what it took; whatever was cut short is mended by the next call."""
    manifest = turn.connector.manifest
    if manifest is None:
        raise LookupError("a connector without a manifest does not serve")
    id = turn.installation.id
    with reading() as session:
        made_for = told(session.get_one(InstallationRow, id).connected_at)
    with writing() as session:
        tokens = lifecycle.mint_links(session, manifest.name, id, manifest.subscription)
    facts = turn.connector.call(
        "subscribe",
        installation=turn.installation,
        settings=turn.connector.settings,
        outbound=turn.outbound,
        links=LinksOf(services().public_url, manifest.name, tokens),
        now=now,
    )
    if not isinstance(facts, Mapping):
        raise WrongResult(type(facts).__name__)
    keep(manifest, id, tokens, facts, now)
    note(turn, made_for, now)


def keep(manifest: Manifest, id: str, tokens: Mapping[str, str], facts: Mapping[str, str], now: datetime) -> None:
    """The platform has the new link secrets: the former ones retire."""
    with writing() as session:
        lifecycle.retire_links(session, manifest.name, id, tokens, now + manifest.subscription_grace)
        row = session.get_one(InstallationRow, id)
        row.subscription = dict(facts)


def note(turn: Turn, made_for: str, now: datetime) -> None:
    """Subscribed, until the next day's look."""
    row = turn.row
    same = row.cursor == made_for and row.live_since
    values = {
        "cursor": made_for,
        "state": LIVE,
        "since": row.since if same else now,
        "live_since": row.live_since if same else now,
        "failures": 0,
        "refusals": 0,
        "reason": "",
        "next_at": spread.next_turn(row.installation_id, EVERY, now),
        "ticket": new_id("t"),
    }
    with writing() as session:
        turns.change(session, turn, **values)
