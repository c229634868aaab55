"""The platform in a box, over real HTTP: a whole connection, and that it refuses what the platform would refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

import plugins.wazzup as wazzup
from app.sdk import (
    Health,
    Hit,
    Inbound,
    Installation,
    Person,
    Refused,
    Registration,
    Response,
    State,
    Unverified,
    UpstreamFailed,
    Verified,
)
from app.sdk.simulation import Call, Reply, serving
from plugins.wazzup.simulator import Simulator

AT = datetime(2026, 1, 15, 9, 12, 44, tzinfo=UTC)
TOKENS = {"crm_key": "k" * 43, "path": "p" * 43}


class Wire:
    """Outbound calls as they are; of the host's guards only the time-out, in seconds."""

    def __init__(self, timeout: float = 30) -> None:
        self.timeout = timeout

    def request(self, method: str, url: str, *, headers: Any = None, json: object = None, **_: Any) -> Response:
        try:
            got = requests.request(method, url, headers=headers, json=json, allow_redirects=False, timeout=self.timeout)
        except requests.Timeout as error:
            raise UpstreamFailed("timeout") from error
        return Response(got.status_code, got.content, dict(got.headers))

    def exempts(self, url: str) -> bool:
        return True


class Host:
    """As much of a host as the connector needs: two link secrets, reserved, and the webhook's two hooks."""

    def __init__(self) -> None:
        self.public_url = ""
        self.installation = Installation("one", "ws", "wazzup", "1", "Wazzup", State.PENDING, lambda name: ())
        self.kept: dict[str, str] = {}
        self.seen: list[tuple[str, Mapping[str, str]]] = []

    def to(self, action: str, key: str = "") -> str:
        return f"{self.public_url}/wazzup/{action}" + (f"/{key}" if key else "")

    def token(self, purpose: str) -> str:
        return TOKENS[purpose]

    def by_link(self, purpose: str, token: str) -> Installation | None:
        return self.installation if TOKENS.get(purpose) == token else None

    def by_tenant(self, tenant: str) -> None:
        return None

    def search(self, query: str, limit: int = 20) -> list[Hit]:
        return []

    def person(self, id: str) -> Person | None:
        return None

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        return None

    @property
    def known(self) -> Installation:
        assert self.installation is not None
        return self.installation

    def serve(self, call: Call) -> Reply:
        self.seen.append((call.path, call.headers))
        key = call.path.removeprefix("/wazzup/webhook/")
        try:
            claims = wazzup.verify(Inbound("webhook", "POST", AT, key, b"", call.headers, call.body), self)
        except Refused as refusal:
            return Reply(401 if isinstance(refusal, Unverified) else refusal.status)
        outcome = wazzup.webhook(Verified("wazzup", "webhook", AT, fields=claims.fields), self.known, self, self)
        self.kept |= {event.key: event.kind for event in outcome.events}
        self.kept |= {one.id: "message" for one in outcome.messages}
        self.kept |= {f"{one.message}:{one.status}": "status" for one in outcome.deliveries}
        return Reply(outcome.reply.status, outcome.reply.body)

    def install(self, simulator: Simulator, state: str, timeout: float = 30) -> Registration:
        verified = Verified("wazzup", "install", AT, fields={"state": state})
        return wazzup.install(verified, host_settings(simulator), self, Wire(timeout))


def host_settings(simulator: Simulator) -> dict[str, Any]:
    """The simulator's settings as the host would load them."""
    given = {"name": "Acme", **simulator.settings()}
    return {
        setting.name: (setting.field.deserialize(given[setting.name]),)
        if setting.secret
        else setting.field.deserialize(given[setting.name])
        for setting in wazzup.settings()
    }


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    with serving(host.serve) as host.public_url:
        yield host


@pytest.fixture
def simulator(host: Host) -> Iterator[Simulator]:
    simulator = Simulator(host.public_url, Simulator.make_keys())
    with serving(simulator.received) as simulator.home:
        yield simulator
        simulator.release.set()


