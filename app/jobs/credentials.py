"""Credentials under doubt: an announced uninstall is confirmed or taken back, new credentials earn their place."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select, update

from app.core import lifecycle, slots
from app.core.database import reading, writing
from app.core.installations import SLOTS, to_installation
from app.core.models import InstallationRow
from app.core.registry import Connector
from app.core.services import services
from app.sdk import Health, State

log = structlog.get_logger()

DEADLINE = 10.0
# After each probe that was no clear word, wait longer; the last "alive" takes the uninstall back.
PAUSES = (timedelta(seconds=20), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=50))
ALIVE_AFTER = timedelta(hours=1)


def probe_due(now: datetime) -> None:
    """Probe every installation whose turn it is; one worker takes each."""
    with reading() as session:
        due = select(InstallationRow.id).where(InstallationRow.probe_at <= now).order_by(InstallationRow.probe_at)
        ids = list(session.scalars(due.limit(100)))
    for id in ids:
        probe_one(id, now)


def probe_one(id: str, now: datetime) -> None:
    """Take the turn unless it must wait, ask the platform outside any transaction, then store what follows."""
    with reading() as session:
        row = session.get(InstallationRow, id)
    connector = services().registry.find(row.connector) if row else None
    if row is None or connector is None or not connector.serving or not connector.implements("probe"):
        return
    if not may_fail(connector, row.state, now):
        return
    taken = take_turn(id, now)
    if taken is not None:
        decide(taken, ask(connector, taken, now), now)


def take_turn(id: str, now: datetime) -> InstallationRow | None:
    """Claim one due probe by setting the next; None when another worker was quicker."""
    with writing() as session:
        row = session.get(InstallationRow, id)
        if row is None or row.probe_at is None or row.probe_at > now:
            return None
        pause = PAUSES[min(row.probes, len(PAUSES) - 1)]
        taken = session.execute(
            update(InstallationRow)
            .where(InstallationRow.id == id, InstallationRow.probe_at == row.probe_at)
            .values(probe_at=now + pause, probes=InstallationRow.probes + 1)
            .execution_options(synchronize_session=False)
        )
        return row if taken.rowcount else None  # type: ignore[attr-defined]


def may_fail(connector: Connector, state: str, now: datetime) -> bool:
    """Whether the platform would stand another failed login of ours within this hour; else the turn waits.

    One more is kept for new credentials, which are expected to live, than for those of a shop that has left.
    """
    budget = connector.manifest.failed_logins_per_hour if connector.manifest else 0
    recently = InstallationRow.connector == connector.name, InstallationRow.failed_at > now - timedelta(hours=1)
    with reading() as session:
        failed = session.scalar(select(func.count(InstallationRow.id)).where(*recently)) or 0
    return failed < budget + (state != State.UNINSTALLING)


def ask(connector: Connector, row: InstallationRow, now: datetime) -> Health:
    """The connector's word; anything but a clear one is unsure."""
    asked = to_installation(row, services().ring, now, SLOTS if row.state == State.UNINSTALLING else ("next",))
    try:
        found = connector.call(
            "probe",
            installation=replace(asked, address=asked.secret(slots.ADDRESS) or asked.address),
            settings=connector.settings,
            outbound=services().outgate.within(DEADLINE),
        )
    except Exception:
        log.exception("probe.failed", connector=connector.name, installation=row.id)
        return Health.UNSURE
    return found if isinstance(found, Health) else Health.UNSURE


def decide(asked: InstallationRow, health: Health, now: datetime) -> None:
    """Store what a probe means for the state in which it was asked; an answer that was overtaken means nothing."""
    id = asked.id
    with writing() as session:
        row = session.get(InstallationRow, id)
        if row is None or (row.state, row.uninstall_at, row.issued_at) != (
            asked.state,
            asked.uninstall_at,
            asked.issued_at,
        ):
            return
        log.info("probe.answered", connector=row.connector, installation=id, state=row.state, kind=health)
        row.failed_at = now if health == Health.DEAD else row.failed_at
        if row.state == State.UNINSTALLING:
            since = now - (row.uninstall_at or now)
            if health == Health.DEAD:
                lifecycle.confirm_uninstall(session, row, now)
            elif health == Health.ALIVE and (row.doubtful or since >= ALIVE_AFTER):
                lifecycle.restore(row, now)
        elif health == Health.ALIVE and slots.is_waiting(session, id):
            slots.take_over(session, services().ring, row, now)
            lifecycle.revoke_sessions(session, id)
            lifecycle.settled(session, id, now)
        elif health == Health.REPLACED:
            row.probe_at = None
            row.alarm = "Somebody else's integration took the place of this one. Connect it again."
        elif health == Health.DEAD:
            row.probe_at = None
            row.alarm = "New credentials were announced, but they do not work. The former ones stay in use."
