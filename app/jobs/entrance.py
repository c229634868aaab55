"""The entrance to a platform: whose credentials were not seen to work a moment ago takes a place before it logs in."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from app.jobs import logins
from app.sdk import Later

EXTENSION = "stallholder-entrance"
# So long credentials that worked are trusted: a few polls. Most calls cost no place and no look.
TRUSTED = timedelta(minutes=5)
# How long a call waits in line; whoever waits longer comes again, so that those who are trusted get its thread.
PATIENCE = 0.5
RETRY = 0.1
# A call ends with its turn, and what becomes of it is written down a moment later.
GRACE = timedelta(seconds=5)
REFUSED = 401


class Held(Later):
    """No login may be made now: as many have failed, or may, as the platform stands. Nobody's failure."""


@dataclass(slots=True)
class Memory:
    """What this process saw: when credentials worked, and the last refusals, of an installation and of a connector."""

    alive: dict[str, datetime] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    failed: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """What the platform answered; 0 where it did not."""

    status: int = 0


class Entrance:
    """One turn's way in, for all its calls.

    ``since`` is when the installation got the credentials; None for those that are not trusted whatever was seen.
    ``most`` is how many failed logins there may be, the budget where it is not told.
    """

    def __init__(
        self,
        connector: str,
        installation_id: str,
        now: datetime,
        seconds: float,
        since: datetime | None = None,
        most: int | None = None,
    ) -> None:
        self.installation_id = installation_id
        self._connector = connector
        self._now = now
        self._seconds = timedelta(seconds=seconds)
        self._since = since or self._moment()
        self._most = logins.budget(connector) if most is None else most
        self._began = time.monotonic()
        self._looked = False
        self._failed: list[int] = []

    @contextmanager
    def attempt(self, until: float) -> Iterator[Answer]:
        """Have a place for the call of the block, unless its credentials are trusted; the block says how it ended.

        ``until`` is a Unix time. Raises `Held` where no place becomes free, and where the credentials were refused
        since the turn began.
        """
        place = self._enter(min(until, time.time() + PATIENCE))
        answer = Answer()
        try:
            yield answer
        finally:
            with suppress(SQLAlchemyError):  # then it counts as failed until its hour is over
                self._leave(place, answer.status)

    def _enter(self, until: float) -> int | None:
        if memory().refused.get(self.installation_id, 0.0) > self._began:
            raise self._held()
        self._look()
        while not self._is_trusted():
            now = self._moment()
            ends = now + self._seconds + GRACE
            place = logins.take(self._connector, self.installation_id, self._most, now, ends)
            if place is not None:
                return place
            if time.time() + RETRY > until:
                raise self._held()
            time.sleep(RETRY)
        return None

    def _look(self) -> None:
        """What other processes met; once a turn."""
        if self._looked:
            return
        now = self._moment()
        found = logins.tally(self._connector, now)
        memory().failed[self._connector] = found.moments[-1] if found.moments else now - logins.WINDOW
        if (free_at := found.fewer_than(self._most, now)) is not None:
            raise Held("logins_spent", free_at)
        self._looked = True

    def _is_trusted(self) -> bool:
        """Whether the credentials worked a moment ago. Once a login fails, everybody shows anew that theirs do."""
        seen = memory()
        alive = seen.alive.get(self.installation_id)
        failed = seen.failed.get(self._connector, self._since)
        return alive is not None and alive > max(self._since, failed, self._moment() - TRUSTED)

    def _leave(self, place: int | None, status: int) -> None:
        seen, now = memory(), self._moment()
        if status == REFUSED:
            seen.alive.pop(self.installation_id, None)
            seen.failed[self._connector] = now
            # Not for the rest of this very turn: its connector may have others to try.
            seen.refused[self.installation_id] = self._began = time.monotonic()
            if place is None:
                self._failed += logins.note(self._connector, 1, now, self.installation_id)
            else:
                self._failed.append(place)
                logins.keep(place, now)
        elif 200 <= status < 300:
            seen.alive[self.installation_id] = now
            if place is not None or self._failed:
                logins.forgive(self.installation_id, [*self._failed, *([place] if place else [])], now)
                self._failed = []
        elif place is not None:
            logins.leave([place])

    def _held(self) -> Held:
        """Soon again, at random: those who waited together come back apart."""
        return Held("logins_spent", self._moment() + timedelta(seconds=random.uniform(1.0, 3.0)))

    def _moment(self) -> datetime:
        """Now; a turn that lasts does not stop the clock."""
        return max(self._now, datetime.now(UTC))


def memory() -> Memory:
    """This app's memory."""
    found: Memory = current_app.extensions.setdefault(EXTENSION, Memory())
    return found
