"""Near misses of genuine requests: every bit, byte and length of a proof and of what it covers, one at a time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from messages import Message

from app.sdk.simulation import Outgoing
from app.sdk.testing.mutations import Labelled, edited, spellings, values


def mutated(messages: Sequence[Message], count: int, seed: int) -> Iterator[tuple[str, Outgoing]]:
    """Labelled near misses: all systematic ones of every message, then random ones up to ``count``."""
    first = [one for message in messages for one in systematic(message)]
    yield from first
    yield from itertools.islice(at_random(messages, random.Random(seed)), max(0, count - len(first)))


def systematic(message: Message) -> Iterator[tuple[str, Outgoing]]:
    """Every single change of a message: its proof, each signed field, the fields' names and places."""
    proofs = spellings(message.secret, message.spelling)
    yield from built(message, message.proof, proofs)
    for name in message.signed:
        yield from built(message, name, values(str(message.fields[name])))
    for label, changes in moves(message):
        yield f"{message.endpoint}: {label}", message.changed(**changes).outgoing()


def built(message: Message, name: str, changes: Labelled) -> Iterator[tuple[str, Outgoing]]:
    """The message with one field changed, once for each value that means something else."""
    genuine = str(message.fields[name])
    for label, value in changes:
        # A doubled or trailing slash in an address is served on purpose.
        if value != genuine and not (name == "key" and value.strip("/") == genuine):
            yield f"{message.endpoint} {name}: {label} {value[:80]!r}", message.changed(**{name: value}).outgoing()


def moves(message: Message) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Fields that swapped their values, changed their names, went missing, or lent each other a piece."""
    names = [name for name in (message.proof, *message.signed) if name not in ("key", "bearer")]
    for one, other in itertools.combinations(names, 2):
        first, second = str(message.fields[one]), str(message.fields[other])
        yield f"{one} and {other} swapped", {one: second, other: first}
        yield f"{one} and {other} equal", {one: first, other: first}
        yield f"{one} took all of {other}", {one: f"{first};{second}", other: ""}
        yield f"{one} took a piece of {other}", {one: first + second[:1], other: second[1:]}
        yield f"{one} gave a piece to {other}", {one: first[:-1], other: first[-1:] + second}
    for name in names:
        yield f"{name} missing", {name: None}
        yield from ((f"{name} as {other}", {name: None, other: message.fields[name]}) for other in renamed(name))


def renamed(name: str) -> Sequence[str]:
    """Names that are not this name."""
    return (name.upper() if name != name.upper() else name.lower(), f"{name}[]", f"{name} ", f"{name}2", f"x{name}")


def at_random(messages: Sequence[Message], rng: random.Random) -> Iterator[tuple[str, Outgoing]]:
    """Endless random edits of a proof or a signed field, one to four at a time."""
    while True:
        message = rng.choice(messages)
        name = rng.choice((message.proof, *message.signed))
        text = genuine = str(message.fields[name])
        for _ in range(rng.randint(1, 4)):
            text = edited(text, rng)
        yield from built(message, name, iter([("at random", text)] if text != genuine else []))