def test_a_whole_connection(host: Host, simulator: Simulator) -> None:
    query = simulator.install().path.partition("?")[2]
    claims = wazzup.verify(Inbound("install", "GET", AT, query=query.encode()), host)
    registration = host.install(simulator, claims.fields["state"])
    assert registration.tenant == str(simulator.keys["account_id"]) == claims.fields["account"]
    assert registration.credentials == {"api_key": simulator.api_key}
    assert simulator.connection.crm_key == TOKENS["crm_key"]
    assert simulator.connection.name == "Acme"
    assert simulator.connection.uri == f"{host.public_url}/wazzup/webhook/{TOKENS['path']}"
    assert [name for name, on in simulator.connection.subscriptions.items() if not on] == ["templateStatus"]
    path, headers = host.seen[0]
    assert path == urlsplit(simulator.connection.uri).path
    assert headers["content-type"] == "application/json; charset-utf-8"
    assert "authorization" not in headers
    assert host.kept == {}


def test_every_webhook_arrives_and_is_kept_once(host: Host, simulator: Simulator) -> None:
    host.install(simulator, simulator.state())
    for action in ("message", "status", "create_contact", "create_deal", "channel", "test"):
        outgoing, answer = simulator.play(action)
        assert answer.status_code == 200
        assert simulator.send(outgoing).content == answer.content
    assert sorted(host.kept.values()) == ["channel", "contact", "deal", "message", "status"]
    assert simulator.send(simulator.callback({"messages": []}, bearer="wrong")).status_code == 401
    assert simulator.send(simulator.callback({"messages": []}, bearer="")).status_code == 401


def forged(simulator: Simulator) -> dict[str, str]:
    """States that the platform never signed, or not for this partner."""
    good = simulator.state()
    head, body, signature = good.split(".")
    other = Simulator("", Simulator.make_keys())
    return {
        "another platform's": other.state(),
        "another partner's": simulator.state(crmCode="somebody-else"),
        "another account's body": f"{head}.{simulator.state(accountId=1).split('.')[1]}.{signature}",
        "no signature": f"{head}.{body}.",
        "alg none": simulator.jwt({"alg": "none"}, {"accountId": 1, "crmCode": simulator.keys["crm_code"]}, ""),
        "cut": good[:-1],
        "opaque": "opaque",
    }


def test_a_forged_state_connects_nobody(host: Host, simulator: Simulator) -> None:
    for name, state in forged(simulator).items():
        with pytest.raises(Unverified):
            host.install(simulator, state)
        assert simulator.connections == {}, name


def test_control_a_platform_that_checks_nothing_is_noticed(
    host: Host, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "account_of", lambda state: "1")
    for state in forged(simulator).values():
        host.install(simulator, state)
    assert simulator.connections


def test_a_state_is_good_once(host: Host, simulator: Simulator) -> None:
    state = simulator.state()
    host.install(simulator, state)
    held = simulator.api_key
    with pytest.raises(Unverified):
        host.install(simulator, state)
    assert simulator.api_key == held


def test_a_wrong_secret_connects_nobody(host: Host, simulator: Simulator) -> None:
    settings = {**host_settings(simulator), "secret": ("another-secret-of-ours",)}
    verified = Verified("wazzup", "install", AT, fields={"state": simulator.state()})
    with pytest.raises(Unverified):
        wazzup.install(verified, settings, host, Wire())


def test_a_webhook_that_fails_its_test_fails_the_install(host: Host, simulator: Simulator) -> None:
    host.installation, gone = None, host.installation  # type: ignore[assignment]
    with pytest.raises(UpstreamFailed, match="subscribe_failed") as caught:
        host.install(simulator, simulator.state())
    assert "did not get the answer 200" in caught.value.message
    host.installation = gone
    assert host.install(simulator, simulator.state()).proven


@pytest.mark.parametrize("route", ["POST connect", "PATCH webhooks"])
@pytest.mark.parametrize("how", [500, "html", Reply(302, headers={"Location": "/"})], ids=["500", "html", "redirect"])
def test_a_bent_answer_is_no_success(host: Host, simulator: Simulator, route: str, how: Any) -> None:
    if (route, how) == ("PATCH webhooks", "html"):
        how = Reply(502, b"<html>", "text/html")  # a 200 is judged by its status alone
    simulator.behaviour[route] = how
    with pytest.raises(UpstreamFailed):
        host.install(simulator, simulator.state())


@pytest.mark.parametrize("route", ["POST connect", "PATCH webhooks"])
def test_a_platform_that_hangs_is_given_up(host: Host, simulator: Simulator, route: str) -> None:
    simulator.behaviour[route] = "hang"
    with pytest.raises(UpstreamFailed, match="timeout"):
        host.install(simulator, simulator.state(), timeout=0.2)
    assert simulator.calls[-1].path == f"/v3/{route.split()[1]}"


