"""Reread: records that a hint names, and once a day all that the mirror holds, since a hint may have been lost.

A platform's lists tell what is there and what changed, never what is gone: only asking for it by name does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.seal import new_id
from app.jobs import spread
from app.jobs.kinds import Run
from app.people import doubt, due, hints, mirror, pushing, turns
from app.people.models import OrderRow, PersonRow
from app.people.sync_state import LIVE, PULL, REREAD
from app.people.turns import Turn, WrongResult
from app.sdk import Batch

log = structlog.get_logger()

EVERY = timedelta(days=1)
# The first look comes no sooner after a shop was connected: the first pass has just read all of it.
FIRST_AFTER = timedelta(hours=12)
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the daily look is: the people after ``after`` up to ``till`` were read, their orders up to ``order``.

    ``due``: when the next begins, ISO 8601; ``walking`` while one is under way. Ids are in the order of the database.
    ``doubt``: since when the shop seems to be empty (`app.people.doubt`), ISO 8601; ``believed`` once that was settled.
    """

    due: str = ""
    walking: bool = False
    after: str = ""
    till: str = ""
    order: str = ""
    doubt: str = ""
    believed: bool = False


class Rereading:
    """One step is one call of ``reread`` and one transaction of the mirror: a hint's records first, then the walk."""

    name = REREAD

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        """Installations that were hinted at by name, or whose own moment of the day has come."""
        return due.runs(REREAD, now, changed)

    def step(self, run: Run, now: datetime) -> bool:
        """Read one batch again; a failure is stored instead."""
        return turns.take(run, now, lambda turn: one_step(turn, now))

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def one_step(turn: Turn, now: datetime) -> bool:
    """Read one batch again; true when another step follows."""
    if named := hints.waiting(turn.installation.id):
        batch = asked(turn, named.people, named.orders, now)
        if is_doubtful(turn, named.people, named.orders, batch, now):
            batch = replace(batch, gone=(), gone_orders=())  # the walk will tell
        keep(turn, batch, walk_of(turn))
        hints.forget(turn.installation.id, named.digest)
        return True
    return walk(turn, now)


def walk_of(turn: Turn) -> Walk:
    """Where the row says that the walk is."""
    return Walk(**json.loads(turn.row.cursor)) if turn.row.cursor else Walk()


def walk(turn: Turn, now: datetime) -> bool:
    """The next step of the daily look; true when another follows."""
    at = walk_of(turn)
    if not at.walking and (not at.due or datetime.fromisoformat(at.due) > now):
        rest(turn, at, now if at.due else now + FIRST_AFTER)
        return False
    if at.till:
        ids = orders_after(turn, at)
        behind = replace(at, after=at.till, till="", order="")
        return reread(turn, (), ids, replace(at, order=ids[-1]) if len(ids) == AT_ONCE else behind, now)
    people = people_after(turn, at)
    if not people:
        rest(turn, Walk(), now, anew=at.believed)
        return False
    return reread(turn, people, (), replace(at, walking=True, till=people[-1]), now)


def rest(turn: Turn, at: Walk, now: datetime, *, anew: bool = False, reason: str = "") -> None:
    """Nothing is to be done before the installation's own moment of the day.

    ``anew``: the pull has all read once more, lest what was believed was false: it asks for nothing but changes.
    """
    due = datetime.fromisoformat(at.due) if at.due else spread.next_turn(turn.installation.id, EVERY, now)
    values = stored(replace(at, due=due.isoformat()), reason)
    with writing() as session:
        turns.change(session, turn, next_at=due, ticket=new_id("t"), state=LIVE, **values)
        if anew:
            turns.from_the_start(session, turn.installation.id, PULL, now)


def reread(turn: Turn, people: Sequence[str], orders: Sequence[str], after: Walk, now: datetime) -> bool:
    """One step of the walk; true when another follows. Where all that we hold seems to be gone, it ends for the day."""
    batch = asked(turn, people, orders, now)
    if doubt.is_settled(after.doubt, now):
        after = replace(after, believed=after.believed or bool(batch.gone or batch.gone_orders))
    elif is_doubtful(turn, people, orders, batch, now):
        log.warning("reread.in_doubt", installation=turn.installation.id)
        rest(turn, Walk(doubt=after.doubt or now.isoformat()), now, reason=doubt.REASON)
        return False
    keep(turn, batch, after)
    return True


def is_doubtful(turn: Turn, people: Sequence[str], orders: Sequence[str], batch: Batch, now: datetime) -> bool:
    """See `doubt.arises`."""
    return doubt.arises(scope(turn), people, orders, batch, lambda some, placed: asked(turn, some, placed, now))


def keep(turn: Turn, batch: Batch, after: Walk) -> None:
    """Store what was found and what is gone together with how far we are."""

    def also(session: Session) -> None:
        turns.change(session, turn, **stored(after))
        pushing.mark(session, *scope(turn), batch)
        if batch.gone or batch.gone_orders:
            # A page that was read before may still tell of them: it is read again.
            turns.overtake(session, turn.installation.id, PULL)

    mirror.apply(*scope(turn), batch, also)


def asked(turn: Turn, people: Sequence[str], orders: Sequence[str], now: datetime) -> Batch:
    """What the connector says of these records, if any; nothing that was not asked for may be called gone."""
    if not (people or orders):
        return Batch()
    arguments = {
        "installation": turn.installation,
        "outbound": turn.outbound,
        "people": people,
        "orders": orders,
        "now": now,
    }
    batch = turn.connector.call("reread", settings=turn.connector.settings, **arguments)
    if not isinstance(batch, Batch):
        raise WrongResult(type(batch).__name__)
    if not (set(batch.gone) <= set(people) and set(batch.gone_orders) <= set(orders)):
        raise WrongResult("more is gone than was asked for")
    return batch


def stored(at: Walk, reason: str = "") -> dict[str, Any]:
    """The row's values after a step that went well."""
    return {"cursor": json.dumps(asdict(at)), "failures": 0, "refusals": 0, "reason": reason}


def scope(turn: Turn) -> tuple[str, str]:
    """The workspace and the source of an installation's people."""
    return turn.installation.workspace, turn.installation.id


def people_after(turn: Turn, at: Walk) -> list[str]:
    """The next people's ids."""
    workspace, source = scope(turn)
    mine = (PersonRow.workspace_id == workspace, PersonRow.source == source, PersonRow.external_id > at.after)
    with reading() as session:
        return list(
            session.scalars(select(PersonRow.external_id).where(*mine).order_by(PersonRow.external_id).limit(AT_ONCE))
        )


def orders_after(turn: Turn, at: Walk) -> list[str]:
    """The next ids among the orders of the people that were just read."""
    workspace, source = scope(turn)
    mine = (PersonRow.workspace_id == workspace, PersonRow.source == source)
    few = (PersonRow.external_id > at.after, PersonRow.external_id <= at.till)
    ids = select(PersonRow.id).where(*mine, *few)
    # Not "": an order without an id of its own cannot be asked for.
    later = select(OrderRow.external_id).where(OrderRow.person_id.in_(ids), OrderRow.external_id > at.order)
    with reading() as session:
        return list(session.scalars(later.distinct().order_by(OrderRow.external_id).limit(AT_ONCE)))
