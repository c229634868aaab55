"""The settings, and the reading and writing of Orlo's values (protocols/orlo.md 1, 3 and 4)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import fields, validate

from app.sdk import Answer, Hit, Links, Malformed, Registration, Setting, text_field

MOST_RESULTS = 20
LONGEST_QUERY, LONGEST_ID = 1000, 64
SECRETS = ("search_secret", "open_secret")
LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ORIGIN = rf"https://(?:\*\.)?{LABEL}(?:\.{LABEL})+(?::[0-9]{{1,5}})?\Z"

SETTINGS = (
    Setting(
        "frame_ancestors",
        fields.List(
            fields.String(validate=validate.Regexp(ORIGIN, error="Write an origin such as https://app.example.com.")),
            load_default=lambda: ["https://app.socialsignin.net"],
        ),
        "The https origins of Orlo's web app that may show our pages; a host may begin with *.",
    ),
    Setting(
        "max_ttl",
        fields.Integer(load_default=3900, validate=validate.Range(60, 7 * 86400)),
        "How many seconds ahead the expires of a signed address may lie.",
    ),
)


def text_of(params: Mapping[Any, Any], name: str) -> str | None:
    """One parameter as text; None when it is missing, an array or no UTF-8."""
    value = params.get(name.encode())
    try:
        return value.decode() if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None


def read_search(params: Mapping[Any, Any]) -> dict[str, str]:
    """What is searched: a missing ``q`` is `Malformed`, a blank one finds nobody (section 3)."""
    query = text_of(params, "q")
    if b"id" in params or query is None or len(query) > LONGEST_QUERY:
        raise Malformed("bad_q", "missing or invalid q param")
    return {"q": re.sub(r"[\x00-\x1f\x7f]", " ", query)}


def read_open(params: Mapping[Any, Any]) -> dict[str, str]:
    """Whose page is asked for: "whatever our search returned", a missing ``id`` is `Malformed` (section 4)."""
    if b"q" in params:
        raise Malformed("bad_id", "missing or invalid id param")
    return {"id": text_field({"id": text_of(params, "id")}, "id", longest=LONGEST_ID)}


def results(hits: Sequence[Hit]) -> Answer:
    """The people found; "Send strings" for ids (section 3)."""
    return Answer.json({"results": [{"id": str(hit.id), "name": hit.name} for hit in hits[:MOST_RESULTS]]})


def registration(given: Mapping[str, Any], links: Links) -> Registration:
    """A customer whom the operator adds; what was made here is shown once, in the reply."""
    made = {name: secrets.token_urlsafe(32) for name in SECRETS if name not in given}
    key = links.token("path")
    reply = {"key": key, "search_url": links.to("search", key), "open_url": links.to("open", key), **made}
    return Registration(
        tenant=hashlib.sha256(key.encode()).hexdigest(),
        title="Orlo",
        reply=Answer.json(reply),
        credentials={name: made.get(name) or given_secret(given, name) for name in SECRETS},
        proven=True,
    )


def given_secret(given: Mapping[str, Any], name: str) -> str:
    """A secret "may be any string of any length. Refuse an empty one." (section 1)"""
    value = given[name]
    if not isinstance(value, str) or not value:
        raise Malformed(f"empty_{name}", "The secret must not be empty.")
    return value
