"""Moments spread over a period: each installation has its own, so that a thousand of them do not begin together."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta


def phase(installation_id: str, period: timedelta) -> timedelta:
    """The installation's own moment within a period: always the same, and spread evenly over all of them."""
    share = int.from_bytes(hashlib.sha256(installation_id.encode()).digest()[:4]) / 2**32
    return period * share


def next_turn(installation_id: str, period: timedelta, now: datetime) -> datetime:
    """The next time, at most a ``period`` from now, that is the installation's own moment."""
    origin = datetime.fromtimestamp(0, now.tzinfo) + phase(installation_id, period)
    return origin + ((now - origin) // period + 1) * period
