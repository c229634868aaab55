"""Something done again and again in a thread of its own, until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from flask import Flask

log = structlog.get_logger()


class Loop:
    """Calls ``work`` with the time every ``period`` seconds, inside the app's context.

    A failure is logged, and the next turn comes. However often it is poked, it has a ``rest`` after each turn.
    """

    def __init__(
        self, app: Flask, name: str, period: float, work: Callable[[datetime], None], rest: float = 0.0
    ) -> None:
        self._app = app
        self._period = period
        self._rest = rest
        self._work = work
        self._stopping = threading.Event()
        self._poked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin with a turn at once."""
        self._thread.start()

    def poke(self) -> None:
        """Take the next turn now."""
        self._poked.set()

    def halt(self) -> None:
        """Begin no other turn; wait for nothing."""
        self._stopping.set()
        self._poked.set()

    def stop(self, timeout: float = 10.0) -> None:
        """End after the turn under way."""
        self.halt()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._poked.clear()
            try:
                with self._app.app_context():
                    self._work(datetime.now(UTC))
            except Exception:
                log.exception("loop.failed", loop=self._thread.name)
            self._stopping.wait(self._rest)
            self._poked.wait(self._period - self._rest)
