"""Push: the people of a workspace are handed to the platforms that take them, only what changed since the last time.

At least once: a person is noted as pushed after the platform took it. A worker that dies in between leads to the same
upsert again, under the same id, which changes nothing there.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import BigInteger, Index, String, delete, func, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.database import MirrorBase, reading, writing
from app.core.seal import new_id
from app.jobs import spread
from app.jobs.kinds import Run
from app.people import turns
from app.people.directory import shown_sources, to_person
from app.people.models import OrderRow, PersonRow, row_id
from app.people.sync_state import FIRST, LIVE, PUSH, STOPPED, SyncRow
from app.people.turns import INSERTS, Overtaken, Turn
from app.sdk import Order, Person

log = structlog.get_logger()

# How often everybody is looked at again, for changes that no pull told.
SWEEP = timedelta(hours=1)
SWEPT = "swept"
MARKS = 2**62


class PushedRow(MirrorBase):
    """One person as an installation's platform knows it: ``digest`` of what was pushed, empty when nothing was.

    ``mark`` is not 0 while the person waits to be looked at; each time another, lest a change during a push is lost.
    """

    __tablename__ = "pushed"
    __table_args__ = (Index("ix_pushed_installation_id_mark", "installation_id", "mark"),)

    installation_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[int] = mapped_column(row_id(), primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), default="")
    mark: Mapped[int] = mapped_column(BigInteger, default=0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person who may have to be pushed: None when it is no more, or not shown any more."""

    id: int
    person: Person | None
    digest: str
    pushed: str
    mark: int


class Pushing:
    """One step is at most one batch: people who were marked first, then the sweep over everybody."""

    name = PUSH

    def wanted(self, now: datetime) -> Sequence[Run]:
        """Active installations with people marked, or due for a sweep."""
        return turns.due(PUSH, now)

    def step(self, run: Run, now: datetime) -> bool:
        """Push one batch; a failure is stored instead, and the batch comes again."""
        turn = turns.begin(run, now)
        if turn is None:
            return False
        try:
            sweeping = not turn.row.cursor.startswith(SWEPT) or sweep_due(turn.row, now)
            found = candidates(turn, sweeping=sweeping)
            push(turn, [one.person for one in found if one.person and one.digest != one.pushed])
            return note(turn, found, sweeping=sweeping, now=now)
        except Overtaken:
            log.info("sync.overtaken", kind=PUSH, installation=run.subject)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is stored with what follows from it
            turns.failed(turn, error, now)
        return False

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def mark(session: Session, workspace_id: str, source: str, external_ids: Iterable[str], now: datetime) -> None:
    """Have these people looked at soon by the workspace's installations that take people, in this transaction."""
    ids = sorted(set(external_ids))
    mine = (SyncRow.kind == PUSH, SyncRow.workspace_id == workspace_id, SyncRow.state != STOPPED)
    takers = list(session.scalars(select(SyncRow.installation_id).where(*mine, SyncRow.installation_id != source)))
    if not takers or not ids:
        return
    changed = (PersonRow.workspace_id == workspace_id, PersonRow.source == source, PersonRow.external_id.in_(ids))
    people = list(session.scalars(select(PersonRow.id).where(*changed)))
    rows = [
        {"installation_id": taker, "person_id": id, "digest": "", "mark": random.randrange(1, MARKS)}
        for taker in takers
        for id in people
    ]
    upsert(session, rows, "mark")
    soon = update(SyncRow).where(SyncRow.kind == PUSH, SyncRow.installation_id.in_(takers), SyncRow.next_at > now)
    # Not those that wait because the last push failed.
    session.execute(soon.where(SyncRow.failures == 0).values(next_at=now).execution_options(synchronize_session=False))


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


def candidates(turn: Turn, *, sweeping: bool) -> list[Candidate]:
    """The next batch: who is marked, or else the next ids of the sweep."""
    own = PushedRow.installation_id == turn.installation.id
    with reading() as session:
        marked = select(PushedRow.person_id).where(own, PushedRow.mark != 0).limit(turn.batch)
        ids = list(session.scalars(marked))
        sources = [id for id in shown_sources(session, turn.installation.workspace) if id != turn.installation.id]
        if not ids and sweeping:
            ids = next_ids(session, turn, sources)
        known = {
            row.person_id: row for row in session.scalars(select(PushedRow).where(own, PushedRow.person_id.in_(ids)))
        }
        people = people_of(session, turn.installation.workspace, sources, ids)
    return [to_candidate(id, people.get(id), known.get(id)) for id in ids]


