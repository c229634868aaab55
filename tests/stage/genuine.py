"""Endless genuine requests with random content: whatever a platform may put into them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from messages import Message, callback, hint, posted, read, register, state, upgates
from tenants import Tenant

ALPHABETS = (
    "abcXYZ019-_.",
    "ěščřžýáíéůÓĎŤŇ",
    "Жизнь Ёё",
    "日本語",
    "ñ¿ç",
    "\U0001f600\U0001f9ff",
    " ~*()'!$&=+%#?/\\\"<>|^`{}[]@:,",
)
# Wazzup and RetailCRM call out for every connection, so they come up less often.
WEIGHTS = {"install": 4, "open": 5, "uninstall": 3, "version": 4, "hint": 4, "register": 1, "post": 5, "callback": 8}
WEIGHTS |= {"state": 1, "search": 10, "page": 5}


def genuine(tenant: Tenant, rng: random.Random) -> Iterator[Message]:
    """Genuine requests, each different from the last; send one before asking for the next."""
    makers: dict[str, Callable[[], Message]] = {
        "install": lambda: upgates(
            tenant, "install", token=text(rng, 60), api_user=text(rng, 20), api_key=text(rng, 40)
        ),
        "open": lambda: upgates(tenant, "open", language=rng.choice(("cs", "sk", "en", "xx"))),
        "uninstall": lambda: upgates(tenant, "uninstall", token=text(rng, 60)),
        "version": lambda: upgates(tenant, "version", version=str(rng.randrange(10**6)), **signs(rng)),
        "hint": lambda: hint(tenant),
        "register": lambda: register(tenant),
        "post": lambda: posted(tenant, rng.choice(("open", "activity"))),
        "callback": lambda: callback(
            tenant, rng.choice(("message", "status", "create_contact", "create_deal", "channel"))
        ),
        "state": lambda: state(tenant),
        "search": lambda: read(tenant, "search", q=text(rng, 80), **extra(rng)),
        "page": lambda: read(tenant, "open", **extra(rng)),
    }
    while True:
        yield makers[rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]]()


def text(rng: random.Random, longest: int) -> str:
    """Text of many scripts, without `;`, which no signed value of Upgates may hold."""
    return "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randint(1, longest)))


def signs(rng: random.Random) -> dict[str, str]:
    """Either list that the version call may sign."""
    return {"signs": "version"} if rng.random() < 0.5 else {}


def extra(rng: random.Random) -> dict[str, str]:
    """A further parameter, which the platform signs with the rest."""
    return {"extra": f"lang=en&page={rng.randrange(9)}"} if rng.random() < 0.3 else {}
