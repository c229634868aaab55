"""Genuine requests of one customer, taken apart into named fields, so that a test can change one and leave the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from tenants import Host, Tenant
from wire import Got

from app.core.seal import new_token
from app.sdk.simulation import Outgoing
from plugins.wazzup.simulator import Form

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Parts of a request that are neither in the body nor in the query.
APART = ("key", "bearer")


@dataclass(frozen=True, slots=True)
class Message:
    """A genuine request: ``proof`` names the field that proves it, ``signed`` the fields that the proof covers.

    ``spelling`` says how the proof is written: ``base64``, ``hex``, or ``link`` for a secret that we gave out; ``free``
    for one that only the platform can check.
    """

    tenant: Tenant = field(repr=False)
    endpoint: str
    proof: str
    spelling: str
    fields: Mapping[str, Any]
    signed: tuple[str, ...] = ()

    @property
    def connector(self) -> str:
        """Whose request it is."""
        return self.endpoint.partition("/")[0]

    @property
    def secret(self) -> str:
        """The proof itself."""
        return str(self.fields[self.proof])

    def outgoing(self) -> Outgoing:
        """The request as the platform sends it."""
        return carried(self.endpoint, self.fields)

    def changed(self, **changes: Any) -> Message:
        """The same proof with other fields; None drops a field."""
        fields = {name: value for name, value in {**self.fields, **changes}.items() if value is not None}
        return replace(self, fields=fields)


def carried(endpoint: str, fields: Mapping[str, Any]) -> Outgoing:
    """Put fields together in the form that the endpoint reads."""
    key = f"/{quote(str(fields['key']), safe='', errors='surrogatepass')}" if "key" in fields else ""
    inner = {name: value for name, value in fields.items() if name not in APART}
    headers = {"Authorization": f"Bearer {fields['bearer']}"} if "bearer" in fields else {}
    method, path, more, body = CARRIERS[endpoint](inner)
    return Outgoing(method, f"/{endpoint}{key}{path}", {**headers, **more}, body)


Carried = tuple[str, str, Mapping[str, str], bytes]


def as_json(fields: Mapping[str, Any]) -> Carried:
    """A JSON body."""
    return "POST", "", JSON, json.dumps(fields).encode()


def as_form(fields: Mapping[str, Any]) -> Carried:
    """A form."""
    return "POST", "", FORM, urlencode(fields, errors="surrogatepass").encode()


def as_register(fields: Mapping[str, Any]) -> Carried:
    """A form with one field, whose value is JSON."""
    return as_form({"register": json.dumps(fields)})


def as_query(fields: Mapping[str, Any]) -> Carried:
    """A query."""
    return "GET", f"?{urlencode(fields, errors='surrogatepass')}", {}, b""


CARRIERS: Mapping[str, Callable[[Mapping[str, Any]], Carried]] = {
    "upgates/install": as_json,
    "upgates/open": as_json,
    "upgates/uninstall": as_json,
    "upgates/version": as_json,
    "upgates/webhook": as_json,
    "retailcrm/install": as_register,
    "retailcrm/open": as_form,
    "retailcrm/activity": as_form,
    "wazzup/install": as_query,
    "wazzup/webhook": as_json,
    "orlo/search": as_query,
    "orlo/open": as_query,
}
PROOFS = {"upgates": "signature_v2", "retailcrm": "token", "wazzup": "state", "orlo": "sig"}


def upgates(tenant: Tenant, action: str, **changes: str) -> Message:
    """One of the four signed calls, with a `time` of its own; ``changes`` as the simulator takes them."""
    outgoing = getattr(tenant.upgates, action)(**{"time": tenant.time(), **changes})
    signed = {"install": ("token", "apiUser", "apiKey", "apiUrl", "time")}.get(action, ("token", "time"))
    if "signs" in changes:
        signed = ("token", "version", "time")
    return Message(tenant, f"upgates/{action}", "signature_v2", "base64", json.loads(outgoing.body), signed)


def hint(tenant: Tenant) -> Message:
    """A webhook of Upgates: the key in the path is all that proves it."""
    body = {"event": "customers.update", "customers": [{"customer_id": 1001, "at": new_token()}]}
    return Message(tenant, "upgates/webhook", "key", "link", {"key": tenant.hint_key, **body})


def register(tenant: Tenant) -> Message:
    """A connection of RetailCRM with a key that the account made for it."""
    tenant.retailcrm.keys["api_key"] = new_token()
    form = parse_qs(tenant.retailcrm.install().body.decode())
    return Message(tenant, "retailcrm/install", "token", "hex", json.loads(form["register"][0]), ("apiKey",))


def posted(tenant: Tenant, action: str) -> Message:
    """RetailCRM's opening and its switch: `clientId` is all that proves them."""
    form = dict(parse_qsl(getattr(tenant.retailcrm, action)().body.decode(), keep_blank_values=True))
    return Message(tenant, f"retailcrm/{action}", "clientId", "link", form)


def state(tenant: Tenant) -> Message:
    """A redirect of Wazzup with a fresh `state`, which only Wazzup can check."""
    return Message(tenant, "wazzup/install", "state", "free", {"state": tenant.wazzup.state()})


def callback(tenant: Tenant, action: str = "message", proof: str = "bearer") -> Message:
    """A webhook of Wazzup: the key in the path and the bearer together prove it."""
    outgoing = getattr(tenant.wazzup, action)()
    key = outgoing.path.rpartition("/")[2]
    bearer = outgoing.headers["Authorization"].removeprefix("Bearer ")
    fields = {"key": key, "bearer": bearer, **json.loads(outgoing.body)}
    return Message(tenant, "wazzup/webhook", proof, "link", fields)


def read(tenant: Tenant, action: str, **changes: str) -> Message:
    """A search of Orlo, or a person's page."""
    given = {"id": tenant.person} if action == "open" else {}
    outgoing = getattr(tenant.orlo, action)(**{**given, **changes})
    path, _, query = outgoing.path.partition("?")
    fields = {"key": path.rpartition("/")[2], **dict(parse_qsl(query, keep_blank_values=True))}
    signed = ("id" if action == "open" else "q", "expires")
    return Message(tenant, f"orlo/{action}", "sig", "hex", fields, signed)


def everything(tenant: Tenant) -> Iterator[Message]:
    """One fresh request of every kind, in an order that leaves the customer connected; send each before the next."""
    yield upgates(tenant, "uninstall")
    yield upgates(tenant, "install")
    yield upgates(tenant, "open")
    yield upgates(tenant, "version")
    yield upgates(tenant, "version", version="3", signs="version")
    yield hint(tenant)
    yield register(tenant)
    yield posted(tenant, "open")
    yield posted(tenant, "activity")
    yield callback(tenant)
    yield callback(tenant, "create_contact")
    yield state(tenant)
    yield read(tenant, "search")
    yield read(tenant, "open")


def deliver(host: Host, outgoing: Outgoing) -> Got:
    """Send a request; where a person must agree first, agree, and tell what became of it."""
    got = host.ask(outgoing)
    if not outgoing.path.startswith("/wazzup/install") or outgoing.method != "GET" or got.status != 200:
        return got
    page = Form()
    page.feed(got.body.decode())
    cookie = got.headers["Set-Cookie"].partition(";")[0]
    browser = {**FORM, "Cookie": cookie, "Origin": host.stage.url, "Sec-Fetch-Site": "same-origin"}
    return host.ask(Outgoing("POST", page.action, browser, urlencode(page.fields).encode()))
