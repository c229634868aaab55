"""Late and forged requests as they are made of a simulator's own declarations, for every shipped simulator."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import pytest
from stage import keys_of

from app.core.loading import load
from app.core.sources import discover
from app.sdk.manifest import Manifest
from app.sdk.promises import Proof
from app.sdk.scenarios import called, forge, late, offered
from app.sdk.simulation import Entry, Outgoing, Scenario, Simulator

REGISTRY = load(discover())
NAMES = ("orlo", "retailcrm", "upgates", "wazzup")


def manifest(name: str) -> Manifest:
    found = REGISTRY.find(name)
    assert found is not None
    assert found.manifest is not None
    return found.manifest


ENTRIES = [(name, entry) for name in NAMES for entry in REGISTRY.simulator(name).entries()]
FORGED = [(name, entry) for name, entry in ENTRIES if Scenario.FORGED in offered(manifest(name), entry)]
LATE = [(name, entry) for name, entry in ENTRIES if Scenario.LATE in offered(manifest(name), entry)]


def simulator(name: str) -> Any:
    """A simulator that is connected, as far as its requests can tell."""
    platform = REGISTRY.simulator(name)
    made = platform(
        "http://127.0.0.1:1", {**keys_of(platform), "key": "k" * 43, "client_id": "c" * 43}, "http://127.0.0.1:2"
    )
    made.module = {"clientId": "c" * 43}
    made.connections = {"key": type("Held", (), {"account": "", "crm_key": "b" * 43, "uri": ""})()}
    return made


def proof(carrier: str, *signed: str) -> Proof:
    return Proof("hmac-sha256", (carrier,), signed)


def raw(sent: Outgoing) -> bytes:
    """Everything of a request that a proof may cover or carry."""
    return "\n".join([sent.path, *sent.headers.values()]).encode() + b"\n" + sent.body


def changed_bytes(one: Outgoing, other: Outgoing) -> int:
    return sum(a != b for a, b in zip_longest(raw(one), raw(other)))


@pytest.mark.parametrize(("name", "entry"), FORGED, ids=lambda one: getattr(one, "name", one))
def test_a_forged_request_differs_in_one_byte_of_what_is_proven(name: str, entry: Entry) -> None:
    genuine = simulator(name).request(entry.action or entry.name, **entry.changes)
    action = called(manifest(name), genuine)
    assert action is not None
    forged = forge(genuine, action.proof)
    assert changed_bytes(genuine, forged) == 1
    assert len(raw(genuine)) == len(raw(forged))


@pytest.mark.parametrize(("name", "entry"), LATE, ids=lambda one: getattr(one, "name", one))
def test_a_late_request_was_signed_in_2020(name: str, entry: Entry) -> None:
    platform = simulator(name)
    sent = late(platform, entry.action or entry.name, **entry.changes)
    assert b"2020-01-01T" in raw(sent) or b"expires=15778" in raw(sent)
    assert platform.clock().year > 2020


def test_each_platform_that_signs_a_time_can_be_late() -> None:
    assert {name for name, _ in LATE} == {"orlo", "upgates"}
    assert {name for name, _ in FORGED} == set(NAMES)


@pytest.mark.parametrize(
    ("sent", "held", "at"),
    [
        (Outgoing("GET", "/x/search?q=novak&sig=ab"), proof("sig", "query"), "path"),
        (Outgoing("GET", "/x/search?q=%C5%99&sig=ab"), proof("sig", "query"), "path"),
        (Outgoing("POST", "/x/hook/abc?b=1", {}, b"{}"), proof("path.key"), "path"),
        (Outgoing("POST", "/x/open", {}, b'{"shop": "abc", "sig": "0"}'), proof("sig", "shop"), "body"),
        (Outgoing("POST", "/x/open", {}, b'{"count":7,"sig":"0"}'), proof("sig", "count"), "body"),
        (Outgoing("POST", "/x/open", {"X-Sig": "0a"}, b'{"a":1}'), proof("header.x-sig", "body"), "body"),
        (Outgoing("POST", "/x/open", {"X-Sig": "0a"}, b""), proof("header.x-sig", "body"), "headers"),
        (Outgoing("POST", "/x/open", {}, b"told=%7B%22key%22%3A+%22ab%22%7D"), proof("told.sig", "told.key"), "body"),
        (Outgoing("POST", "/x/open", {"Authorization": "Bearer abc"}, b"{}"), proof("header.authorization"), "headers"),
    ],
)
def test_a_field_is_found_wherever_it_stands(sent: Outgoing, held: Proof, at: str) -> None:
    forged = forge(sent, held)
    assert changed_bytes(sent, forged) == 1
    assert [part for part in ("path", "headers", "body") if getattr(sent, part) != getattr(forged, part)] == [at]


def test_a_request_without_its_proof_cannot_be_forged() -> None:
    for held in (proof("sig", "shop"), None):
        with pytest.raises(LookupError, match="nothing that proves it"):
            forge(Outgoing("GET", "/x/open?id=1"), held)


def test_what_is_offered_follows_from_the_manifest() -> None:
    upgates, retailcrm = manifest("upgates"), manifest("retailcrm")
    assert offered(upgates, Entry("open", "Open")) == list(Scenario)
    assert offered(upgates, Entry("tidy", "Tidy", calls="open")) == list(Scenario)
    assert offered(retailcrm, Entry("install", "Connect")) == [Scenario.GENUINE, Scenario.DUPLICATE, Scenario.FORGED]
    assert offered(retailcrm, Entry("config", "Look")) == [Scenario.GENUINE, Scenario.DUPLICATE]
    assert offered(retailcrm, Entry("revoke", "Delete", silent=True)) == [Scenario.GENUINE]
    assert offered(retailcrm, Entry("open", "Go", scenarios=(Scenario.GENUINE,))) == [Scenario.GENUINE]


@pytest.mark.parametrize("name", NAMES)
def test_a_menu_is_about_what_its_simulator_plays(name: str) -> None:
    platform = simulator(name)
    entries = platform.entries()
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert callable(getattr(platform, entry.action or entry.name)), entry.name
        assert entry.tells.endswith(".")
    steps = sorted(entry.step for entry in entries if entry.step)
    assert steps == list(range(1, len(steps) + 1))


def test_an_action_is_known_by_where_a_request_goes() -> None:
    upgates = manifest("upgates")
    assert called(upgates, simulator("upgates").reinstall()) == upgates.actions["install"]
    assert called(upgates, Outgoing("GET", "/upgates")) is None
    assert called(upgates, Outgoing("GET", "/upgates/dance")) is None


def test_a_simulator_without_a_menu_has_a_plain_one() -> None:
    class Plain(Simulator):
        connector = "plain"
        actions = ("install", "send_card")

    assert [(entry.name, entry.label) for entry in Plain.entries()] == [
        ("install", "Install"),
        ("send_card", "Send card"),
    ]
