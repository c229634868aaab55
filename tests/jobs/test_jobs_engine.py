"""The engine itself, in this process: one id is one run, poison fails alone, the dead are taken over from."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace

import pytest
from dbos import DBOS
from flask import Flask
from sqlalchemy import Connection, create_engine, event, inspect
from sqlalchemy.exc import OperationalError

from app.core.database import db
from app.jobs import engine as engine_module
from app.jobs import kinds
from app.jobs.engine import MOST_STEPS, Engine
from app.jobs.kinds import Run
from app.jobs.storage import SCHEMA, jobs_engine, jobs_url
from app.jobs.trials import BUSY
from app.sdk.manifest import Limits
from tests.jobs.fake_platform import Platform
from tests.jobs.host import host_in, wait_for
from tests.postgres import new_database

LIMITS = {"fakeshop": Limits(1000, 1.0, 2)}


class Counting:
    """A kind that counts; ``poison`` and ``busy`` raise, ``unstored`` does at its end, ``endless`` has always more."""

    name = "count"

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.ended: list[str] = []
        self.reasons: dict[str, str] = {}
        self.hold = threading.Event()
        self.hold.set()

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        return ()

    def step(self, run: Run, now: datetime) -> bool:
        self.steps.append(run.ticket)
        self.hold.wait(20)
        if run.subject == "poison":
            raise RuntimeError("it breaks")
        if run.subject == "busy":
            raise OperationalError("BEGIN IMMEDIATE", None, TimeoutError("others are writing"))
        return run.subject == "endless"

    def over(self, run: Run, reason: str, now: datetime) -> None:
        if run.subject == "unstored":
            raise RuntimeError("the database is busy")
        self.ended.append(run.ticket)
        self.reasons[run.ticket] = reason

    def lost(self, run: Run, now: datetime) -> None:
        """Nothing."""


def run(ticket: str, subject: str = "shop") -> Run:
    return Run("count", "fakeshop", subject, ticket)


@dataclass(frozen=True)
class Started:
    """One engine for all tests of a database: each uses tickets of its own."""

    app: Flask
    engine: Engine
    kind: Counting


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    kind = Counting()
    with host_in(tmp_path_factory.mktemp("host") / "instance", Platform(address="http://127.0.0.1:9"), database) as app:
        kinds.register(app, [kind])
        engine = Engine(app, "here")
        engine.start(LIMITS)
        yield Started(app, engine, kind)
        kind.hold.set()
        engine.stop()


@pytest.fixture
def engine(started: Started) -> Engine:
    return started.engine


@pytest.fixture
def kind(started: Started) -> Counting:
    return started.kind


def test_a_run_enqueued_twice_is_done_once(engine: Engine, kind: Counting) -> None:
    for _ in range(3):
        engine.enqueue(run("t1"))
    engine.enqueue(run("t2"))
    wait_for(lambda: {"t1", "t2"} <= set(kind.ended))
    wait_for(lambda: len(engine.endings([run("t1"), run("t2")])) == 2)
    engine.enqueue(run("t1"))
    engine.enqueue(run("t3"))
    wait_for(lambda: "t3" in kind.ended)
    assert [kind.steps.count(ticket) for ticket in ("t1", "t2", "t3")] == [1, 1, 1]


def uncaught(engine: Engine, run: Run) -> str:
    """A run that goes under with its step."""
    DBOS.run_step({"name": run.kind}, engine._step, run.kind, run.connector, run.subject, run.ticket)
    return ""


@pytest.mark.parametrize(("steps", "told"), [(Engine._steps, True), (uncaught, False)], ids=["guarded", "control"])
def test_poison_fails_alone_and_its_cause_is_told(
    engine: Engine,
    kind: Counting,
    monkeypatch: pytest.MonkeyPatch,
    steps: Callable[[Engine, Run], str],
    told: bool,
) -> None:
    monkeypatch.setattr(Engine, "_steps", steps)
    bad = run(f"bad{told}", "poison")
    engine.enqueue(bad)
    tickets = [f"good{told}{number}" for number in range(20)]
    for number, ticket in enumerate(tickets):
        engine.enqueue(run(ticket, f"shop{number % 4}"))
    wait_for(lambda: set(tickets) <= set(kind.ended))
    wait_for(lambda: engine.endings([bad]))
    assert engine.endings([bad]) == {bad.id: "" if told else "error"}
    assert kind.reasons.get(bad.ticket) == ("RuntimeError" if told else None)
    assert kind.steps.count(bad.ticket) == 1


def test_a_busy_database_is_told(engine: Engine, kind: Counting) -> None:
    engine.enqueue(run("full", "busy"))
    wait_for(lambda: "full" in kind.ended)
    assert kind.reasons["full"] == BUSY


@pytest.mark.parametrize(("caught", "ending"), [(Exception, ""), (KeyError, "error")], ids=["guarded", "control"])
def test_an_end_that_cannot_be_stored_is_no_crash(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caught: type[Exception], ending: str
) -> None:
    monkeypatch.setattr("app.jobs.engine.Exception", caught, raising=False)
    ended = run(f"over{ending}", "unstored")
    engine.enqueue(ended)
    wait_for(lambda: engine.endings([ended]))
    assert engine.endings([ended]) == {ended.id: ending}


@pytest.mark.parametrize(
    ("longest", "steps"), [(engine_module.LONGEST_RUN, 4), (math.inf, MOST_STEPS)], ids=["guarded", "control"]
)
def test_a_run_without_an_end_is_cut_into_pieces(
    engine: Engine, kind: Counting, monkeypatch: pytest.MonkeyPatch, longest: float, steps: int
) -> None:
    """Each step lasts five seconds on this clock."""
    monkeypatch.setattr(engine_module, "LONGEST_RUN", longest)
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(monotonic=count(step=5).__next__))
    long = run(f"long{steps}", "endless")
    engine.enqueue(long)
    wait_for(lambda: long.ticket in kind.ended)
    assert kind.steps.count(long.ticket) == steps


@pytest.mark.parametrize(("again", "places"), [(True, 2), (False, 8)], ids=["guarded", "control"])
def test_shops_that_hang_again_and_again_keep_nobody_waiting(
    engine: Engine, kind: Counting, again: bool, places: int
) -> None:
    hung = [replace(run(f"hung{again}{number}", f"hung{number}"), again=again) for number in range(8)]
    kind.hold.clear()
    for one in hung:
        engine.enqueue(one)
    wait_for(lambda: len(begun(kind, hung)) == places)
    good = run(f"well{again}", "well")
    engine.enqueue(good)
    if again:
        wait_for(lambda: good.ticket in kind.steps)
    time.sleep(3 * max(engine_module.POLL_SECONDS.values()))
    assert (len(begun(kind, hung)), good.ticket in kind.steps) == (places, again)
    kind.hold.set()
    wait_for(lambda: len(engine.endings([*hung, good])) == 9)


def begun(kind: Counting, runs: list[Run]) -> set[str]:
    return {one.ticket for one in runs} & set(kind.steps)


def test_only_the_runs_of_the_dead_are_taken_over(engine: Engine, kind: Counting) -> None:
    kind.hold.clear()
    engine.enqueue(run("mine"))
    wait_for(lambda: "mine" in kind.steps)
    assert engine.take_over(["here"]) == []
    # From here on the notes say that another executor, which nobody sees, is at work on it.
    notes = jobs_engine(db.engine.url)
    table = "workflow_status" if notes.dialect.name == "sqlite" else f"{SCHEMA}.workflow_status"
    with notes.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET executor_id = 'gone' WHERE status = 'PENDING'")  # noqa: S608
    notes.dispose()
    assert engine.take_over(["here", "gone"]) == []
    assert engine.take_over(["here"]) == [run("mine")]
    kind.hold.set()
    wait_for(lambda: engine.endings([run("mine")]))


@contextmanager
def full_disk(engine: Engine) -> Iterator[None]:
    """Nothing can be noted meanwhile. DBOS waits for a lock, and for PostgreSQL, but not for this."""
    storage = engine._storage
    assert storage is not None
    full = True

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA query_only={full:d}")

    event.listen(storage, "begin", begin)
    yield
    full = False


def nobody(engine: Engine) -> list[Run]:
    """The old rule: a worker that lives takes nothing over from itself."""
    return engine.take_over(["here"])


@pytest.mark.parametrize("started", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("look", "found"), [(Engine.go_on, True), (nobody, False)], ids=["guarded", "control"])
def test_a_run_whose_end_could_not_be_noted_is_gone_on_with(
    engine: Engine, kind: Counting, look: Callable[[Engine], list[Run]], found: bool
) -> None:
    kind.hold.clear()
    left, going = run(f"left{found}"), run(f"going{found}")
    engine.enqueue(left)
    wait_for(lambda: left.ticket in kind.steps)
    with full_disk(engine):
        kind.hold.set()
        wait_for(lambda: left.ticket in kind.ended and left.id not in engine._under_way)
    kind.hold.clear()
    engine.enqueue(going)
    wait_for(lambda: going.ticket in kind.steps)
    assert [look(engine), look(engine), look(engine)] == [[], [left] if found else [], []]
    kind.hold.set()
    wait_for(lambda: engine.endings([going]))
    if found:
        wait_for(lambda: engine.endings([left]))
    assert kind.steps.count(going.ticket) == 1
    assert bool(engine.endings([left])) == found


def test_old_notes_go_and_young_ones_stay(engine: Engine, kind: Counting) -> None:
    engine.enqueue(run("old"))
    wait_for(lambda: engine.endings([run("old")]))
    now = datetime.now(UTC)
    engine.forget(now)
    assert engine.endings([run("old")])
    engine.forget(now + timedelta(hours=2))
    assert engine.endings([run("old")]) == {}


@pytest.mark.parametrize(
    ("seconds", "left"), [(engine_module.FORGET_SECONDS, False), (0.0, True)], ids=["guarded", "control"]
)
def test_all_old_notes_go_however_many(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, seconds: float, left: bool
) -> None:
    old = [run(f"old{left}{number}") for number in range(5)]
    for one in old:
        engine.enqueue(one)
    wait_for(lambda: len(engine.endings(old)) == 5)
    with monkeypatch.context() as context:
        context.setattr(engine_module, "FORGET_SECONDS", seconds)
        context.setattr(engine_module, "PAGE", 2)
        engine.forget(datetime.now(UTC) + timedelta(hours=2))
    assert bool(engine.endings(old)) == left


def test_the_notes_have_a_place_of_their_own(engine: Engine) -> None:
    main = db.engine.url
    if main.get_backend_name() == "sqlite":
        assert str(jobs_url(main).database).endswith("stallholder-jobs.db")
        assert "workflow_status" not in inspect(db.engine).get_table_names()
    else:
        assert jobs_url(main) == main
        assert "workflow_status" in inspect(db.engine).get_table_names(schema=SCHEMA)
        assert "workflow_status" not in inspect(db.engine).get_table_names()


def test_the_arguments_are_kept_as_json(engine: Engine, kind: Counting) -> None:
    engine.enqueue(run("json"))
    wait_for(lambda: engine.endings([run("json")]))
    notes = create_engine(jobs_url(db.engine.url))
    table = "workflow_status" if notes.dialect.name == "sqlite" else f"{SCHEMA}.workflow_status"
    with notes.connect() as connection:
        kept = connection.exec_driver_sql(f"SELECT DISTINCT serialization, application_version FROM {table}")  # noqa: S608
        assert kept.all() == [("portable_json", "1")]
    notes.dispose()
