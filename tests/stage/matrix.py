"""Every captured message aimed at every endpoint of every customer, in each form that an attacker could give it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from messages import CARRIERS, PROOFS, Message, carried, deliver
from tenants import Host, Tenant

from app.sdk.simulation import Outgoing

# Where a link secret is all that a request brings, it names the customer itself: there is no other to aim at.
NAMED_BY_SECRET = {"retailcrm/open": "clientId", "retailcrm/activity": "clientId", "upgates/webhook": "key"}
# RetailCRM proves both by the same `clientId` and nothing else: whoever holds it may do both.
ONE_SECRET = {"retailcrm/open", "retailcrm/activity"}


@dataclass(frozen=True, slots=True)
class Pair:
    """A message, and where it does not belong."""

    message: Message
    endpoint: str
    tenant: Tenant

    def __str__(self) -> str:
        return f"{self.message.endpoint}@{self.message.tenant.number} -> {self.endpoint}@{self.tenant.number}"

    @property
    def kinds(self) -> tuple[str, str]:
        """From which endpoint to which."""
        return self.message.endpoint, self.endpoint

    @property
    def off_diagonal(self) -> bool:
        """Whether the message was made for something else."""
        same = self.message.endpoint == self.endpoint or {self.message.endpoint, self.endpoint} == ONE_SECRET
        return not (same and self.message.tenant is self.tenant)


def pairs(messages: Sequence[Message], tenants: Sequence[Tenant]) -> Iterator[Pair]:
    """All pairs off the diagonal."""
    for message, endpoint, tenant in product(messages, CARRIERS, tenants):
        pair = Pair(message, endpoint, tenant)
        if pair.off_diagonal and (endpoint not in NAMED_BY_SECRET or tenant is message.tenant):
            yield pair


def trespasses(host: Host, found: Iterator[Pair] | Sequence[Pair]) -> list[Pair]:
    """The pairs of which any form was accepted."""
    return [pair for pair in found if any(deliver(host, outgoing).accepted for outgoing in forms(pair))]


def forms(pair: Pair) -> Iterator[Outgoing]:
    """Every form that is not the genuine request itself."""
    genuine = pair.message.outgoing()
    return (outgoing for outgoing in shapes(pair, genuine) if outgoing != genuine)


def shapes(pair: Pair, genuine: Outgoing) -> Iterator[Outgoing]:
    """The captured bytes at another address; the fields in the endpoint's own form; and with its names and proof."""
    message, endpoint = pair.message, pair.endpoint
    key = key_of(pair.tenant, endpoint) or (message.secret if endpoint == "upgates/webhook" else "")
    address = f"/{endpoint}" + (f"/{key}" if key else "")
    query = genuine.path.partition("?")[2]
    yield Outgoing(genuine.method, address + (f"?{query}" if query else ""), genuine.headers, genuine.body)
    own = {name: value for name, value in message.fields.items() if name != "key"} | ({"key": key} if key else {})
    yield carried(endpoint, own)
    yield carried(endpoint, own | names(pair))
    yield carried(endpoint, own | names(pair) | disguise(pair))
    if endpoint == message.endpoint == "retailcrm/install":  # the address alone is not signed
        yield carried(endpoint, own | {"systemUrl": pair.tenant.retailcrm.home})


def key_of(tenant: Tenant, endpoint: str) -> str:
    """The customer's own key in an address, as somebody who saw it would use it."""
    if endpoint == "wazzup/webhook":
        return str(tenant.wazzup.hook_path().rpartition("/")[2])
    return str(tenant.orlo.link) if endpoint.startswith("orlo/") else ""


def names(pair: Pair) -> dict[str, Any]:
    """The fields that make the request one of the aimed-at customer."""
    tenant, message = pair.tenant, pair.message
    if pair.endpoint == "upgates/webhook":
        return {"key": message.secret}
    if pair.endpoint == "retailcrm/install":
        return {"apiKey": tenant.retailcrm.keys["api_key"], "systemUrl": tenant.retailcrm.home}
    if pair.endpoint == "wazzup/install":
        return {"state": state_of(tenant, message)}
    if pair.endpoint == "wazzup/webhook":
        return {"bearer": message.secret}
    if pair.endpoint in NAMED_BY_SECRET:
        return {"clientId": message.secret, "activity": '{"active": true, "freeze": false}'}
    return {"token": tenant.upgates.keys["token"]} if pair.endpoint.startswith("upgates/") else {}


def disguise(pair: Pair) -> dict[str, Any]:
    """The captured proof under the name that the endpoint looks for, and the values it asks for."""
    message, endpoint = pair.message, pair.endpoint
    shown: dict[str, Any] = {}
    if endpoint not in NAMED_BY_SECRET and endpoint != "wazzup/webhook":
        shown[PROOFS[endpoint.partition("/")[0]]] = message.secret
    if message.endpoint == "upgates/install" and endpoint.startswith("upgates/"):
        # `;` is not escaped: the longer text reads as a shorter list whose first value holds the rest.
        shown["token"] = ";".join(str(message.fields[name]) for name in message.signed[:-1])
    if endpoint == "orlo/open":
        shown["id"] = pair.tenant.person
    if endpoint.startswith("orlo/"):
        shown |= {"q": message.fields.get("id", "novak")} if endpoint == "orlo/search" else {}
        shown["expires"] = message.fields.get("expires", 4102444800)
    return shown


def state_of(tenant: Tenant, message: Message) -> str:
    """A captured `state` with another account written into it, its signature left as it was; else the bare proof."""
    if message.endpoint != "wazzup/install":
        return message.secret
    head, payload, signature = message.secret.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["accountId"] = tenant.wazzup.keys["account_id"]
    changed = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"
