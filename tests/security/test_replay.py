"""Replays: whatever was captured and sent again, in any spelling and any order, has no second effect."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from effects import changed, effects
from messages import Message, callback, deliver, hint, posted, register, state, upgates
from tenants import Host
from wire import Got

from app.core import journal
from app.sdk import check_signature
from app.sdk.simulation import Outgoing

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Their proof is bound to the first answer, ticket and all.
ANSWERED_ALIKE = ("upgates/install", "upgates/open", "upgates/uninstall", "upgates/version", "retailcrm/install")

REPLAYED = {*ANSWERED_ALIKE, "upgates/webhook", "wazzup/webhook", "wazzup/install"}
# A shop stays, leaves, or leaves and comes back.
LIVES = (
    ("install", "open", "open", "version"),
    ("install", "version", "uninstall"),
    ("install", "version", "uninstall", "install", "open"),
)


def stories(host: Host, shops: int) -> Iterator[Message]:
    """The lives of many shops, and what other marketplaces sent meanwhile; send each before asking for the next."""
    tenant = host.tenants[0]
    for number in range(shops):
        shop = {"token": f"shop {number}"}
        yield from (upgates(tenant, action, **shop) for action in LIVES[number % 3])
        yield from (hint(tenant), callback(tenant), callback(tenant, "status"), callback(tenant, "create_contact"))
        if number % 5 == 0:
            yield from (register(tenant), state(tenant))
    yield upgates(tenant, "open")
    yield posted(tenant, "activity")


def captured(host: Host, shops: int) -> list[tuple[Message, Got]]:
    """Every message of the stories, delivered once, with its answer."""
    taken = [(message, deliver(host, message.outgoing())) for message in stories(host, shops)]
    assert [message.endpoint for message, got in taken if not got.accepted] == []
    return taken


def replayed(host: Host, taken: Sequence[tuple[Message, Got]], count: int) -> list[str]:
    """Send each message again 1 to 50 times, all mixed, ``count`` times in all; the answers that were wrong."""
    rng = random.Random(count)
    order = [one for one in taken for _ in range(rng.randint(1, 50))]
    order += rng.choices(taken, k=max(0, count - len(order)))
    rng.shuffle(order)
    wrong = []
    for message, first in order[:count]:
        again = deliver(host, message.outgoing())
        alike = (again.status, again.body) == (first.status, first.body)
        if again.status >= 500 or (message.endpoint in ANSWERED_ALIKE and not alike):
            wrong.append(f"{message.endpoint} {again.status}")
    return wrong


def check(host: Host, shops: int, count: int) -> list[Message]:
    """Capture and replay while the clock stands still: all is answered as before, nothing happens."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        taken = captured(host, shops)
        before = effects(host)
        assert replayed(host, taken, count) == []
        assert changed(before, effects(host)) == {}
    return [message for message, _ in taken]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("count", "shops"), [(10_000, 40), pytest.param(100_000, 400, marks=pytest.mark.soak)])
def test_no_replay_has_a_second_effect(spare: Host, count: int, shops: int) -> None:
    taken = check(spare, shops, count)
    assert {message.endpoint for message in taken} >= REPLAYED


def test_nor_on_either_database(either: Callable[..., Host]) -> None:
    assert {message.endpoint for message in check(either(), 4, 400)} >= REPLAYED


@pytest.mark.parametrize("later", [timedelta(seconds=3), timedelta(minutes=2), timedelta(hours=5)], ids=str)
def test_a_spent_opening_opens_nothing_again(spare: Host, later: timedelta) -> None:
    """SECURITY.md B1: whoever captured an opening gets in by it no more, however long its signature lives."""
    now = datetime.now(UTC)
    opening = upgates(spare.tenants[0], "open", time=(now + timedelta(hours=20)).isoformat(timespec="seconds"))
    with time_machine.travel(now, tick=False):
        assert visits(spare, deliver(spare, opening.outgoing()))
    with time_machine.travel(now + later, tick=False):
        assert not visits(spare, deliver(spare, opening.outgoing()))


