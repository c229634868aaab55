"""Transactions: who begins how, how durable each database is, and that nobody's update is lost or held up."""

from __future__ import annotations

import ctypes
import ctypes.util
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, create_engine, event, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import database
from app.core.database import MIRROR, PACE, Base, MirrorBase, beside, db, reading, writing
from app.core.models import WorkspaceRow
from app.people.models import PersonRow
from tests.postgres import postgres_url

__all__ = ["postgres_url"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
THREADS, ROUNDS = 4, 25
CROWD = 12
BULK = 500


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Flask]:
    """A host with both databases as files, and one workspace whose name is a counter."""
    app = Flask("database")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/host.db"
    database.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        MirrorBase.metadata.create_all(db.engines[MIRROR])
        with writing() as session:
            session.add(WorkspaceRow(id="w1", name="0", created_at=NOW))
        yield app
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@contextmanager
def spoken(engine: Engine) -> Iterator[list[str]]:
    """Every statement that the engine sends meanwhile."""
    said: list[str] = []

    def hear(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def counted() -> int:
    with reading() as session:
        return int(session.scalars(select(WorkspaceRow.name)).one())


def is_locked(engine: Engine) -> bool:
    """Whether somebody writes to this file now."""
    with closing(sqlite3.connect(engine.url.database or "", timeout=0)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def person(number: int) -> PersonRow:
    texts = dict.fromkeys(("email", "phone", "company", "url", "note", "updated_at", "sort_name", "last_order"), "")
    return PersonRow(workspace_id="w1", source="import", external_id=str(number), name="x", has_orders=False, **texts)


# How transactions begin


def test_a_writer_begins_immediately(host: Flask) -> None:
    with spoken(db.engine) as said, writing() as session:
        session.scalars(select(WorkspaceRow.name)).all()
    assert said[0] == "BEGIN IMMEDIATE"


def test_a_reader_begins_plainly(host: Flask) -> None:
    with spoken(db.engine) as said, reading() as session:
        session.scalars(select(WorkspaceRow.name)).all()
    assert said[0] == "BEGIN"


def test_the_mirror_begins_as_the_main_database_does(host: Flask) -> None:
    with spoken(db.engines[MIRROR]) as said:
        with reading() as session:
            session.scalars(select(PersonRow.id)).all()
        with writing() as session:
            session.scalars(select(PersonRow.id)).all()
    assert [one for one in said if one.startswith("BEGIN")] == ["BEGIN", "BEGIN IMMEDIATE"]


def test_a_transaction_touches_only_the_database_it_needs(host: Flask) -> None:
    with spoken(db.engines[MIRROR]) as said, writing() as session:
        session.scalars(select(WorkspaceRow.name)).all()
    assert said == []


# How durable they are


@pytest.mark.parametrize(
    ("key", "synchronous"),
    [(None, 2), (MIRROR, 1), (PACE, 1)],
    ids=["main-is-FULL", "mirror-is-NORMAL", "pace-is-NORMAL"],
)
def test_what_must_never_be_lost_is_synced_at_every_commit(host: Flask, key: str | None, synchronous: int) -> None:
    with db.engines[key].connect() as connection:
        told = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")}
    assert told == {"synchronous": synchronous, "journal_mode": "wal"}


def test_references_are_checked(host: Flask) -> None:
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_nobody_waits_long_for_a_lock(host: Flask) -> None:
    """A marketplace waits five seconds: a refusal must come in time."""
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 1500


def test_the_mirror_lies_beside_the_main_file() -> None:
    assert beside(make_url("sqlite:////srv/a/stallholder.db"), MIRROR).database == "/srv/a/stallholder-mirror.db"
    outgrown = make_url("postgresql+psycopg://host/name")
    assert beside(outgrown, MIRROR) == outgrown


# Nothing is lost


def together(host: Flask, work: Callable[[], None]) -> None:
    """Do the work in every thread at once, round after round."""
    start = threading.Barrier(THREADS)

    def run() -> None:
        with host.app_context():
            start.wait()
            for _ in range(ROUNDS):
                work()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(run) for _ in range(THREADS)]:
            done.result()


def test_no_update_is_lost_between_threads(host: Flask) -> None:
    def add_one() -> None:
        with writing() as session:
            row = session.get_one(WorkspaceRow, "w1")
            row.name = str(int(row.name) + 1)

    together(host, add_one)
    assert counted() == THREADS * ROUNDS


class NoTurns:
    """A lock that anybody gets at any time."""

    def acquire(self, timeout: float) -> bool:
        return True

    def release(self) -> None:
        pass


def refusals(app: Flask) -> int:
    """How many of those who write at once are told that the database is locked."""
    start, refused = threading.Barrier(CROWD), []

    def write() -> None:
        with app.app_context():
            start.wait()
            for _ in range(ROUNDS):
                try:
                    with writing() as session:
                        session.execute(update(WorkspaceRow).values(name="x"))
                        time.sleep(0.02)
                except OperationalError:
                    refused.append(1)

    with ThreadPoolExecutor(CROWD) as pool:
        for done in [pool.submit(write) for _ in range(CROWD)]:
            done.result()
    return len(refused)


def crowded(tmp_path: Path) -> int:
    """The same on a host of its own, on which nobody waits longer than twice as long as all others write once."""
    app = Flask("crowded")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/crowded.db"
    database.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        try:
            return refusals(app)
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def test_who_writes_waits_for_a_turn_and_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.5)
    assert crowded(tmp_path) == 0


