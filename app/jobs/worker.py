"""The worker: a sign of life, then every duty in turn, until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import UTC, datetime, timedelta
from types import FrameType

import structlog

from app.core.database import writing
from app.core.models import HeartbeatRow
from app.jobs import credentials, housekeeping

log = structlog.get_logger()

ROUND = 1.0
FORGOTTEN = timedelta(hours=1)
DUTIES = (credentials.probe_due, housekeeping.refresh_documents, housekeeping.purge)


def work() -> None:
    """Work until SIGTERM or SIGINT; the round under way is finished first."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    name = f"{socket.gethostname()}-{os.getpid()}"
    while not stopping.is_set():
        round_of_duties(name, datetime.now(UTC))
        stopping.wait(ROUND)


def round_of_duties(name: str, now: datetime) -> None:
    """One round; a duty that fails is logged and does not keep the others from their turn."""
    for duty in (lambda moment: beat(name, moment), *DUTIES):
        try:
            duty(now)
        except Exception:
            log.exception("duty.failed")


def beat(name: str, now: datetime) -> None:
    """Leave a sign of life, and forget workers that left none for an hour."""
    with writing() as session:
        session.merge(HeartbeatRow(name=name, seen_at=now))
        session.query(HeartbeatRow).where(HeartbeatRow.seen_at < now - FORGOTTEN).delete()
