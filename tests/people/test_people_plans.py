"""What a page of a sync costs must not follow the number of people: no statement walks through them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.core.database import MIRROR, db
from app.people import mirror, orders
from app.people.directory import PeopleDirectory
from app.people.models import OrderRow, PersonRow
from app.sdk import Batch, Order, Person

TABLES = ("person", "person_order", "early_order", "term", "pushed")
# How a plan may come to a row: by its id, or by a key down to the last column that tells who it is.
NARROW = re.compile(r"rowid=|person_id=|id=\?\)|external_id=|term=|owner=|name=")


@contextmanager
def plans() -> Iterator[Callable[[], list[str]]]:
    """How SQLite would come to the rows of every statement of the block."""
    said: list[tuple[str, Any]] = []

    def hear(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        said.append((statement, parameters[0] if many else parameters))

    def told() -> list[str]:
        with engine.connect() as connection:
            return [
                line[3]
                for statement, parameters in said
                if statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
                for line in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]

    engine = db.engines[MIRROR]
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def wide(lines: list[str]) -> list[str]:
    """Those that come to many people's rows to find one."""
    names = [re.fullmatch(r"(?:SEARCH|SCAN) (\w+)\b.*", line) for line in lines]
    return [name[0] for name in names if name and name[1] in TABLES and not NARROW.search(name[0])]


def pages() -> None:
    """Everything that a page may tell."""
    people = [Person(str(number), f"Jan {number}", f"jan{number}@shop.example") for number in range(5)]
    bought = [(str(number), Order(f"N{number}", "2026-01-01", external_id=f"o{number}")) for number in range(5)]
    late, early = [("7", Order("L7", external_id="l7"))], [("8", Order("L8", external_id="l8"))]
    for told in (
        {"orders": late + early, "early": True},
        {"people": [*people, Person("7", "Jan 7")], "orders": early, "early": True},
        {"orders": bought},
        {"orders": [("1", bought[0][1]), *bought[1:]]},
        {"gone_orders": ["o3"], "gone": ["4"]},
        {"merged": [("2", "3")], "people": people[:2]},
        {"buyers": [Person("9", "Eva")], "orders": [("9", Order("Z", external_id="z"))]},
    ):
        mirror.apply("w1", "shop1", Batch(**told))  # type: ignore[arg-type]


# PostgreSQL plans by what the tables hold.
SQLITE = pytest.mark.parametrize("host", ["sqlite"], indirect=True)


@SQLITE
def test_no_page_walks_through_the_people(mine: PeopleDirectory) -> None:
    with plans() as told:
        pages()
    lines = told()
    assert sum("external_id=" in line for line in lines) > 5
    assert wide(lines) == []


@SQLITE
def test_a_missing_index_is_noticed(mine: PeopleDirectory) -> None:
    with db.engines[MIRROR].begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_early_order_workspace_id_source_name")
    with plans() as told:
        pages()
    assert wide(told())


@SQLITE
def test_one_that_walks_is_noticed(mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders and their people asked for at once: SQLite begins with all the people of the shop."""

    def known(session: Session, workspace_id: str, source: str, external_ids: Any) -> list[Any]:
        asked = select(OrderRow.person_id, PersonRow.external_id, OrderRow.number).join(
            PersonRow, PersonRow.id == OrderRow.person_id
        )
        mine = (
            PersonRow.workspace_id == workspace_id,
            PersonRow.source == source,
            OrderRow.external_id.in_([*external_ids]),
        )
        return list(session.execute(asked.where(*mine)).all())

    monkeypatch.setattr(orders, "known", known)
    with plans() as told:
        pages()
    assert wide(told())
