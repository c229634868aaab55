"""Requests whose proof cannot be read: wrong types, broken encodings, missing or nested values, no text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from messages import APART, Message

from app.sdk.simulation import Outgoing
from app.sdk.testing.nonsense import (
    BEARERS,
    BODIES,
    DEEP,
    HUGE,
    LANGUAGES,
    LONG,
    QUERIES,
    STATES,
    TEXTS,
    TYPES,
    WRONG_TYPES,
)


def malformed(messages: Sequence[Message], count: int, seed: int) -> Iterator[tuple[Message, str, Outgoing]]:
    """``count`` malformed requests, each with the genuine message that it was made of and a label."""
    rng = random.Random(seed)
    for number in range(count):
        message = messages[number % len(messages)]
        # What only the platform can check, nothing but its form can be wrong for us.
        make = raw if message.spelling == "free" or rng.random() < 0.35 else fields
        yield message, *make(message, rng)


def fields(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """The proof, and perhaps more, replaced by what it can never be."""
    names = [message.proof, *(name for name in message.signed if rng.random() < 0.3)]
    values = {name: value_for(message, name, rng) for name in names}
    outgoing = message.changed(**values).outgoing()
    if values[message.proof] is None and message.proof == "key":
        outgoing = message.changed(key="none").outgoing()
    headers = {**outgoing.headers, **dressed(message, values, rng)}
    return f"{message.endpoint} {repr(values)[:100]}", Outgoing(outgoing.method, outgoing.path, headers, outgoing.body)


def value_for(message: Message, name: str, rng: random.Random) -> Any:
    """Text of the wrong shape anywhere; where a type can be wrong, that too; None takes the field away."""
    apart = name in ("key", "bearer") or message.endpoint.startswith("orlo/") or message.proof == "clientId"
    if rng.random() < 0.02:
        return LONG[: 5_000 if apart else None]
    if not apart and rng.random() < 0.5:
        return rng.choice(WRONG_TYPES)
    text = rng.choice((*TEXTS, str(message.fields[name])[:-1], str(message.fields[name]) + "\n", None))
    if name != "key" or text is None:
        return text
    # A slash or a line feed in a key makes it another address, which is nobody's.
    text = text.replace("/", "").replace("\n", "")
    return "none" if text in ("", message.fields[name]) else text


def dressed(message: Message, values: dict[str, Any], rng: random.Random) -> dict[str, str]:
    """Odd headers; where the proof is one, a broken one."""
    headers = {"Accept-Language": rng.choice(LANGUAGES)} if rng.random() < 0.1 else {}
    if rng.random() < 0.1:
        headers["Content-Type"] = rng.choice(TYPES)
    if "bearer" in values:
        headers["Authorization"] = rng.choice(BEARERS)
    return headers


def raw(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A body or a query of bytes that mean nothing, at the genuine address."""
    genuine = message.outgoing()
    path = genuine.path.partition("?")[0]
    if genuine.method == "GET":
        query = rng.choice(STATES if message.endpoint == "wazzup/install" else QUERIES)
        return f"{message.endpoint}?{query[:60]}", Outgoing("GET", f"{path}?{query}", genuine.headers)
    body = rng.choice(BODIES) if rng.random() < 0.97 else rng.choice((*DEEP, HUGE))
    if body == b"{}" and message.proof in APART:
        body = b"[]"  # where the proof stands apart, any object will do
    if rng.random() < 0.3:
        body = genuine.body[: rng.randrange(len(genuine.body) // 3)]
    return f"{message.endpoint} {body[:60]!r}", Outgoing("POST", path, genuine.headers, body)


def right_shape(message: Message, status: int, told: Any, media_type: str) -> bool:
    """Whether a refusal looks as this platform wants it."""
    text = told.get("message") or told.get("errorMsg") or told.get("error") if isinstance(told, dict) else ""
    page = media_type.startswith("text/html")
    said = isinstance(text, str) and text != ""
    match message.endpoint:
        case "retailcrm/install":
            return status == 200 and said and told == {"success": False, "errorMsg": text}
        case "retailcrm/activity":
            return status in (400, 403) and said and told == {"success": False, "errorMsg": text}
        case "retailcrm/open" | "wazzup/install" | "orlo/open":
            return status in (400, 403, 404) and page
        case "wazzup/webhook":
            return status in (400, 401, 404) and said and told == {"error": text}
        case "orlo/search":
            return (
                status in (400, 403, 404)
                and told == {"status": "error", "error": told.get("error")}
                and bool(told["error"])
            )
    return status in (400, 403) and told == {"error": True, "message": told.get("message")} and bool(told["message"])
