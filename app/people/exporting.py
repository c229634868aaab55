"""Export: all that the mirror holds of a workspace's people, in the shape that the import reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from app.core.database import reading
from app.people.models import OrderRow, PersonRow
from app.people.orders import to_order
from app.sdk import Order

BATCH = 500
FIELDS = ("external_id", "name", "email", "phone", "company", "url", "note", "updated_at")


def people(workspace_id: str) -> Iterator[dict[str, Any]]:
    """Each person of the workspace with orders; what is empty is left out. ``external_id`` names the source too."""
    last = 0
    while True:
        with reading() as session:
            page = select(PersonRow).where(PersonRow.workspace_id == workspace_id, PersonRow.id > last)
            rows = session.scalars(page.order_by(PersonRow.id).limit(BATCH)).all()
            orders: dict[int, list[Order]] = {row.id: [] for row in rows}
            for order in session.scalars(select(OrderRow).where(OrderRow.person_id.in_(list(orders)))):
                orders[order.person_id].append(to_order(order))
        for row in rows:
            yield told(row, orders[row.id])
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def told(row: PersonRow, orders: list[Order]) -> dict[str, Any]:
    """One person as a line."""
    person = {name: getattr(row, name) for name in FIELDS} | {"external_id": f"{row.source}:{row.external_id}"}
    bought = [{key: value for key, value in asdict(order).items() if value} for order in orders]
    return {key: value for key, value in (person | {"orders": bought}).items() if value}
