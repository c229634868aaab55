"""A request taken apart: every part has a name, and one can be changed, dropped or doubled while the rest stays."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode

from ..simulation import Outgoing

# Headers that every client sends; what a platform proves itself by is none of them.
ORDINARY = {"accept", "accept-language", "connection", "content-length", "content-type", "cookie", "host", "user-agent"}
KEY, QUERY, BODY, HEADER = "path.key", "query", "body", "header."
DROPPED = object()

Pairs = Sequence[tuple[str, str]]


def parts(outgoing: Outgoing) -> dict[str, Any]:
    """Every part of a request by its name, as a manifest's ``proof`` table names it, with its value."""
    path, _, query = outgoing.path.partition("?")
    found: dict[str, Any] = {}
    segments = path.strip("/").split("/")
    if len(segments) > 2:
        found[KEY] = unquote(segments[2])
    found |= {HEADER + name.lower(): value for name, value in outgoing.headers.items() if name.lower() not in ORDINARY}
    found |= dict(parse_qsl(query, keep_blank_values=True))
    return found | dict(flat(body_fields(outgoing)))


def told_in(outgoing: Outgoing, name: str) -> Any:
    """The value of a part; of a JSON Web Token also that of one of its claims, as ``token.iat``. Empty for none."""
    found = parts(outgoing)
    outer, _, claim = name.rpartition(".")
    return found.get(name, claims_of(str(found.get(outer, ""))).get(claim, ""))


def claims_of(token: str) -> Mapping[str, Any]:
    """What a JSON Web Token claims, its signature unchecked; nothing where it is none."""
    pieces = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def action_of(outgoing: Outgoing) -> str:
    """The action at which a request is aimed."""
    return outgoing.path.partition("?")[0].strip("/").split("/")[1]


def is_json(outgoing: Outgoing) -> bool:
    """Whether the body is a JSON object."""
    return outgoing.body.lstrip()[:1] == b"{"


def body_fields(outgoing: Outgoing) -> dict[str, Any]:
    """The fields of a JSON object or a form; a form's field that holds an object counts as one."""
    if not outgoing.body:
        return {}
    if is_json(outgoing):
        fields: dict[str, Any] = json.loads(outgoing.body)
        return fields
    return {name: json.loads(value) if value[:1] == "{" else value for name, value in form_pairs(outgoing)}


def form_pairs(outgoing: Outgoing) -> list[tuple[str, str]]:
    """The fields of a form, in order."""
    return parse_qsl(outgoing.body.decode(), keep_blank_values=True)


def flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields with those of objects one level down, as ``outer.inner``."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def changed(outgoing: Outgoing, name: str, value: Any) -> Outgoing:
    """The same request with another value for one part; `DROPPED` takes it away."""
    if name == BODY:
        return replace(outgoing, body=value)
    if name == KEY:
        return with_key(outgoing, "" if value is DROPPED else str(value))
    if name.startswith(HEADER):
        return with_header(outgoing, name.removeprefix(HEADER), value)
    if name.partition(".")[0] in body_fields(outgoing):
        return replace(outgoing, body=body_with(outgoing, name, value))
    path, _, query = outgoing.path.partition("?")
    return replace(outgoing, path=f"{path}?{query_with(query, name, value)}")


def with_key(outgoing: Outgoing, key: str) -> Outgoing:
    """The same request under another key in its path."""
    path, mark, query = outgoing.path.partition("?")
    address = "/".join(path.split("/")[:3])
    escaped = quote(key, safe="", errors="surrogatepass")
    return replace(outgoing, path=f"{address}/{escaped}".rstrip("/") + mark + query)


def with_header(outgoing: Outgoing, name: str, value: Any) -> Outgoing:
    """The same request with another header."""
    headers = {known: one for known, one in outgoing.headers.items() if known.lower() != name}
    return replace(outgoing, headers=headers if value is DROPPED else headers | {name: str(value)})


def query_with(query: str, name: str, value: Any) -> str:
    """A raw query in which one parameter has another value; the others keep their spelling."""
    pieces = []
    for piece in query.split("&"):
        if parse_qsl(piece, keep_blank_values=True)[0][0] != name:
            pieces.append(piece)
        elif value is not DROPPED:
            pieces.append(f"{quote_plus(name)}={quote_plus(str(value), errors='surrogatepass')}")
    return "&".join(pieces)


def body_with(outgoing: Outgoing, name: str, value: Any) -> bytes:
    """The body with another value for one field."""
    fields = body_fields(outgoing)
    outer, _, inner = name.partition(".")
    table = fields[outer] if inner else fields
    if value is DROPPED:
        del table[inner or outer]
    else:
        table[inner or outer] = value
    return written(outgoing, fields)


def written(outgoing: Outgoing, fields: Mapping[str, Any]) -> bytes:
    """Fields in the form of the request's body."""
    if is_json(outgoing):
        return json.dumps(fields).encode()
    texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in fields.items()}
    return urlencode(texts, errors="surrogatepass").encode()


def doubled(outgoing: Outgoing, name: str, other: str) -> Outgoing | None:
    """The same request in which the part stands twice, with ``other`` before it; None where it cannot."""
    if name in (KEY, BODY, QUERY):
        return None
    if name.startswith(HEADER):
        header = name.removeprefix(HEADER)
        value = next(one for known, one in outgoing.headers.items() if known.lower() == header)
        return with_header(outgoing, header, f"{other},{value}")
    outer, _, inner = name.partition(".")
    if outer not in body_fields(outgoing):
        path, _, query = outgoing.path.partition("?")
        return replace(outgoing, path=f"{path}?{quote_plus(name)}={quote_plus(other)}&{query}")
    if is_json(outgoing):
        return replace(outgoing, body=json_doubled(outgoing.body.decode(), outer, inner, other).encode())
    pairs = form_pairs(outgoing)
    if inner:
        again = [(key, json_doubled(value, inner, "", other) if key == outer else value) for key, value in pairs]
    else:
        again = [(outer, other), *pairs]
    return replace(outgoing, body=urlencode(again).encode())


def json_doubled(text: str, outer: str, inner: str, other: str) -> str:
    """The text of an object in which one name stands twice."""
    head = f"{{{json.dumps(outer)}:{json.dumps(other)},"
    if not inner:
        return head + text.lstrip()[1:]
    fields = json.loads(text)
    within = json_doubled(json.dumps(fields.pop(outer)), inner, "", other)
    return f"{{{json.dumps(outer)}:{within},{json.dumps(fields)[1:]}" if fields else f"{{{json.dumps(outer)}:{within}}}"
