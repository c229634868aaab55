"""Reading ahead: the next pages of a shop are read while those before them are stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Queue
from types import TracebackType

from flask import Flask

from app.sdk import Batch

# Pages that one transaction stores at most, and for how many seconds it should keep other writers waiting: each page
# touches pages of the index all over the file, and several together touch the same.
MOST_JOINED = 4
STORED_WITHIN = 0.4
# How many before it is known how long one takes.
FIRST_JOINED = 2
# Pages that wait to be stored, for the memory that they take.
MOST_WAITING = MOST_JOINED
# Seconds in which they are gathered.
GATHER = 0.3
# Pages that a worker that dies has read in vain: with them the one that was just being read.
MOST_LOST = MOST_WAITING + MOST_JOINED + 1


class Ahead:
    """The row of pages that begins with ``first``: those after it are read in a thread while the block runs.

    ``read`` tells the page at a cursor; ``goes_on`` whether another may be begun. The row ends with a page that has no
    more behind it, before one that says that the shop moved (it is told again, as the first of another row), and where
    a page could not be read: ``trouble`` says why.
    """

    def __init__(self, app: Flask, first: Batch, read: Callable[[str], Batch], goes_on: Callable[[], bool]) -> None:
        self.trouble: Exception | None = None
        self._app, self._read, self._goes_on = app, read, goes_on
        self._waiting: Queue[Batch | None] = Queue(MOST_WAITING)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(first,), name="ahead", daemon=True)
        self._first: Batch | None = first
        self._ended = not (first.more and goes_on())
        self._most, self._handed, self._handed_at = FIRST_JOINED, 0, 0.0

    def __enter__(self) -> Ahead:
        if not self._ended:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing more is begun; a call under way ends by its own deadline."""
        self._stopped.set()
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        if self._thread.ident:
            self._thread.join()

    def take(self) -> list[Batch]:
        """The next pages that may be stored as one: the first, whenever it comes, and those that come soon after it.

        Empty when the row has ended.
        """
        self._learn(time.monotonic())
        pages = [page] if (page := self._next()) else []
        until = time.monotonic() + GATHER
        while pages and len(pages) < self._most and may_be_joined(pages[-1]):
            page = self._next(max(0.0, until - time.monotonic()))
            if page is None:
                break
            pages.append(page)
        self._handed, self._handed_at = len(pages), time.monotonic()
        return pages

    def _learn(self, now: float) -> None:
        """How many may be handed over, now that the last ones are stored."""
        if self._handed:
            seconds = (now - self._handed_at) / self._handed
            self._most = max(1, min(MOST_JOINED, int(STORED_WITHIN / max(seconds, 0.001))))

    def _next(self, seconds: float | None = None) -> Batch | None:
        """The next page; None when the row has ended, or none comes within ``seconds``."""
        if (first := self._first) is not None:
            self._first = None
            return first
        if self._ended:
            return None
        with suppress(Empty):
            page = self._waiting.get(timeout=seconds)
            self._ended = page is None
            return page
        return None

    def _run(self, page: Batch) -> None:
        try:
            with self._app.app_context():
                while page.more and not self._stopped.is_set() and self._goes_on():
                    page = self._read(page.cursor)
                    if page.moved:
                        break
                    self._waiting.put(page)
        except Exception as error:  # noqa: BLE001 - whoever stores the pages raises it once they are stored
            self.trouble = error
        self._waiting.put(None)


def may_be_joined(page: Batch) -> bool:
    """Whether the next page may be stored with it: what a page deletes or merges must not touch what comes after it."""
    return not (page.gone or page.gone_orders or page.merged)
