"""Malformed and ambiguous requests: each is refused in its platform's own shape, none crashes, none is accepted."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from duplicates import ambiguous
from effects import changed, effects
from malformed import malformed, right_shape
from messages import Message, callback, hint, posted, read, register, state, upgates
from tenants import Host, hosting
from wire import Got, judge

from app.sdk import parse_php_query
from app.sdk.manifest import RefusalShape
from tests.security.unguarded import unguarded


@pytest.fixture(scope="module")
def messages(host: Host) -> list[Message]:
    """A genuine request of every kind, none of them sent."""
    tenant = host.tenants[0]
    calls = [upgates(tenant, action) for action in ("install", "open", "uninstall", "version")]
    clients = [posted(tenant, "open"), posted(tenant, "activity"), callback(tenant), callback(tenant, proof="key")]
    return [*calls, hint(tenant), *clients, read(tenant, "search"), read(tenant, "open"), register(tenant)]


def faults(host: Host, messages: list[Message], count: int) -> list[str]:
    """The malformed requests that were answered wrongly."""
    found = []
    for message, label, outgoing in malformed(messages, count, seed=count):
        got = host.ask(outgoing)
        if (
            got.accepted
            or not right_shape(message, got.status, got.json, got.headers["Content-Type"])
            or leaks(got, message)
        ):
            found.append(f"{got.status} {label}")
    return found


def leaks(got: Got, message: Message) -> bool:
    """Whether an answer tells a proof, a secret of the platform, or where the code broke."""
    keys = message.tenant.retailcrm.keys, message.tenant.orlo.keys, message.tenant.upgates.keys
    secrets = [str(value) for known in keys for name, value in known.items() if "secret" in name or "token" in name]
    return any(secret.encode() in got.body for secret in (*secrets, message.secret, "Traceback"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_whatever_is_malformed_is_refused_in_the_platforms_shape(
    host: Host, messages: list[Message], count: int
) -> None:
    before = effects(host)
    assert faults(host, [*messages, state(host.tenants[0])], count) == []
    assert changed(before, effects(host)) == {}


def test_a_crash_and_a_wrong_shape_are_noticed(
    host: Host, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a naive reader outside the pipeline's guard crashes; a refusal in the host's own words is wrong too."""
    upgates_calls = messages[:4]
    with monkeypatch.context() as patch:
        patch.setattr("app.core.pipeline.Request.verify", unguarded)
        patch.setattr("plugins.upgates.proof.read_object", json.loads)
        assert any(fault.startswith("500") for fault in faults(host, upgates_calls, 200))
    plain = RefusalShape()
    monkeypatch.setattr(
        "app.sdk.manifest.RefusalShape.status_of", lambda self, kind, default: plain.status_of(kind, default)
    )
    assert len(faults(host, [messages[-1]], 50)) == 50


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [5_000, pytest.param(50_000, marks=pytest.mark.soak)])
def test_nothing_ambiguous_is_accepted(host: Host, messages: list[Message], count: int) -> None:
    before = effects(host)
    verdict = judge(host.app, ambiguous(messages, count, seed=count))
    assert verdict.sent == count
    assert verdict.clean, verdict
    assert changed(before, effects(host)) == {}


def test_two_headers_of_one_name_are_refused_over_http(host: Host, messages: list[Message]) -> None:
    """As a server hands them over, not as this test would join them."""
    message = next(message for message in messages if message.proof == "bearer").outgoing()
    for second in (message.headers["Authorization"], "Bearer other"):
        connection = http.client.HTTPConnection(urlsplit(host.stage.url).netloc, timeout=30)
        connection.putrequest("POST", message.path)
        for name, value in {**message.headers, "Content-Length": str(len(message.body))}.items():
            connection.putheader(name, value)
        connection.putheader("Authorization", second)
        connection.endheaders(message.body)
        assert connection.getresponse().status == 401
        connection.close()


def test_a_query_beside_a_body_changes_nothing(host: Host) -> None:
    """What stands beside a genuine body is not read: the answer is the one that the body deserves."""
    tenant = host.tenants[0]
    opened = upgates(tenant, "open").outgoing()
    other = upgates(tenant, "open", token="another shop")
    beside = type(opened)("POST", f"{opened.path}?token={other.fields['token']}", opened.headers, opened.body)
    assert host.ask(beside).json == host.ask(opened).json != host.ask(other.outgoing()).json


def last_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The last of two equal keys wins."""
    return dict(pairs)


def last_field(raw: bytes) -> dict[str, str]:
    """The last of two equal fields wins."""
    return dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))


def first_bearer(header: str) -> str:
    """The first of two bearers wins."""
    return re.split("[,; ]+", header.removeprefix("Bearer "))[0]


LENIENT = [
    pytest.param("app.sdk.reading._object_of", last_object, "JSON key", id="json-keys"),
    pytest.param("app.sdk.reading._object_of", last_object, "nested", id="nested-json-keys"),
    pytest.param("app.sdk.reading._object_of", last_object, "registered", id="registered-json-keys"),
    pytest.param("app.sdk.reading._read_fields", last_field, "form field", id="form-fields"),
    pytest.param("app.sdk.reading._read_fields", last_field, "field register", id="registered-fields"),
    pytest.param("plugins.orlo.proof.parse_php_query", partial(parse_php_query, unique=False), "parameter", id="query"),
    pytest.param("plugins.wazzup.proof.bearer_token", first_bearer, "Authorization", id="headers"),
]


@pytest.mark.parametrize(("target", "lenient", "kind"), LENIENT)
def test_a_lenient_reader_is_noticed(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    lenient: Callable[..., Any],
    kind: str,
) -> None:
    with hosting(tmp_path_factory.mktemp("lenient") / "instance") as host:
        tenant = host.tenants[0]
        fresh = [
            upgates(tenant, "version"),
            posted(tenant, "open"),
            callback(tenant),
            read(tenant, "open"),
            register(tenant),
        ]
        near = [one for one in ambiguous(fresh, 400, seed=1) if kind in one[0]]
        assert judge(host.app, near).clean
        monkeypatch.setattr(target, lenient)
        assert judge(host.app, near).accepted
