"""Ambiguous requests: a genuine one in which a value stands twice, so that two readers could see two different ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from messages import CARRIERS, FORM, JSON, Message

from app.sdk.simulation import Outgoing

OTHERS = ("", "0", "other", "null", "shop-2", "4102444800", "f" * 64, " ")


def ambiguous(messages: Sequence[Message], count: int, seed: int) -> Iterator[tuple[str, Outgoing]]:
    """``count`` labelled requests, none of which may be accepted."""
    rng = random.Random(seed)
    for number in range(count):
        message = messages[number % len(messages)]
        ways = WAYS[CARRIERS[message.endpoint].__name__] + ((two_headers,) if "bearer" in message.fields else ())
        label, outgoing = ways[number // len(messages) % len(ways)](message, rng)
        yield f"{message.endpoint} {label}", outgoing


def chosen(message: Message, rng: random.Random) -> tuple[str, Any, Any]:
    """A field that matters, its value, and the value of its double: often the same."""
    inner = [name for name in message.fields if name not in ("key", "bearer", "version", "current_admin_language")]
    name = rng.choice([name for name in (message.proof, *message.signed) if name in inner] or inner)
    value = message.fields[name]
    return name, value, value if rng.random() < 0.3 else rng.choice((*OTHERS, f"{value}x"))


def pairs_of(message: Message) -> list[tuple[str, Any]]:
    """The fields of the body or the query, in order."""
    return [(name, value) for name, value in message.fields.items() if name not in ("key", "bearer")]


def doubled(message: Message, rng: random.Random) -> tuple[str, list[tuple[str, Any]]]:
    """The fields with one of them twice, at any place."""
    name, _, other = chosen(message, rng)
    pairs = pairs_of(message)
    pairs.insert(rng.randrange(len(pairs) + 1), (name, other))
    return name, pairs


def json_text(pairs: Sequence[tuple[str, Any]], rng: random.Random) -> str:
    """An object in which names may be spelt in two ways."""
    return "{" + ",".join(f"{spelt(name, rng)}:{json.dumps(value)}" for name, value in pairs) + "}"


def spelt(name: str, rng: random.Random) -> str:
    """A name as JSON: plain, or with one letter as an escape."""
    at = rng.randrange(len(name))
    return json.dumps(name) if rng.random() < 0.6 else f'"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}"'


def form_text(pairs: Sequence[tuple[str, Any]], rng: random.Random) -> str:
    """A form in which names may be spelt in two ways."""
    return "&".join(f"{percent(name, rng)}={quote(str(value), safe='')}" for name, value in pairs)


def percent(name: str, rng: random.Random) -> str:
    """A name as a form writes it: plain, or with one letter as an escape."""
    at = rng.randrange(len(name))
    return name if rng.random() < 0.6 else f"{name[:at]}%{ord(name[at]):02x}{name[at + 1 :]}"


def posted(message: Message, body: str, headers: Any) -> Outgoing:
    """The genuine request with another body."""
    genuine = message.outgoing()
    return Outgoing("POST", genuine.path, {**genuine.headers, **headers}, body.encode())


def json_keys(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A key twice in the JSON body."""
    name, pairs = doubled(message, rng)
    return f"JSON key {name}", posted(message, json_text(pairs, rng), JSON)


def nested_keys(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A key twice in an object further down."""
    pairs = pairs_of(message)
    inner = '{"a":[{"b":1,' + spelt("b", rng) + ":2}]}"
    return "nested JSON key", posted(message, json_text(pairs, rng)[:-1] + f',"more":{inner}}}', JSON)


def form_keys(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A field twice in the form."""
    name, pairs = doubled(message, rng)
    return f"form field {name}", posted(message, form_text(pairs, rng), FORM)


def register_keys(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A key twice in the JSON that the form's field holds."""
    name, pairs = doubled(message, rng)
    return f"registered key {name}", posted(message, urlencode({"register": json_text(pairs, rng)}), FORM)


def register_twice(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """The form's field twice, or once whole and once in pieces."""
    name, _, other = chosen(message, rng)
    pairs = [("register", json.dumps(dict(message.fields)))]
    double = (
        ("register", json.dumps({**message.fields, name: other}))
        if rng.random() < 0.5
        else (f"register[{name}]", other)
    )
    pairs.insert(rng.randrange(2), double)
    return f"field {double[0]}", posted(message, form_text(pairs, rng), FORM)


def query_keys(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A parameter twice in the query, also by a name that PHP folds into the same."""
    name, pairs = doubled(message, rng)
    address = message.outgoing().path.partition("?")[0]
    at = next(at for at, pair in enumerate(pairs) if pair[0] == name)
    names = [percent(other, rng) for other, _ in pairs]
    names[at] = rng.choice((name, names[at], f"%20{name}", f"+{name}", f"{name}%00x", f"{name}[]", f"{name}[0]"))
    query = "&".join(f"{one}={quote(str(value), safe='')}" for one, (_, value) in zip(names, pairs, strict=True))
    return f"parameter {names[at]}", Outgoing("GET", f"{address}?{query}", {})


def split(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A genuine value where it does not belong, and in its place nothing or something else."""
    name = rng.choice((message.proof, *message.signed))
    value = message.fields[name]
    bent = message.changed(**{name: rng.choice((None, f"{value}x"))}).outgoing()
    beside = urlencode({"Authorization" if name == "bearer" else name: value})
    if bent.method == "GET":
        return f"{name} in the body", Outgoing("GET", bent.path, {**bent.headers, **FORM}, beside.encode())
    return f"{name} in the query", Outgoing("POST", f"{bent.path}?{beside}", bent.headers, bent.body)


def two_headers(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """The bearer twice, as a server joins two headers of one name."""
    genuine = message.outgoing()
    right = genuine.headers["Authorization"]
    other = right if rng.random() < 0.4 else rng.choice(("Bearer other", "Basic YTpi", "", "Bearer "))
    joined = rng.choice((",", ", ", " ", ";")).join(rng.sample((right, other), 2))
    headers = {**genuine.headers, "Authorization": joined if joined.strip(" ,;") != right else f"{right},{right}"}
    return f"Authorization {len(joined)}", Outgoing("POST", genuine.path, headers, genuine.body)


WAYS: dict[str, tuple[Any, ...]] = {
    "as_json": (json_keys, json_keys, nested_keys, split),
    "as_form": (form_keys, split),
    "as_register": (register_keys, register_twice),
    "as_query": (query_keys, query_keys, query_keys, split),
}
