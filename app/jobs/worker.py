"""The worker: signs of life, durable work, and the host's duties in turn, until it is told to stop."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import structlog
from flask import Flask, current_app

from app.core import installations, nodes
from app.core.services import services
from app.jobs import credentials, heartbeats, housekeeping, live
from app.jobs.dispatcher import Dispatcher
from app.jobs.kinds import kinds_of
from app.jobs.loops import Loop
from app.sdk.manifest import Limits

log = structlog.get_logger()

ROUND = 1.0
BEAT = 3.0
DISPATCH, DISPATCH_REST = 0.5, 0.2
DURABLE = ("pull", "push", "reread", "subscribe")
TIDY = timedelta(minutes=1)
# The kernel's scale: what people wait for comes first.
NICE = 5
# Seconds: who only has to take a turn or send a request does not wait long for one who reckons.
SWITCH = 0.0005
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
# Bytes: so much is given back as soon as it is free. By itself glibc takes ever more of it from the heap.
LARGE = 256 * 1024
DUTIES = (nodes.note, live.schedule, housekeeping.refresh_documents, housekeeping.purge)


def work() -> None:
    """Work until SIGTERM or SIGINT; what is under way is brought to a good place first."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    give_way()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    jobs = Jobs(app, heartbeats.new_name())
    jobs.start()
    # What is loaded by now stays: to look through all of it takes a tenth of a second, in which nothing else runs.
    gc.collect()
    gc.freeze()
    try:
        while not stopping.is_set():
            round_of_duties(datetime.now(UTC))
            stopping.wait(ROUND)
    finally:
        jobs.stop()


def give_way() -> None:
    """Let web processes go first, and keep memory together: glibc would give each of many threads a heap of its own."""
    os.nice(NICE)
    sys.setswitchinterval(SWITCH)
    with suppress(OSError, AttributeError):  # no glibc
        glibc = ctypes.CDLL(None)
        glibc.mallopt(M_ARENA_MAX, 2)
        glibc.mallopt(M_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Let the kernel have what was freed: glibc keeps it otherwise, in holes between what is still in use."""
    with suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def round_of_duties(now: datetime) -> None:
    """One round; a duty that fails is logged and does not keep the others from their turn."""
    for duty in DUTIES:
        try:
            duty(now)
        except Exception:
            log.exception("duty.failed")


class Jobs:
    """One worker's share of the durable work: it tells that it lives, dispatches, takes over from the dead, and probes.

    Each in a thread of its own, the probes in one for each connector: what waits for a platform must neither look like
    death nor keep others' work waiting, nor hide that the worker is told to stop.
    """

    def __init__(self, app: Flask, name: str) -> None:
        self._app = app
        self.name = name
        self._tidied = datetime.min.replace(tzinfo=UTC)
        # Imported here since the command line imports this module: 45 MB and half a second for every command.
        module: Any = importlib.import_module("app.jobs.engine")
        self._engine = module.Engine(app, name, ended=self.hurry)
        self._at_once: int = module.AT_ONCE
        self._kinds = kinds_of(app)
        dispatcher = Dispatcher(self._kinds, self._engine, installations.changed_lately)
        self._beating = Loop(app, "beat", BEAT, lambda now: heartbeats.beat(name, now))
        self._dispatching = Loop(app, "dispatch", DISPATCH, dispatcher.dispatch, DISPATCH_REST)
        self._looking = Loop(app, "take-over", BEAT, self.look_after)
        self._stopping = threading.Event()
        self._probing: list[Loop] = []

    def start(self) -> None:
        """Be seen alive before the first run is taken: a run of an unseen worker is up for taking over."""
        with self._app.app_context():
            heartbeats.beat(self.name, datetime.now(UTC))
            connectors = limits_of_connectors()
            services().outgate.make_room(calls_at_once(self._at_once))
            self._probing = [
                Loop(self._app, f"probe-{name}", ROUND, self._probe(name)) for name in credentials.probed()
            ]
        self._beating.start()
        self._engine.start(connectors)
        for loop in (self._dispatching, self._looking, *self._probing):
            loop.start()

    def stop(self) -> None:
        """End every run after its step, and the probes after the one under way; what is left is up for taking over."""
        self._stopping.set()
        for loop in self._probing:
            loop.halt()
        for loop in (self._looking, self._dispatching):
            loop.stop()
        self._engine.stop()
        for loop in (*self._probing, self._beating):
            loop.stop()
        with self._app.app_context():
            heartbeats.leave(self.name)

    def _probe(self, name: str) -> Callable[[datetime], None]:
        return lambda now: credentials.probe_due(now, (name,), lambda: not self._stopping.is_set())

    def hurry(self) -> None:
        """A run ended: what follows from it need not wait for the next turn."""
        self._dispatching.poke()

    def look_after(self, now: datetime) -> None:
        """Go on with what was left lying here, take over from the silent, one of the living for all; drop old notes."""
        for run in self._engine.go_on():
            log.warning("run.gone_on_with", kind=run.kind, installation=run.subject)
        living = heartbeats.living(now)
        if living[:1] == [self.name]:
            for run in self._engine.take_over(living):
                log.warning("run.taken_over", kind=run.kind, installation=run.subject)
                self._kinds[run.kind].lost(run, now)
        if now - self._tidied > TIDY:
            self._tidied = now
            self._engine.forget(now)
        give_back()


def calls_at_once(runs: int) -> int:
    """How many calls may be under way when each connector has so many ``runs`` and a probe, all of which hang.

    Twice as many, since a call that was given up may hang in a name server for a while.
    """
    return 2 * (runs + 1) * len([*services().registry])


def limits_of_connectors() -> Mapping[str, Limits]:
    """The limits of every connector that has something for the engine to do."""
    return {
        connector.name: connector.manifest.limits
        for connector in services().registry
        if connector.manifest and any(map(connector.implements, DURABLE))
    }
