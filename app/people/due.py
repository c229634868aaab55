"""Due: which installations have a run due, and the rows of those that are new."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.seal import new_id
from app.jobs import logins
from app.jobs.kinds import Run
from app.people.keeping import INSERTS
from app.people.lists import among
from app.people.served import Served, served_with
from app.people.sync_state import STOPPED, WAITING, SyncRow, again


def runs(kind: str, now: datetime, changed: Collection[str] | None = None) -> list[Run]:
    """The runs of ``kind``, the hook's name, that are due, under way or not.

    What is new among the ``changed`` installations is written down first; among all where they are not told.
    """
    if changed is None or changed:
        compare(kind, now, changed)
    row = SyncRow
    columns = (row.installation_id, row.connector, row.ticket, row.failures > 0)
    with reading() as session:
        ready = session.execute(select(*columns).where(row.kind == kind, row.next_at <= now)).all()
    if not ready:
        return []
    served = served_with(kind, [id for id, *_ in ready])
    held = logins.held(now)
    return [
        Run(kind, connector, id, ticket, again)
        for id, connector, ticket, again in ready
        if id in served and connector not in held
    ]


def compare(kind: str, now: datetime, changed: Collection[str] | None) -> None:
    """Find what is new, and write it down."""
    served = served_with(kind, changed)
    with reading() as session:
        news = news_of(session, kind, served, few=changed is not None)
    wake(kind, news, now)


def news_of(session: Session, kind: str, served: Mapping[str, Served], *, few: bool) -> dict[str, Served]:
    """Installations that have no row, moved to another workspace, or may go on after they stopped.

    ``few``: they are looked for one by one; else all rows are read.
    """
    row = SyncRow
    mine = (row.kind == kind, *((among(session, row.installation_id, served),) if few else ()))
    known = {
        id: workspace for id, workspace in session.execute(select(row.installation_id, row.workspace_id).where(*mine))
    }
    ended = select(row.installation_id, row.since, row.refusals).where(*mine, row.state == STOPPED)
    stopped = {id: (since, refusals) for id, since, refusals in session.execute(ended)}
    return {
        id: one
        for id, one in served.items()
        if known.get(id) != one.workspace or (id in stopped and one.goes_on(*stopped[id]))
    }


def wake(kind: str, news: Mapping[str, Served], now: datetime) -> None:
    """Write down what is new."""
    if not news:
        return
    with writing() as session:
        for id, served in news.items():
            open_row(session, id, kind, now, workspace_id=served.workspace, connector=served.connector)
            row = session.get(SyncRow, (id, kind), populate_existing=True)
            if row is not None:
                row.workspace_id = served.workspace
                if row.state == STOPPED and served.goes_on(row.since, row.refusals):
                    again(row, now)


def open_row(session: Session, id: str, kind: str, now: datetime, **values: str) -> None:
    """A row whose first run is due now, unless there is one."""
    first = {"state": WAITING, "ticket": new_id("t"), "since": now, "next_at": now, "cursor": "", "reason": ""}
    zeros = {"done": 0, "total": 0, "failures": 0, "refusals": 0}
    insert = INSERTS[session.get_bind(SyncRow).dialect.name](SyncRow)
    statement = insert.values(installation_id=id, kind=kind, **first, **zeros, **values)
    session.execute(statement.on_conflict_do_nothing())
