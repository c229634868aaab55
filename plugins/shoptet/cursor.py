"""Where a pull stands, as text that the host keeps between two steps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from app.sdk import Malformed, iso_time, read_object

FIRST, LATER = ("customers", "orders"), ("customer_changes", "order_changes")
# Clocks differ, and what happens while a list is being written may come a little late.
OVERLAP = timedelta(minutes=3)
# "Guaranteed history is 30 days": who has not asked for longer must read everything again.
OLDEST = timedelta(days=29)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The first pass reads all pages of ``FIRST``, each later round those of ``LATER``, the logs of changes.

    ``start`` is when the pass or the round began (empty: not yet), ``since`` from when the round asks for changes, both
    in the platform's spelling. ``total`` is how many there were on the page before, ``customers`` how many customers
    in all, or with the orders once those are read; ``paged`` says that a round had several pages, and so whether it is
    read once more. ``lost`` counts what was deleted since the first pass began, the first or another of ``passes``;
    ``settled`` ends them, and ``loose`` says that a list of it had several pages.
    """

    phase: str = FIRST[0]
    page: int = 1
    start: str = ""
    since: str = ""
    total: int = 0
    customers: int = 0
    turns_back: int = 0
    paged: int = 0
    loose: int = 0
    lost: int = 0
    passes: int = 1
    settled: int = 0

    @property
    def follows(self) -> bool:
        """Whether the logs of changes are read."""
        return self.phase in LATER


def read_cursor(text: str, now: datetime) -> Cursor:
    """The cursor in ``text``; what cannot be one of ours, or is too old to be gone on with, begins anew."""
    try:
        cursor = Cursor(**read_object(text.encode()))
        typed = all(type(getattr(cursor, field.name)) is type(field.default) for field in fields(cursor))
        times = [iso_time(time) for time in (cursor.start, cursor.since) if typed and time]
    except (Malformed, TypeError):
        return Cursor()
    known = typed and cursor.phase in (*FIRST, *LATER) and cursor.page >= 1 and cursor.follows <= bool(cursor.since)
    return cursor if known and all(now - time <= OLDEST for time in times) else Cursor()


def write_cursor(cursor: Cursor) -> str:
    """The text from which `read_cursor` makes the same cursor."""
    return json.dumps(asdict(cursor), separators=(",", ":"))


def write_time(moment: datetime) -> str:
    """As the platform writes a time: ``2017-12-12T22:08:01+0100``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S%z")


def before(start: str) -> str:
    """From when the next round asks, so that nothing falls between two."""
    return write_time(iso_time(start) - OVERLAP)
