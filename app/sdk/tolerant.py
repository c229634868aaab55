"""Tolerant reading of what platforms answer to our calls: what is not as expected is left out, never a crash.

Nothing that proves a request is read with these; that is `app.sdk.reading`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST_WAIT = timedelta(days=1)


def told_fields(value: object) -> Mapping[str, Any]:
    """An object's fields; none for null, for ``[]``, as an empty object may arrive, and for anything else."""
    return value if isinstance(value, dict) else {}


def told_id(value: object) -> int:
    """A positive id, as a number or in digits; 0 for what cannot be one."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return value if type(value) is int and 0 < value < 10**18 else 0


def told_text(value: object) -> str:
    """A text without white space around it; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""


def told_amount(value: object) -> str:
    """A sum of money with two decimals; empty for what is none."""
    plain = "" if isinstance(value, bool) else str(value) if isinstance(value, int | float | str) else ""
    return f"{Decimal(plain):.2f}" if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", plain) else ""


def retry_at(value: str, now: datetime | None) -> datetime | None:
    """The time that ``Retry-After`` names (RFC 9110, 10.2.3: seconds or an HTTP date), at most a day ahead.

    None where it names none, or one that has passed (to come again at once is not what was asked), or where nobody
    knows what time it is.
    """
    if now is None:
        return None
    try:
        if re.fullmatch("[0-9]{1,9}", value.strip(), re.ASCII):
            at = now + timedelta(seconds=int(value))
        else:
            at = parsedate_to_datetime(value)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(at, now + LONGEST_WAIT) if at > now else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