def next_ids(session: Session, turn: Turn, sources: list[str]) -> list[int]:
    """The ids after those that were swept."""
    mine = (PersonRow.workspace_id == turn.installation.workspace, PersonRow.source.in_(sources))
    following = select(PersonRow.id).where(*mine, PersonRow.id > swept_to(turn.row))
    return list(session.scalars(following.order_by(PersonRow.id).limit(turn.batch)))


def people_of(session: Session, workspace_id: str, sources: list[str], ids: list[int]) -> Mapping[int, Person]:
    """The people with these ids, each under our own id, newest order first."""
    mine = (PersonRow.workspace_id == workspace_id, PersonRow.source.in_(sources), PersonRow.id.in_(ids))
    orders: dict[int, list[Order]] = {}
    for row in session.scalars(select(OrderRow).where(OrderRow.person_id.in_(ids))):
        order = Order(row.number, row.date, row.status, row.total, row.currency, row.url)
        orders.setdefault(row.person_id, []).append(order)
    return {
        row.id: replace(to_person(row, newest_first(orders.get(row.id, []))), external_id=str(row.id))
        for row in session.scalars(select(PersonRow).where(*mine))
    }


def newest_first(orders: list[Order]) -> tuple[Order, ...]:
    """Always in the same order, so that the digest changes only with the orders."""
    return tuple(sorted(orders, key=lambda order: (order.date, order.number), reverse=True))


def to_candidate(id: int, person: Person | None, row: PushedRow | None) -> Candidate:
    """The person with what we know of it on the platform."""
    return Candidate(id, person, digest(person) if person else "", row.digest if row else "", row.mark if row else 0)


def digest(person: Person) -> str:
    """Changes whenever something that is pushed does."""
    told = json.dumps(asdict(person), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def push(turn: Turn, people: Sequence[Person]) -> None:
    """Hand a batch over; raises what the connector raises."""
    if people:
        arguments = {"installation": turn.installation, "outbound": turn.outbound, "people": people}
        turn.connector.call("push", settings=turn.connector.settings, **arguments)


def note(turn: Turn, found: Sequence[Candidate], *, sweeping: bool, now: datetime) -> bool:
    """Store what the platform has now and how far the sweep is; true when there is more to do."""
    row = turn.row
    swept = sweeping and not any(one.mark for one in found)
    over = swept and not found
    more = bool(found) or (sweeping and not over)
    values: dict[str, Any] = {"failures": 0, "refusals": 0, "reason": "", "cursor": row.cursor}
    if over:
        values |= {"cursor": f"{SWEPT}{(now + SWEEP).isoformat()}", "state": LIVE, "live_since": row.live_since or now}
    elif swept:
        values |= {"cursor": str(found[-1].id), "state": LIVE if row.live_since else FIRST}
    if not more:
        values |= {"next_at": spread.next_turn(row.installation_id, SWEEP, now), "ticket": new_id("t")}
    with writing() as session:
        if swept and found:
            values |= counted(session, turn, len(found))
        turns.change(session, turn, **values)
        settle(session, row.installation_id, found)
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


def settle(session: Session, installation_id: str, found: Sequence[Candidate]) -> None:
    """Note the digests, take the marks away that have not changed since, and forget who is no more."""
    own = PushedRow.installation_id == installation_id
    key = {"installation_id": installation_id, "mark": 0}
    rows = [
        {**key, "person_id": one.id, "digest": one.digest} for one in found if one.person and one.digest != one.pushed
    ]
    upsert(session, rows, "digest")
    pairs = [(one.id, one.mark) for one in found if one.mark]
    done = update(PushedRow).where(own, tuple_(PushedRow.person_id, PushedRow.mark).in_(pairs)).values(mark=0)
    session.execute(done.execution_options(synchronize_session=False))
    lost = [one.id for one in found if one.person is None]
    session.execute(delete(PushedRow).where(own, PushedRow.person_id.in_(lost)))
