"""The dispatcher: what is due is enqueued, once, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flask import Flask

from app.jobs import heartbeats
from app.jobs.dispatcher import LOOKED_AT, Dispatcher
from app.jobs.kinds import Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Noted:
    """A kind whose due runs the test decides."""

    def __init__(self, name: str, *due: Run) -> None:
        self.name = name
        self.due = list(due)
        self.ended: list[tuple[Run, str]] = []

    def wanted(self, now: datetime) -> Sequence[Run]:
        return self.due

    def step(self, run: Run, now: datetime) -> bool:
        return False

    def over(self, run: Run, reason: str, now: datetime) -> None:
        self.ended.append((run, reason))

    def lost(self, run: Run, now: datetime) -> None:
        """Nothing."""


class Broken(Noted):
    """A kind that cannot tell."""

    def wanted(self, now: datetime) -> Sequence[Run]:
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


def test_who_lives(host: Flask) -> None:
    heartbeats.beat("b", NOW)
    heartbeats.beat("a", NOW - heartbeats.STALE + SECOND)
    heartbeats.beat("dead", NOW - heartbeats.STALE - SECOND)
    assert heartbeats.living(NOW) == ["a", "b"]
    heartbeats.leave("b")
    assert heartbeats.living(NOW) == ["a"]
    assert len({heartbeats.new_name() for _ in range(9)}) == 9
    assert max(len(heartbeats.new_name()) for _ in range(9)) <= 64
