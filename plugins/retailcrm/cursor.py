"""Where a pull stands, as text that the host keeps between two steps."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields

from app.sdk import Malformed, read_object

from .account import PARTS

PASS = ("customers", "orders")
PHASES = ("begin", *PASS, "customers/history", "orders/history", "changed")
STAMP = "%Y-%m-%d %H:%M:%S"  # how the API writes and takes a time, in the account's own zone
HIGHEST = 10**18  # more than any id
IS_STAMP = re.compile("[0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2}")
IS_IDS = re.compile("([0-9]{1,18}(,[0-9]{1,18}){0,99})?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """``since`` is when the pass began in the account's own time, ``ids`` are orders to be read anew.

    ``customers`` and ``orders`` count what the account has, as last told. ``part`` is not 0 while the page is read in
    parts, the first being 1. ``falling`` is the page's first id while a list comes newest first, ``loose`` says that
    one did not, ``lost`` counts what was deleted since the pass began, the first or another of ``passes``; ``live``
    ends them.
    """

    phase: str = "begin"
    page: int = 1
    turns_back: int = 0
    since: str = ""
    customers: int = 0
    orders: int = 0
    last_customer_change: int = 0
    last_order_change: int = 0
    more_history: int = 0
    ids: str = ""
    part: int = 0
    falling: int = HIGHEST
    loose: int = 0
    lost: int = 0
    passes: int = 1
    live: int = 0


def read_cursor(text: str) -> Cursor:
    """The cursor in ``text``; what cannot be one of ours begins anew."""
    try:
        cursor = Cursor(**read_object(text.encode()))
    except (Malformed, TypeError, ValueError):
        return Cursor()
    typed = all(type(getattr(cursor, field.name)) is type(field.default) for field in fields(cursor))
    if not typed or cursor.phase not in PHASES or cursor.page < 1 or not 0 <= cursor.part <= PARTS:
        return Cursor()
    dated = cursor.phase == "begin" or IS_STAMP.fullmatch(cursor.since)
    return cursor if dated and IS_IDS.fullmatch(cursor.ids) else Cursor()


def write_cursor(cursor: Cursor) -> str:
    """The text from which `read_cursor` makes the same cursor."""
    return json.dumps(asdict(cursor), separators=(",", ":"))
