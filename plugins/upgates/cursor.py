"""Where a pull stands, as text that the host keeps between two steps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from app.sdk import Malformed, read_object

OVERLAP = timedelta(minutes=5)
PHASES = ("customers", "orders")
TIMES = ("start", "top", "customers_from", "customers_seen", "orders_from", "orders_seen")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A round reads all pages of the customers, then of the orders, the first pass the other way round.

    Times are ISO 8601 in UTC, empty: not yet.

    ``start`` is when the round began, ``top`` the latest change met in this phase. ``…_from`` is the latest change up
    to which all is read, ``…_seen`` when it was first met (empty once it was read again later than `OVERLAP` after
    that), ``…_total`` how many there were when last counted. ``settled`` is how many customers there were as the first
    pass began, without the newest, ``passes`` how often it began.
    """

    phase: str = "orders"
    page: int = 1
    turns_back: int = 0
    live: int = 0
    start: str = ""
    top: str = ""
    customers_from: str = ""
    customers_seen: str = ""
    customers_total: int = 0
    orders_from: str = ""
    orders_seen: str = ""
    orders_total: int = 0
    settled: int = 0
    passes: int = 1


def read_cursor(text: str) -> Cursor:
    """The cursor in ``text``; what cannot be one of ours begins anew."""
    try:
        cursor = Cursor(**read_object(text.encode()))
        typed = all(type(getattr(cursor, field.name)) is type(field.default) for field in fields(cursor))
        times = [getattr(cursor, name) for name in TIMES if typed and getattr(cursor, name)]
        known = typed and all(write_time(datetime.fromisoformat(time)) == time for time in times)
    except (Malformed, TypeError, ValueError, OverflowError):
        return Cursor()
    return cursor if known and cursor.phase in PHASES and cursor.page >= 1 else Cursor()


def write_cursor(cursor: Cursor) -> str:
    """The text from which `read_cursor` makes the same cursor."""
    return json.dumps(asdict(cursor), separators=(",", ":"))


def write_time(moment: datetime) -> str:
    """UTC in one spelling, so that the later is the greater."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def since(read_to: str, seen: str) -> str:
    """From when to ask: "use server-side last_update_time values as the cursor, overlap by minutes" (4.9).

    The overlap catches what was written late. Once it has been read again, it is left out, so that a night's mass
    change is not read anew in every round of the day.
    """
    moment = datetime.fromisoformat(read_to) - (OVERLAP if seen else timedelta(0))
    return moment.isoformat(timespec="seconds")


def advance(read_to: str, seen: str, top: str, start: str) -> tuple[str, str]:
    """Where all is read to, and since when that is known, after a round begun at ``start`` that met ``top``.

    Never later than the round's own beginning: a page read early may have changed while the later ones were read.
    """
    newest = min(top, start)
    if newest > read_to:
        return newest, start
    settled = seen and datetime.fromisoformat(start) >= datetime.fromisoformat(seen) + OVERLAP
    return read_to, "" if settled else seen
