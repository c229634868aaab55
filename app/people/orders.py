"""The orders of people: replaced by an import, kept by their number by a sync."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.people.lists import among
from app.people.models import OrderRow, PersonRow
from app.people.ranking import scope_of
from app.people.rows import iso_day, order_values
from app.sdk import Order

ORDERS = cast(Table, OrderRow.__table__)
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
KEY = ("person_id", "number")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person's orders say of the person: whether there are any, and the date of the newest."""

    has_orders: bool = False
    last_order: str = ""


def facts_of(dates: Iterable[str], so_far: Facts | None = None) -> Facts:
    """The facts of orders with these dates, together with what was known."""
    every = [*dates]
    known = so_far or Facts()
    newest = max((date for date in every if iso_day(date)), default="")
    return Facts(known.has_orders or bool(every), max(newest, known.last_order))


def replace(session: Session, source: str, people: dict[int, Sequence[Order]], held: Collection[int]) -> None:
    """Give people of a source these orders and no others; ``held`` are the ids that may have some."""
    if held:
        session.execute(delete(OrderRow).where(among(session, OrderRow.person_id, held)))
    rows = [row for id, orders in people.items() for row in order_values(source, id, orders)]
    if rows:
        session.execute(insert(ORDERS), rows)


def upsert(session: Session, source: str, orders: Iterable[tuple[int, Order]]) -> None:
    """Store a source's orders by person and number; of the same twice the later counts."""
    latest = {(id, order.number): order for id, order in orders}
    rows = [row for id, number in sorted(latest) for row in order_values(source, id, [latest[id, number]])]
    if not rows:
        return
    # The table, not the model: what the ORM adds to a statement costs more than the statement.
    statement = INSERTS[session.get_bind(OrderRow).dialect.name](ORDERS)
    columns = [column.name for column in ORDERS.columns if column.name not in KEY]
    updated = {column: statement.excluded[column] for column in columns}
    session.execute(statement.on_conflict_do_update(index_elements=KEY, set_=updated), rows)


def known(
    session: Session, workspace_id: str, source: str, external_ids: Collection[str]
) -> list[tuple[int, str, str]]:
    """Where a source's orders in a workspace are that have one of these ids: the person's id and ``external_id``, the
    number."""
    if not external_ids:
        return []
    # Two questions: asked for both at once, a database may choose to walk through all the people of the source.
    told = (
        OrderRow.origin == scope_of(source),
        among(session, OrderRow.external_id, external_ids),
        OrderRow.external_id != "",
    )
    placed = session.execute(select(OrderRow.person_id, OrderRow.number).where(*told)).all()
    # While two workspaces become one a source has people in both. By their ids alone, for the same reason.
    people = select(PersonRow.id, PersonRow.external_id, PersonRow.workspace_id, PersonRow.source).where(
        among(session, PersonRow.id, {person for person, _ in placed})
    )
    mine = (workspace_id, source)
    owners = {id: name for id, name, *place in session.execute(people) if (*place,) == mine} if placed else {}
    return [(person, owners[person], number) for person, number in placed if person in owners]


def remove(session: Session, orders: Collection[tuple[int, str]]) -> None:
    """Delete orders by person and number."""
    for person_id, number in orders:
        session.execute(delete(OrderRow).where(OrderRow.person_id == person_id, OrderRow.number == number))


def of(session: Session, ids: Collection[int]) -> list[Order]:
    """The orders of these people, newest first."""
    found = session.scalars(select(OrderRow).where(among(session, OrderRow.person_id, ids)).order_by(OrderRow.number))
    return sorted(map(to_order, found), key=lambda order: order.date, reverse=True)


def to_order(row: OrderRow) -> Order:
    """The order as its source told it."""
    return Order(row.number, row.date, row.status, row.total, row.currency, row.url, row.closed, row.external_id)


def facts(session: Session, ids: Collection[int]) -> dict[int, Facts]:
    """What the stored orders say of these people."""
    dates: dict[int, list[str]] = {id: [] for id in ids}
    for id, date in session.execute(
        select(OrderRow.person_id, OrderRow.date).where(among(session, OrderRow.person_id, ids))
    ):
        dates[id].append(date)
    return {id: facts_of(dates[id]) for id in ids}


def move(session: Session, old: int, new: int) -> None:
    """Give one person's orders to another, whose own stay where both have the number."""
    taken = select(OrderRow.number).where(OrderRow.person_id == new)
    moved = session.scalars(select(OrderRow).where(OrderRow.person_id == old, OrderRow.number.not_in(taken))).all()
    columns = [column.name for column in ORDERS.columns if column.name != "person_id"]
    rows = [{"person_id": new, **{name: getattr(row, name) for name in columns}} for row in moved]
    session.execute(delete(OrderRow).where(OrderRow.person_id == old))
    if rows:
        session.execute(insert(ORDERS), rows)
