"""Whom a platform deleted: an order that it kept does not bring the person back, only its own list does."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.people.keeping import INSERTS
from app.people.lists import among
from app.people.models import DepartedRow


def known(session: Session, workspace_id: str, source: str, external_ids: Collection[str]) -> set[str]:
    """Those of the people who were deleted."""
    mine = (DepartedRow.workspace_id == workspace_id, DepartedRow.source == source)
    read = select(DepartedRow.external_id).where(*mine, among(session, DepartedRow.external_id, external_ids))
    return set(session.scalars(read)) if external_ids else set()


def note(session: Session, workspace_id: str, source: str, external_ids: Collection[str]) -> None:
    """They were deleted."""
    rows = [{"workspace_id": workspace_id, "source": source, "external_id": id} for id in sorted(set(external_ids))]
    if rows:
        insert = INSERTS[session.get_bind(DepartedRow).dialect.name](DepartedRow)
        session.execute(insert.on_conflict_do_nothing(), rows)


def lift(session: Session, workspace_id: str, source: str, external_ids: Collection[str]) -> None:
    """The platform lists them again."""
    mine = (DepartedRow.workspace_id == workspace_id, DepartedRow.source == source)
    if external_ids:
        session.execute(delete(DepartedRow).where(*mine, among(session, DepartedRow.external_id, external_ids)))


def forget(session: Session, workspace_id: str, source: str | None) -> None:
    """Nothing is known of the deleted of one source, or of all."""
    mine = [DepartedRow.workspace_id == workspace_id]
    session.execute(delete(DepartedRow).where(*mine, *([DepartedRow.source == source] if source else [])))


def move(session: Session, workspace_id: str, into: str) -> None:
    """They go to another workspace with their installations."""
    moved = select(DepartedRow.source).where(DepartedRow.workspace_id == workspace_id)
    there = delete(DepartedRow).where(DepartedRow.workspace_id == into, DepartedRow.source.in_(moved))
    theirs = update(DepartedRow).where(DepartedRow.workspace_id == workspace_id).values(workspace_id=into)
    for statement in (there, theirs):
        session.execute(statement, execution_options={"synchronize_session": False})
