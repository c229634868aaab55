"""What a kind of durable work tells the engine: which runs committed state asks for, and one step of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from flask import Flask

EXTENSION = "stallholder-jobs"
HOUSE = "_house"  # no connector can have this name
AGAIN = "~again"  # nor one that ends so


@dataclass(frozen=True, slots=True)
class Run:
    """One run that committed state asks for.

    ``connector`` is the one whose limits hold, or `HOUSE` where no platform is asked; ``subject`` is what they hold
    for: the installation. ``ticket`` stands in the committed row and is replaced there when the run is over, so that
    the same run has the same id however often it is found, and is run once. ``again``: the last one failed.
    """

    kind: str
    connector: str
    subject: str
    ticket: str
    again: bool = field(default=False, compare=False)

    @property
    def queue(self) -> str:
        """Where it waits: shops that hang or fail have few places of their own, and keep nobody else's taken."""
        return f"{self.connector}{AGAIN}" if self.again else self.connector

    @property
    def id(self) -> str:
        """The name under which it is enqueued."""
        return f"{self.kind}:{self.subject}:{self.ticket}"


class Kind(Protocol):
    """A kind of work. What it does must bear being done twice: a worker may die between the change and the note."""

    name: str

    def wanted(self, now: datetime, changed: Collection[str] | None = None) -> Sequence[Run]:
        """The runs that are due; also those that are under way.

        ``changed`` are the installations that are looked at for what is new: all where they are not told.
        """

    def step(self, run: Run, now: datetime) -> bool:
        """Do one step; true when another should follow at once.

        Failures are stored. What is raised could not be stored, and is told to `over`.
        """

    def over(self, run: Run, reason: str, now: datetime) -> None:
        """The run ended, though there may be more to do: replace its ticket.

        ``reason`` says what broke it: a word of `app.jobs.trials.short_reason`.
        """

    def lost(self, run: Run, now: datetime) -> None:
        """The run's worker died in it and another takes over: count it, since the run may be what kills them."""


def register(app: Flask, kinds: Iterable[Kind]) -> None:
    """Hand kinds of work to this app's worker."""
    held: dict[str, Kind] = app.extensions.setdefault(EXTENSION, {})
    held.update({kind.name: kind for kind in kinds})


def kinds_of(app: Flask) -> dict[str, Kind]:
    """The app's kinds of work by name."""
    found: dict[str, Kind] = app.extensions.get(EXTENSION, {})
    return found
