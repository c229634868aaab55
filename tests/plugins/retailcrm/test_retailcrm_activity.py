"""The activity callback: the switch, and an address that nobody signed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from app.sdk import Malformed, State
from app.sdk.simulation import Outgoing, Reply
from plugins.retailcrm import api

HOME = "https://demo.simla.com"
TECHNICAL = "https://abc123.retailcrm.io"
RENAMED = "https://renamed.simla.com"
EVIL = "https://evil.example"


@pytest.fixture
def connected(world: Any) -> Any:
    """The account is connected under its technical name."""
    world.account.behaviour["system_info"] = {"technicalUrl": TECHNICAL, "publicUrl": HOME}
    world.install()
    world.outbound.sent.clear()
    return world


@pytest.mark.parametrize(
    ("active", "freeze", "state"),
    [
        ("true", "false", State.ACTIVE),
        ("true", "true", State.PAUSED),
        ("false", "false", State.PAUSED),
        ("false", "true", State.PAUSED),
    ],
)
def test_the_switch(connected: Any, active: str, freeze: str, state: State) -> None:
    outcome = connected.activity(active=active, freeze=freeze)
    assert (outcome.state, outcome.facts) == (state, {"active": active, "freeze": freeze})
    assert (outcome.reply.status, json.loads(outcome.reply.body)) == (200, {"success": True})
    assert (outcome.address, connected.outbound.sent) == ("", [])


def test_the_switch_goes_back(connected: Any) -> None:
    states = [connected.activity(active=active).state for active in ("false", "true", "true")]
    assert states == [State.PAUSED, State.ACTIVE, State.ACTIVE]


ACTIVITIES = {
    "absent": None,
    "empty": "",
    "no JSON": "on",
    "a list": "[]",
    "a number": "1",
    "nothing in it": "{}",
    "active as text": '{"active": "true", "freeze": false}',
    "active as a number": '{"active": 1, "freeze": false}',
    "freeze null": '{"active": true, "freeze": null}',
    "active twice": '{"active": true, "active": false}',
    "NaN": '{"active": true, "freeze": NaN}',
}


@pytest.mark.parametrize("told", ACTIVITIES.values(), ids=ACTIVITIES.keys())
def test_an_unreadable_activity_is_malformed(connected: Any, told: str | None) -> None:
    form = {"clientId": connected.account.client_id} | ({} if told is None else {"activity": told})
    with pytest.raises(Malformed):
        connected.verify(Outgoing("POST", "/retailcrm/activity", {}, urlencode(form).encode()))


def test_freeze_billing_and_address_may_be_absent(connected: Any) -> None:
    form = {"clientId": connected.account.client_id, "activity": '{"active": true, "x": 1}', "billingInfo": "{"}
    claims = connected.verify(Outgoing("POST", "/retailcrm/activity", {}, urlencode(form).encode()))
    assert claims.fields == {"active": True, "freeze": False, "system_url": ""}


@pytest.mark.parametrize("url", ["", HOME, HOME + "/", "https://DEMO.simla.com"], ids=repr)
def test_the_known_address_asks_nobody(connected: Any, url: str) -> None:
    assert connected.activity(system_url=url).address == ""
    assert connected.outbound.sent == []


def test_the_same_account_at_a_new_address_is_followed(connected: Any) -> None:
    connected.at(RENAMED, technicalUrl=TECHNICAL + "/", publicUrl=RENAMED)
    outcome = connected.activity(active="false", system_url=RENAMED + "/")
    assert (outcome.address, outcome.facts["public_url"], outcome.state) == (RENAMED, RENAMED, State.PAUSED)
    assert connected.outbound.keys_elsewhere([]) == 0  # nothing but the question who it is
    connected.sync()
    assert connected.outbound.keys_at([RENAMED]) == 1


LIARS: dict[str, tuple[str, Any]] = {
    "a stranger": (EVIL, {"technicalUrl": TECHNICAL}),
    "a look-alike": ("https://demosimla.com", {"technicalUrl": TECHNICAL}),
    "a user before the host": ("https://demo.simla.com@evil.example", {"technicalUrl": TECHNICAL}),
    "plain http": ("http://renamed.simla.com", {"technicalUrl": TECHNICAL}),
    "another port": ("https://renamed.simla.com:8443", {"technicalUrl": TECHNICAL}),
    "a path": (RENAMED + "/x", {"technicalUrl": TECHNICAL}),
    "another account": (RENAMED, {"technicalUrl": "https://other.retailcrm.io"}),
    "an account without a name": (RENAMED, {"success": True}),
    "no system-info": (RENAMED, 404),
    "a page": (RENAMED, "html"),
    "out of order": (RENAMED, 503),
    "a redirect to the true one": (RENAMED, Reply(302, b"", headers={"Location": HOME + "/api/system-info"})),
    "the name in an error": (RENAMED, Reply(403, json.dumps({"technicalUrl": TECHNICAL}).encode())),
    "the name in other letters": (RENAMED, {"technicalUrl": TECHNICAL + ".evil.example"}),
    "a self-hosted system": ("https://crm.holodilnik.ru", {"technicalUrl": TECHNICAL}),
    "nobody there": ("https://nobody.simla.com", None),
}


def play(world: Any, url: str, told: Any) -> Any:
    """A callback names ``url`` as the new address; then the key is used, as a sync would."""
    if told is not None:
        parts = urlsplit(url)
        world.at(f"{parts.scheme}://{parts.netloc}").behaviour["system_info"] = told
    outcome = world.activity(active="false", system_url=url)
    world.sync()
    return outcome


@pytest.mark.parametrize(("url", "told"), LIARS.values(), ids=LIARS.keys())
def test_an_unproven_address_changes_nothing_but_the_switch(connected: Any, url: str, told: Any) -> None:
    connected.configure(domains=["simla.com", "retailcrm.io", "crm.holodilnik.ru"])
    outcome = play(connected, url, told)
    assert (outcome.address, outcome.state) == ("", State.PAUSED)
    assert outcome.facts == {"active": "false", "freeze": "false"}
    assert json.loads(outcome.reply.body) == {"success": True}
    assert (connected.outbound.keys_elsewhere([HOME]), connected.outbound.keys_at([HOME])) == (0, 1)


@pytest.mark.parametrize(("url", "told"), LIARS.values(), ids=LIARS.keys())
def test_a_hook_that_applies_the_address_is_caught(
    connected: Any, url: str, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "moved", lambda installation, url, *_: url)
    if told is None:
        connected.at(url)
    play(connected, url, told)
    assert connected.outbound.keys_elsewhere([HOME]) == 1


def test_a_tenant_named_by_its_address_never_moves_by_a_callback(world: Any) -> None:
    world.account.behaviour["system_info"] = 404
    world.install()
    world.at(RENAMED).behaviour["system_info"] = 404
    assert world.activity(system_url=RENAMED).address == ""


def test_an_exempt_account_moves_to_an_exempt_address(world: Any) -> None:
    old, new = "http://127.0.0.1:9001", "http://127.0.0.1:9002"
    world.outbound.exempt = {old, new}
    world.at(old)
    world.at(new, technicalUrl=old)
    world.install(system_url=old)
    world.account.module = world.outbound.accounts[old].module
    assert world.activity(system_url=new).address == new