def test_a_removed_integration_is_dead(host: Host, simulator: Simulator) -> None:
    key = host.install(simulator, simulator.state()).credentials["api_key"]
    held = Installation("one", "ws", "wazzup", "1", "Wazzup", State.ACTIVE, lambda name: (key,))
    assert wazzup.probe(held, host_settings(simulator), Wire()) is Health.ALIVE
    simulator.behaviour["GET webhooks"] = 500
    assert wazzup.probe(held, host_settings(simulator), Wire()) is Health.UNSURE
    simulator.behaviour.clear()
    simulator.disconnect()
    assert wazzup.probe(held, host_settings(simulator), Wire()) is Health.DEAD


def test_a_reconnection_replaces_only_its_own_account(host: Host, simulator: Simulator) -> None:
    first = host.install(simulator, simulator.state()).credentials["api_key"]
    other = host.install(simulator, simulator.state(accountId=1)).credentials["api_key"]
    again = host.install(simulator, simulator.state()).credentials["api_key"]
    assert set(simulator.connections) == {other, again}
    assert first not in simulator.connections


def test_the_commands_reach_the_platform(host: Host, simulator: Simulator) -> None:
    commands = {command.name: command.run for command in wazzup.commands()}
    arguments: Any = ({}, host_settings(simulator), Wire(), host)
    commands["register"](*arguments)
    assert simulator.marketplace["authRedirectUri"] == host.to("install")
    link = commands["simulate"](*arguments).rpartition(" ")[2]
    assert link.startswith(f"{host.to('install')}?state=")
    assert host.install(simulator, link.partition("=")[2]).proven


def entity(id: str) -> dict[str, Any]:
    """What passes as a user, a contact, a deal and a pipeline alike: unknown fields are no mistake."""
    chats = [{"chatType": "whatsapp", "chatId": "79001234567"}]
    owned = {"responsibleUserId": "u", "uri": "https://hub.example/", "contacts": ["c"], "closed": False}
    return {"id": id, "name": "A", "contactData": chats, **owned}


BATCHES = {
    "one": ([entity("a")], 200),
    "a hundred": ([entity(str(number)) for number in range(100)], 200),
    "too many": ([entity(str(number)) for number in range(101)], 400),
    "twice": ([entity("a"), entity("a")], 500),
    "no id": ([{"name": "a"}], 400),
    "no array": ({"id": "a"}, 400),
}


@pytest.mark.parametrize(("batch", "status"), BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("kind", ["users", "contacts", "deals", "pipelines"])
def test_a_batch_is_taken_whole_or_not_at_all(
    host: Host, simulator: Simulator, kind: str, batch: Any, status: int
) -> None:
    host.install(simulator, simulator.state())
    headers = {"Authorization": f"Bearer {simulator.api_key}"}
    answer = requests.post(f"{simulator.home}/v3/{kind}", json=batch, headers=headers, timeout=30)
    assert answer.status_code == status
    assert len(simulator.connection.pushed[kind]) == (len(batch) if status == 200 else 0)
    assert status != 200 or answer.content == b""
    headers = {"Authorization": "Bearer wrong"}
    assert requests.post(f"{simulator.home}/v3/{kind}", json=batch, headers=headers, timeout=30).status_code == 401


PAGE = """<form method="get" action="/search"><input type="hidden" name="q" value="x"></form>
<form method="POST" action="/wazzup/install"><input type="hidden" name="csrf" value="a&amp;b"><input type=hidden name=s
value=1><button>Connect</button></form><form method="post"><input type="hidden" name="other" value="x"></form>"""


def test_agreeing_submits_the_pages_own_form() -> None:
    got: list[Call] = []

    def page(call: Call) -> Reply:
        got.append(call)
        return Reply(200, PAGE.encode(), "text/html") if call.method == "GET" else Reply(303, headers={"Location": "/"})

    with serving(page) as base, requests.Session() as session:
        simulator = Simulator(base, Simulator.make_keys())
        answer = simulator.agree(session, session.get(f"{base}/wazzup/install?state=x", timeout=30))
    assert answer.status_code == 303
    assert (got[-1].method, got[-1].path, got[-1].body) == ("POST", "/wazzup/install", b"csrf=a%26b&s=1")
    assert got[-1].headers["origin"] == base


def test_the_keys_are_json() -> None:
    keys = Simulator.make_keys()
    assert json.loads(json.dumps(keys)) == keys
    assert set(keys) == {"crm_code", "secret", "jwt_key", "account_id"}
