"""Forget: the people of an installation that is uninstalled go, with orders, terms and everything about the sync.

Once begun it is brought to its end, also where the merchant connects again meanwhile: each transaction that deletes
people takes away the rows of the sync with them, so that a pull that began in between begins once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.core.seal import new_id
from app.jobs.kinds import HOUSE, Run
from app.jobs.pace import PaceRow
from app.people import due, mirror, turns
from app.people.lists import among
from app.people.models import PushedRow
from app.people.sync_state import FORGET, GONE, WAITING, SyncRow
from app.sdk import State

# The workspace, and since when it is gone, where that is known.
Gone = tuple[str, datetime | None]


class Forgetting:
    """Derived from the installations: uninstalled ones, and those that are no more although something was synced."""

    name = FORGET

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        """Installations of which something may be left."""
        if (changed is None or changed) and (news := news_of(changed)):
            self._open(news, now)
        waiting = (SyncRow.kind == FORGET, SyncRow.state == WAITING, SyncRow.next_at <= now)
        with reading() as session:
            rows = session.execute(select(SyncRow.installation_id, SyncRow.ticket).where(*waiting))
            return [Run(FORGET, HOUSE, id, ticket) for id, ticket in rows]

    def _open(self, news: dict[str, Gone], now: datetime) -> None:
        with writing() as session:
            for id, (workspace, _) in news.items():
                due.open_row(session, id, FORGET, now, workspace_id=workspace, connector="")
                row = session.get(SyncRow, (id, FORGET), populate_existing=True)
                if row is not None and row.state == GONE:
                    row.state, row.since, row.next_at, row.ticket = WAITING, now, now, new_id("t")

    def step(self, run: Run, now: datetime) -> bool:
        """Delete the people wherever they are, then what was known of the sync; nothing where the run was overtaken."""
        with reading() as session:
            row = session.get(SyncRow, (run.subject, FORGET))
            installed = session.get(InstallationRow, run.subject)
        if row is None or row.ticket != run.ticket or row.state != WAITING:
            return False
        for workspace in sorted({row.workspace_id, (installed and installed.workspace_id) or row.workspace_id}):
            mirror.forget(workspace, run.subject, lambda session: end_sync(session, run.subject))
        with writing() as session:
            end_sync(session, run.subject)
            session.execute(delete(PushedRow).where(PushedRow.installation_id == run.subject))
            if installed is None or installed.state != State.ACTIVE:
                session.execute(delete(PaceRow).where(PaceRow.installation_id == run.subject))
            note(session, run, now, known=installed is not None)
        return False

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """However often it broke: people who are to be forgotten are, once whatever stood in the way is gone."""
        turns.over(run, reason, now, stops=False)

    def lost(self, run: Run, now: datetime) -> None:
        """Nothing here can kill a worker but the machine's own end."""


def end_sync(session: Session, id: str) -> None:
    """Take away all that a run under way would have to change: it stores nothing more, and the next begins anew."""
    session.execute(delete(SyncRow).where(SyncRow.installation_id == id, SyncRow.kind != FORGET))


def note(session: Session, run: Run, now: datetime, *, known: bool) -> None:
    """All is forgotten, up to ``now``. Of an installation that is not ``known`` any more nothing is left."""
    row = session.get(SyncRow, (run.subject, FORGET), with_for_update=True)
    if row is None or row.ticket != run.ticket:
        return
    if not known:
        session.delete(row)
    else:
        row.state, row.since, row.next_at, row.ticket = GONE, now, None, new_id("t")
        row.failures, row.reason = 0, ""


def news_of(changed: Collection[str] | None) -> dict[str, Gone]:
    """What is gone and not forgotten: among the ``changed`` installations, or of all that ever were."""
    gone = uninstalled(changed) | (removed() if changed is None else {})
    with reading() as session:
        few = () if changed is None else (among(session, SyncRow.installation_id, gone),)
        rows = session.scalars(select(SyncRow).where(SyncRow.kind == FORGET, *few)) if gone else ()
        known = {row.installation_id: row for row in rows}
    return {id: one for id, one in gone.items() if is_news(known.get(id), one[1])}


def uninstalled(changed: Collection[str] | None) -> dict[str, Gone]:
    """The installations that are uninstalled."""
    row = InstallationRow
    with reading() as session:
        few = () if changed is None else (among(session, row.id, changed),)
        found = select(row.id, row.workspace_id, row.updated_at).where(row.state == State.UNINSTALLED, *few)
        return {id: (workspace or "", at) for id, workspace, at in session.execute(found)}


def removed() -> dict[str, Gone]:
    """Installations that have no row of their own any more, although something was synced."""
    with reading() as session:
        rows = session.execute(select(SyncRow.installation_id, SyncRow.workspace_id))
        synced = {id: workspace for id, workspace in rows}
        known = set(session.scalars(select(InstallationRow.id)))
    return {id: (workspace, None) for id, workspace in synced.items() if id not in known}


def is_news(row: SyncRow | None, gone_at: datetime | None) -> bool:
    """Whether it was not forgotten yet, or came back since and is gone again, or is no more at all."""
    return row is None or (row.state == GONE and (gone_at is None or gone_at > row.since))
