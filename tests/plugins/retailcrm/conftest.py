"""A host in miniature: real requests of the simulator go through the hooks, and every call of ours is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import marshmallow
import pytest

import plugins.retailcrm as connector
from app.sdk import Claims, Inbound, Installation, Outcome, Registration, Response, State, UpstreamFailed, Verified
from app.sdk.simulation import Call, Outgoing
from plugins.retailcrm.simulator import Simulator

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST = "https://addon.example.com"
HOME = "https://demo.simla.com"
KEYS = {"code": "acme-people", "secret": "partner-secret-Ω", "api_key": "X2EDxEta9U3lcsSV0dwdF38UvtSCxIuGh"}


class Links:
    """Addresses as the host makes them, and one reserved link secret."""

    public_url = HOST

    def to(self, action: str, key: str = "") -> str:
        return f"{HOST}/retailcrm/{action}"

    def token(self, purpose: str) -> str:
        return {"client_id": "b2f1c7d09e6a4f0f8d3c5a7e1b9d2460"}[purpose]


@dataclass
class Outbound:
    """Every host of the world is within reach, so that a key sent to a wrong one would be seen."""

    accounts: dict[str, Simulator] = field(default_factory=dict)
    exempt: set[str] = field(default_factory=set)
    sent: list[tuple[str, str]] = field(default_factory=list)  # (base URL, everything said there)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: object = None,
        auth: tuple[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Response:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        self.sent.append((base, repr((url, headers, params, form, json, auth))))
        if base not in self.accounts:
            raise UpstreamFailed("no_answer")
        names = {name.lower(): value for name, value in (headers or {}).items()}
        query = urlencode(params or {})
        reply = self.accounts[base].received(Call(method, parts.path, query, names, urlencode(form or {}).encode()))
        return Response(reply.status, reply.body, reply.headers)

    def exempts(self, url: str) -> bool:
        return url in self.exempt

    def keys_at(self, bases: Sequence[str]) -> int:
        """How often the account's key was said to one of these hosts."""
        return sum(base in bases and KEYS["api_key"] in said for base, said in self.sent)

    def keys_elsewhere(self, verified: Sequence[str]) -> int:
        """The canary: how often the key was said to any other host."""
        return self.keys_at([base for base, _ in self.sent if base not in verified])


class Installations:
    """The one installation there may be."""

    def __init__(self) -> None:
        self.one: Installation | None = None

    def by_link(self, purpose: str, token: str) -> Installation | None:
        return self.one if (purpose, token) == ("client_id", Links().token("client_id")) else None

    def by_tenant(self, tenant: str) -> Installation | None:
        return self.one if self.one is not None and self.one.tenant == tenant else None


def load_settings(**changes: Any) -> dict[str, Any]:
    """The settings as the host hands them in: read by their own fields, the secret as a tuple."""
    schema = marshmallow.Schema.from_dict({setting.name: setting.field for setting in connector.settings()})()
    given = {"code": KEYS["code"], "secret": KEYS["secret"]}
    loaded: dict[str, Any] = schema.load(given | {name: value for name, value in changes.items() if name != "secret"})
    secret = changes.get("secret", KEYS["secret"])
    return loaded | {"secret": (secret,) if isinstance(secret, str) else tuple(secret)}


class World:
    """The connector under test between one account and the host's ports."""

    def __init__(self) -> None:
        self.settings = load_settings()
        self.links, self.installations = Links(), Installations()
        self.account = Simulator(HOST, KEYS, HOME)
        self.outbound = Outbound({HOME: self.account})

    def at(self, url: str, **system_info: Any) -> Simulator:
        """Another host of the world; it says of itself what it likes."""
        other = Simulator(HOST, KEYS, url)
        if system_info:
            other.behaviour["system_info"] = system_info
        self.outbound.accounts[url] = other
        return other

    def configure(self, **changes: Any) -> None:
        self.settings = load_settings(**changes)

    def verify(self, outgoing: Outgoing) -> Claims:
        return connector.verify(inbound(outgoing), self.settings, self.installations)

    def verified(self, outgoing: Outgoing) -> Verified:
        claims, action = self.verify(outgoing), outgoing.path.split("/")[-1]
        return Verified("retailcrm", action, NOW, claims.tenant, claims.fields, claims.language)

    def install(self, **changes: str) -> Registration:
        """Connect the account and keep what the hook returns, as the host would."""
        verified = self.verified(self.account.install(**changes))
        made = connector.install(verified, self.settings, self.links, self.outbound)
        secrets = made.credentials
        self.installations.one = Installation(
            "i1",
            "w1",
            "retailcrm",
            made.tenant,
            made.title,
            State.ACTIVE,
            lambda name: (secrets[name],),
            made.address,
            made.language,
            made.facts,
        )
        return made

    def activity(self, **changes: str) -> Outcome:
        """Take an activity callback and keep its outcome, as the host would."""
        verified, installation = self.verified(self.account.activity(**changes)), self.installations.one
        assert installation is not None
        outcome = connector.webhook(verified, installation, self.settings, self.outbound)
        self.installations.one = replace(installation, address=outcome.address or installation.address)
        return outcome

    def sync(self) -> None:
        """What happens next in real life: the key is used at the stored address."""
        one = self.installations.one
        assert one is not None
        self.outbound.request("GET", f"{one.address}/api/v5/customers", headers={"X-API-KEY": one.secret("api_key")})


def inbound(outgoing: Outgoing) -> Inbound:
    """The request as the host reads it."""
    path, _, query = outgoing.path.partition("?")
    action = path.split("/")[-1]
    return Inbound(action, outgoing.method, NOW, None, query.encode(), outgoing.headers, outgoing.body)


@pytest.fixture
def world() -> World:
    """An account at its public address; nothing is connected yet."""
    return World()
