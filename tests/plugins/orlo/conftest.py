"""One customer of Orlo, and the way its requests take to the verify hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from app.sdk import Claims, Inbound, Installation, State
from app.sdk.simulation import Outgoing
from plugins import orlo
from plugins.orlo.simulator import Simulator

NOW = datetime(2030, 1, 1, 11, 0, 0, 700_000, tzinfo=UTC)
KEY = "k" * 43


class FakeInstallations:
    def __init__(self, secrets: Mapping[str, Sequence[str]]) -> None:
        self.installation = Installation(
            "i1", "w1", "orlo", "t1", "Orlo", State.ACTIVE, lambda name: secrets.get(name, ())
        )

    def by_link(self, purpose: str, token: str) -> Installation | None:
        return self.installation if (purpose, token) == ("path", KEY) else None

    def by_tenant(self, tenant: str) -> Installation | None:
        raise AssertionError("no hook of this connector asks for it")


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def expires() -> str:
    """An hour ahead of the frozen clock."""
    return str(int(NOW.timestamp()) + 3600)


@pytest.fixture(scope="session")
def keys() -> dict[str, Any]:
    return Simulator.make_keys()


@pytest.fixture
def customer(keys: dict[str, Any]) -> Simulator:
    return Simulator("http://host.example", {**keys, "key": KEY})


@pytest.fixture
def prove(keys: dict[str, Any]) -> Callable[..., Claims]:
    """Hand an outgoing request to the verify hook; other ``secrets``, another clock or ``max_ttl`` as wished."""

    def to_claims(
        outgoing: Outgoing,
        *,
        secrets: Mapping[str, Sequence[str]] | None = None,
        at: datetime = NOW,
        max_ttl: int = 3900,
    ) -> Claims:
        path, _, query = outgoing.path.partition("?")
        action, _, key = path.removeprefix("/orlo/").partition("/")
        request = Inbound(action, outgoing.method, at, key=key or None, query=query.encode())
        held = secrets if secrets is not None else {name: (keys[name],) for name in ("search_secret", "open_secret")}
        return orlo.verify(request, {"max_ttl": max_ttl}, FakeInstallations(held))

    return to_claims
