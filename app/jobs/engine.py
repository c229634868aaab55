"""The engine of durable work: DBOS, embedded in each worker. Only workers import this module."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID, WorkflowStatus
from flask import Flask
from sqlalchemy import Engine as SqlEngine

from app.core.database import db
from app.jobs.kinds import AGAIN, HOUSE, Run, kinds_of
from app.jobs.storage import SCHEMA, jobs_engine
from app.jobs.trials import short_reason
from app.sdk.manifest import Limits

log = structlog.get_logger()

# Stays when the code changes, so that a new release goes on with the runs it finds; changes with `_perform`'s shape.
VERSION = "1"
# One run begins no step after so many, or after so many seconds, and is derived anew: others get their turn, and its
# notes stay few.
MOST_STEPS = 100
LONGEST_RUN = 20.0
# Runs of one connector that one worker works on at once, and how often it looks for others: those of shops that are
# well, and those where the last one failed.
PLACES = {"": 8, AGAIN: 2}
AT_ONCE = sum(PLACES.values())
POLL_SECONDS = {"": 0.2, AGAIN: 1.0}
# Beside those of the queues: a run that was taken from one never waits for a thread, or `go_on` would take it for lost.
SPARE_THREADS = 16
ENDING_SECONDS = 20
OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
PAGE = 1000
FORGET_SECONDS = 2.0


class Engine:
    """This process's engine; ``name`` is its executor id. ``ended`` is called when a run has ended."""

    def __init__(self, app: Flask, name: str, ended: Callable[[], None] = lambda: None) -> None:
        self._app = app
        self._name = name
        self._ended = ended
        self._stopping = threading.Event()
        self._under_way: set[str] = set()
        self._doubted: set[str] = set()
        self._storage: SqlEngine | None = None
        self._run: Callable[[str, str, str, str], None] = self._perform

    def start(self, connectors: Mapping[str, Limits]) -> None:
        """Launch, and hold each connector's queues to its limits, the installation being the partition."""
        with self._app.app_context():
            self._storage = jobs_engine(db.engine.url)
        threads = SPARE_THREADS + AT_ONCE * len(connectors)
        DBOS(config=configuration(self._name, self._storage, threads))
        self._run = DBOS.workflow(name="run")(plain(self._perform))
        DBOS.launch()
        for name, limits in connectors.items():
            for suffix, places in PLACES.items():
                DBOS.register_queue(
                    f"{name}{suffix}",
                    worker_concurrency=places,
                    partition_concurrency=limits.together,
                    partition_limiter={"limit": limits.rate, "period": limits.per},
                    polling_interval_sec=POLL_SECONDS[suffix],
                )
        DBOS.register_queue(HOUSE, worker_concurrency=1, partition_concurrency=1, polling_interval_sec=1.0)

    def enqueue(self, run: Run) -> None:
        """Have the run done by some worker; a run that is known already is not done again."""
        with SetWorkflowID(run.id), SetEnqueueOptions(queue_partition_key=run.subject):
            DBOS.enqueue_workflow(run.queue, self._run, run.kind, run.connector, run.subject, run.ticket)

    def endings(self, runs: Iterable[Run]) -> dict[str, str]:
        """Of these runs' ids those that are over, with what broke them; empty for those that ended well."""
        ids = [run.id for run in runs]
        return {
            found.workflow_id: "" if found.status == "SUCCESS" else found.status.lower()
            for found in DBOS.list_workflows(
                workflow_ids=ids, status=list(OVER), load_input=False, load_output=False, limit=PAGE
            )
        }

    def take_over(self, living: Iterable[str]) -> list[Run]:
        """Put the runs of workers that are not ``living`` back into their queues, to go on after their last step."""
        alive = {self._name, *living}
        pending = DBOS.list_workflows(status="PENDING", name="run", load_output=False, limit=PAGE)
        return put_back([found for found in pending if found.executor_id not in alive])

    def go_on(self) -> list[Run]:
        """Put our own runs back that the notes call under way although nobody is at them, seen so twice in a row.

        A disk that was full for a moment leaves such ones: their end could not be noted. Once is no sign: a run may be
        about to begin or just have ended.
        """
        mine = DBOS.list_workflows(status="PENDING", name="run", executor_id=self._name, load_output=False, limit=PAGE)
        idle = {found.workflow_id: found for found in mine if found.workflow_id not in self._under_way}
        stuck = [found for id, found in idle.items() if id in self._doubted]
        self._doubted = {id for id in idle if id not in self._doubted}
        return put_back(stuck)

    def forget(self, now: datetime) -> None:
        """Drop the notes of runs that ended well an hour ago, and of those that did not a week ago.

        All of them, but for what would take too long: the next turn goes on there.
        """
        until = time.monotonic() + FORGET_SECONDS
        for status, kept in (("SUCCESS", timedelta(hours=1)), (list(OVER[1:]), timedelta(days=7))):
            while drop(status, now - kept) == PAGE and time.monotonic() < until:
                pass

    def stop(self) -> None:
        """Begin nothing new, end each run after its step under way, and let go."""
        self._stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=ENDING_SECONDS, destroy_registry=True)
        if self._storage is not None:
            self._storage.dispose()

    def _perform(self, kind: str, connector: str, subject: str, ticket: str) -> None:
        run = Run(kind, connector, subject, ticket)
        self._under_way.add(run.id)
        try:
            self._do(run)
        finally:
            self._under_way.discard(run.id)
        self._ended()

    def _do(self, run: Run) -> None:
        broken = self._steps(run)
        # No step of the engine's: it may be done twice, and a run that was cut short has it at another place.
        try:
            with self._app.app_context():
                kinds_of(self._app)[run.kind].over(run, broken, datetime.now(UTC))
        except Exception:  # whoever looks after what stays due says it again
            log.exception("run.end_not_stored", kind=run.kind, installation=run.subject)

    def _steps(self, run: Run) -> str:
        """Step after step; returns what broke the last one, if something did."""
        until = time.monotonic() + LONGEST_RUN
        for _ in range(MOST_STEPS):
            if self._stopping.is_set() or time.monotonic() > until:
                break
            try:
                if not DBOS.run_step({"name": run.kind}, self._step, run.kind, run.connector, run.subject, run.ticket):
                    break
            except Exception as error:
                log.exception("step.broke", kind=run.kind, installation=run.subject)
                return short_reason(error)
        return ""

    def _step(self, kind: str, connector: str, subject: str, ticket: str) -> bool:
        with self._app.app_context():
            return kinds_of(self._app)[kind].step(Run(kind, connector, subject, ticket), datetime.now(UTC))


