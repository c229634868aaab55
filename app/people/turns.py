"""A turn: what one step of a run needs and may change, and what becomes of a run that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.installations import to_installation
from app.core.models import InstallationRow
from app.core.registry import Connector
from app.core.seal import new_id
from app.core.services import services
from app.jobs import live
from app.jobs.entrance import Entrance, Held
from app.jobs.kinds import Run
from app.jobs.outgoing import Metered
from app.jobs.trials import BUSY, MOST_DEATHS, Trials, judge, most_of, own_pause, pause
from app.people import early
from app.people.sync_state import STOPPED, WAITING, SyncRow
from app.sdk import Installation, LoginRefused, State

log = structlog.get_logger()

# One step's calls together, in seconds; less than the grace that a stopping worker has.
STEP_SECONDS = 15.0
# The largest answer of a step, in bytes. A platform may have pages of a fixed number of orders, each with any number
# of lines; to read one of 16 MB takes about 100 MB of memory for a moment.
LARGEST_ANSWER = 16 * 1024 * 1024


class Overtaken(Exception):
    """The row has moved on without this run; nothing of it may be stored."""


class WrongResult(Exception):
    """The connector returned what its hook must not."""


class RunBroke(Exception):
    """A run ended without a trace in its row, or its worker died in it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One step's start: the row as it was read, the installation, its connector and the calls it may make."""

    row: SyncRow
    installation: Installation
    connector: Connector
    outbound: Metered

    @property
    def batch(self) -> int:
        """The most that the platform takes at once."""
        return self.connector.manifest.limits.batch if self.connector.manifest else 1


def begin(run: Run, now: datetime) -> Turn | None:
    """What a step needs; None when the run was overtaken, or its installation or connector does not serve now."""
    with reading() as session:
        row = session.get(SyncRow, (run.subject, run.kind))
        installed = session.get(InstallationRow, run.subject)
    connector = services().registry.find(run.connector)
    if row is None or row.ticket != run.ticket or row.state == STOPPED:
        return None
    if installed is None or installed.state != State.ACTIVE or connector is None or not connector.serving:
        return None
    if live.is_in_doubt(installed):
        return None
    return to_turn(row, installed, connector, now)


def take(run: Run, now: datetime, act: Callable[[Turn], bool | None]) -> bool:
    """Take the run's turn; true when ``act`` says that another step should follow. A failure is stored instead."""
    turn = begin(run, now)
    if turn is None:
        return False
    try:
        return bool(act(turn))
    except Overtaken:
        log.info("sync.overtaken", kind=run.kind, installation=run.subject)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is stored with what follows from it
        failed(turn, error, now)
    return False


def to_turn(
    row: SyncRow,
    installed: InstallationRow,
    connector: Connector,
    now: datetime,
    seconds: float = STEP_SECONDS,
    *,
    apart: bool = False,
    largest: int = LARGEST_ANSWER,
) -> Turn:
    """The turn of an installation, with ``seconds`` for its calls; ``apart`` and ``largest`` as of `Outgate.within`."""
    host = services()
    limits = connector.manifest.limits if connector.manifest else None
    if limits is None:
        raise LookupError("a connector without a manifest does not serve")
    since = installed.connected_at or installed.created_at
    entrance = Entrance(connector.name, installed.id, now, seconds, since=since)
    view = host.outgate.within(seconds, apart=apart, largest=largest)
    outbound = Metered(view, entrance, limits, seconds)
    return Turn(row, to_installation(installed, host.ring, now), connector, outbound)


