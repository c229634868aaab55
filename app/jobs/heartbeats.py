"""Signs of life: who works, and whose work is up for taking over."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from app.core.database import reading, writing
from app.core.models import HeartbeatRow

STALE = timedelta(seconds=15)
FORGOTTEN = timedelta(hours=1)


def new_name() -> str:
    """A name for this process as long as it lives: machines in containers may share host name and process id."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


def beat(name: str, now: datetime) -> None:
    """Leave a sign of life, and forget workers that left none for an hour."""
    with writing() as session:
        session.merge(HeartbeatRow(name=name, seen_at=now))
        session.execute(delete(HeartbeatRow).where(HeartbeatRow.seen_at < now - FORGOTTEN))


def leave(name: str) -> None:
    """Say goodbye: what was left undone may be taken over at once."""
    with writing() as session:
        session.execute(delete(HeartbeatRow).where(HeartbeatRow.name == name))


def living(now: datetime) -> list[str]:
    """The workers seen within the last 15 seconds, in order of their names."""
    with reading() as session:
        seen = select(HeartbeatRow.name).where(HeartbeatRow.seen_at >= now - STALE)
        return list(session.scalars(seen.order_by(HeartbeatRow.name)))
