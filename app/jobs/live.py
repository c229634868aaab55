"""Installations that live are looked at regularly: who left without a word is noticed, and so is who was replaced."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from app.core import lifecycle, slots
from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.core.services import services
from app.jobs import spread
from app.sdk import Health, State

# Between the first 401 and the second, which counts: a platform that restarts is over it by then.
SECOND_LOOK = timedelta(minutes=10)
AT_ONCE = 1000
REPLACED = "Somebody else's integration took the place of this one. Connect it again."
# What the next sign of life takes back.
PASSING = (REPLACED, lifecycle.REFUSED)


def in_doubt() -> ColumnElement[bool]:
    """The installations whose credentials were refused once: nothing uses them before the look that decides."""
    row = InstallationRow
    return and_(row.state == State.ACTIVE, row.health == Health.DEAD, row.probes > 0)


def is_in_doubt(row: InstallationRow) -> bool:
    """The same of one."""
    return row.state == State.ACTIVE and row.health == Health.DEAD and row.probes > 0


def doubt(installation_id: str, now: datetime) -> None:
    """The platform refused the credentials in use: that was the first look, and the second decides.

    Those that wait for their place are looked at now.
    """
    with writing() as session:
        row = session.get(InstallationRow, installation_id)
        if row is None or row.state != State.ACTIVE or is_in_doubt(row):
            return
        row.probed_at, row.health, row.probes = now, Health.DEAD, 1
        row.probe_at = now if slots.is_waiting(session, installation_id) else now + SECOND_LOOK


def schedule(now: datetime) -> None:
    """Give each active installation that has no next look its own moment within its connector's period."""
    every = {
        connector.name: connector.manifest.probe_every
        for connector in services().registry
        if connector.manifest and connector.serving and connector.implements("probe")
    }
    unplanned = (InstallationRow.state == State.ACTIVE, InstallationRow.probe_at.is_(None))
    columns = (InstallationRow.id, InstallationRow.connector)
    with reading() as session:
        found = select(*columns).where(*unplanned, InstallationRow.connector.in_(every)).limit(AT_ONCE)
        planned = {id: spread.next_turn(id, every[connector], now) for id, connector in session.execute(found)}
    if not planned:
        return
    with writing() as session:
        for id, at in planned.items():
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == id, *unplanned)
                .values(probe_at=at, probes=0)
                .execution_options(synchronize_session=False)
            )


def decide(session: Session, row: InstallationRow, health: Health, doubted: bool, now: datetime) -> None:
    """What a look at credentials in use means; the next one is planned by `schedule`, but for a second look.

    The second refusal in a row begins an uninstall that nobody announced, since the notice may have been lost; the
    first may have been any call's (``doubted``). Somebody else's place is told, and never fought for.
    """
    if health == Health.DEAD and doubted:
        lifecycle.presume_uninstall(session, row, now)
    elif health == Health.DEAD:
        row.probe_at, row.probes = now + SECOND_LOOK, 1
    elif health == Health.UNSURE and doubted:
        row.health = Health.DEAD  # its turn comes again after the pause that it took, and until then nothing is clear
    else:
        row.probe_at, row.probes = None, 0
        settle(row, health, now)


def settle(row: InstallationRow, health: Health, now: datetime) -> None:
    """Raise or take back the alarm that a clear word asks for; whatever stopped because of it goes on."""
    if health == Health.REPLACED and row.alarm != REPLACED:
        row.alarm = REPLACED
    elif health == Health.ALIVE and row.alarm in PASSING:
        row.alarm = ""
        row.updated_at = now