def test_an_opening_from_before_an_uninstall_opens_nothing_after_it(spare: Host) -> None:
    """What was captured of a shop that left says nothing about the shop that came back."""
    opening = upgates(spare.tenants[0], "open")
    for message in (opening, upgates(spare.tenants[0], "uninstall"), upgates(spare.tenants[0], "install")):
        assert deliver(spare, message.outgoing()).accepted
    assert not visits(spare, deliver(spare, opening.outgoing()))


def test_an_opening_of_a_shop_that_left_explains_itself(spare: Host) -> None:
    opening = upgates(spare.tenants[0], "open")
    for message in (opening, upgates(spare.tenants[0], "uninstall")):
        assert deliver(spare, message.outgoing()).accepted
    before = effects(spare)
    for _ in range(20):
        assert b"/account/closed/upgates" in deliver(spare, opening.outgoing()).body
    assert changed(before, effects(spare)).keys() <= {"journal"}


def visits(host: Host, opened: Got) -> bool:
    """Whether the page that an opening names lets its visitor in."""
    ticket = str((opened.json or {}).get("url", "")).partition("#t=")[2]
    own = {"X-Stallholder": "1", "Origin": host.stage.url, "Content-Type": "application/json"}
    body = json.dumps({"ticket": ticket}).encode()
    return host.ask(Outgoing("POST", "/account/session", own, body)).accepted


def test_a_missing_journal_is_noticed(spare: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without it every repeat is a request of its own."""
    monkeypatch.setattr(journal, "claim", lambda *args: None)
    monkeypatch.setattr(journal, "settle", lambda *args: None)
    taken = captured(spare, 2)
    before = effects(spare)
    assert replayed(spare, taken, 300) != []
    assert {"ticket", "installation", "calls"} <= changed(before, effects(spare)).keys()


def base64_spellings(signature: str) -> list[str]:
    """16 texts that a lenient reader takes for the same bytes by their last bits, and others that it reads around."""
    head, last, padding = signature[:-3], signature[-3], signature[-2:]
    assert (padding, ALPHABET.index(last) % 16) == ("==", 0)
    bits = [f"{head}{ALPHABET[ALPHABET.index(last) + low]}{padding}" for low in range(16)]
    lines = "\n".join(re.findall(".{1,64}", signature))
    url_safe = signature.replace("+", "-").replace("/", "_")
    return [
        *bits,
        lines,
        f"{signature}\n",
        f" {signature}",
        f"{signature}=",
        f"{signature[:20]}!{signature[20:]}",
        url_safe,
    ]


def spelt_otherwise(host: Host, signatures: int) -> int:
    """Send openings of one shop, each signature in all its spellings and in any order; how many tickets there were."""
    rng, before = random.Random(signatures), len(effects(host)["ticket"])
    for _ in range(signatures):
        opening = upgates(host.tenants[0], "open")
        texts = base64_spellings(opening.secret)
        for text in rng.sample(texts, len(texts)):
            got = host.ask(opening.changed(signature_v2=text).outgoing())
            assert got.accepted or got.status == 403
    return len(effects(host)["ticket"]) - before


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("signatures", [100, pytest.param(1_000, marks=pytest.mark.soak)])
def test_no_spelling_of_a_signature_has_a_second_effect(host: Host, signatures: int) -> None:
    assert spelt_otherwise(host, signatures) == signatures


def test_a_proof_known_by_its_text_is_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: were spellings read leniently, decoded bytes still make them one; known by their text they are many."""
    monkeypatch.setattr("app.sdk.proofs._decode_signature", lambda given: base64.b64decode(given))
    assert spelt_otherwise(host, 3) == 3
    monkeypatch.setattr("plugins.upgates.proof.check_signature", known_by_its_text)
    assert spelt_otherwise(host, 3) > 3 * 16


def known_by_its_text(given: Any, message: bytes, keys: Sequence[Any]) -> bytes:
    """A check that returns what was written instead of what it means."""
    check_signature(given, message, keys)
    return str(given).encode()
