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

# Pages that wait to be stored, for the memory that they take.
MOST_WAITING = 4
# Pages that one transaction stores: enough to be quick, few enough for another writer, and for the disk, to wait for.
MOST_JOINED = 2
# Seconds in which they are gathered: each page touches pages of the index all over the file, several touch the same.
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
        pages = [page] if (page := self._next()) else []
        until = time.monotonic() + GATHER
        while pages and len(pages) < MOST_JOINED and may_be_joined(pages[-1]):
            page = self._next(max(0.0, until - time.monotonic()))
            if page is None:
                break
            pages.append(page)
        return pages

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
