"""The databases: what must never be lost, what can be pulled again, what counts for seconds; and their transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from app.core.fair import FairLock

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
MIRROR, PACE, READING = "mirror", "pace", "reading"
BUSY_SECONDS = 1.5
# How often one who waits for another process looks again. SQLite's own waiting looks ever less often, up to 25 ms.
LOOK_SECONDS = 0.001
# What is kept of a log that is begun anew: to write over a file costs less than to make one.
LOG_KEPT = f"journal_size_limit={16 * 1024 * 1024}"
PRAGMAS = {
    # An acknowledged installation survives a power cut; a person can be pulled again.
    "main": ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-1000"),
    # A page of the index that a bulk sync writes again and again goes into the file once.
    MIRROR: ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-2000", "wal_autocheckpoint=16000", LOG_KEPT),
    # Written around every call to a platform: it must not wait until a page of people is stored.
    PACE: ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-500"),
}


class Base(DeclarativeBase):
    """Tables of the main database."""

    metadata = MetaData(naming_convention=NAMING)


class MirrorBase(DeclarativeBase):
    """Tables of the mirror: a second file on SQLite, the same database on PostgreSQL."""

    metadata = MetaData(naming_convention=NAMING, info={"bind_key": MIRROR})


class PaceBase(DeclarativeBase):
    """Tables of the pace: a third file on SQLite, the same database on PostgreSQL."""

    metadata = MetaData(naming_convention=NAMING, info={"bind_key": PACE})


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None else None


class BoundSession(FlaskSession):
    """A session that reads by the engine for that, where there is one."""

    def get_bind(
        self,
        mapper: Any | None = None,
        clause: Any | None = None,
        bind: Engine | Connection | None = None,
        **kwargs: Any,
    ) -> Engine | Connection:
        if bind is None and _mode.get() == "read" and READING in self._db.engines:
            return self._db.engines[READING]
        return super().get_bind(mapper, clause, bind, **kwargs)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False, "class_": BoundSession})
# SQLite folds a log into its file by itself, but begins it anew only where nobody reads or writes just then: in a busy
# hour it would grow for ever. Who writes much folds one that is longer than this, in bytes, and has the others wait.
# A little at a time: while the disk takes in a long one, an installation's commit waits for that.
LONGEST_LOG = 4 * 1024 * 1024
# Who reads on for longer than this, say to export, is not waited for: the next fold may find nobody.
FOLD_SECONDS = 0.25
# PostgreSQL: a lock or a snapshot that others hold, a statement cut short, no place left, a server that restarts.
BUSY_STATES = ("08", "40001", "40P01", "53300", "55P03", "57014", "57P0")
_turns: WeakKeyDictionary[Engine, FairLock] = WeakKeyDictionary()
_mode: ContextVar[str] = ContextVar("transaction", default="")


def init_app(app: Flask) -> None:
    """Reads ``SQLALCHEMY_DATABASE_URI``; prepares the engines. Nothing connects yet."""
    main = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
    binds: dict[str, dict[str, Any]] = {name: {"url": beside(main, name)} for name in (MIRROR, PACE)}
    if main.get_backend_name() == "sqlite":
        # Last in, first out: each connection that is used keeps pages of its own while it is.
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}, "pool_use_lifo": True}
    else:
        options = {"pool_pre_ping": True, "pool_timeout": BUSY_SECONDS}
        binds[READING] = reading_options(main)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    app.config["SQLALCHEMY_BINDS"] = {name: options | bind for name, bind in binds.items()}
    db.init_app(app)
    with app.app_context():
        for key, engine in db.engines.items():
            if engine.dialect.name == "sqlite":
                prepare_sqlite(engine, PRAGMAS[key or "main"])


def reading_options(main: URL) -> dict[str, Any]:
    """The engine of those who read on PostgreSQL, of whatever tables: statement by statement, and nothing else.

    There each statement sees what was committed before it, inside a transaction as well; to begin and to end one on
    each of the other engines was half of what a search asked of the server. The server refuses what would write.
    """
    given = main.query.get("options", "")
    options = f"{given if isinstance(given, str) else ' '.join(given)} -c default_transaction_read_only=on"
    return {"url": main, "isolation_level": "AUTOCOMMIT", "connect_args": {"options": options.strip()}}


def beside(main: URL, name: str) -> URL:
    """Another database's address: a file beside the main one on SQLite, the same database elsewhere."""
    if main.get_backend_name() != "sqlite" or not main.database or main.database == ":memory:":
        return main
    path = Path(main.database)
    return main.set(database=str(path.with_name(f"{path.stem}-{name}{path.suffix}")))


