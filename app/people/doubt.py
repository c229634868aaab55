"""Doubt: a shop that says of all it was asked for that they are gone may be right, or be ill for a day.

It is asked for some others that we hold, too: one that is found tells that the shop knows what it says. Where none is,
the shop seems to be empty, and nobody is deleted before it said so on three days in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, not_, select
from sqlalchemy.orm import InstrumentedAttribute

from app.core.database import reading
from app.people.lists import among
from app.people.models import OrderRow, PersonRow
from app.people.ranking import scope_of
from app.sdk import Batch

# Of the others so many from each end of what we hold: few, since a platform may need a call for each order.
WITNESSES = 2
# More than the day between two looks, so that it takes a third.
SETTLED = timedelta(hours=36)
REASON = "nobody is there any more, says the shop"


@dataclass(frozen=True, slots=True)
class Kept:
    """What we hold of a source: the people, or the orders."""

    name: InstrumentedAttribute[str]
    mine: tuple[ColumnElement[bool], ...]

    def has(self, names: Sequence[str]) -> bool:
        """Whether we hold one of these."""
        with reading() as session:
            one = select(self.name).where(*self.mine, among(session, self.name, names)).limit(1)
            return session.scalar(one) is not None

    def others(self, names: Sequence[str]) -> list[str]:
        """Some that are none of these, if there are any."""
        with reading() as session:
            rest = select(self.name).where(*self.mine, not_(among(session, self.name, names))).limit(WITNESSES)
            both = (session.scalars(rest.order_by(end)).all() for end in (self.name.asc(), self.name.desc()))
            return sorted({name for names in both for name in names})


def people_of(workspace_id: str, source: str) -> Kept:
    """The people of a source."""
    return Kept(PersonRow.external_id, (PersonRow.workspace_id == workspace_id, PersonRow.source == source))


def orders_of(source: str) -> Kept:
    """The orders of a source that have an id of their own."""
    return Kept(OrderRow.external_id, (OrderRow.origin == scope_of(source), OrderRow.external_id != ""))


def arises(
    scope: tuple[str, str],
    people: Sequence[str],
    orders: Sequence[str],
    batch: Batch,
    ask: Callable[[Sequence[str], Sequence[str]], Batch],
) -> bool:
    """Whether all these people, or orders, are gone, and all the others that we then ``ask`` for, too."""
    workspace, source = scope
    witnesses = (
        of_lost(people_of(workspace, source), people, batch.gone),
        of_lost(orders_of(source), orders, batch.gone_orders),
    )
    named, placed = (names or [] for names in witnesses)
    told = ask(named, placed) if named or placed else Batch()
    gone = (set(told.gone), set(told.gone_orders))
    return any(names is not None and gone >= set(names) for names, gone in zip(witnesses, gone, strict=True))


def of_lost(kept: Kept, asked: Sequence[str], gone: Sequence[str]) -> list[str] | None:
    """Witnesses, where all that was asked for is gone and we hold some of it; else None, since there is no doubt."""
    lost = bool(asked) and set(gone) >= set(asked) and kept.has(asked)
    return kept.others(asked) if lost else None


def is_settled(since: str, now: datetime) -> bool:
    """Whether what is in doubt since then (ISO 8601, empty for not at all) has been said often enough."""
    return bool(since) and now - datetime.fromisoformat(since) >= SETTLED
