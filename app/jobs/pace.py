"""The platforms' limits, kept at every single call by all our processes together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import cast

from sqlalchemy import BindParameter, Connection, Float, SmallInteger, String, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import PACE, PaceBase, db
from app.sdk import UpstreamFailed
from app.sdk.manifest import Limits

# A tenth slower than allowed: the way to the platform is not equally long for every call.
MARGIN = 1.1
# Longer than any call lasts: what a process that died still held is free again after it.
LONGEST_CALL = 45.0
RETRY = 0.02


class PaceRow(PaceBase):
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
    """A slot that was taken: the call may begin at ``at``, and the next ``interval`` seconds after it has begun."""

    number: int
    at: float
    interval: float
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
    began = taken.at
    try:
        if taken.at > until:
            raise UpstreamFailed("own_limit")
        time.sleep(max(0.0, taken.at - time.time()))
        began = max(taken.at, time.time())
        yield
    finally:
        with suppress(SQLAlchemyError):  # then it is free when its time is over
            release(installation_id, taken, began)


def take(installation_id: str, limits: Limits, now: float) -> Slot | None:
    """The slot that may begin first; None while all are held."""
    slots = min(limits.together, limits.rate)
    interval = MARGIN * limits.per / (limits.rate // slots)
    with db.engines[PACE].begin() as connection:
        rows = connection.execute(HELD, {"id": installation_id})
        held = {number: (free_at, until) for number, free_at, until in rows}
        free = {number: begin(*held.get(number, (0.0, 0.0)), now) for number in range(slots)}
        open_slots = {number: at for number, at in free.items() if at is not None}
        if not open_slots:
            return None
        number = min(open_slots, key=lambda slot: open_slots[slot])
        taken = Slot(number, open_slots[number], interval, open_slots[number] + LONGEST_CALL)
        return taken if store(connection, installation_id, taken, held.get(number)) else None


def begin(free_at: float, held_until: float, now: float) -> float | None:
    """When a slot's next call may begin. A time far ahead is a clock that was set back."""
    if now < held_until <= now + 2 * LONGEST_CALL:
        return None
    return max(now, free_at) if free_at <= now + 2 * LONGEST_CALL else now


def store(connection: Connection, installation_id: str, taken: Slot, before: tuple[float, float] | None) -> bool:
    """Write the slot down as held, unless another process was quicker."""
    values = {"id": installation_id, "number": taken.number}
    values |= {"at": taken.at + taken.interval, "until": taken.held_until}
    if before is None:
        return connection.execute(FIRST[connection.dialect.name], values).first() is not None
    return connection.execute(AGAIN, values | {"free": before[0], "held": before[1]}).rowcount == 1


def release(installation_id: str, taken: Slot, began: float) -> None:
    """Give the slot back, unless it was given up already. A busy machine may have begun the call late."""
    values = {"id": installation_id, "number": taken.number, "held": taken.held_until}
    with db.engines[PACE].begin() as connection:
        connection.execute(BACK, values | {"at": began + taken.interval})


# Made once, since they frame every single call.
SLOTS = cast(Table, PaceRow.__table__)
MINE = SLOTS.c.installation_id == bindparam("id")
THIS = (MINE, SLOTS.c.slot == bindparam("number"), SLOTS.c.held_until == bindparam("held"))
TAKEN: dict[str, BindParameter[float]] = {"free_at": bindparam("at"), "held_until": bindparam("until")}
HELD = select(SLOTS.c.slot, SLOTS.c.free_at, SLOTS.c.held_until).where(MINE)
AGAIN = update(SLOTS).where(*THIS, SLOTS.c.free_at == bindparam("free")).values(TAKEN)
BACK = update(SLOTS).where(*THIS).values(held_until=0.0, free_at=bindparam("at"))
FIRST = {
    name: insert(SLOTS)
    .values(installation_id=bindparam("id"), slot=bindparam("number"), **TAKEN)
    .on_conflict_do_nothing()
    .returning(SLOTS.c.slot)
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}
