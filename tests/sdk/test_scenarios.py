"""Late and forged requests as they are made of a simulator's own declarations, for every shipped simulator."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import pytest
from stage import keys_of

from app.core.registry import discover, load
from app.sdk.scenarios import forge, hostile, offered, proof_of
from app.sdk.simulation import BODY, QUERY, Entry, Outgoing, Proof, Scenario, Simulator

REGISTRY = load(discover())
NAMES = ("orlo", "retailcrm", "upgates", "wazzup")
PROVEN = [(name, action) for name in NAMES for action in REGISTRY.simulator(name).proofs]


def simulator(name: str) -> Any:
    """A simulator that is connected, as far as its requests can tell."""
    platform = REGISTRY.simulator(name)
    made = platform(
        "http://127.0.0.1:1", {**keys_of(platform), "key": "k" * 43, "client_id": "c" * 43}, "http://127.0.0.1:2"
    )
    made.module = {"clientId": "c" * 43}
    made.connections = {"key": type("Held", (), {"crm_key": "b" * 43, "uri": ""})()}
    return made


def raw(sent: Outgoing) -> bytes:
    """Everything of a request that a proof may cover or carry."""
    return "\n".join([sent.path, *sent.headers.values()]).encode() + b"\n" + sent.body


def changed_bytes(one: Outgoing, other: Outgoing) -> int:
    return sum(a != b for a, b in zip_longest(raw(one), raw(other)))


class Frozen(Simulator):
    """Sends the same request each time, so that two of them can be compared."""

    def __init__(self, sent: Outgoing, proof: Proof) -> None:
        super().__init__("http://127.0.0.1:1", {})
        self.sent = sent
        self.proofs = {"act": proof}  # type: ignore[misc]

    def act(self) -> Outgoing:
        return self.sent


@pytest.mark.parametrize(("name", "action"), PROVEN)
def test_a_forged_request_differs_in_one_byte_of_what_is_proven(name: str, action: str) -> None:
    genuine = simulator(name).request(action)
    forged = forge(genuine, REGISTRY.simulator(name).proofs[action])
    assert changed_bytes(genuine, forged) == 1
    assert len(raw(genuine)) == len(raw(forged))


@pytest.mark.parametrize(("name", "action"), PROVEN)
def test_a_late_request_is_there_where_a_time_is_signed(name: str, action: str) -> None:
    platform = simulator(name)
    late = platform.proofs[action].late
    if not late:
        with pytest.raises(LookupError):
            hostile(platform, action, Scenario.LATE)
    else:
        assert raw(hostile(platform, action, Scenario.LATE)) != raw(platform.request(action))


@pytest.mark.parametrize(
    ("sent", "proof", "at"),
    [
        (Outgoing("GET", "/x/search?q=novak&sig=ab"), Proof("sig", (QUERY,)), "path"),
        (Outgoing("GET", "/x/search?q=%C5%99&sig=ab"), Proof("sig", (QUERY,)), "path"),
        (Outgoing("POST", "/x/open", {}, b'{"shop": "abc", "sig": "0"}'), Proof("sig", ("shop",)), "body"),
        (Outgoing("POST", "/x/open", {}, b'{"count":7,"sig":"0"}'), Proof("sig", ("count",)), "body"),
        (Outgoing("POST", "/x/open", {"X-Sig": "0a"}, b'{"a":1}'), Proof("x-sig", (BODY,)), "body"),
        (Outgoing("POST", "/x/open", {"X-Sig": "0a"}, b""), Proof("x-sig", (BODY,)), "headers"),
        (Outgoing("POST", "/x/open", {}, b"told=%7B%22key%22%3A+%22ab%22%7D"), Proof("sig", ("key",)), "body"),
        (Outgoing("POST", "/x/open", {"Authorization": "Bearer abc"}, b"{}"), Proof("authorization"), "headers"),
    ],
)
def test_a_field_is_found_wherever_it_stands(sent: Outgoing, proof: Proof, at: str) -> None:
    forged = forge(sent, proof)
    assert changed_bytes(sent, forged) == 1
    assert [part for part in ("path", "headers", "body") if getattr(sent, part) != getattr(forged, part)] == [at]


def test_a_request_without_its_proof_cannot_be_forged() -> None:
    with pytest.raises(LookupError, match="carries none of"):
        forge(Outgoing("GET", "/x/open?id=1"), Proof("sig", ("shop",)))
    with pytest.raises(LookupError, match="nothing in"):
        hostile(Simulator("http://127.0.0.1:1", {}), "open", Scenario.FORGED)


def test_what_is_offered_follows_from_the_proof() -> None:
    proven = Frozen(Outgoing("GET", "/x/act?a=1"), Proof("sig", (QUERY,), {"time": "1"}))
    plain = Frozen(Outgoing("GET", "/x/act?a=1"), Proof("sig", (QUERY,)))
    bare = Frozen(Outgoing("GET", "/x/act"), Proof("sig"))
    bare.proofs = {}  # type: ignore[misc]
    assert offered(proven, Entry("act", "Act")) == list(Scenario)
    assert Scenario.LATE not in offered(plain, Entry("act", "Act"))
    assert offered(bare, Entry("act", "Act")) == [Scenario.GENUINE, Scenario.DUPLICATE]
    assert offered(proven, Entry("act", "Act", silent=True, scenarios=(Scenario.GENUINE,))) == [Scenario.GENUINE]


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


def test_the_proof_is_known_by_what_was_played_or_by_where_it_went() -> None:
    platform = simulator("upgates")
    assert proof_of(platform, "open", platform.open()) == platform.proofs["open"]
    assert proof_of(platform, "reinstall", platform.reinstall()) == platform.proofs["install"]
    assert proof_of(platform, "dance", Outgoing("GET", "/upgates")) is None


def test_a_simulator_without_a_menu_has_a_plain_one() -> None:
    class Plain(Simulator):
        connector = "plain"
        actions = ("install", "send_card")

    assert [(entry.name, entry.label) for entry in Plain.entries()] == [
        ("install", "Install"),
        ("send_card", "Send card"),
    ]
