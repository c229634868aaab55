"""The mirror: people are stored, forgotten and moved together with their orders and terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Insert, and_, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.people.models import OrderRow, PersonRow, TermRow
from app.people.rows import order_values, person_values, to_storable
from app.people.terms import terms
from app.sdk import Person

# One transaction: long enough to be quick, short enough for another writer to wait for.
BATCH = 500
KEY = ("workspace_id", "source", "external_id")
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


@dataclass(frozen=True, slots=True)
class Stored:
    """How many people a store brought and how many it brought up to date."""

    new: int = 0
    updated: int = 0

    def __add__(self, other: Stored) -> Stored:
        return Stored(self.new + other.new, self.updated + other.updated)


def store(workspace_id: str, source: str, people: Iterable[Person]) -> Stored:
    """Upsert by ``external_id``, in batches of one transaction each; a person's orders are replaced.

    ``source`` is an installation's id or ``import``. Of the same id twice the later counts. Raises `ValueError`
    for an ``external_id`` that cannot be kept.
    """
    stored = Stored()
    remaining = iter(people)
    while batch := list(islice(remaining, BATCH)):
        latest = {person.external_id: person for person in map(to_storable, batch)}
        # Always in the same order, so that two writers wait for each other instead of deadlocking.
        stored += _store_batch(workspace_id, source, [latest[id] for id in sorted(latest)])
    return stored


def _store_batch(workspace_id: str, source: str, people: Sequence[Person]) -> Stored:
    with writing() as session:
        mine = (PersonRow.workspace_id == workspace_id, PersonRow.source == source)
        external = PersonRow.external_id.in_([person.external_id for person in people])
        known = session.scalar(select(func.count()).select_from(PersonRow).where(*mine, external)) or 0
        statement = _upsert(session).returning(PersonRow.external_id, PersonRow.id)
        rows = [person_values(workspace_id, source, person) for person in people]
        ids = {external_id: id for external_id, id in session.execute(statement, rows)}
        _replace_orders(session, {ids[person.external_id]: person for person in people})
        _update_terms(session, workspace_id, {ids[person.external_id]: person for person in people})
        return Stored(len(people) - known, known)


def _upsert(session: Session) -> Any:
    statement = INSERTS[session.get_bind(PersonRow).dialect.name](PersonRow)
    columns = [column.name for column in PersonRow.__table__.columns if column.name not in ("id", *KEY)]
    return statement.on_conflict_do_update(
        index_elements=KEY, set_={column: statement.excluded[column] for column in columns}
    )


def _replace_orders(session: Session, people: dict[int, Person]) -> None:
    session.execute(delete(OrderRow).where(OrderRow.person_id.in_(people)))
    _insert(
        session, insert(OrderRow), [row for id, one in people.items() for row in order_values(id, tuple(one.orders))]
    )


def _update_terms(session: Session, workspace_id: str, people: dict[int, Person]) -> None:
    """Write only what changed: most people of a sync come as they were."""
    kept = select(TermRow.person_id, TermRow.term, TermRow.field).where(TermRow.person_id.in_(people))
    before = {tuple(row) for row in session.execute(kept)}
    after = {(id, term, field) for id, person in people.items() for term, field in terms(person).items()}
    gone = [(id, term) for id, term, _ in before - after]
    for some in _chunks(gone):
        session.execute(
            delete(TermRow).where(
                TermRow.workspace_id == workspace_id, tuple_(TermRow.person_id, TermRow.term).in_(some)
            )
        )
    names = ("person_id", "term", "field")
    rows = [{"workspace_id": workspace_id, **dict(zip(names, row, strict=True))} for row in sorted(after - before)]
    _insert(session, insert(TermRow), rows)


def _insert(session: Session, statement: Insert, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(statement, rows)


def _chunks(rows: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def forget(workspace_id: str, source: str | None = None) -> None:
    """Delete the people of one source of the workspace, or all of the workspace's, with their orders and terms."""
    mine = _of(workspace_id, source)
    while True:
        with writing() as session:
            ids = session.scalars(select(PersonRow.id).where(mine).limit(BATCH)).all()
            for table, column in (
                (TermRow, TermRow.person_id),
                (OrderRow, OrderRow.person_id),
                (PersonRow, PersonRow.id),
            ):
                session.execute(delete(table).where(column.in_(ids)))
        if len(ids) < BATCH:
            return


def count(workspace_id: str, source: str | None = None) -> int:
    """How many people the mirror holds of the workspace, or of one source of it."""
    with reading() as session:
        statement = select(func.count()).select_from(PersonRow).where(_of(workspace_id, source))
        return session.scalar(statement) or 0


def move(workspace_id: str, into: str) -> None:
    """Give all people of one workspace to another, in one transaction.

    Where both imported the same ``external_id``, the moved person's gets the workspace it comes from in front.
    """
    with writing() as session:
        taken = select(PersonRow.source, PersonRow.external_id).where(PersonRow.workspace_id == into)
        clash = tuple_(PersonRow.source, PersonRow.external_id).in_(taken)
        renamed = func.substr(f"{workspace_id}:" + PersonRow.external_id, 1, 200)
        quiet = {"synchronize_session": False}
        session.execute(
            update(PersonRow).where(PersonRow.workspace_id == workspace_id, clash).values(external_id=renamed),
            execution_options=quiet,
        )
        for table in (PersonRow, TermRow):
            session.execute(
                update(table).where(table.workspace_id == workspace_id).values(workspace_id=into),
                execution_options=quiet,
            )


def _of(workspace_id: str, source: str | None) -> ColumnElement[bool]:
    mine = PersonRow.workspace_id == workspace_id
    return mine if source is None else and_(mine, PersonRow.source == source)
