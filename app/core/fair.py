"""A lock for which those who wait are served in the order in which they came; `threading.Lock` promises none."""

from __future__ import annotations

from collections import deque
from threading import Event, Lock


class FairLock:
    """Who releases it hands it to whoever has waited longest."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._held = False
        self._waiting: deque[Event] = deque()

    def acquire(self, timeout: float) -> bool:
        """Whether it came to us within ``timeout`` seconds."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            mine = Event()
            self._waiting.append(mine)
        if mine.wait(timeout):
            return True
        with self._guard:
            if mine.is_set():  # in this very moment
                return True
            self._waiting.remove(mine)
            return False

    def release(self) -> None:
        """Hand it on."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False
