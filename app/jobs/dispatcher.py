"""The dispatcher: turns committed state that wants something into runs, and never loses one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from app.jobs.kinds import Kind, Run

log = structlog.get_logger()

# A run that is due although it was enqueued so long ago is looked at: it may have ended without a trace in its row.
LOOKED_AT = timedelta(seconds=5)
# To look at everything takes the longer the more there is: it is done now and then, and meanwhile what changed.
COMPARED_AFTER = timedelta(seconds=5)
NEVER = datetime.min.replace(tzinfo=UTC)


Change = tuple[str, datetime, str]
Changes = Callable[[datetime], Set[Change]]


class Runner(Protocol):
    """What the dispatcher needs of an engine."""

    def enqueue(self, run: Run) -> None:
        """Have it done once."""

    def endings(self, runs: list[Run]) -> dict[str, str]:
        """Ids of those that are over, with what broke them."""


class Dispatcher:
    """One worker's; several may work at once, since a run has one id.

    ``changes`` are installations that were changed lately, each with what tells one change of it from another.
    """

    def __init__(self, kinds: dict[str, Kind], runner: Runner, changes: Changes = lambda now: frozenset()) -> None:
        self._kinds = kinds
        self._runner = runner
        self._changes = changes
        self._seen: Set[Change] = frozenset()
        self._compared = NEVER
        self._told: dict[str, datetime] = {}

    def dispatch(self, now: datetime) -> None:
        """Enqueue what is due and was not enqueued by us; look after what stays due."""
        due = self._due(now)
        ids = {run.id for run in due}
        self._told = {id: when for id, when in self._told.items() if id in ids}
        for run in due:
            if run.id not in self._told:
                self._runner.enqueue(run)
                self._told[run.id] = now
        self._look_after([run for run in due if self._told[run.id] <= now - LOOKED_AT], now)

    def _due(self, now: datetime) -> list[Run]:
        due: list[Run] = []
        changed = self._to_compare(now)
        for kind in self._kinds.values():
            try:
                due += kind.wanted(now, changed)
            except Exception:  # one kind's trouble is not the others'
                log.exception("dispatch.failed", kind=kind.name)
                self._compared = NEVER
        return due

    def _to_compare(self, now: datetime) -> Collection[str] | None:
        """The installations that were changed since the last turn; None when it is time for all of them."""
        before, self._seen = self._seen, self._changes(now)
        if timedelta(0) <= now - self._compared < COMPARED_AFTER:
            return {id for id, *_ in self._seen - before}
        self._compared = now
        return None

    def _look_after(self, runs: list[Run], now: datetime) -> None:
        if not runs:
            return
        endings = self._runner.endings(runs)
        for run in runs:
            self._told[run.id] = now
            if run.id in endings:
                self._kinds[run.kind].over(run, endings[run.id], now)
