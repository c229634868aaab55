"""Failed logins, counted for a whole platform: some lock out a server after a handful within the hour.

A login that may fail takes its place among them before it is made, and leaves it when it did not fail: whatever
processes and threads log in at once, the platform never meets more than it stands.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import BigInteger, ColumnElement, Index, Integer, String, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.database import PaceBase, UtcDateTime, reading, writing
from app.core.services import services

WINDOW = timedelta(hours=1)


class LoginRow(PaceBase):
    """A login that failed ``at``, whoever's credentials it was; or one that may.

    ``held_until``: by when it has ended; None once it failed. What is held longer belongs to a process that died: it
    may have failed, and counts for the hour, but for the installation itself, which is let in once more.
    """

    __tablename__ = "login"
    __table_args__ = (Index("ix_login_connector_at", "connector", "at"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    connector: Mapped[str] = mapped_column(String(32))
    installation_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Tally:
    """The logins that failed within the hour, the oldest first."""

    moments: tuple[datetime, ...] = ()

    def fewer_than(self, most: int, now: datetime) -> datetime | None:
        """When there will be fewer than ``most``; None when it is so."""
        if len(self.moments) < most:
            return None
        return (self.moments[len(self.moments) - most] if most > 0 else now) + WINDOW


def budget(connector: str) -> int:
    """How many failed logins an hour the connector's platform stands."""
    found = services().registry.find(connector)
    return found.manifest.failed_logins_per_hour if found and found.manifest else 0


def recent(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Within the hour before ``now``; what is far ahead was written by a clock that was set back."""
    return LoginRow.at > now - WINDOW, LoginRow.at <= now + WINDOW


def spent(now: datetime) -> dict[str, int]:
    """How many failed within the hour, by connector."""
    counted = select(LoginRow.connector, func.count()).where(*recent(now), LoginRow.held_until.is_(None))
    with reading() as session:
        return {connector: number for connector, number in session.execute(counted.group_by(LoginRow.connector))}


def held(now: datetime) -> set[str]:
    """Connectors whose platform stands no more within this hour."""
    return {name for name, number in spent(now).items() if number >= budget(name)}


def tally(connector: str, now: datetime) -> Tally:
    """What failed at the connector's platform within the hour."""
    failed = (LoginRow.connector == connector, LoginRow.held_until.is_(None))
    with reading() as session:
        return Tally(tuple(session.scalars(select(LoginRow.at).where(*failed, *recent(now)).order_by(LoginRow.at))))


def note(connector: str, number: int, now: datetime, installation_id: str = "") -> list[int]:
    """Count so many failed logins that had no place; returns theirs."""
    rows = [LoginRow(connector=connector, installation_id=installation_id, at=now) for _ in range(number)]
    with writing() as session:
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def take(connector: str, installation_id: str, most: int, now: datetime, until: datetime) -> int | None:
    """A place for a login that ends by ``until``; None while ``most`` have failed or may, or one of its own may.

    After a death the installation's own place is open to it alone: it takes one more than the budget, which the
    platform stands as well, so that what was cut short does not lock out everybody for an hour.
    """
    row = LoginRow
    with writing() as session:
        lock(session, connector)
        session.execute(delete(row).where(row.connector == connector, row.at < now - 24 * WINDOW))
        counted = select(row.installation_id, row.held_until).where(row.connector == connector, *recent(now))
        taken = session.execute(counted).all()
        own = [held for id, held in taken if id == installation_id and held is not None]
        limit = max(most, budget(connector) + 1) if own else most
        if len(taken) >= limit or any(held > now for held in own):
            return None
        place = LoginRow(connector=connector, installation_id=installation_id, at=now, held_until=until)
        session.add(place)
        session.flush()
        return place.id


def keep(place: int, now: datetime) -> None:
    """It failed: the place is taken for an hour."""
    with writing() as session:
        mine = update(LoginRow).where(LoginRow.id == place).values(at=now, held_until=None)
        session.execute(mine.execution_options(synchronize_session=False))


def leave(places: Collection[int]) -> None:
    """It did not fail, or was no login."""
    with writing() as session:
        session.execute(delete(LoginRow).where(LoginRow.id.in_(places)))


def forgive(installation_id: str, places: Collection[int], now: datetime) -> None:
    """The credentials work: nor did what was cut short fail, and what failed just now was about something else."""
    row = LoginRow
    dead = (row.installation_id == installation_id) & (row.held_until <= now)
    with writing() as session:
        session.execute(delete(row).where(or_(row.id.in_(places), dead)))


def lock(session: Session, connector: str) -> None:
    """Those who take a place at one platform wait for each other; on SQLite all who write do."""
    if session.get_bind(LoginRow).dialect.name == "postgresql":
        key = int.from_bytes(blake2b(f"login {connector}".encode(), digest_size=6).digest())
        session.execute(select(func.pg_advisory_xact_lock(key)), bind_arguments={"mapper": LoginRow})
