"""Push: the people of a workspace are handed to the platforms that take them, only what changed since the last time.

At least once: a person is noted as pushed after the platform took it. A worker that dies in between leads to the same
upsert again, under the same id, which changes nothing there.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import CredentialRow
from app.core.seal import new_id
from app.jobs import spread
from app.jobs.kinds import Run
from app.jobs.trials import BUSY
from app.people import due, handover, keeping, pile, turns
from app.people.directory import shown_sources
from app.people.handover import Plan
from app.people.keeping import INSERTS
from app.people.models import PersonRow, PushedRow
from app.people.sync_state import FIRST, LIVE, PUSH, STOPPED, SyncRow
from app.people.turns import Turn
from app.sdk import Batch, Changes

log = structlog.get_logger()

# How often everybody is looked at again, for changes that no pull told.
SWEEP = timedelta(hours=1)
SWEPT = "swept"
MARKS = 2**62


class Pushing:
    """One step is at most one batch: people who were marked first, then the sweep over everybody."""

    name = PUSH

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        """Active installations with people marked, or due for a sweep."""
        hasten(now)
        return due.runs(PUSH, now, changed)

    def step(self, run: Run, now: datetime) -> bool:
        """Push one batch; a failure is stored instead, and the batch comes again."""
        return turns.take(run, now, lambda turn: one_step(turn, now))

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def one_step(turn: Turn, now: datetime) -> bool:
    """Push one batch; true when another follows."""
    if turn.row.login != (login := login_of(turn.installation.id)):
        begin_anew(turn, login)
        return True
    sweeping = not turn.row.cursor.startswith(SWEPT) or sweep_due(turn.row, now)
    ids = batch_of(turn, sweeping=sweeping)
    pile.merge()  # whoever is one human with them is found
    with reading() as session:
        found = handover.plan(session, turn, ids.keys())
    memo = push(turn, found.changes())
    return note(turn, found, ids, memo, sweeping=sweeping, now=now)


def mark(session: Session, workspace_id: str, source: str, batch: Batch) -> None:
    """Have those whom a page changed looked at soon by the workspace's installations that take people.

    Inside the page's transaction. Whoever is gone was marked when the mirror took it out.
    """
    named = [person.external_id for person in batch.people] + [owner for owner, _ in batch.orders]
    ids = sorted({*named, *(new for _, new in batch.merged)})
    mine = (SyncRow.kind == PUSH, SyncRow.workspace_id == workspace_id, SyncRow.state != STOPPED)
    takers = list(session.scalars(select(SyncRow.installation_id).where(*mine)))
    if not takers or not ids:
        return
    people = keeping.ids_of(session, workspace_id, source, ids).values()
    for taker in takers:
        mark_ids(session, taker, people)


def mark_ids(session: Session, taker: str, ids: Iterable[int]) -> None:
    """Have these people looked at soon by one installation."""
    rows = [
        {"installation_id": taker, "person_id": id, "leader": 0, "digest": "", "known_as": "", "orders": "{}"}
        | {"mark": random.randrange(1, MARKS)}
        for id in sorted(ids)
    ]
    upsert(session, rows, "mark")


def hasten(now: datetime) -> None:
    """Whoever has people marked has its turn now; not where it waits because the last push was not stored or failed."""
    marked = select(PushedRow.person_id).where(PushedRow.installation_id == SyncRow.installation_id, PushedRow.mark > 0)
    well = (SyncRow.failures == 0, SyncRow.reason != BUSY, SyncRow.state != STOPPED)
    late = (SyncRow.kind == PUSH, SyncRow.next_at > now, *well)
    with reading() as session:
        ids = list(session.scalars(select(SyncRow.installation_id).where(*late, marked.exists())))
    if ids:
        with writing() as session:
            soon = update(SyncRow).where(*late, SyncRow.installation_id.in_(ids)).values(next_at=now)
            session.execute(soon.execution_options(synchronize_session=False))


def login_of(installation_id: str) -> str:
    """Changes when the customer connects anew: a new connection may know nobody."""
    current = CredentialRow.installation_id == installation_id, CredentialRow.slot == "current"
    with reading() as session:
        sealed = session.scalars(select(CredentialRow.sealed).where(*current).order_by(CredentialRow.name))
        return hashlib.sha256("\n".join(sealed).encode()).hexdigest()


def begin_anew(turn: Turn, login: str) -> None:
    """Forget what the platform was given, and look at everybody."""
    with writing() as session:
        turns.change(session, turn, cursor="", memo="", login=login)
        if turn.row.login:
            session.execute(delete(PushedRow).where(PushedRow.installation_id == turn.installation.id))


def upsert(session: Session, rows: list[dict[str, Any]], *columns: str) -> None:
    """Insert rows, or set ``columns`` of those that are there."""
    if rows:
        insert = INSERTS[session.get_bind(PushedRow).dialect.name](PushedRow)
        new = {column: insert.excluded[column] for column in columns}
        session.execute(insert.on_conflict_do_update(index_elements=["installation_id", "person_id"], set_=new), rows)


def sweep_due(row: SyncRow, now: datetime) -> bool:
    """Whether the last sweep is over for so long that another is due."""
    return datetime.fromisoformat(row.cursor.removeprefix(SWEPT)) <= now


def swept_to(row: SyncRow) -> int:
    """The id up to which the sweep under way has come."""
    return int(row.cursor) if row.cursor.isdigit() else 0


def batch_of(turn: Turn, *, sweeping: bool) -> dict[int, int]:
    """The next batch, each with its mark: who is marked, or else the next ids of the sweep."""
    own = PushedRow.installation_id == turn.installation.id
    with reading() as session:
        marked = select(PushedRow.person_id, PushedRow.mark).where(own, PushedRow.mark > 0).limit(turn.batch)
        ids = {id: mark for id, mark in session.execute(marked)}
        return ids or (dict.fromkeys(next_ids(session, turn), 0) if sweeping else {})


def next_ids(session: Session, turn: Turn) -> list[int]:
    """The ids after those that were swept: people who are shown, and those of whom something was pushed."""
    workspace, after = turn.installation.workspace, swept_to(turn.row)
    sources = [id for id in shown_sources(session, workspace) if id != turn.installation.id]
    mine = (PersonRow.workspace_id == workspace, PersonRow.source.in_(sources), PersonRow.id > after)
    shown = session.scalars(select(PersonRow.id).where(*mine).order_by(PersonRow.id).limit(turn.batch))
    given = (PushedRow.installation_id == turn.installation.id, PushedRow.person_id > after)
    pushed = session.scalars(select(PushedRow.person_id).where(*given).order_by(PushedRow.person_id).limit(turn.batch))
    return sorted({*shown, *pushed})[: turn.batch]


def push(turn: Turn, changes: Changes) -> str:
    """Hand a batch over; returns the connector's memo, raises what the connector raises.

    Right after the customer connected also where there is nobody: the platform may have to be told who pushes.
    """
    if not changes and (turn.row.memo or turn.row.cursor):
        return turn.row.memo
    arguments = {"installation": turn.installation, "outbound": turn.outbound, "memo": turn.row.memo}
    memo = turn.connector.call("push", settings=turn.connector.settings, changes=changes, **arguments)
    return memo if isinstance(memo, str) else ""


def note(turn: Turn, found: Plan, ids: dict[int, int], memo: str, *, sweeping: bool, now: datetime) -> bool:
    """Store what the platform has now and how far the sweep is; true when there is more to do."""
    row = turn.row
    swept = sweeping and not any(ids.values())
    over = swept and not ids
    more = bool(ids) or (sweeping and not over)
    values: dict[str, Any] = {"failures": 0, "refusals": 0, "reason": "", "cursor": row.cursor, "memo": memo}
    if found.changes():
        values["pushed_at"] = now
    if over:
        values |= {"cursor": f"{SWEPT}{(now + SWEEP).isoformat()}", "state": LIVE, "live_since": row.live_since or now}
    elif swept:
        values |= {"cursor": str(max(ids)), "state": LIVE if row.live_since else FIRST}
    if not more:
        values |= {"next_at": spread.next_turn(row.installation_id, SWEEP, now), "ticket": new_id("t")}
    with writing() as session:
        if swept and ids:
            values |= counted(session, turn, len(ids))
        turns.change(session, turn, **values)
        settle(session, row.installation_id, found, ids)
    return more


def counted(session: Session, turn: Turn, number: int) -> dict[str, int]:
    """How far the first sweep is."""
    if turn.row.live_since:
        return {}
    total = turn.row.total
    if not swept_to(turn.row):
        everybody = select(func.count()).select_from(PersonRow)
        total = session.scalar(everybody.where(PersonRow.workspace_id == turn.installation.workspace)) or 0
    return {"done": (turn.row.done if swept_to(turn.row) else 0) + number, "total": total}


def settle(session: Session, installation_id: str, found: Plan, ids: dict[int, int]) -> None:
    """Note what was taken, take away the marks that have not changed since, and forget who is no more."""
    own = PushedRow.installation_id == installation_id
    rows = [{"installation_id": installation_id, "person_id": id, "mark": 0, **one} for id, one in found.rows.items()]
    upsert(session, rows, "leader", "digest", "known_as", "orders")
    pairs = [(id, mark) for id, mark in ids.items() if mark]
    done = update(PushedRow).where(own, tuple_(PushedRow.person_id, PushedRow.mark).in_(pairs)).values(mark=0)
    session.execute(done.execution_options(synchronize_session=False))
    session.execute(delete(PushedRow).where(own, PushedRow.person_id.in_(found.lost), PushedRow.mark == 0))
    mark_ids(session, installation_id, found.again)
