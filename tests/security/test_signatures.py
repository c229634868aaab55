"""Forged and genuine requests: no near miss is accepted, none crashes, and every genuine one passes."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import pytest
from effects import changed, effects
from genuine import genuine as at_random
from genuine import text
from messages import CARRIERS, Message, callback, deliver, hint, posted, read, register, state, upgates
from mutations import mutated, systematic
from sqlalchemy import select
from tenants import Host, Tenant
from wire import judge

from app.core.database import reading
from app.core.installations import InstallationsOf
from app.core.models import InstallationRow
from app.sdk import Installation, Unverified, hmac_hex
from app.sdk.testing.mutations import spellings
from tests.security.unguarded import unguarded

# Composed, decomposed and compatible characters: each of the four normal forms would change it.
WORDS = "Z\u030cofie \ufb01lm\u2460 ku\u016f\u0148 7"
ENOUGH = [pytest.param(31_000, id="ci"), pytest.param(120_000, id="soak", marks=[pytest.mark.soak])]


def genuine(tenant: Tenant) -> list[Message]:
    """A request of every kind that proves itself, none of them sent yet."""
    return [
        upgates(tenant, "install", token=WORDS),
        upgates(tenant, "open", token=WORDS),
        upgates(tenant, "uninstall", token="somebody else's"),
        upgates(tenant, "version"),
        upgates(tenant, "version", version="12", signs="version"),
        hint(tenant),
        posted(tenant, "open"),
        posted(tenant, "activity"),
        callback(tenant),
        callback(tenant, proof="key"),
        read(tenant, "search", q=WORDS),
        read(tenant, "open"),
        keyed(read(tenant, "search")),
        keyed(read(tenant, "open")),
        register(tenant),
    ]


def keyed(message: Message) -> Message:
    """The same request, looked at as proven by the key in its path."""
    return Message(message.tenant, message.endpoint, "key", "link", message.fields)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", ENOUGH)
def test_no_near_miss_is_accepted_and_none_crashes(host: Host, count: int) -> None:
    messages = genuine(host.tenants[0])
    before = effects(host)
    verdict = judge(host.app, mutated(messages, count, seed=count))
    assert verdict.clean, verdict
    assert verdict.sent >= count
    assert changed(before, effects(host)) == {}
    # The very requests that were bent would have passed, so each bend alone was the reason.
    assert [message.endpoint for message in messages if not host.ask(message.outgoing()).accepted] == []


def test_every_kind_of_near_miss_is_made(host: Host) -> None:
    """All bits of an RSA signature, of every MAC and link secret, and all lengths are among them."""
    tenant = host.tenants[0]
    flips = [label for label, _ in systematic(upgates(tenant, "open")) if "signature_v2: bit flipped" in label]
    assert len(flips) == 2048
    for message in (register(tenant), read(tenant, "search"), posted(tenant, "open"), callback(tenant), hint(tenant)):
        assert sum("bit flipped" in label for label, _ in spellings(message.secret, message.spelling)) == 256
    labels = {label for label, _ in spellings(upgates(tenant, "open").secret, "base64")}
    assert {"cut", "grown", "bytes cut", "bytes added", "case", "alphabet", "inserted", "last letter"} <= labels


def test_a_bent_state_connects_nobody(host: Host) -> None:
    """Only Wazzup can check a `state`: the person agrees, and Wazzup refuses."""
    message = state(host.tenants[0])
    before = {**effects(host), "calls": ()}
    bent = [other for _, other in spellings(message.secret, "free") if other != message.secret]
    for other in random.Random(7).sample(bent, 150):
        got = deliver(host, message.changed(state=other).outgoing())
        assert not got.accepted
        assert got.status < 500
    assert changed(before, {**effects(host), "calls": ()}) == {}
    assert deliver(host, message.outgoing()).accepted


def any_signature(given: Any, message: bytes, keys: Sequence[Any]) -> bytes:
    """Checks nothing."""
    return repr(given).encode()


def as_many_as_given(given: str, message: bytes, secrets: Sequence[str]) -> bytes:
    """Compares only as many digits as were sent."""
    if not hmac_hex(secrets[0], message).startswith(given):
        raise Unverified("signature_mismatch")
    return given.encode()


def whatever_case(given: str, message: bytes, secrets: Sequence[str]) -> bytes:
    """Compares without case."""
    if hmac_hex(secrets[0], message) != given.lower():
        raise Unverified("signature_mismatch")
    return given.encode()


def whatever_base64(given: str) -> bytes:
    """Looks over what is no base64."""
    return base64.b64decode(given.encode())


def any_link(self: InstallationsOf, purpose: str, token: str) -> Installation | None:
    """Takes every secret for the first one."""
    with reading() as session:
        tenant = session.scalars(select(InstallationRow.tenant).where(InstallationRow.connector == self._connector))
        return self.by_tenant(tenant.first() or "")


WEAK = [
    pytest.param(
        "plugins.upgates.proof.check_signature", any_signature, "upgates/uninstall", "bit", id="any-signature"
    ),
    pytest.param("app.sdk.proofs._decode_signature", whatever_base64, "upgates/open", "inserted", id="lenient-base64"),
    pytest.param("plugins.retailcrm.proof.check_hmac_hex", any_signature, "retailcrm/install", "bit", id="any-token"),
    pytest.param("plugins.orlo.proof.check_hmac_hex", any_signature, "orlo/search", "character", id="any-mac"),
    pytest.param("plugins.orlo.proof.check_hmac_hex", as_many_as_given, "orlo/open", "cut", id="truncated-mac"),
    pytest.param("plugins.orlo.proof.check_hmac_hex", whatever_case, "orlo/search", "case", id="case-of-a-mac"),
    pytest.param("app.core.installations.InstallationsOf.by_link", any_link, "retailcrm/open", "bit", id="any-client"),
    pytest.param("app.core.installations.InstallationsOf.by_link", any_link, "wazzup/webhook", "bit", id="any-bearer"),
    pytest.param("app.core.installations.InstallationsOf.by_link", any_link, "upgates/webhook", "cut", id="any-key"),
]


@pytest.mark.parametrize(("target", "weak", "endpoint", "kind"), WEAK)
def test_a_weakened_verifier_is_noticed(
    spare: Host, monkeypatch: pytest.MonkeyPatch, target: str, weak: Callable[..., Any], endpoint: str, kind: str
) -> None:
    messages = [message for message in genuine(spare.tenants[0]) if message.endpoint == endpoint]
    near = [one for message in messages for one in systematic(message) if f": {kind}" in one[0]][::9]
    assert judge(spare.app, near).clean
    monkeypatch.setattr(target, weak)
    assert judge(spare.app, near).accepted


def test_a_crash_is_noticed(spare: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier outside the pipeline's guard would answer a malformed proof with a crash."""
    monkeypatch.setattr("app.sdk.proofs._decode_signature", lambda given: base64.b64decode(given, validate=True))
    monkeypatch.setattr("app.core.pipeline.Request.verify", unguarded)
    assert judge(spare.app, islice(systematic(upgates(spare.tenants[0], "open")), 2048, 2400)).crashed


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_every_genuine_request_is_accepted(host: Host, count: int) -> None:
    rng, refused, kinds = random.Random(count), [], set()
    for message in islice(at_random(host.tenants[0], rng), count):
        got = deliver(host, message.outgoing())
        kinds.add(message.endpoint)
        if not got.accepted:
            refused.append((message.endpoint, got.status, dict(message.fields)))
    assert refused == []
    assert kinds == set(CARRIERS)


def test_a_refused_genuine_request_is_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a naive encoder used, some of Orlo's searches would be refused."""
    monkeypatch.setattr("plugins.orlo.proof.build_php_query", lambda values: urlencode(values, safe="~").encode())
    searches = [read(host.tenants[0], "search", q=text(random.Random(seed), 80)) for seed in range(50)]
    answers = {host.ask(message.outgoing()).accepted for message in searches}
    assert answers == {True, False}
