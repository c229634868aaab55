"""Hints: a platform said that something changed. Nothing of it is believed; it only makes us read sooner.

A hint that names no records asks for a pull, and of many that wait together one is kept. It is taken away before that
pull begins, so that what is told meanwhile asks for another. One that names records stays until they were read again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select

from app.core.database import reading, writing
from app.core.models import EventRow
from app.core.seal import SealBroken, digest
from app.core.services import services
from app.jobs.trials import BUSY
from app.people.sync_state import PULL, REREAD, STOPPED, SyncRow
from app.sdk import Event
from app.sdk.values import HINT

log = structlog.get_logger()

# A burst of hints costs a pull at once, and another so much later for all that came meanwhile.
PAUSE = timedelta(seconds=10)
UNNAMED = digest(Event.changed().key)


@dataclass(frozen=True, slots=True)
class Named:
    """One hint that waits, and the records that it names."""

    digest: str
    people: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()


def wake(now: datetime) -> None:
    """Have every installation that was hinted at read soon, unless it is being read, has failed or has stopped."""
    hinted = select(EventRow.installation_id, EventRow.digest == UNNAMED).where(EventRow.kind == HINT).distinct()
    with reading() as session:
        found = {(id, PULL if unnamed else REREAD) for id, unnamed in session.execute(hinted)}
        held = {key: session.get(SyncRow, key) for key in found}
    for (id, kind), row in held.items():
        if row is not None and row.next_at is not None and row.next_at > now and can_hurry(row):
            hurry(id, kind, now)
            if kind == PULL:
                forget(id, UNNAMED)


def can_hurry(row: SyncRow) -> bool:
    """Whether it waits only for its regular turn: one that failed, or met a busy database, waits for its pause."""
    return row.state != STOPPED and row.failures == 0 and row.reason != BUSY


def hurry(id: str, kind: str, now: datetime) -> None:
    """Bring the next run forward."""
    with writing() as session:
        row = session.get(SyncRow, (id, kind))
        if row is None or row.next_at is None or not can_hurry(row):
            return
        soon = max(now, row.hinted_at + PAUSE) if row.hinted_at else now
        if soon < row.next_at:
            row.next_at = row.hinted_at = soon


def waiting(installation_id: str) -> Named | None:
    """The hint with names that waits longest; one that cannot be read is dropped."""
    mine = (EventRow.installation_id == installation_id, EventRow.kind == HINT, EventRow.digest != UNNAMED)
    with reading() as session:
        row = session.scalars(select(EventRow).where(*mine).order_by(EventRow.received_at).limit(1)).first()
        if row is None:
            return None
        try:
            told = services().ring.open(session, installation_id, "event", row.digest, row.sealed)
        except SealBroken:
            log.warning("hint.unreadable", installation=installation_id)
            return Named(row.digest)
    names = json.loads(told)
    return Named(row.digest, tuple(names.get("people", ())), tuple(names.get("orders", ())))


def forget(installation_id: str, digest: str) -> None:
    """The hint was acted on."""
    with writing() as session:
        session.execute(delete(EventRow).where(EventRow.installation_id == installation_id, EventRow.digest == digest))
