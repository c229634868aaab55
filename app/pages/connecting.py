"""Connecting one more marketplace: a guide through it, or what is made here and pasted there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core import adding
from app.core.registry import Connector
from app.core.services import services
from app.pages import sessions, workspace
from app.pages.fragments import fragment
from app.pages.workspace import Stall
from app.sdk import ConditionUnmet, Unknown

# Far more than a customer has, and no more than a page can show.
MOST_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Place:
    """A marketplace that can be connected; ``connected`` says how many installations there are of it."""

    connector: str
    marketplace: str
    connected: int


def places_of(stalls: Sequence[Stall]) -> list[Place]:
    """Every marketplace of this host that tells how to connect it, those without a connection first."""
    found = [connector for connector in services().registry if connector.serving and guided(connector)]
    places = [
        Place(one.name, workspace.marketplace(one.name), sum(stall.connector == one.name for stall in stalls))
        for one in found
    ]
    return sorted(places, key=lambda place: (place.connected > 0, place.marketplace))


def guided(connector: Connector) -> bool:
    """Whether the connector says how it is connected."""
    return connector.manifest is not None and bool(connector.manifest.guide.steps)


def guide(connector: str) -> str:
    """The way to connect a marketplace, step by step."""
    sessions.current_visitor()
    found = known(connector)
    manifest = found.manifest
    steps = [workspace.in_words(step) for step in manifest.guide.steps] if manifest else []
    made_here = manifest is not None and manifest.guide.connect == "here"
    asks = manifest is not None and any(action.consent for action in manifest.actions.values())
    place = workspace.marketplace(connector)
    return fragment("guide", connector=connector, marketplace=place, steps=steps, made_here=made_here, asks=asks)


def connect(connector: str) -> str:
    """Make the addresses and secrets of a marketplace that is connected from here, and show them this once."""
    visitor = sessions.current_visitor()
    found = known(connector)
    if found.manifest is None or found.manifest.guide.connect != "here":
        raise Unknown("not_from_here")
    if len(workspace.stalls_of(visitor)) >= MOST_CONNECTIONS:
        raise ConditionUnmet("too_many", "There are too many connections. Disconnect one that is no longer used.")
    id, told = adding.add(services(), found, {}, visitor.workspace, datetime.now(UTC))
    pasted = [(field, value.format_map(told)) for field, value in found.manifest.cabinet]
    steps = [workspace.in_words(step) for step in found.manifest.guide.steps]
    return fragment("made", id=id, marketplace=workspace.marketplace(connector), steps=steps, pasted=pasted)


def known(name: str) -> Connector:
    """A marketplace that can be connected. Raises `Unknown`."""
    found = services().registry.find(name)
    if found is None or not found.serving or not guided(found):
        raise Unknown("no_connector")
    return found
