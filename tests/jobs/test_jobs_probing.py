"""Probes in the worker: a connector whose shops hang keeps no other waiting, and a worker told to stop begins none."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from stage import Stage

from app.jobs import credentials
from app.jobs.worker import Jobs
from tests.jobs.host import wait_for

DUE = {"upgates": [f"hung{number}" for number in range(3)], "wazzup": ["well"]}


class Idle:
    """An engine that has nothing to do."""

    def __init__(self, app: Flask, name: str, ended: Callable[[], None]) -> None:
        """Nothing is begun."""

    def __getattr__(self, name: str) -> Callable[..., list[Any]]:
        return lambda *arguments: []


class Probes:
    """What was begun; those of the first connector hang until ``end``."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.end = threading.Event()

    def probe(self, id: str, now: datetime) -> None:
        self.begun.append(id)
        if id.startswith("hung"):
            self.end.wait(20)


@pytest.fixture
def probes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Probes:
    probes = Probes()
    monkeypatch.setattr(credentials, "due", lambda name, now: DUE.get(name, []))
    monkeypatch.setattr(credentials, "probe_one", probes.probe)
    return probes


def working(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """A worker without the engine."""
    assert stage.app is not None
    with monkeypatch.context() as context:
        context.setattr(importlib, "import_module", lambda name: SimpleNamespace(Engine=Idle, AT_ONCE=1))
        jobs = Jobs(stage.app, "here")
    jobs.start()
    return jobs


def stop(jobs: Jobs, probes: Probes) -> None:
    """Tell it to stop while a probe hangs."""
    stopping = threading.Thread(target=jobs.stop)
    stopping.start()
    wait_for(jobs._stopping.is_set)
    probes.end.set()
    stopping.join()


def all_in_one(jobs: Jobs, name: str) -> Callable[[datetime], None]:
    """The old rule: a round has all the connectors."""
    return lambda now: credentials.probe_due(now, DUE)


@pytest.mark.parametrize(("one", "apart"), [(Jobs._probe, True), (all_in_one, False)], ids=["guarded", "control"])
def test_a_connector_whose_shops_hang_keeps_no_others_waiting(
    stage: Stage, probes: Probes, monkeypatch: pytest.MonkeyPatch, one: Any, apart: bool
) -> None:
    monkeypatch.setattr(Jobs, "_probe", one)
    jobs = working(stage, monkeypatch)
    wait_for(lambda: "hung0" in probes.begun and (not apart or "well" in probes.begun))
    assert ("well" in probes.begun) == apart
    stop(jobs, probes)


def unheard(jobs: Jobs, name: str) -> Callable[[datetime], None]:
    """The old rule: a round is done to its end."""
    return lambda now: credentials.probe_due(now, (name,))


@pytest.mark.parametrize(("one", "begun"), [(Jobs._probe, 1), (unheard, 3)], ids=["guarded", "control"])
def test_told_to_stop_a_worker_begins_no_other_probe(
    stage: Stage, probes: Probes, monkeypatch: pytest.MonkeyPatch, one: Any, begun: int
) -> None:
    monkeypatch.setattr(Jobs, "_probe", one)
    jobs = working(stage, monkeypatch)
    wait_for(lambda: "hung0" in probes.begun)
    stop(jobs, probes)
    assert sum(id.startswith("hung") for id in probes.begun) == begun
