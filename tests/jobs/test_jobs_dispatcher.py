"""The dispatcher: what is due is enqueued, once, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, event, update

from app.core import installations
from app.core.database import db, writing
from app.jobs import heartbeats
from app.jobs.dispatcher import LOOKED_AT, Changes, Dispatcher
from app.jobs.kinds import Run, kinds_of
from app.jobs.loops import Loop
from app.people.sync_state import SyncRow
from app.sdk import State
from tests.jobs.fake_platform import Platform
from tests.jobs.host import install

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Noted:
    """A kind whose due runs the test decides."""

    def __init__(self, name: str, *due: Run) -> None:
        self.name = name
        self.due = list(due)
        self.ended: list[tuple[Run, str]] = []

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        return self.due

    def step(self, run: Run, now: datetime) -> bool:
        return False

    def over(self, run: Run, reason: str, now: datetime) -> None:
        self.ended.append((run, reason))

    def lost(self, run: Run, now: datetime) -> None:
        """Nothing."""


class Broken(Noted):
    """A kind that cannot tell."""

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        raise RuntimeError


class Engine:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.enqueued: list[str] = []
        self.over: dict[str, str] = {}

    def enqueue(self, run: Run) -> None:
        self.enqueued.append(run.id)

    def endings(self, runs: Sequence[Run]) -> dict[str, str]:
        return {run.id: self.over[run.id] for run in runs if run.id in self.over}


RUN = Run("pull", "fakeshop", "shop", "t_1")


def test_a_run_is_enqueued_once_while_it_stays_due() -> None:
    engine = Engine()
    dispatcher = Dispatcher({"pull": Noted("pull", RUN)}, engine)
    for number in range(5):
        dispatcher.dispatch(NOW + number * SECOND)
    assert engine.enqueued == ["pull:shop:t_1"]


def test_a_new_ticket_is_a_new_run() -> None:
    engine, kind = Engine(), Noted("pull", RUN)
    dispatcher = Dispatcher({"pull": kind}, engine)
    dispatcher.dispatch(NOW)
    kind.due = [Run("pull", "fakeshop", "shop", "t_2")]
    dispatcher.dispatch(NOW + SECOND)
    assert engine.enqueued == ["pull:shop:t_1", "pull:shop:t_2"]


def test_a_run_that_ended_without_a_trace_gets_another_ticket() -> None:
    engine, kind = Engine(), Noted("pull", RUN)
    dispatcher = Dispatcher({"pull": kind}, engine)
    engine.over[RUN.id] = "error"
    dispatcher.dispatch(NOW)
    assert kind.ended == []
    dispatcher.dispatch(NOW + LOOKED_AT)
    assert kind.ended == [(RUN, "error")]


def test_one_kinds_trouble_is_not_the_others() -> None:
    engine = Engine()
    Dispatcher({"broken": Broken("broken"), "pull": Noted("pull", RUN)}, engine).dispatch(NOW)
    assert engine.enqueued == [RUN.id]


class Looked(Noted):
    """A kind that notes among whom it was asked for what is new."""

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        self.ended.append((RUN, "all" if changed is None else " ".join(sorted(changed))))
        return ()


def test_what_changed_is_looked_at_at_once_and_everything_now_and_then() -> None:
    """Not again because it is no longer among the latest; and the clock may be set back."""
    kind, changes = Looked("pull"), ["a", "ab", "ab", "bc", "", "", ""]
    dispatcher = Dispatcher({"pull": kind}, Engine(), lambda now: {(id, NOW, "active") for id in changes.pop(0)})
    for at in (0, 1, 2, 3, 4, 8, 7):
        dispatcher.dispatch(NOW + at * SECOND)
    assert [how for _, how in kind.ended] == ["all", "b", "", "c", "", "all", "all"]


def test_what_changed_once_more_is_looked_at_once_more() -> None:
    kind = Looked("pull")
    moments = [NOW, NOW, NOW + SECOND]
    dispatcher = Dispatcher({"pull": kind}, Engine(), lambda now: {("a", moments.pop(0), "active")})
    for _ in range(3):
        dispatcher.dispatch(NOW)
    assert [how for _, how in kind.ended] == ["all", "", "a"]


def test_a_kind_that_could_not_tell_is_asked_for_all_of_it_again() -> None:
    kind = Looked("pull")
    dispatcher = Dispatcher({"broken": Broken("broken"), "pull": kind}, Engine())
    for _ in range(2):
        dispatcher.dispatch(NOW)
    assert [how for _, how in kind.ended] == ["all", "all"]


@pytest.mark.parametrize("told", [True, False], ids=["guarded", "control"])
def test_a_new_shop_begins_with_the_next_turn(any_host: Flask, platform: Platform, told: bool) -> None:
    engine, now = Engine(), datetime.now(UTC)
    changes: Changes = installations.changed_lately if told else lambda at: frozenset()
    dispatcher = Dispatcher(kinds_of(any_host), engine, changes)
    dispatcher.dispatch(now)
    install(platform, "shop")
    dispatcher.dispatch(now + SECOND)
    assert {id.split(":")[0] for id in engine.enqueued} == ({"pull", "push"} if told else set())
    install(platform, "shop", state=State.UNINSTALLED)
    dispatcher.dispatch(now + SECOND)
    assert any(id.startswith("forget:") for id in engine.enqueued) == told


@pytest.mark.parametrize("changed", [(), None], ids=["guarded", "control"])
def test_an_idle_turn_walks_through_no_shops(
    any_host: Flask, platform: Platform, changed: Collection[str] | None
) -> None:
    install(platform, "one", "two")
    kinds, now, said = kinds_of(any_host).values(), datetime.now(UTC), list[str]()
    assert sum(len(kind.wanted(now)) for kind in kinds) == 4
    with writing() as session:
        session.execute(update(SyncRow).values(next_at=now + timedelta(hours=1)))

    def hear(connection: Connection, cursor: object, statement: str, *rest: object) -> None:
        said.append(statement)

    for engine in db.engines.values():
        event.listen(engine, "before_cursor_execute", hear)
    assert [run for kind in kinds for run in kind.wanted(now, changed)] == []
    assert any("FROM installation" in one for one in said) == (changed is None)
    assert len(said) > 3, "an ear that hears nothing finds nothing"


@pytest.mark.parametrize("changed", [("two",), None], ids=["guarded", "control"])
@pytest.mark.parametrize(("state", "kinds"), [(State.ACTIVE, {"pull", "push"}), (State.UNINSTALLED, {"forget"})])
def test_a_change_costs_no_look_at_the_other_shops(
    any_host: Flask, platform: Platform, state: State, kinds: set[str], changed: Collection[str] | None
) -> None:
    now = datetime.now(UTC)
    install(platform, "one", "two", state=state)
    runs = [run for kind in kinds_of(any_host).values() for run in kind.wanted(now + SECOND, changed)]
    assert {(run.kind, run.subject) for run in runs} == {
        (kind, id) for kind in kinds for id in changed or ("one", "two")
    }


@pytest.mark.parametrize("rest", [0.2, 0.0], ids=["guarded", "control"])
def test_a_loop_that_is_poked_all_the_time_rests(rest: float) -> None:
    """Runs that end one after the other would keep the dispatcher at work without a pause."""
    turns: list[datetime] = []

    def work(now: datetime) -> None:
        turns.append(now)
        loop.poke()

    loop = Loop(Flask("loop"), "restless", 9.0, work, rest)
    loop.start()
    time.sleep(0.7)
    loop.stop()
    assert (len(turns) <= 6) == (rest > 0)


def test_who_lives(host: Flask) -> None:
    heartbeats.beat("b", NOW)
    heartbeats.beat("a", NOW - heartbeats.STALE + SECOND)
    heartbeats.beat("dead", NOW - heartbeats.STALE - SECOND)
    assert heartbeats.living(NOW) == ["a", "b"]
    heartbeats.leave("b")
    assert heartbeats.living(NOW) == ["a"]
    assert len({heartbeats.new_name() for _ in range(9)}) == 9
    assert max(len(heartbeats.new_name()) for _ in range(9)) <= 64
