"""One exchange as it went over the wire: every field of the request with its part in the proof, and the answer."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import requests

from app.sdk.manifest import Action
from app.sdk.promises import Proof
from app.sdk.scenarios import longest_of, tampered
from app.sdk.simulation import Outgoing

REFUSED = "X-Sandbox-Refused"
LONGEST_BODY = 4000


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request. ``mark``: proof, signed, unsigned, or empty where nothing proves the request at all."""

    place: str
    name: str
    value: str
    mark: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the host refused, as its log says it and nobody outside demo mode learns it."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its answer, and the host's own word on it."""

    sent: Outgoing
    answer: requests.Response
    action: Action | None
    fields: tuple[Field, ...]
    refusal: Refusal | None

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers, without the one that only demo mode has."""
        return {name: value for name, value in self.answer.headers.items() if name != REFUSED}

    def as_table(self) -> dict[str, Any]:
        """Both sides as JSON values."""
        sent, refusal = self.sent, self.refusal
        return {
            "request": {"method": sent.method, "path": sent.path, "headers": dict(sent.headers), "body": self.text},
            "response": {"status": self.answer.status_code, "headers": self.headers, "body": self.answer.text},
            "refusal": {"kind": refusal.kind, "reason": refusal.reason} if refusal else None,
        }

    @property
    def text(self) -> str:
        """The request's body."""
        return self.sent.body.decode("utf-8", "replace")

    @property
    def raw(self) -> str:
        """The request as it was sent."""
        head = [
            f"{self.sent.method} {self.sent.path}",
            *(f"{name}: {text}" for name, text in self.sent.headers.items()),
        ]
        return "\n".join([*head, "", self.text]).rstrip()

    @property
    def page_title(self) -> str:
        """The title of a page that came back; empty for anything else."""
        found = re.search("<title>(.*?)</title>", self.answer.text, re.DOTALL)
        return html.unescape(found[1]) if found and "html" in self.headers.get("Content-Type", "") else ""

    @property
    def readable(self) -> str:
        """The answer's body: JSON indented, a long page cut short."""
        body = self.answer.text
        try:
            return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except ValueError:
            return body if len(body) <= LONGEST_BODY else body[:LONGEST_BODY] + "\n…"


def to_exchange(sent: Outgoing, answer: requests.Response, action: Action | None, *, forged: bool = False) -> Exchange:
    """Both sides of one request; in demo mode the host says in a header of its own why it refused."""
    kind, _, reason = answer.headers.get(REFUSED, "").partition(" ")
    proof = action.proof if action else None
    changed = forged_name(sent, proof) if forged and proof else ""
    fields = tuple(marked(place, name, value, proof, changed) for place, name, value in read_fields(sent))
    return Exchange(sent, answer, action, fields, Refusal(kind, reason) if kind else None)


def read_fields(sent: Outgoing) -> Iterator[tuple[str, str, str]]:
    """Where each field stands, its name and its value, in the order of the request."""
    for key in sent.path.partition("?")[0].split("/")[3:]:
        yield "path", "key", key
    for name, value in parse_qsl(sent.path.partition("?")[2], keep_blank_values=True):
        yield "query", name, value
    for name, value in sent.headers.items():
        yield "header", name, value
    body = sent.body.decode("utf-8", "replace")
    table = as_object(body)
    if table is not None:
        yield from members("body", table)
    elif "form" in dict(sent.headers).get("content-type", "") or "=" in body:
        yield from form(body)
    elif body:
        yield "body", "", body


def form(body: str) -> Iterator[tuple[str, str, str]]:
    """A form's fields; one that holds JSON is shown as its members."""
    for name, value in parse_qsl(body, keep_blank_values=True):
        table = as_object(value)
        if table is None:
            yield "body", name, value
        else:
            yield from members(name, table)


def members(place: str, table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The members of a JSON object."""
    for name, value in table.items():
        yield place, name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_object(text: str) -> dict[str, Any] | None:
    """A JSON object; None for any other text."""
    try:
        table = json.loads(text)
    except ValueError:
        return None
    return table if isinstance(table, dict) else None


def marked(place: str, name: str, value: str, proof: Proof | None, changed: str) -> Field:
    """A field with its part in the proof; the transport's own headers have none."""
    full = f"{place}.{name.lower()}" if place in ("path", "header") else name
    if proof is None:
        return Field(place, name, value)
    names = {full, f"{place}.{name}", place if place in ("query", "header", "path") else "body"}
    mark = "" if place == "header" else "unsigned"
    mark = "signed" if names & set(proof.signed) else mark
    mark = "proof" if names & set(proof.fields) else mark
    return Field(place, name, value, mark, changed=changed in names)


def forged_name(sent: Outgoing, proof: Proof) -> str:
    """The field of which `forge` changed a byte, as the manifest calls it; of a whole query its first."""
    found = next((name for name in (*proof.signed, *proof.fields) if tampered(sent, name)), "")
    if found == "query":
        return next((name for place, name, _ in read_fields(sent) if place == "query"), "")
    longest = longest_of(sent.body.decode("latin-1")) if found == "body" else None
    return longest["name"] if longest else found


def page_of(exchange: Exchange, host: str) -> str:
    """The address that a browser would show next; empty when there is none."""
    location = exchange.headers.get("Location")
    if location:
        return location
    if "html" in exchange.headers.get("Content-Type", "") and exchange.sent.method == "GET":
        return host + exchange.sent.path
    table = as_object(exchange.answer.text)
    return str(table.get("url", "")) if table else ""
