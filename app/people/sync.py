"""Pull: the people and orders of each connected shop, page by page, then what changed."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Flask, current_app
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.core.database import writing
from app.core.models import InstallationRow
from app.core.seal import new_id
from app.jobs import kinds, spread
from app.jobs.kinds import Run
from app.people import due, hints, mirror, pile, pushing, turns
from app.people.ahead import Ahead
from app.people.forgetting import Forgetting
from app.people.pushing import Pushing
from app.people.rereading import Rereading
from app.people.subscribing import Subscribing
from app.people.sync_state import FIRST, LIVE, PULL
from app.people.turns import Turn, WrongResult
from app.sdk import Batch, UpstreamFailed

log = structlog.get_logger()

# How often a shop that is live is asked for what changed.
POLL = timedelta(seconds=60)
# How often a page in hand waits for its turn to be stored; if it is given up, it is read again.
PATIENCE = 4
# How often in a row a platform may say that the shop is elsewhere, before a page comes.
MOST_MOVES = 3
# How long a step begins calls; it ends well before a worker that stops is at the end of its patience.
GO_ON_SECONDS = 5.0


class Pulling:
    """One step is some pages of ``pull``, each stored together with its cursor while the next is read (`Ahead`)."""

    name = PULL

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        """Active installations that are new, in their first pass, hinted at, or due for another look."""
        hints.wake(now)
        return due.runs(PULL, now, changed)

    def step(self, run: Run, now: datetime) -> bool:
        """Pull some pages and store them; a failure is stored after the pages that came before it."""
        return turns.take(run, now, lambda turn: advance(turn, now))

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """See `Kind.over`."""
        turns.over(run, reason, now)
        pile.merge_what_is_left()

    def lost(self, run: Run, now: datetime) -> None:
        """See `Kind.lost`."""
        turns.lost(run, now)


def advance(turn: Turn, now: datetime) -> bool:
    """Pull and store some pages; true when there are more."""
    until = time.monotonic() + GO_ON_SECONDS
    first = page = pull(turn, turn.row.cursor, now)
    if first.moved:
        follow(turn, first.moved)
        return True
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        with Ahead(app, first, lambda cursor: pull(turn, cursor, now), lambda: time.monotonic() < until) as ahead:
            while pages := ahead.take():
                page = joined(pages)
                store(turn, page, now)
    finally:
        if not first.live:
            pile.merge()
    if ahead.trouble is not None:
        raise ahead.trouble
    return page.more


def store(turn: Turn, page: Batch, now: datetime) -> None:
    """Store a page and how far it is, in one transaction, and know so for the next."""
    values = after(turn, page, now)

    def also(session: Session) -> None:
        turns.change(session, turn, **values)
        pushing.mark(session, turn.installation.workspace, turn.installation.id, page)

    for patience in reversed(range(PATIENCE)):
        try:
            mirror.apply(turn.installation.workspace, turn.installation.id, page, also, later=not page.live)
            break
        except OperationalError:  # others are being stored, too
            if not patience:
                raise
    for name, value in values.items():
        setattr(turn.row, name, value)


def joined(pages: Sequence[Batch]) -> Batch:
    """Pages in a row as one: the last one says how far it is."""
    people = [person for page in pages for person in page.people]
    orders = [order for page in pages for order in page.orders]
    buyers = [person for page in pages for person in page.buyers]
    early = any(page.early for page in pages)
    return replace(pages[-1], people=people, orders=orders, buyers=buyers, early=early)


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
    """The platform said that the shop's API is elsewhere now; the connector has seen that it may be there.

    Raises `UpstreamFailed` where it says so again and again: two addresses may each name the other.
    """
    moves = turn.row.moves + 1
    with writing() as session:
        turns.change(session, turn, moves=moves if moves <= MOST_MOVES else 0)
    if moves > MOST_MOVES:
        raise UpstreamFailed("moves_on")
    with writing() as session:
        row = session.get(InstallationRow, turn.installation.id)
        if row is not None and row.address == turn.installation.address:
            row.address = address


def after(turn: Turn, page: Batch, now: datetime) -> dict[str, Any]:
    """What the row says once the page is stored."""
    row = turn.row
    live_since = row.live_since or (now if page.live else None)
    state = LIVE if live_since else FIRST
    values: dict[str, Any] = {
        "cursor": page.cursor,
        "state": state,
        "since": row.since if state == row.state else now,
        "live_since": live_since,
        "failures": 0,
        "refusals": 0,
        "moves": 0,
        "reason": "",
    }
    if not row.live_since:
        values |= {"done": page.done, "total": page.total}
    if not page.more:
        values |= {"next_at": spread.next_turn(row.installation_id, POLL, now), "ticket": new_id("t")}
    return values


def init_app(app: Flask) -> None:
    """Hand the directory's work to the worker."""
    kinds.register(app, (Subscribing(), Pulling(), Rereading(), Pushing(), Forgetting()))
