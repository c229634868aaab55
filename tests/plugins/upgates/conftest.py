"""One simulated shop, and the way its requests take to the verify hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from app.sdk import Claims, Document, Inbound, Installation, Response, State, UpstreamFailed
from app.sdk.simulation import Outgoing
from plugins import upgates
from plugins.upgates.simulator import Simulator

NOW = datetime(2030, 1, 1, 11, 0, 0, tzinfo=UTC)


class FakeDocuments:
    """The documents at hand; ``next`` holds what a refresh would bring."""

    def __init__(self, copies: Mapping[str, Sequence[bytes]] | None = None) -> None:
        self.copies = dict(copies or {})
        self.next: dict[str, Sequence[bytes]] = {}
        self.refreshed: list[str] = []

    def get(self, document: Document) -> Sequence[bytes]:
        url = document.url
        if url not in self.copies:
            raise UpstreamFailed("never_had")
        return self.copies[url]

    def refresh(self, document: Document) -> bool:
        url = document.url
        self.refreshed.append(url)
        if url not in self.next:
            return False
        self.copies[url] = self.next.pop(url)
        return True


class FakeInstallations:
    def __init__(self, links: Mapping[tuple[str, str], Installation] | None = None) -> None:
        self.links = dict(links or {})

    def by_link(self, purpose: str, token: str) -> Installation | None:
        return self.links.get((purpose, token))

    def by_tenant(self, tenant: str) -> Installation | None:
        raise AssertionError("no hook of this connector asks for it")


class FakeOutbound:
    """Answers every call alike and keeps what was asked."""

    def __init__(self, answer: Response | Exception | None = None, exempt: str = "") -> None:
        self.answer, self.exempt = answer, exempt
        self.asked: list[tuple[str, str, Any]] = []

    def request(self, method: str, url: str, *, auth: Any = None, **more: Any) -> Response:
        self.asked.append((method, url, auth))
        if not isinstance(self.answer, Response):
            raise self.answer or AssertionError("no call was expected")
        return self.answer

    def exempts(self, url: str) -> bool:
        return bool(self.exempt) and self.exempt in url


@pytest.fixture(scope="session")
def keys() -> dict[str, Any]:
    return Simulator.make_keys()


@pytest.fixture
def shop(keys: dict[str, Any]) -> Simulator:
    return Simulator("http://host.example", keys, "https://demo-shop.admin.s1.upgates.com")


@pytest.fixture
def settings(shop: Simulator) -> dict[str, Any]:
    given = shop.settings()
    return {**given, "signature_token": (given["signature_token"],)}


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def in_time() -> str:
    """A `time` five minutes ahead of the frozen clock, as the platform writes it."""
    return "2030-01-01T12:05:00+01:00"


@pytest.fixture
def documents() -> type[FakeDocuments]:
    return FakeDocuments


@pytest.fixture
def installations() -> type[FakeInstallations]:
    return FakeInstallations


@pytest.fixture
def outbound() -> type[FakeOutbound]:
    return FakeOutbound


@pytest.fixture
def prove(settings: dict[str, Any]) -> Callable[..., Claims]:
    """Hand an outgoing request to the verify hook; ``changed`` settings, ``now`` and ``documents`` as wished."""

    def to_claims(
        outgoing: Outgoing,
        *,
        changed: Mapping[str, Any] | None = None,
        at: datetime = NOW,
        documents: FakeDocuments | None = None,
        installations: FakeInstallations | None = None,
    ) -> Claims:
        action, _, key = outgoing.path.removeprefix("/upgates/").partition("/")
        request = Inbound(action, outgoing.method, at, key=key or None, headers=outgoing.headers, body=outgoing.body)
        return upgates.verify(
            request,
            {**settings, **(changed or {})},
            installations or FakeInstallations(),
            documents or FakeDocuments(),
        )

    return to_claims


@pytest.fixture
def installation() -> Callable[..., Installation]:
    def make(address: str = "https://demo-shop.admin.s1.upgates.com/api/v2", **secrets: str) -> Installation:
        held = {name: (value,) for name, value in secrets.items()}
        return Installation(
            "i1", "w1", "upgates", "shop-1", "A shop", State.ACTIVE, lambda name: held.get(name, ()), address=address
        )

    return make
