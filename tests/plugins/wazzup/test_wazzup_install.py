"""The redirect with `state`, the consent's reading of it, and the install that redeems it."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import plugins.wazzup as wazzup
from app.sdk import (
    ConditionUnmet,
    Inbound,
    Installation,
    Malformed,
    Page,
    Refused,
    Registration,
    Response,
    Unverified,
    UpstreamFailed,
    Verified,
)
from plugins.wazzup import api, schemas

AT = datetime(2026, 1, 15, 9, 12, 44, tzinfo=UTC)
STATE = (  # the fact sheet's own sample, 10.1
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjcm1Db2RlIjoiYWNtZS1jcm0iLCJhY2NvdW50SWQiOjQwMTEyMjMzfQ"
    ".FTKoLLXE4h_qzNYUbG9PQcUQTbx64LICn4YgP4UGuKc"
)
KEY = "5b1d7c0e94f24a6d8e3370c2a19bf648"
SETTINGS: Mapping[str, Any] = {
    "crm_code": "acme-crm",
    "secret": ("62819894-ab3a-43fa-8309-30a2cf19caf5", "the-former-secret"),
    "name": "Acme",
    "api_url": "https://api.wazzup24.com/v3",
    "developer_key": (),
}
CONNECTED = Response(200, json.dumps({"data": KEY}).encode())


class Platform:
    """Answers by path, and notes every call in order with what `Links` noted."""

    def __init__(self, log: list[str], **answers: Response | Refused) -> None:
        self.log = log
        self.answers: dict[str, Response | Refused] = {"connect": CONNECTED, "webhooks": Response(200), **answers}
        self.calls: list[tuple[str, str, Mapping[str, str], Any]] = []

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, json: object = None, **_: Any
    ) -> Response:
        name = url.rpartition("/")[2]
        self.log.append(f"{method} {name}")
        self.calls.append((method, url, headers or {}, json))
        answer = self.answers[name]
        if isinstance(answer, Refused):
            raise answer
        return answer

    def exempts(self, url: str) -> bool:
        return False


class FakeLinks:
    """Says which reserved secret was read when."""

    def __init__(self, log: list[str], public_url: str = "https://hub.acme-crm.example") -> None:
        self.log = log
        self.public_url = public_url

    def to(self, action: str, key: str = "") -> str:
        return f"{self.public_url}/wazzup/{action}" + (f"/{key}" if key else "")

    def token(self, purpose: str) -> str:
        self.log.append(f"token {purpose}")
        return f"{purpose}-{'t' * 43}"


class Bench:
    """One install with everything it touches."""

    def __init__(self, **answers: Response | Refused) -> None:
        self.log: list[str] = []
        self.platform = Platform(self.log, **answers)
        self.links = FakeLinks(self.log)

    def install(self, state: object = STATE, **settings: Any) -> Registration:
        verified = Verified("wazzup", "install", AT, fields={"state": state})
        return wazzup.install(verified, {**SETTINGS, **settings}, self.links, self.platform)


def redirect(query: bytes, method: str = "GET") -> Inbound:
    return Inbound("install", method, AT, query=query)


def jwt(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.c2ln"


class Nobody:
    """An install names no installation."""

    def by_link(self, purpose: str, token: str) -> Installation | None:
        raise AssertionError("nobody is looked up")

    def by_tenant(self, tenant: str) -> Installation | None:
        raise AssertionError("nobody is looked up")


def test_the_manifest_asks_before_it_connects() -> None:
    manifest = tomllib.loads((Path(wazzup.__file__).parent / "connector.toml").read_text("utf-8"))
    install = manifest["actions"]["install"]
    assert install["consent"] is True
    assert set(install["reserve"]) == {"crm_key", "path"}
    assert (install["grace"], install["deadline"]) == (600, 10)
    assert manifest["refusal"]["status"]["unverified"] == 401
    assert manifest["operator"]["fields"] == ["state"]


# reading the redirect


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_state_is_read_and_is_the_proof(method: str) -> None:
    claims = wazzup.verify(redirect(b"utm=x&state=" + STATE.encode() + b"&lang=en", method), Nobody())
    assert claims.fields == {"state": STATE, "account": "40112233"}
    assert claims.proof == STATE.encode()
    assert (claims.tenant, claims.installation) == ("", "")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"state=", id="empty"),
        pytest.param(b"State=abc", id="another name"),
        pytest.param(b"state=abc&state=abc", id="twice"),
        pytest.param(b"state=abc&st%61te=abd", id="twice, one escaped"),
        pytest.param(b"state=abc&x=1&x=2", id="another parameter twice"),
        pytest.param(b"state=a%20b", id="space"),
        pytest.param(b"state=a%0Ab", id="newline"),
        pytest.param(b"state=abc%0A", id="newline at the end"),
        pytest.param(b"state=%D1%81rm", id="cyrillic"),
        pytest.param(b"state=a%00", id="nul"),
        pytest.param(b"state=a%zz", id="bad escape"),
        pytest.param(b"state=" + b"a" * 4097, id="too long"),
    ],
)
def test_an_unusable_state_is_malformed(query: bytes) -> None:
    with pytest.raises(Malformed):
        wazzup.verify(redirect(query), Nobody())


def test_the_longest_state_passes() -> None:
    assert wazzup.verify(redirect(b"state=" + b"a" * 4096), Nobody()).fields["account"] == ""


@pytest.mark.parametrize(
    ("state", "account"),
    [
        pytest.param(jwt(b'{"accountId": 7}'), "7", id="number"),
        pytest.param(jwt(b'{"accountId": "7a3f-b"}'), "7a3f-b", id="text"),
        pytest.param(jwt(b'{"accountId": true}'), "", id="boolean"),
        pytest.param(jwt(b'{"accountId": -7}'), "", id="negative"),
        pytest.param(jwt(b'{"accountId": 7.5}'), "", id="fraction"),
        pytest.param(jwt(b'{"accountId": "<b>7</b>"}'), "", id="markup"),
        pytest.param(jwt(b'{"accountId": "' + b"7" * 65 + b'"}'), "", id="too long"),
        pytest.param(jwt(b'{"accountId": 7, "accountId": 8}'), "", id="twice"),
        pytest.param(jwt(b'{"account": 7}'), "", id="absent"),
        pytest.param(jwt(b"[7]"), "", id="no object"),
        pytest.param(jwt(b"[" * 3000), "", id="deep"),
        pytest.param(jwt(b"\xff"), "", id="no text"),
        pytest.param("opaque", "", id="no jwt"),
        pytest.param("a.b", "", id="bad base64"),
        pytest.param("..", "", id="empty parts"),
    ],
)
def test_the_account_is_read_where_it_can_be(state: str, account: str) -> None:
    assert schemas.account_of(state) == account


# the calls of an install


def test_an_install_makes_the_two_calls_of_the_sheet() -> None:
    bench = Bench()
    registration = bench.install()
    uri = f"https://hub.acme-crm.example/wazzup/webhook/path-{'t' * 43}"
    connect = {"state": STATE, "secret": SETTINGS["secret"][0], "crmKey": f"crm_key-{'t' * 43}", "name": "Acme"}
    flags = {"messagesAndStatuses": True, "contactsAndDealsCreation": True, "channelsUpdates": True}
    webhooks = {"webhooksUri": uri, "subscriptions": {**flags, "templateStatus": False}}
    base = "https://api.wazzup24.com/v3"
    assert bench.platform.calls == [
        ("POST", f"{base}/connect", {}, connect),
        ("PATCH", f"{base}/webhooks", {"Authorization": f"Bearer {KEY}"}, webhooks),
    ]
    assert (registration.tenant, registration.title) == ("40112233", "Wazzup 40112233")
    assert registration.credentials == {"api_key": KEY}
    assert registration.proven
    assert registration.address == base
    assert registration.reply == Page("connected", {"title": "Wazzup 40112233"})


def keys_come_first(log: list[str]) -> bool:
    """Whether both link secrets were reserved before Wazzup heard of anything."""
    return {"token crm_key", "token path"} <= set(log[: log.index("POST connect")])


def test_the_link_secrets_are_reserved_before_connect() -> None:
    bench = Bench()
    bench.install()
    assert keys_come_first(bench.log)


def test_control_the_order_is_noticed() -> None:
    assert not keys_come_first(["token path", "POST connect", "token crm_key", "PATCH webhooks"])


def test_an_account_that_cannot_be_read_is_named_by_its_key() -> None:
    registration = Bench().install("opaque")
    assert registration.tenant == "key-" + hashlib.sha256(KEY.encode()).hexdigest()[:32]
    assert registration.title == "Wazzup"


def test_a_trailing_slash_of_the_api_is_not_doubled() -> None:
    bench = Bench()
    bench.install(api_url="https://api.wazzup24.com/v3/")
    assert bench.platform.calls[0][1] == "https://api.wazzup24.com/v3/connect"


@pytest.mark.parametrize("state", [None, "", "a b", "a\n", "\u0441", 7, "a" * 4097], ids=repr)
def test_an_operators_state_is_checked_before_any_call(state: object) -> None:
    bench = Bench()
    with pytest.raises(Malformed):
        bench.install(state)
    assert bench.platform.calls == []


def test_too_long_an_address_is_told_before_the_state_is_spent() -> None:
    bench = Bench()
    bench.links.public_url = f"https://{'a' * 150}.example"
    with pytest.raises(ConditionUnmet):
        bench.install()
    assert bench.platform.calls == []


# what is no success

NO_KEY: dict[str, Response | Refused] = {
    "200 without data": Response(200, b"{}"),
    "200 with an empty key": Response(200, b'{"data": ""}'),
    "200 with a blank key": Response(200, b'{"data": "  "}'),
    "200 with null": Response(200, b'{"data": null}'),
    "200 with a number": Response(200, b'{"data": 7}'),
    "200 with an object": Response(200, b'{"data": {"apiKey": "x"}}'),
    "200 with a header in the key": Response(200, b'{"data": "a\\r\\nX: y"}'),
    "200 with an endless key": Response(200, b'{"data": "' + b"a" * 513 + b'"}'),
    "200 with an array": Response(200, b'["x"]'),
    "200 with html": Response(200, b"<!doctype html>"),
    "200 with nothing": Response(200),
    "302 with a key": Response(302, CONNECTED.body),
    "500 with a key": Response(500, CONNECTED.body),
    "502 with html": Response(502, b"<html>"),
    "429 with a key": Response(429, CONNECTED.body),
    "no answer in time": UpstreamFailed("timeout"),
}


def outcome(install: Callable[[], object]) -> str:
    """What an attempt ended with."""
    try:
        install()
    except Refused as refusal:
        return refusal.kind
    return "success"


@pytest.mark.parametrize("answer", NO_KEY.values(), ids=NO_KEY)
def test_connect_without_a_key_is_never_success(answer: Response | Refused) -> None:
    bench = Bench(connect=answer)
    assert outcome(bench.install) == "upstream"
    assert len(bench.platform.calls) == 1


def test_control_a_trusting_connect_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(outbound: Any, settings: Any, state: str, crm_key: str) -> str:
        response = api.call(outbound, settings, "", "POST", "/connect", {})
        return str(response.json().get("data"))

    monkeypatch.setattr(api, "connect", trusting)
    assert outcome(Bench(connect=NO_KEY["200 without data"]).install) == "success"
    assert outcome(Bench(connect=NO_KEY["500 with a key"]).install) == "success"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refused_state_is_unverified(status: int) -> None:
    bench = Bench(connect=Response(status, b'{"error": "SOME_CODE"}'))
    with pytest.raises(Unverified) as caught:
        bench.install()
    assert caught.value.reason == "connect_refused"
    assert len(bench.platform.calls) == 1


GENERAL = UpstreamFailed.message
NOT_TESTED, NOT_VALID, NOT_REACHED = (
    api.REFUSED[c] for c in ("testpostnotpassed", "urinotvalid", "webhooksrequesterror")
)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(Response(400, b'{"error":"testPostNotPassed","data":{"s":"403"}}'), NOT_TESTED, id="test failed"),
        pytest.param(Response(400, b'{"error":"TEST_POST_NOT_PASSED"}'), NOT_TESTED, id="in upper case"),
        pytest.param(Response(400, b'{"error":{"code":"testPostNotPassed"}}'), NOT_TESTED, id="nested"),
        pytest.param(Response(400, b'{"error":"uriNotValid"}'), NOT_VALID, id="address"),
        pytest.param(Response(400, b'{"error":"WEBHOOKS_REQUEST_ERROR"}'), NOT_REACHED, id="not reached"),
        pytest.param(Response(400, b'{"error":"NEWS"}'), GENERAL, id="unknown code"),
        pytest.param(Response(400, b'{"error":["x"]}'), GENERAL, id="odd error"),
        pytest.param(Response(400, b'["x"]'), GENERAL, id="array"),
        pytest.param(Response(400, b"7"), GENERAL, id="number"),
        pytest.param(Response(401), GENERAL, id="401, empty"),
        pytest.param(Response(500, b"<html>"), GENERAL, id="500, html"),
        pytest.param(Response(302), GENERAL, id="redirect"),
        pytest.param(UpstreamFailed("timeout"), GENERAL, id="no answer"),
    ],
)
def test_a_failed_subscription_fails_the_install(answer: Response | Refused, message: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        Bench(webhooks=answer).install()
    assert caught.value.message == message


@pytest.mark.parametrize("body", [b"{ ok }", b"", b'{"ok": true}'], ids=repr)
def test_a_subscription_is_judged_by_its_status(body: bytes) -> None:
    assert Bench(webhooks=Response(200, body)).install().proven


@pytest.mark.parametrize("answer", [Response(400, b'{"error":"x"}'), Response(200, b'{"data":""}')], ids=["4xx", "lie"])
def test_no_secret_is_in_a_refusal(answer: Response) -> None:
    with pytest.raises(Refused) as caught:
        Bench(connect=answer).install()
    told = f"{caught.value!r} {caught.value.message} {caught.value.params}"
    assert not any(secret in told for secret in (STATE, SETTINGS["secret"][0], "t" * 43, KEY))
