"""Failed logins, counted for a whole platform: some lock out a server after a handful within the hour."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Index, Integer, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import MirrorBase, UtcDateTime, reading, writing
from app.core.services import services

WINDOW = timedelta(hours=1)


class FailedLoginRow(MirrorBase):
    """One 401 that a call of the worker or of a search met, whoever's credentials it was."""

    __tablename__ = "failed_login"
    __table_args__ = (Index("ix_failed_login_connector_at", "connector", "at"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    connector: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


def note(connector: str, number: int, now: datetime) -> None:
    """Count so many failed logins at the connector's platform, and forget those of which nobody asks any more."""
    if not number:
        return
    with writing() as session:
        session.execute(
            delete(FailedLoginRow).where(FailedLoginRow.connector == connector, FailedLoginRow.at < now - 24 * WINDOW)
        )
        session.add_all(FailedLoginRow(connector=connector, at=now) for _ in range(number))


def spent(now: datetime) -> dict[str, int]:
    """How many there were within the hour before ``now``, by connector."""
    recent = (FailedLoginRow.at > now - WINDOW, FailedLoginRow.at <= now)
    with reading() as session:
        counted = select(FailedLoginRow.connector, func.count()).where(*recent).group_by(FailedLoginRow.connector)
        return {connector: number for connector, number in session.execute(counted)}


def held(now: datetime) -> set[str]:
    """Connectors whose platform stands no more within this hour."""
    return {name for name, number in spent(now).items() if number >= budget(name)}


def budget(connector: str) -> int:
    """How many failed logins an hour the connector's platform stands."""
    found = services().registry.find(connector)
    return found.manifest.failed_logins_per_hour if found and found.manifest else 0
