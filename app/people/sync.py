"""Pull: the people and orders of each connected shop, page by page, then what changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Flask
from sqlalchemy.orm import Session

from app.core.database import writing
from app.core.models import InstallationRow
from app.core.seal import new_id
from app.jobs import kinds, spread
from app.jobs.kinds import Run
from app.people import hints, mirror, pushing, turns
from app.people.forgetting import Forgetting
from app.people.pushing import Pushing
from app.people.rereading import Rereading
from app.people.subscribing import Subscribing
from app.people.sync_state import FIRST, LIVE, PULL
from app.people.turns import Overtaken, Turn, WrongResult
from app.sdk import Batch

log = structlog.get_logger()

# How often a shop that is live is asked for what changed.
POLL = timedelta(seconds=60)


class Pulling:
    """One step is one call of ``pull`` and one transaction of the mirror with the page and the new cursor."""

    name = PULL

    def wanted(self, now: datetime) -> Sequence[Run]:
        """Active installations that are new, in their first pass, hinted at, or due for another look."""
        hints.wake(now)
        return turns.due(PULL, now)

    def step(self, run: Run, now: datetime) -> bool:
        """Pull one page and store it; a failure is stored instead."""
        turn = turns.begin(run, now)
        if turn is None:
            return False
        try:
            batch = pull(turn, now)
            if batch.moved:
                follow(turn, batch.moved)
                return True
            workspace, source = turn.installation.workspace, turn.installation.id
            mirror.apply(workspace, source, batch, lambda session: advance(session, turn, batch, now))
        except Overtaken:
            log.info("sync.overtaken", kind=PULL, installation=run.subject)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is stored with what follows from it
            turns.failed(turn, error, now)
            return False
        return batch.more

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def pull(turn: Turn, now: datetime) -> Batch:
    """The next page; raises `WrongResult` for anything else, and for one after which the same would come for ever."""
    batch = turn.connector.call(
        "pull",
        installation=turn.installation,
        settings=turn.connector.settings,
        outbound=turn.outbound,
        cursor=turn.row.cursor,
        now=now,
    )
    if not isinstance(batch, Batch):
        raise WrongResult(type(batch).__name__)
    if batch.moved == turn.installation.address or (batch.more and batch.cursor == turn.row.cursor):
        raise WrongResult("it stands still")
    return batch


def follow(turn: Turn, address: str) -> None:
    """The platform said that the shop's API is elsewhere now; the connector has seen that it may be there."""
    with writing() as session:
        row = session.get(InstallationRow, turn.installation.id)
        if row is not None and row.address == turn.installation.address:
            row.address = address


def advance(session: Session, turn: Turn, batch: Batch, now: datetime) -> None:
    """Store how far it is, in the page's own transaction; raises `Overtaken`."""
    row = turn.row
    live_since = row.live_since or (now if batch.live else None)
    state = LIVE if live_since else FIRST
    values: dict[str, Any] = {
        "cursor": batch.cursor,
        "state": state,
        "since": row.since if state == row.state else now,
        "live_since": live_since,
        "failures": 0,
        "refusals": 0,
        "reason": "",
    }
    if not row.live_since:
        values |= {"done": batch.done, "total": batch.total}
    if not batch.more:
        values |= {"next_at": spread.next_turn(row.installation_id, POLL, now), "ticket": new_id("t")}
    turns.change(session, turn, **values)
    changed = [person.external_id for person in batch.people] + [owner for owner, _ in batch.orders]
    pushing.mark(session, turn.installation.workspace, row.installation_id, changed, now)


def init_app(app: Flask) -> None:
    """Hand the directory's work to the worker."""
    kinds.register(app, (Subscribing(), Pulling(), Rereading(), Pushing(), Forgetting()))
