"""How far each installation's synchronisation is: kept in the mirror, and so lost only together with the people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.database import MirrorBase, UtcDateTime, reading, writing
from app.core.seal import new_id
from app.people.models import PushedRow

WAITING, FIRST, LIVE, STOPPED, GONE = "waiting", "first", "live", "stopped", "gone"
# Kinds of work; those that a connector's hook does have its name.
PULL, PUSH, REREAD, SUBSCRIBE, FORGET = "pull", "push", "reread", "subscribe", "forget"


class SyncRow(MirrorBase):
    """One kind of work of one installation.

    ``state``: waiting, first (the first pass is under way), live, stopped (``reason`` says why), gone (forgotten).
    ``cursor`` commits together with what was pulled up to it. ``ticket`` names the run that is due at ``next_at``; what
    changes the row names it, so that a run that was overtaken changes nothing. ``since`` is when ``state`` began,
    ``hinted_at`` when the platform's word last hurried it, ``pushed_at`` when the platform last took somebody.
    ``moves`` counts how often in a row the platform named another address without a page in between.
    ``memo`` is the connector's own; ``login`` is a digest of the sealed credentials with which was pushed.
    """

    __tablename__ = "sync"
    __table_args__ = (Index("ix_sync_kind_next_at", "kind", "next_at"),)

    installation_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(32), default="")
    connector: Mapped[str] = mapped_column(String(32), default="")
    state: Mapped[str] = mapped_column(String(8), default=WAITING)
    ticket: Mapped[str] = mapped_column(String(32))
    cursor: Mapped[str] = mapped_column(Text, default="")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    live_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(300), default="")
    failures: Mapped[int] = mapped_column(default=0)
    refusals: Mapped[int] = mapped_column(default=0)
    moves: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hinted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pushed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    memo: Mapped[str] = mapped_column(Text, default="")
    login: Mapped[str] = mapped_column(String(64), default="")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a synchronisation is; ``text`` says it in English.

    ``done`` of ``total`` people (0: not told) in the first pass; ``reason`` is the last failure's while there is one.
    Of a push: how many ``people`` the platform was given, and when it last took somebody.
    """

    state: str = WAITING
    done: int = 0
    total: int = 0
    live_since: datetime | None = None
    next_at: datetime | None = None
    reason: str = ""
    text: str = WAITING
    people: int = 0
    pushed_at: datetime | None = None

    @property
    def percent(self) -> int | None:
        """Whole percents of the first pass, 100 only when it is over; None where that is not told."""
        return min(99, 100 * self.done // self.total) if self.total else None

    @property
    def is_under_way(self) -> bool:
        """Whether the first pass is not over, and goes on."""
        return self.state in (WAITING, FIRST)


def progress(installation_id: str, now: datetime | None = None, kind: str = PULL) -> Progress:
    """How far the installation is; one that never had its turn waits. ``kind`` may be another than `PULL`."""
    with reading() as session:
        row = session.get(SyncRow, (installation_id, kind))
        people = given(session, installation_id) if row is not None and kind == PUSH else 0
    if row is None:
        return Progress()
    text = told(row, now or datetime.now(UTC))
    return Progress(
        row.state, row.done, row.total, row.live_since, row.next_at, row.reason, text, people, row.pushed_at
    )


def given(session: Session, installation_id: str) -> int:
    """How many people, each human once, the installation's platform has from us."""
    mine = (PushedRow.installation_id == installation_id, PushedRow.leader > 0)
    return session.scalar(select(func.count(PushedRow.leader.distinct())).where(*mine)) or 0


def troubles(installation_id: str, now: datetime, *kinds: str) -> list[str]:
    """What these kinds of work have to complain of, in a few words each."""
    with reading() as session:
        rows = [session.get(SyncRow, (installation_id, kind)) for kind in kinds]
    return [f"{row.kind}: {told(row, now)}" for row in rows if row is not None and row.reason]


def told(row: SyncRow, now: datetime) -> str:
    """The row in a few words; times are UTC."""
    if row.state == STOPPED:
        return f"stopped because {row.reason}"
    text = row.state
    if row.state == FIRST:
        text = f"first sync {percent(row)} %" if row.total else f"first sync, {row.done} so far"
    elif row.state == LIVE and row.live_since:
        text = f"live since {clock(row.live_since, now)}"
    if row.reason and row.next_at:
        text += f"; {row.reason}, again at {clock(row.next_at, now)}"
    return text


def percent(row: SyncRow) -> int:
    """Whole percents, 100 only when it is live."""
    return min(99, 100 * row.done // row.total)


def clock(at: datetime, now: datetime) -> str:
    """``12:04``, with the day in front when it is not today's."""
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def want(installation_id: str, now: datetime | None = None) -> bool:
    """Ask for a synchronisation now; whatever stopped goes on where it was. False for one that never had its turn.

    Cheap, and safe to repeat: it changes only when the next run is due. What never had its turn waits for it anyway.
    """
    moment = now or datetime.now(UTC)
    with writing() as session:
        rows = session.query(SyncRow).filter(SyncRow.installation_id == installation_id).all()
        synced = [row for row in rows if row.kind in (PULL, PUSH)]
        for row in synced:
            row.next_at = moment
            if row.kind == PUSH:
                row.cursor = ""  # everybody is looked at again
        for row in rows:
            if row.state == STOPPED:
                again(row, moment)
    return bool(synced)


def again(row: SyncRow, now: datetime) -> None:
    """Give a stopped row another chance, from its cursor on."""
    row.state = LIVE if row.live_since else FIRST if row.cursor else WAITING
    row.since, row.next_at, row.ticket = now, now, new_id("t")
    row.failures = row.refusals = 0
    row.reason = ""
