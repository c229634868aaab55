"""Credentials are looked at: an announced uninstall is confirmed or taken back, new ones earn their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update

from app.core import lifecycle, slots
from app.core.database import reading, writing
from app.core.installations import SLOTS, to_installation
from app.core.models import InstallationRow
from app.core.registry import Connector
from app.core.services import services
from app.jobs import live, logins
from app.jobs.entrance import Entrance, Held
from app.jobs.outgoing import Metered
from app.sdk import Health, State
from app.sdk.manifest import Limits

log = structlog.get_logger()

DEADLINE = 10.0
AT_ONCE = 10
# After each probe that was no clear word, wait longer; the last "alive" takes the uninstall back.
PAUSES = (timedelta(seconds=20), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=50))
ALIVE_AFTER = timedelta(hours=1)


def probe_due(now: datetime, names: Iterable[str] | None = None, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Probe installations whose turn it is, some of each of these connectors, all unless told; one worker takes each.

    One after the other, since each failed login counts for the next; none is begun once ``goes_on`` says no. What goes
    wrong with one is logged and not the others'.
    """
    for name in probed() if names is None else names:
        for id in due(name, now):
            if not goes_on():
                return
            try:
                probe_one(id, now)
            except Exception:
                log.exception("probe.broke", installation=id)


def probed() -> list[str]:
    """The connectors that can say whether credentials live."""
    return [connector.name for connector in services().registry if connector.serving and connector.implements("probe")]


def due(name: str, now: datetime) -> list[str]:
    """Some of the connector's installations whose turn it is; those that must wait keep nobody else's place."""
    mine = select(InstallationRow.id).where(InstallationRow.connector == name, InstallationRow.probe_at <= now)
    first = mine.order_by(InstallationRow.probe_at).limit(AT_ONCE)
    connector = services().registry.find(name)
    with reading() as session:
        if connector is None or session.scalars(first).first() is None:
            return []
        states = [state for state in State if may_fail(connector, state, now)]
        return list(session.scalars(first.where(InstallationRow.state.in_(states))))


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
    if taken is None:
        return
    try:
        decide(taken, ask(connector, taken, now), now)
    except Held as held:
        give_turn_back(taken, held)


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


def give_turn_back(taken: InstallationRow, held: Held) -> None:
    """Nobody was asked: the look is still due, and was none."""
    mine = (InstallationRow.id == taken.id, InstallationRow.probe_at.is_not(None))
    with writing() as session:
        session.execute(
            update(InstallationRow)
            .where(*mine, InstallationRow.probes == taken.probes + 1)
            .values(probe_at=held.at, probes=taken.probes)
            .execution_options(synchronize_session=False)
        )


def may_fail(connector: Connector, state: str, now: datetime) -> bool:
    """Whether the platform would stand another failed login of ours within this hour; else the turn waits."""
    return logins.spent(now).get(connector.name, 0) < most_of(connector, state)


def most_of(connector: Connector, state: str) -> int:
    """How many may fail: one more for credentials that are expected to live than for those of a shop that has left."""
    return logins.budget(connector.name) + (state != State.UNINSTALLING)


def ask(connector: Connector, row: InstallationRow, now: datetime) -> Health:
    """The connector's word; anything but a clear one is unsure. Raises `Held` where nobody could be asked."""
    with reading() as session:
        waiting = row.state != State.UNINSTALLING and slots.is_waiting(session, row.id)
    asked = to_installation(row, services().ring, now, ("next",) if waiting else SLOTS)
    entrance = Entrance(connector.name, row.id, now, DEADLINE, most=most_of(connector, row.state))
    outbound = Metered(services().outgate.within(DEADLINE), entrance, limits_of(connector), DEADLINE)
    found = None
    try:
        found = connector.call(
            "probe",
            installation=replace(asked, address=asked.secret(slots.ADDRESS) or asked.address),
            settings=connector.settings,
            outbound=outbound,
        )
    except Exception:
        if outbound.held is None:
            log.exception("probe.failed", connector=connector.name, installation=row.id)
    if outbound.held is not None:  # a connector may take it for the platform's silence
        raise outbound.held
    return found if isinstance(found, Health) else Health.UNSURE


def limits_of(connector: Connector) -> Limits:
    """What the platform stands."""
    return connector.manifest.limits if connector.manifest else Limits()


def in_question(row: InstallationRow) -> tuple[object, ...]:
    """What a probe's answer is about."""
    return row.state, row.uninstall_at, row.issued_at, row.connected_at


def decide(asked: InstallationRow, health: Health, now: datetime) -> None:
    """Store what a probe means for the state in which it was asked; an answer that was overtaken means nothing."""
    id = asked.id
    with writing() as session:
        row = session.get(InstallationRow, id)
        if row is None or in_question(row) != in_question(asked):
            return
        log.info("probe.answered", connector=row.connector, installation=id, state=row.state, kind=health)
        doubted = live.is_in_doubt(row)
        row.probed_at, row.health = now, health
        if row.state == State.UNINSTALLING:
            since = now - (row.uninstall_at or now)
            if health == Health.DEAD:
                lifecycle.confirm_uninstall(session, row, now)
            elif health == Health.ALIVE and (row.doubtful or since >= ALIVE_AFTER):
                lifecycle.restore(row, now)
        elif not slots.is_waiting(session, id):
            live.decide(session, row, health, doubted, now)
        elif health == Health.ALIVE:
            slots.take_over(session, services().ring, row, now)
            lifecycle.revoke_sessions(session, id)
            lifecycle.settled(session, id, now)
        elif health == Health.DEAD:
            row.probe_at, row.probes = None, 0
            row.alarm = "New credentials were announced, but they do not work. The former ones stay in use."
