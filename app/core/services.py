"""What the parts of the host share, built once by ``create_app`` and handed down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import current_app

from app.core.outbound import Outgate
from app.core.registry import Connector, Registry
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
    """``directory`` and ``views`` are filled by the layers above: the core knows neither people nor templates.

    ``stand_ins`` are the origins of demo mode's admins, by connector; empty outside it.
    """

    public_url: str
    registry: Registry
    ring: Ring
    outgate: Outgate
    demo: bool = False
    directory: Callable[[str], Directory] = lambda workspace: NoDirectory()
    store_people: Callable[[str, str, list[Person]], None] = lambda workspace, installation, people: None
    contacts_of: Callable[[Message], Sequence[str]] = lambda message: [message.person]
    views: dict[str, Callable[[Mapping[str, Any]], str]] = field(default_factory=dict)
    # When a request came; the conformance kit sets the clock.
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    def ancestors(self, connector: Connector, address: str = "") -> tuple[str, ...]:
        """The origins that may frame a connector's pages; where its admin is played, that one alone.

        ``address`` narrows them to the admin of the installation that is called there.
        """
        played = self.stand_ins.get(connector.name)
        return (played,) if played else connector.ancestors(address)

    def page_of(self, connector: str, installation_id: str) -> str:
        """The address of an installation's pages."""
        return f"{self.public_url}/account/open/{connector}/{installation_id}"


def services() -> Services:
    """The services of the current app."""
    found: Services = current_app.extensions[EXTENSION]
    return found
