"""Where the engine keeps its notes: a file beside the main one on SQLite, a schema of its own elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

from app.core.database import rest

SCHEMA = "stallholder_jobs"
BUSY_MILLISECONDS = 5000


def jobs_url(main: URL) -> URL:
    """``stallholder-jobs.db`` beside ``stallholder.db``; the same database elsewhere."""
    if main.get_backend_name() != "sqlite" or not main.database:
        return main
    path = Path(main.database)
    return main.set(database=str(path.with_name(f"{path.stem}-jobs{path.suffix}")))


def jobs_engine(main: URL) -> Engine:
    """A pool of its own, since the engine's threads would starve the host's.

    A power cut may lose the newest notes: what is to be done stands in the host's own databases and is found again.
    """
    if main.get_backend_name() != "sqlite":
        return create_engine(main, pool_size=10, max_overflow=20, pool_pre_ping=True)
    engine = create_engine(jobs_url(main), pool_size=10, max_overflow=20, pool_use_lifo=True)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        pragmas = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_MILLISECONDS}")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "checkin")
    def checkin(connection: Any, record: Any) -> None:
        rest(connection)

    return engine