def change(session: Session, turn: Turn, **values: Any) -> None:
    """Move the row on; raises `Overtaken` when another run did so since it was read."""
    row = turn.row
    same = (SyncRow.installation_id == row.installation_id, SyncRow.kind == row.kind, SyncRow.ticket == row.ticket)
    changed = update(SyncRow).where(*same, SyncRow.cursor == row.cursor).values(**values)
    if not session.execute(changed.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
        raise Overtaken


def overtake(session: Session, installation_id: str, kind: str) -> None:
    """Have a run that may be under way store nothing more; what it would have stored is read again by another."""
    mine = (SyncRow.installation_id == installation_id, SyncRow.kind == kind)
    again = update(SyncRow).where(*mine).values(ticket=new_id("t"))
    session.execute(again.execution_options(synchronize_session=False))


def from_the_start(session: Session, installation_id: str, kind: str, now: datetime) -> None:
    """Have all of it done once more; a run under way stores nothing more, and what stopped begins when it goes on."""
    row = session.get(SyncRow, (installation_id, kind), with_for_update=True, populate_existing=True)
    if row is None:
        return
    row.ticket, row.cursor, row.live_since, row.done, row.total = new_id("t"), "", None, 0, 0
    early.forget(session, row.workspace_id, installation_id)
    if row.state != STOPPED:
        row.state, row.since = WAITING, now


def failed(turn: Turn, error: Exception, now: datetime) -> None:
    """Store a failure: when to try again, or that it stopped and why."""
    row, outbound = turn.row, turn.outbound
    if isinstance(error, Held):
        log.info("sync.held", kind=row.kind, installation=row.installation_id)
    else:
        log.warning("sync.failed", kind=row.kind, installation=row.installation_id, reason=type(error).__name__)
    refused = is_refusal(turn, error)
    found = judge(Trials(row.failures, row.refusals), error, refused=refused, wish=outbound.wish, now=now)
    values: dict[str, Any] = {
        "failures": found.trials.failures,
        "refusals": found.trials.refusals,
        "reason": found.reason,
        "next_at": found.next_at,
        "ticket": new_id("t"),
    }
    if found.next_at is None:
        values |= {"state": STOPPED, "since": now}
    try:
        with writing() as session:
            change(session, turn, **values)
    except Overtaken:
        log.info("sync.overtaken", kind=row.kind, installation=row.installation_id)
    # Only what a look has not called alive meanwhile: two refusals in a row end it, without another login.
    if refused and found.next_at is not None and turn.connector.implements("probe"):
        live.doubt(row.installation_id, now)


def is_refusal(turn: Turn, error: Exception) -> bool:
    """Whether the platform refused our login."""
    return turn.outbound.refused or isinstance(error, LoginRefused)


def over(run: Run, reason: str, now: datetime, *, stops: bool = True) -> None:
    """The run ended: whatever is due from now on is another run.

    ``reason`` says what broke it, and counts as a crash unless our own database was busy. The next run comes after a
    pause; after too many crashes in a row none does, if it ever ``stops``.
    """
    with reading() as session:  # most have moved on by themselves, and nobody need wait for them
        row = session.get(SyncRow, (run.subject, run.kind))
        if row is None or row.ticket != run.ticket:
            return
    with writing() as session:
        row = session.get(SyncRow, (run.subject, run.kind))
        if row is None or row.ticket != run.ticket:
            return
        row.ticket = new_id("t")
        if reason == BUSY:
            row.reason, row.next_at = BUSY, now + own_pause()
        elif reason:
            count_crash(row, reason, now, most_of(reason) if stops else None)


def lost(run: Run, now: datetime) -> None:
    """The run's worker died in it.

    Several runs die with a worker, and one of them may be why: from the second death in a row on each comes back at a
    moment of its own, so that the others get on; what still has not got on is stopped after the twelfth.
    """
    with writing() as session:
        row = session.get(SyncRow, (run.subject, run.kind))
        if row is None or row.ticket != run.ticket:
            return
        if row.failures:
            count_crash(row, "its worker ended", now, MOST_DEATHS)
        else:
            row.failures = 1


def count_crash(row: SyncRow, reason: str, now: datetime, most: int | None) -> None:
    """One more crash: it comes back later, under another ticket; the crash that makes ``most`` in a row stops it."""
    row.failures += 1
    row.ticket, row.reason, row.next_at = new_id("t"), reason, now + pause(row.failures)
    if most is not None and row.failures >= most:
        row.state, row.since, row.next_at = STOPPED, now, None
        row.reason = f"it failed {row.failures} times, last with {reason}"
