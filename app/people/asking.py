"""Ask the platforms: while a shop's first pass is under way, a search may know people whom the mirror does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

import structlog
from flask import Flask, current_app
from sqlalchemy import not_, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import InstallationRow
from app.core.outbound import BODY_CAP
from app.core.services import services
from app.jobs import live, logins
from app.people import mirror, turns
from app.people.directory import PeopleDirectory
from app.people.sync_state import LIVE, PULL, STOPPED, SyncRow
from app.people.turns import Overtaken, Turn
from app.sdk import Batch, Hit, Person, State

log = structlog.get_logger()

SECONDS = 1.5
MOST_ASKED = 8
# A platform may answer with everything it has; what an agent does not see needs no place.
MOST_TAKEN = 100


class AskingDirectory(PeopleDirectory):
    """The directory that asks the platforms too, while there is a shop whose first pass is not over."""

    def search(self, query: str, limit: int = 20) -> Sequence[Hit]:
        """See `PeopleDirectory.search`; within 1.5 seconds more, where the mirror alone does not fill the list."""
        hits = super().search(query, limit)
        if len(hits) < limit and candidates(self.workspace_id, query):
            return super().search(query, limit)
        return hits


def candidates(
    workspace_id: str, query: str, now: datetime | None = None, clock: Callable[[], float] = time.monotonic
) -> list[Person]:
    """People of the workspace's shops that are not live yet, asked for now and stored, so that a search finds them.

    Answers within 1.5 seconds with what came and was stored in time; whatever fails brings nobody, what is late is
    there for the next search. Costs one look at the sync rows when every shop is live.
    """
    until = clock() + SECONDS
    asked = askable(workspace_id, now or datetime.now(UTC)) if query.strip() else []
    if not asked:
        return []
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    pool = ThreadPoolExecutor(len(asked), thread_name_prefix="lookup")
    futures = [pool.submit(ask, app, turn, query) for turn in asked]
    done, _ = wait(futures, timeout=max(0.0, until - clock()))
    pool.shutdown(wait=False, cancel_futures=True)
    return [person for future in futures if future in done for person in future.result()]


def askable(workspace_id: str, now: datetime) -> list[Turn]:
    """A turn for each installation whose first pass is not over, that can be asked, and of whom no login failed."""
    active = (InstallationRow.state == State.ACTIVE, not_(live.in_doubt()))
    mine = (InstallationRow.workspace_id == workspace_id, *active)
    with reading() as session:
        installed = list(session.scalars(select(InstallationRow).where(*mine)))
        ids = [row.id for row in installed]
        synced = select(SyncRow).where(SyncRow.kind == PULL, SyncRow.installation_id.in_(ids))
        rows = {row.installation_id: row for row in session.scalars(synced)}
    held = logins.held(now)
    asked = []
    for one in installed:
        connector = services().registry.find(one.connector)
        row = rows.get(one.id)
        if row is None or row.state in (LIVE, STOPPED) or row.refusals or one.connector in held:
            continue
        if connector is not None and connector.serving and connector.implements("lookup"):
            # Apart: an install, which may need a call, never waits for a search.
            asked.append(turns.to_turn(row, one, connector, now, SECONDS, apart=True, largest=BODY_CAP))
    return asked[:MOST_ASKED]


def ask(app: Flask, turn: Turn, query: str) -> Sequence[Person]:
    """One platform's candidates, stored; empty for a failure. A refused login counts against the installation."""
    arguments = {"installation": turn.installation, "outbound": turn.outbound, "query": query}
    with app.app_context():
        try:
            people = turn.connector.call("lookup", settings=turn.connector.settings, **arguments)
            return stored(turn, [person for person in people or () if isinstance(person, Person)][:MOST_TAKEN])
        except Exception as error:  # noqa: BLE001 - a search goes on whatever a platform or a connector does
            log.info("lookup.failed", installation=turn.installation.id, reason=type(error).__name__)
            if turns.is_refusal(turn, error):
                turns.failed(turn, error, datetime.now(UTC))
            return []


def stored(turn: Turn, people: Sequence[Person]) -> Sequence[Person]:
    """Keep them in the mirror, which may have to be waited for; nobody of an installation that is forgotten by now.

    The cursor is not touched, so the first pass brings them again with all they have.
    """
    installation = turn.installation

    def also(session: Session) -> None:
        if session.get(SyncRow, (installation.id, PULL)) is None:
            raise Overtaken

    if people:
        mirror.apply(installation.workspace, installation.id, Batch(people=people), also)
    return people