def drop(status: str | list[str], before: datetime) -> int:
    """Drop a page of notes of runs that ended so before then; returns how many there were."""
    old = DBOS.list_workflows(
        status=status, completed_before=before.isoformat(), load_input=False, load_output=False, limit=PAGE
    )
    if old:
        DBOS.delete_workflows([one.workflow_id for one in old])
    return len(old)


def put_back(found: Sequence[WorkflowStatus]) -> list[Run]:
    """Put runs back into their queues, to go on after their last step."""
    for queue in {one.queue_name for one in found}:
        DBOS.resume_workflows([one.workflow_id for one in found if one.queue_name == queue], queue_name=queue)
    return [Run(*one.input["args"]) for one in found if one.input]


def plain(method: Callable[[str, str, str, str], None]) -> Callable[[str, str, str, str], None]:
    """A bound method as the plain function that a workflow must be."""

    def perform(kind: str, connector: str, subject: str, ticket: str) -> None:
        method(kind, connector, subject, ticket)

    return perform


def configuration(name: str, storage: SqlEngine, threads: int) -> DBOSConfig:
    """Nothing leaves this machine: no telemetry, no control plane."""
    return {
        "name": "stallholder",
        "system_database_engine": storage,
        "dbos_system_schema": SCHEMA,
        "use_listen_notify": False,
        "executor_id": name,
        "application_version": VERSION,
        "serializer": DBOSPortableJSONSerializer(),
        "max_executor_threads": threads,
        "enable_otlp": False,
        "log_level": "WARNING",
    }
