"""Orders that came before their people: they wait until a later page of the first pass brings those."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import cast

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.orm import Session

from app.people.lists import among
from app.people.models import EarlyOrderRow
from app.people.rows import ORDER_LENGTHS
from app.sdk import Order

EARLY = cast(Table, EarlyOrderRow.__table__)
FIELDS = (*ORDER_LENGTHS, "closed")


def keep(session: Session, workspace_id: str, source: str, orders: Iterable[tuple[str, Order]]) -> None:
    """Have a source's orders wait, each with the external_id of its person; of the same twice the later counts.

    None of them waits already: see `drop`.
    """
    latest = {name_of(owner, order): (owner, order) for owner, order in orders}
    place = {"workspace_id": workspace_id, "source": source}
    rows = [
        place | {"owner": owner, "name": name, "told": spelled(order)}
        for name, (owner, order) in sorted(latest.items(), key=lambda one: one[1][0])
    ]
    if rows:
        session.execute(insert(EARLY), rows)


def take(session: Session, workspace_id: str, source: str, owners: Collection[str]) -> list[tuple[str, Order]]:
    """The orders that wait for these people; they wait no longer."""
    row = EarlyOrderRow
    mine = (row.workspace_id == workspace_id, row.source == source)
    if not owners:
        return []
    read = select(row.owner, row.told).where(*mine, among(session, row.owner, owners))
    told = sorted(tuple(one) for one in session.execute(read))
    found = [(owner, Order(**dict(zip(FIELDS, json.loads(order), strict=True)))) for owner, order in told]
    if found:
        session.execute(delete(row).where(*mine, among(session, row.owner, owners)))
    return found


def drop(
    session: Session, workspace_id: str, source: str, orders: Iterable[tuple[str, Order]], gone: Collection[str]
) -> None:
    """These orders are known better by now, and those with an external_id that is ``gone`` are no more."""
    row = EarlyOrderRow
    names = [name_of(owner, order) for owner, order in orders] + [f"={id}" for id in gone]
    if names:
        mine = (row.workspace_id == workspace_id, row.source == source)
        session.execute(delete(row).where(*mine, among(session, row.name, names)))


def name_of(owner: str, order: Order) -> str:
    """The same for one order of a source, whoever's it is said to be; without an id of its own it is the owner's."""
    return f"={order.external_id}" if order.external_id else f"{order.number}\t{owner}"


def spelled(order: Order) -> str:
    """The order as one text."""
    return json.dumps([getattr(order, name) for name in FIELDS], ensure_ascii=False)


def move(session: Session, workspace_id: str, into: str) -> None:
    """They go to another workspace with their installations."""
    row = EarlyOrderRow
    moved = select(row.source).where(row.workspace_id == workspace_id)
    there = delete(row).where(row.workspace_id == into, row.source.in_(moved))
    for statement in (there, update(row).where(row.workspace_id == workspace_id).values(workspace_id=into)):
        session.execute(statement, execution_options={"synchronize_session": False})


def forget(session: Session, workspace_id: str, source: str | None) -> None:
    """Nobody comes any more of one source, or of all."""
    mine = [EarlyOrderRow.workspace_id == workspace_id]
    session.execute(delete(EarlyOrderRow).where(*mine, *([EarlyOrderRow.source == source] if source else [])))
