"""What the parts of the host share, built once by ``create_app`` and handed down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import current_app

from app.core.outbound import Outgate
from app.core.registry import Registry
from app.core.seal import Ring
from app.sdk import Directory, Message, Person

EXTENSION = "stallholder"


class NoDirectory:
    """The directory of a host without people: finds nobody."""

    def search(self, query: str, limit: int = 20) -> list[Any]:
        return []

    def person(self, id: str) -> None:
        return None

    def by_contact(self, *, email: str = "", phone: str = "") -> None:
        return None


@dataclass(slots=True)
class Services:
    """``directory`` and ``views`` are filled by the layers above: the core knows neither people nor templates."""

    public_url: str
    registry: Registry
    ring: Ring
    outgate: Outgate
    demo: bool = False
    directory: Callable[[str], Directory] = lambda workspace: NoDirectory()
    store_people: Callable[[str, str, list[Person]], None] = lambda workspace, installation, people: None
    contacts_of: Callable[[Message], Sequence[str]] = lambda message: [message.person]
    views: dict[str, Callable[[Mapping[str, Any]], str]] = field(default_factory=dict)
    extra_ancestors: tuple[str, ...] = ()
    # When a request came; the conformance kit sets the clock.
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def services() -> Services:
    """The services of the current app."""
    found: Services = current_app.extensions[EXTENSION]
    return found
