"""What a failure leads to: another trial later, or the end with a reason."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError

from app.core.database import is_busy
from app.jobs.entrance import Held
from app.sdk import Later, Refused, Stopped, UpstreamFailed

# An outage of the platform may last a day: 10 steps up to an hour, then every hour.
MOST_FAILURES = 34
# Whatever breaks our own code, or a connector's, breaks it again.
MOST_CRASHES = 5
# A worker's death may be another run's doing, or the machine's.
MOST_DEATHS = 12
# Platforms lock out after a handful of failed logins; the second 401 is the last.
MOST_REFUSALS = 2
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
AFTER_REFUSAL = timedelta(minutes=1)
LONGEST_WISH = timedelta(days=1)
OWN_PAUSE = timedelta(seconds=2)
LONGEST_REASON = 300
BUSY = "our own database is busy"
FAILED = "our own database failed"


@dataclass(frozen=True, slots=True)
class Trials:
    """How often in a row it failed, and how often of that with 401."""

    failures: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The trials after a failure, its ``reason``, and when to try again: None is never by ourselves."""

    trials: Trials
    reason: str
    next_at: datetime | None


def judge(trials: Trials, error: Exception, *, refused: bool, wish: datetime | None, now: datetime) -> Verdict:
    """What follows from ``error``.

    `Stopped` ends it at once. Where the platform refuses our login (``refused``), the second time in a row does, and
    the first is tried again after a minute, if a look at the credentials does not come between. A crash ends it the
    fifth time, an upstream failure after about a day. `Later` and ``wish`` (the platform's Retry-After) make our own
    pause longer, up to a day, and never shorter. A busy database of our own, and a login that may not be made now, are
    nobody's failure; a database that fails for another reason, say a full disk, counts as if the platform had.
    """
    if is_busy(error):
        return Verdict(trials, BUSY, now + own_pause())
    if isinstance(error, Held):
        return Verdict(trials, error.reason, error.at)
    after = Trials(trials.failures + 1, trials.refusals + 1 if refused else 0)
    if is_final(after, error):
        return Verdict(after, final_reason(after, error), None)
    at = now + (AFTER_REFUSAL if refused else pause(after.failures))
    wish = (error.at if isinstance(error, Later) else None) or wish
    if wish is not None:
        at = max(at, min(wish, now + LONGEST_WISH))
    return Verdict(after, short_reason(error), at)


def is_final(after: Trials, error: Exception) -> bool:
    """Whether this was the last trial."""
    if after.refusals:
        return after.refusals >= MOST_REFUSALS
    if isinstance(error, Stopped):
        return True
    if isinstance(error, Later):
        return False
    return after.failures >= (MOST_FAILURES if isinstance(error, (UpstreamFailed, OperationalError)) else MOST_CRASHES)


def final_reason(after: Trials, error: Exception) -> str:
    """Why it ended, for people to read."""
    if isinstance(error, Stopped):
        return f"{error.message} ({error.reason})"[:LONGEST_REASON]
    if after.refusals:
        return f"{Stopped.message} (401 twice)"
    return f"it failed {after.failures} times, last with {short_reason(error)}"[:LONGEST_REASON]


def short_reason(error: Exception) -> str:
    """A word for the failure. Of a crash only its class: its text may quote what nobody should read."""
    if is_busy(error):
        return BUSY
    if isinstance(error, OperationalError):
        cause = getattr(error.orig, "sqlite_errorname", "") or type(error.orig).__name__
        return f"{FAILED}: {cause}"[:LONGEST_REASON]
    return (error.reason if isinstance(error, Refused) else type(error).__name__)[:LONGEST_REASON]


def most_of(reason: str) -> int:
    """How often in a row a run may break for this reason, a word of `short_reason`, before it is stopped."""
    return MOST_FAILURES if reason.startswith(FAILED) else MOST_CRASHES


def own_pause() -> timedelta:
    """How long to leave a busy database of our own alone, at random: those who met there come back apart."""
    return OWN_PAUSE * random.uniform(0.5, 1.5)


def pause(failures: int) -> timedelta:
    """Twice as long each time up to an hour, at random down to half: many that fail together come back apart."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)
