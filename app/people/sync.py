"""Pull: the people and orders of each connected shop, page by page, then what changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
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
# What one transaction stores at most: long enough to be quick, short enough for another writer to wait for.
ENOUGH_PAGES = 5
ENOUGH_SECONDS = 1.0


class Pulling:
    """One step is a few calls of ``pull`` and one transaction of the mirror with their pages and the new cursor."""

    name = PULL

    def wanted(self, now: datetime) -> Sequence[Run]:
        """Active installations that are new, in their first pass, hinted at, or due for another look."""
        hints.wake(now)
        return turns.due(PULL, now)

    def step(self, run: Run, now: datetime) -> bool:
        """Pull some pages and store them; a failure is stored instead, after the pages that came before it."""
        turn = turns.begin(run, now)
        if turn is None:
            return False
        try:
            return self._advance(turn, now)
        except Overtaken:
            log.info("sync.overtaken", kind=PULL, installation=run.subject)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is stored with what follows from it
            turns.failed(turn, error, now)
        return False

    def _advance(self, turn: Turn, now: datetime) -> bool:
        batch, trouble = pull_some(turn, now)
        if batch.moved:
            follow(turn, batch.moved)
            return True
        workspace, source = turn.installation.workspace, turn.installation.id
        mirror.apply(workspace, source, batch, lambda session: advance(session, turn, batch, now))
        if trouble is not None:
            turn.row.cursor, turn.row.failures, turn.row.refusals = batch.cursor, 0, 0
            raise trouble
        return batch.more

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def pull_some(turn: Turn, now: datetime) -> tuple[Batch, Exception | None]:
    """As many pages as make a good transaction, as one, and the failure that came after them; raises that of the first.

    Where each page is long in coming it is stored by itself, so that people are found soon.
    """
    pages = [pull(turn, turn.row.cursor, now)]
    until = time.monotonic() + ENOUGH_SECONDS
    while len(pages) < ENOUGH_PAGES and time.monotonic() < until and goes_on(pages[-1]):
        try:
            page = pull(turn, pages[-1].cursor, now)
        except Exception as error:  # noqa: BLE001 - the caller raises it once the pages are stored
            return joined(pages), error
        if page.moved:
            break  # told again, as the first of the next step
        pages.append(page)
    return joined(pages), None


def goes_on(page: Batch) -> bool:
    """Whether the next page may be joined: what a page deletes or merges must not touch what comes after it."""
    return page.more and not (page.moved or page.gone or page.gone_orders or page.merged)


def joined(pages: Sequence[Batch]) -> Batch:
    """Pages in a row as one: the last one says how far it is."""
    people = [person for page in pages for person in page.people]
    orders = [order for page in pages for order in page.orders]
    return replace(pages[-1], people=people, orders=orders)


def pull(turn: Turn, cursor: str, now: datetime) -> Batch:
    """The page after ``cursor``; raises `WrongResult` for anything else, and for one that would come for ever."""
    batch = turn.connector.call(
        "pull",
        installation=turn.installation,
        settings=turn.connector.settings,
        outbound=turn.outbound,
        cursor=cursor,
        now=now,
    )
    if not isinstance(batch, Batch):
        raise WrongResult(type(batch).__name__)
    if batch.moved == turn.installation.address or (batch.more and batch.cursor == cursor):
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
    pushing.mark(session, turn.installation.workspace, row.installation_id, batch)


def init_app(app: Flask) -> None:
    """Hand the directory's work to the worker."""
    kinds.register(app, (Subscribing(), Pulling(), Rereading(), Pushing(), Forgetting()))
