"""Where a pull stands, as text that the host keeps between two steps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from app.sdk import Malformed, read_object

OVERLAP = timedelta(minutes=10)
PHASES = ("customers", "orders")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A round reads the customers by pages, then the orders by their ids; times are ISO 8601 in UTC, empty: not yet.

    ``start`` is when the round began, ``since`` when the one before it did: it reads what was modified after that.
    ``customers`` is how many there were when last counted, ``orders`` how many were read in this round.
    """

    phase: str = "customers"
    page: int = 1
    turns_back: int = 0
    live: int = 0
    start: str = ""
    since: str = ""
    customers: int = 0
    orders: int = 0
    last_order: int = 0


def read_cursor(text: str) -> Cursor:
    """The cursor in ``text``; what cannot be one of ours begins anew."""
    try:
        cursor = Cursor(**read_object(text.encode()))
        typed = all(type(getattr(cursor, field.name)) is type(field.default) for field in fields(cursor))
        times = [time for time in (cursor.start, cursor.since) if time] if typed else []
        known = typed and all(write_time(datetime.fromisoformat(time)) == time for time in times)
    except (Malformed, TypeError, ValueError, OverflowError):
        return Cursor()
    return cursor if known and cursor.phase in PHASES and cursor.page >= 1 else Cursor()


def write_cursor(cursor: Cursor) -> str:
    """The text from which `read_cursor` makes the same cursor."""
    return json.dumps(asdict(cursor), separators=(",", ":"))


def write_time(moment: datetime) -> str:
    """UTC in whole seconds, as the platform reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def overlapped(since: str) -> str:
    """From when to ask: the overlap catches what was written late, and a clock that is not ours."""
    return write_time(datetime.fromisoformat(since) - OVERLAP)