def test_looking_again_and_again_is_not_fair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: those who wait look again on their own, and somebody is always unlucky."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.5)
    monkeypatch.setattr(database, "FairLock", NoTurns)
    assert crowded(tmp_path) > 0


def looks() -> int:
    """How often we try to begin while another process writes for 0.2 s."""
    file = db.engine.url.database or ""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        ending = threading.Timer(0.2, other.execute, ["COMMIT"])
        ending.start()
        with spoken(db.engine) as said, writing() as session:
            session.execute(update(WorkspaceRow).values(name="1"))
        ending.join()
    assert counted() == 1
    return said.count("BEGIN IMMEDIATE")


@pytest.mark.parametrize(("seconds", "soon"), [(database.LOOK_SECONDS, True), (0.1, False)], ids=["guarded", "control"])
def test_who_waits_for_another_process_notices_soon_that_it_ended(
    host: Flask, monkeypatch: pytest.MonkeyPatch, seconds: float, soon: bool
) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", seconds)
    assert (looks() > 10) is soon


def test_another_process_is_not_waited_for_without_end(host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(db.engine.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"), writing() as session:
            session.scalars(select(WorkspaceRow.name)).one()
    with writing() as session:
        assert session.scalars(select(WorkspaceRow.name)).one() == "0"


@pytest.mark.parametrize(("guard", "again"), [(True, False), (False, True)], ids=["guarded", "control"])
def test_what_no_waiting_mends_is_not_waited_for(
    host: Flask, monkeypatch: pytest.MonkeyPatch, guard: bool, again: bool
) -> None:
    if not guard:
        monkeypatch.setattr(database, "is_locked", lambda error: True)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")  # begins
        with spoken(db.engine) as said, pytest.raises(OperationalError, match="within a transaction"):
            database.begin_writing(connection, time.monotonic() + 0.1)
    assert (said.count("BEGIN IMMEDIATE") > 1) is again


def test_sqlalchemys_own_transactions_lose_updates(host: Flask) -> None:
    """The control: two that read before either writes, as the driver's default lets them."""
    engine = create_engine(db.engine.url)
    with Session(engine) as one, Session(engine) as other:
        for session in (one, other):
            assert session.scalars(select(WorkspaceRow.name)).one() == "0"
        for session in (one, other):
            session.execute(update(WorkspaceRow).values(name="1"))
            session.commit()
    engine.dispose()
    assert counted() == 1, "two were added, one was lost"


def test_a_second_writer_waits_before_it_reads(host: Flask) -> None:
    """The same interleaving with our transactions: the second cannot even read before the first has ended."""
    with writing() as session:
        session.scalars(select(WorkspaceRow.name)).one()
        assert is_locked(db.engine)
    assert not is_locked(db.engine)


def test_a_reader_sees_one_state_and_holds_nobody_up(host: Flask) -> None:
    def add_one() -> None:
        with host.app_context(), writing() as session:
            session.execute(update(WorkspaceRow).values(name="1"))

    with reading() as session:
        before = session.scalars(select(WorkspaceRow.name)).one()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(add_one).result()
        session.expire_all()
        assert (before, session.scalars(select(WorkspaceRow.name)).one()) == ("0", "0")
    assert counted() == 1


# Nobody is held up


def test_a_bulk_write_on_the_mirror_does_not_hold_up_the_main_database(host: Flask) -> None:
    under_way, done = threading.Event(), threading.Event()

    def fill() -> None:
        with host.app_context(), writing() as session:
            session.add_all(person(number) for number in range(BULK))
            session.flush()
            under_way.set()
            assert done.wait(30), "the install waited for the sync"

    with ThreadPoolExecutor(1) as pool:
        filling = pool.submit(fill)
        assert under_way.wait(30)
        with writing() as session:
            session.add(WorkspaceRow(id="w2", name="installed meanwhile", created_at=NOW))
        assert not filling.done()
        done.set()
        filling.result()
    with reading() as session:
        assert len(session.scalars(select(PersonRow.id)).all()) == BULK
        assert session.get(WorkspaceRow, "w2") is not None


def test_a_bulk_write_in_one_file_would_hold_it_up(host: Flask) -> None:
    """The control: what lies in the same file as the bulk write waits, and gives up."""
    with writing() as session:
        session.add_all(person(number) for number in range(BULK))
        session.flush()
        assert is_locked(db.engines[MIRROR])
        assert not is_locked(db.engine)


# The blocks


def test_a_failed_block_leaves_nothing(host: Flask) -> None:
    def halfway() -> None:
        with writing() as session:
            session.execute(update(WorkspaceRow).values(name="9"))
            session.add(person(1))
            session.flush()
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        halfway()
    assert counted() == 0
    with reading() as session:
        assert session.scalars(select(PersonRow.id)).all() == []


def test_an_inner_block_joins_the_outer_one(host: Flask) -> None:
    def outer() -> None:
        with writing():
            with writing() as session:
                session.execute(update(WorkspaceRow).values(name="9"))
            with reading() as session:
                assert session.scalars(select(WorkspaceRow.name)).one() == "9"
            raise RuntimeError("outer")

    with pytest.raises(RuntimeError, match="outer"):
        outer()
    assert counted() == 0


def test_reading_cannot_become_writing(host: Flask) -> None:
    with reading(), pytest.raises(RuntimeError, match="writing"), writing():
        pass


def test_a_reading_block_writes_nothing(host: Flask) -> None:
    with reading() as session:
        session.execute(update(WorkspaceRow).values(name="9"))
    assert counted() == 0


def test_rows_can_be_read_after_their_block(host: Flask) -> None:
    with reading() as session:
        row = session.get_one(WorkspaceRow, "w1")
    with writing() as session:
        session.execute(update(WorkspaceRow).values(name="1"))
    assert row.name == "0"
    assert row.created_at == NOW


def test_times_are_aware_and_in_utc(host: Flask) -> None:
    prague = NOW.astimezone(timezone(timedelta(hours=1)))
    with writing() as session:
        session.add(WorkspaceRow(id="w3", name="", created_at=prague))
    with reading() as session:
        found = session.get_one(WorkspaceRow, "w3").created_at
    assert (found, found.tzinfo) == (NOW, UTC)


# Busy for a moment, or in trouble


def trouble(act: Callable[[], object]) -> Exception:
    """What it raises."""
    with pytest.raises(SQLAlchemyError) as raised:
        act()
    return raised.value


def test_a_database_that_others_write_to_is_busy(host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(db.engine.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert database.is_busy(trouble(renamed))
    held = database._turns[db.engine]
    assert held.acquire(0)
    try:
        assert database.is_busy(trouble(renamed))
    finally:
        held.release()


def test_a_full_disk_is_no_busy_database(host: Flask) -> None:
    def fill() -> None:
        with writing() as session:
            session.connection().exec_driver_sql("PRAGMA max_page_count=1")
            session.add_all(WorkspaceRow(id=f"x{number}", name="x" * 999, created_at=NOW) for number in range(99))

    full = trouble(fill)
    assert isinstance(full, OperationalError)
    assert not database.is_busy(full)
    assert not database.is_busy(trouble(lambda: run(db.engine, "SELECT nothing")))
    assert not database.is_busy(ValueError("locked"))


def renamed() -> None:
    with writing() as session:
        session.execute(update(WorkspaceRow).values(name="x"))


def run(engine: Engine, *statements: str) -> None:
    """In one transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_what_passes_on_postgresql(postgres_url: str) -> None:
    """A lock, a statement cut short, a pool that is used up, a connection that is gone; not a mistake of ours."""
    engine = create_engine(postgres_url, pool_size=1, max_overflow=1, pool_timeout=0.01)
    one = engine.connect()
    one.exec_driver_sql("CREATE TEMPORARY TABLE busy (id int)")
    one.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
    locked = trouble(lambda: run(engine, "SET LOCAL lock_timeout = 10", "SELECT pg_advisory_xact_lock(7)"))
    slow = trouble(lambda: run(engine, "SET LOCAL statement_timeout = 10", "SELECT pg_sleep(9)"))
    with engine.connect() as other:
        used_up = trouble(lambda: run(engine, "SELECT 1"))
        mine = one.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
    gone = trouble(lambda: one.exec_driver_sql("SELECT 1"))
    assert [database.is_busy(error) for error in (locked, slow, used_up, gone)] == [True] * 4
    assert not database.is_busy(trouble(lambda: run(engine, "SELECT nothing")))
    assert not database.is_busy(trouble(lambda: run(engine, "SELECT 1 / 0")))
    engine.dispose()


@pytest.fixture(params=["guarded", "control"])
def on_postgres(request: pytest.FixtureRequest, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """A host on PostgreSQL with one workspace; false where those who read have an engine like all others."""
    guarded: bool = request.param == "guarded"
    if not guarded:
        monkeypatch.setattr(database, "reading_options", lambda main: {"url": main})
    app = Flask("database")
    app.config["SQLALCHEMY_DATABASE_URI"] = postgres_url
    database.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        with writing() as session:
            session.add(WorkspaceRow(id="w1", name="0", created_at=NOW))
        yield guarded
        db.session.remove()
        Base.metadata.drop_all(db.engine)
        for engine in db.engines.values():
            engine.dispose()


def test_who_reads_on_postgresql_is_in_no_transaction(on_postgres: bool) -> None:
    with reading() as session:
        assert session.get_one(WorkspaceRow, "w1").name == "0"
        raw: Any = session.connection().connection.dbapi_connection
        assert (raw.info.transaction_status == TransactionStatus.IDLE) is on_postgres


def test_and_the_server_refuses_what_would_write(on_postgres: bool) -> None:
    refused = False
    with reading() as session:
        try:
            session.execute(update(WorkspaceRow).values(name="9"))
        except SQLAlchemyError:
            refused = True
    assert refused is on_postgres
    assert counted() == 0


def test_who_reads_has_the_operators_own_options_too() -> None:
    url = make_url("postgresql+psycopg:///x?options=-c%20work_mem%3D8MB")
    told = database.reading_options(url)["connect_args"]["options"]
    assert told == "-c work_mem=8MB -c default_transaction_read_only=on"


def test_every_engine_waits_as_long_and_looks_whether_the_server_is_there(on_postgres: bool) -> None:
    pools: list[Any] = [engine.pool for engine in db.engines.values()]
    assert {(pool._timeout, pool._pre_ping) for pool in pools} == {(int(database.BUSY_SECONDS), True)}


@pytest.mark.parametrize(
    ("rest", "kept"), [(database.rest, False), (lambda connection: None, True)], ids=["guarded", "control"]
)
def test_a_connection_that_rests_keeps_no_pages(
    host: Flask, monkeypatch: pytest.MonkeyPatch, rest: Callable[[Any], None], kept: bool
) -> None:
    library = ctypes.CDLL(ctypes.util.find_library("sqlite3") or "")
    if not hasattr(library, "sqlite3_memory_used"):
        pytest.skip("Python's SQLite is none that tells how much memory it uses")
    monkeypatch.setattr(database, "rest", rest)
    with writing() as session:
        session.add_all([person(number) for number in range(BULK)])
    before = library.sqlite3_memory_used()
    with reading() as session:
        session.scalars(select(PersonRow.words)).all()
        used = library.sqlite3_memory_used()
    assert used > before or kept
    assert (library.sqlite3_memory_used() >= used) is kept
