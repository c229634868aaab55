"""What the suite asks of a host: to load one connector, to take requests, and to be looked into."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ..manifest import Manifest
from ..people import Person
from ..simulation import Outgoing, Simulator
from ..values import Setting


@dataclass(frozen=True, slots=True)
class Got:
    """An answer of the host; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def media_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass(frozen=True, slots=True)
class Subject:
    """The connector under test as the host loaded it; ``fault`` says why it was not, where it was not."""

    name: str
    folder: Path
    fault: str = ""
    manifest: Manifest | None = None
    simulator: type[Simulator] | None = None
    settings: Sequence[Setting] = ()
    hooks: frozenset[str] = frozenset()


class Host(Protocol):
    """A real host with a database of its own, reached over loopback and through its WSGI door."""

    def at(self, clock: Callable[[], datetime]) -> None:
        """Tell the time to it from now on."""

    def send(self, outgoing: Outgoing) -> Got:
        """Hand a request over as a server would, byte for byte."""

    def add(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """What ``installations add`` does and prints."""

    def link(self, installation: str, purpose: str) -> str:
        """A link secret for an installation, handed out as an operator would."""

    def states(self) -> Mapping[str, str]:
        """The state of every installation by its id."""

    def credentials(self, installation: str) -> Mapping[str, str]:
        """What is stored sealed for an installation, in the clear."""

    def store(self, installation: str, person: Person) -> None:
        """Put a person into the installation's workspace."""

    def call(self, hook: str, installation: str, **arguments: Any) -> Any:
        """Call a hook with the real ports and an installation; whatever it raises comes through."""

    def rows(self) -> Mapping[str, Sequence[str]]:
        """Every stored row that says something, by table."""

    def left_behind(self) -> Mapping[str, bytes]:
        """The log and the database's files, by name."""

    def log(self) -> Sequence[Mapping[str, Any]]:
        """Every event that was logged."""


class Hosting(Protocol):
    """A host that can be started for its subject."""

    subject: Subject
    url: str

    def serve(self, settings: Mapping[str, Any], allowed: Sequence[str]) -> AbstractContextManager[Host]:
        """Serve at ``url`` with these settings of the connector; ``allowed`` are host:port that it may call."""