def prepare_sqlite(engine: Engine, pragmas: tuple[str, ...]) -> None:
    """Take transactions out of the driver's hands: writers begin IMMEDIATE, so no update is lost or refused midway.

    Who writes in this process waits for its turn: SQLite has those who wait look again now and then, and one of many
    who is unlucky would find it locked each time.
    """
    turn = _turns[engine] = FairLock()

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        if _mode.get() == "read":
            connection.exec_driver_sql("BEGIN")
            return
        until = time.monotonic() + BUSY_SECONDS
        if not connection.info.get("turn") and not turn.acquire(timeout=BUSY_SECONDS):
            raise OperationalError("BEGIN IMMEDIATE", None, TimeoutError("others are writing"))
        connection.info["turn"] = True
        begin_writing(connection, until)

    @event.listens_for(engine, "checkin")
    def checkin(connection: Any, record: Any) -> None:
        if record.info.pop("turn", False):
            turn.release()
        rest(connection)


def rest(connection: Any) -> None:
    """Give back the pages that a driver's connection has read, until it is used again: the kernel has them, too.

    Each of a pool's connections would keep its cache's whole size.
    """
    if connection is not None:  # it broke
        connection.execute("PRAGMA shrink_memory")


def begin_writing(connection: Connection, until: float) -> None:
    """Wait for other processes that write, no longer than ``until`` on the monotonic clock.

    Raises `OperationalError` when it is locked even then.
    """
    with waiting(connection.connection.dbapi_connection, 0.0):
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as error:
                if time.monotonic() > until or not is_locked(error):
                    raise
                time.sleep(LOOK_SECONDS)


@contextmanager
def waiting(driver: Any, seconds: float) -> Iterator[None]:
    """SQLite itself waits so long for a lock while the block runs."""
    driver.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")


def is_locked(error: OperationalError) -> bool:
    """Whether SQLite says that others use the database; what exactly they do stands in the higher bits."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def is_busy(error: Exception) -> bool:
    """Whether the database is only busy or away for a moment: the same may well be done soon."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return isinstance(error, OperationalError) and is_locked(error)
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error.orig, TimeoutError) or state.startswith(BUSY_STATES)


def fold(key: str) -> bool:
    """Fold the log of a SQLite database into its file if it has grown too long; true when it begins anew.

    To be called after a big transaction, by who wrote it. Waits for those who write as long as for any lock, and for
    those who read no longer than `FOLD_SECONDS`.
    """
    engine = db.engines[key]
    if engine.dialect.name != "sqlite" or length_of_log(engine) < LONGEST_LOG:
        return False
    if not _turns[engine].acquire(BUSY_SECONDS):
        return False
    try:
        # No transaction, inside which nothing can be folded.
        with closing(engine.raw_connection()) as connection, waiting(connection.dbapi_connection, FOLD_SECONDS):
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(RESTART)")
            return bool(cursor.fetchall()[0][0] == 0)
    finally:
        _turns[engine].release()


def length_of_log(engine: Engine) -> int:
    """Bytes; 0 where there is none."""
    log = Path(f"{engine.url.database}-wal")
    return log.stat().st_size if log.exists() else 0


@contextmanager
def reading() -> Iterator[Session]:
    """A read-only transaction; joins the one that is open."""
    yield from _transaction("read")


@contextmanager
def writing() -> Iterator[Session]:
    """A transaction that commits at the end of the block; joins the one that is open. Keep it short: no calls out."""
    if _mode.get() == "read":
        raise RuntimeError("a reading transaction cannot become a writing one")
    yield from _transaction("write")


def _transaction(mode: str) -> Iterator[Session]:
    if _mode.get():
        yield db.session()
        return
    token = _mode.set(mode)
    session = db.session()
    try:
        yield session
        if mode == "write":
            session.commit()
    finally:
        # Rows leave with what was read of them; then a failed write and every read end. After a commit nothing is left.
        session.expunge_all()
        session.rollback()
        _mode.reset(token)
