"""The dispatcher: turns committed state that wants something into runs, and never loses one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from app.jobs.kinds import Kind, Run

log = structlog.get_logger()

# A run that is due although it was enqueued so long ago is looked at: it may have ended without a trace in its row.
LOOKED_AT = timedelta(seconds=5)
# To look at everything takes the longer the more there is: it is done when something changed, and now and then.
COMPARED_AFTER = timedelta(seconds=5)
NEVER = datetime.min.replace(tzinfo=UTC)


class Runner(Protocol):
    """What the dispatcher needs of an engine."""

    def enqueue(self, run: Run) -> None:
        """Have it done once."""

    def endings(self, runs: list[Run]) -> dict[str, str]:
        """Ids of those that are over, with what broke them."""


class Dispatcher:
    """One worker's; several may work at once, since a run has one id.

    What ``changes`` answers is another thing than before whenever something new may be wanted.
    """

    def __init__(
        self, kinds: dict[str, Kind], runner: Runner, changes: Callable[[datetime], object] = lambda now: None
    ) -> None:
        self._kinds = kinds
        self._runner = runner
        self._changes = changes
        self._seen: object = None
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
        thorough = self._is_time_to_compare(now)
        for kind in self._kinds.values():
            try:
                due += kind.wanted(now, thorough)
            except Exception:  # one kind's trouble is not the others'
                log.exception("dispatch.failed", kind=kind.name)
                self._compared = NEVER
        return due

    def _is_time_to_compare(self, now: datetime) -> bool:
        seen = self._changes(now)
        if seen == self._seen and timedelta(0) <= now - self._compared < COMPARED_AFTER:
            return False
        self._seen, self._compared = seen, now
        return True

    def _look_after(self, runs: list[Run], now: datetime) -> None:
        if not runs:
            return
        endings = self._runner.endings(runs)
        for run in runs:
            self._told[run.id] = now
            if run.id in endings:
                self._kinds[run.kind].over(run, endings[run.id], now)
