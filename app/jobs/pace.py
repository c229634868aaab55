"""The platforms' limits, kept at every single call by all our processes together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, SmallInteger, String, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.database import MirrorBase, writing
from app.sdk import UpstreamFailed
from app.sdk.manifest import Limits

# A tenth slower than allowed: the way to the platform is not equally long for every call.
MARGIN = 1.1
# Longer than any call lasts: what a process that died still held is free again after it.
LONGEST_CALL = 45.0
RETRY = 0.02
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


class PaceRow(MirrorBase):
    """One of the calls that an installation's platform stands at once; times are Unix seconds.

    ``free_at``: when the rate allows the next; ``held_until``: when the one under way is given up, 0 without one.
    """

    __tablename__ = "pace"

    installation_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    free_at: Mapped[float] = mapped_column(Float(53), default=0.0)
    held_until: Mapped[float] = mapped_column(Float(53), default=0.0)


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that was taken: the call may begin at ``at``."""

    number: int
    at: float
    held_until: float


@contextmanager
def slot(installation_id: str, limits: Limits, until: float) -> Iterator[None]:
    """Wait for the installation's turn and hold it for the block.

    ``until`` is a Unix time; raises `UpstreamFailed` when the turn does not come by then. In any window of ``per``
    seconds at most ``rate`` blocks begin, and at most ``together`` are under way: each slot begins at most
    ``rate // together`` of them in a window, whichever process asks.
    """
    taken = take(installation_id, limits, time.time())
    while taken is None and time.time() + RETRY < until:
        time.sleep(RETRY)
        taken = take(installation_id, limits, time.time())
    if taken is None:
        raise UpstreamFailed("own_limit")
    try:
        if taken.at > until:
            raise UpstreamFailed("own_limit")
        time.sleep(max(0.0, taken.at - time.time()))
        yield
    finally:
        with suppress(SQLAlchemyError):  # then it is free when its time is over
            release(installation_id, taken)


def take(installation_id: str, limits: Limits, now: float) -> Slot | None:
    """The slot that may begin first; None while all are held."""
    slots = min(limits.together, limits.rate)
    interval = MARGIN * limits.per / (limits.rate // slots)
    with writing() as session:
        held = {number: (free_at, until) for number, free_at, until in rows_of(session, installation_id)}
        free = {number: begin(*held.get(number, (0.0, 0.0)), now) for number in range(slots)}
        open_slots = {number: at for number, at in free.items() if at is not None}
        if not open_slots:
            return None
        number = min(open_slots, key=lambda slot: open_slots[slot])
        taken = Slot(number, open_slots[number], open_slots[number] + LONGEST_CALL)
        return taken if store(session, installation_id, taken, interval, held.get(number)) else None


def begin(free_at: float, held_until: float, now: float) -> float | None:
    """When a slot's next call may begin. A time far ahead is a clock that was set back."""
    if now < held_until <= now + 2 * LONGEST_CALL:
        return None
    return max(now, free_at) if free_at <= now + 2 * LONGEST_CALL else now


def rows_of(session: Session, installation_id: str) -> list[tuple[int, float, float]]:
    """The installation's slots as they are."""
    found = session.query(PaceRow.slot, PaceRow.free_at, PaceRow.held_until)
    return [(row.slot, row.free_at, row.held_until) for row in found.filter(PaceRow.installation_id == installation_id)]


def store(
    session: Session, installation_id: str, taken: Slot, interval: float, before: tuple[float, float] | None
) -> bool:
    """Write the slot down as held, unless another process was quicker."""
    values = {"free_at": taken.at + interval, "held_until": taken.held_until}
    key = {"installation_id": installation_id, "slot": taken.number}
    if before is None:
        statement = INSERTS[session.get_bind(PaceRow).dialect.name](PaceRow).values(**key, **values)
        return session.execute(statement.on_conflict_do_nothing().returning(PaceRow.slot)).first() is not None
    same = (PaceRow.free_at == before[0], PaceRow.held_until == before[1])
    changed = update(PaceRow).filter_by(**key).where(*same).values(**values)
    return bool(session.execute(changed.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]


def release(installation_id: str, taken: Slot) -> None:
    """Give the slot back, unless it was given up already."""
    mine = (PaceRow.installation_id == installation_id, PaceRow.slot == taken.number)
    with writing() as session:
        changed = update(PaceRow).where(*mine, PaceRow.held_until == taken.held_until).values(held_until=0.0)
        session.execute(changed.execution_options(synchronize_session=False))
