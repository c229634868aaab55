"""Orlo in a box: signs searches and openings as its PHP does, with a port of ``http_build_query`` of its own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import requests

from app.sdk import simulation
from app.sdk.simulation import Entry, Hit, Look, Outgoing

LIFETIME = 3600
"""Seconds that a signed address lives; the platform's own example signs one hour ahead."""


class Simulator(simulation.Simulator):
    """One customer of Orlo who typed our two addresses and two secrets into the settings."""

    connector = "orlo"
    actions = ("search", "open")
    look = Look(
        bar="#2b2350",
        accent="#5b3fd6",
        menu=("Inbox", "Publisher", "Listening", "Analytics"),
        place="Customer search",
        owner="Agent Ama",
        told="A social inbox: agents search people and open one beside the conversation.",
    )
    menu = (
        Entry(
            "search",
            "Find a customer",
            "The agent types, and Orlo's server asks the host for people of that name.",
            changes={"q": "nov"},
            asks="q",
            step=1,
        ),
        Entry(
            "open",
            "Open the first customer",
            "The agent's browser loads the signed address of one person's card in a frame.",
            step=2,
        ),
    )
    customer = ("search_secret", "open_secret")
    signing = ("search_secret", "open_secret")

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.link = str(keys.get("key", ""))

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        return {"search_secret": secrets.token_urlsafe(24), "open_secret": secrets.token_urlsafe(24)}

    def operator_fields(self) -> dict[str, str]:
        return {name: self.keys[name] for name in ("search_secret", "open_secret")}

    def connected(self, installation: Mapping[str, str]) -> None:
        self.link = installation["key"]

    def search(self, **changes: str) -> Outgoing:
        """A search; ``q``, ``expires`` (Unix time), ``extra`` (form-encoded parameters), ``spelling``, ``key``."""
        return self._signed("search", {"q": changes.get("q", "novak")}, changes)

    def open(self, **changes: str) -> Outgoing:
        """One person's page; ``id``, and the same further arguments as `search`."""
        return self._signed("open", {"id": changes.get("id", "1")}, changes)

    def hits(self, answer: requests.Response) -> Sequence[Hit]:
        """The agent's list of people; a click opens the card."""
        results = answer.json().get("results", []) if answer.ok else []
        return [Hit(one["name"], "open", {"id": one["id"]}) for one in results]

    def _signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        expires = changes.get("expires") or str(int(self.clock().timestamp()) + LIFETIME)
        extra = parse_qsl(changes.get("extra", ""), keep_blank_values=True)
        signed = http_build_query([*fields.items(), ("expires", expires), *extra])
        signature = hmac.new(self.keys[f"{action}_secret"].encode(), signed.encode(), hashlib.sha256).hexdigest()
        sent = rfc3986(signed) if changes.get("spelling") == "rfc3986" else signed
        accept = "application/json" if action == "search" else "text/html"
        path = f"/orlo/{action}/{changes.get('key', self.link)}"
        return Outgoing("GET", f"{path}?{sent}&sig={signature}", {"Accept": accept})


def http_build_query(pairs: Sequence[tuple[str, str]]) -> str:
    """PHP's form-encoding of flat pairs: a space is ``+``, and of the marks only ``-``, ``_`` and ``.`` stay."""
    return "&".join(f"{php_quote(name)}={php_quote(value)}" for name, value in pairs)


def php_quote(text: str) -> str:
    """``urlencode`` of PHP; Python's own would leave ``~`` alone."""
    return quote_plus(text, safe="").replace("~", "%7E")


def rfc3986(query: str) -> str:
    """The same query as a client writes it that encodes by RFC 3986: ``%20`` and a bare ``~``."""
    return query.replace("+", "%20").replace("%7E", "~")
