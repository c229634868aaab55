"""The shared vectors: raw bodies as PHP writes them, through the verify hook at the frozen clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.sdk import Claims, Refused
from app.sdk.simulation import Outgoing
from plugins.upgates import proof

FILE = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "upgates.json"
ACTIONS = {"activation": "install", "opening": "open", "deactivation": "uninstall"}
EXPECTED = {
    "activation_ok": "accepted",
    "opening_ok": "accepted",
    "deactivation_ok": "accepted",
    "activation_version_and_language_changed": "accepted",
    "activation_apiUrl_tampered": "signature_mismatch",
    "activation_time_tampered": "signature_mismatch",
    "activation_time_reformatted": "signature_mismatch",
    "opening_wrong_signature_token": "signature_mismatch",
    "opening_without_signature_token": "signature_mismatch",
    "opening_expired": "too_old",
    # It verifies; what stops it is that it carries the proof of the opening, see below.
    "opening_signature_replayed_on_deactivation": "accepted",
    "opening_semicolon_injection": "semicolon_in_token",
    "activation_garbage_signature": "bad_signature_form",
    "activation_empty_signature": "bad_signature_form",
}

Prove = Callable[..., Claims]


@pytest.fixture(scope="module")
def shared() -> dict[str, Any]:
    if not FILE.exists():
        pytest.skip(f"the shared vectors are not here: {FILE}")
    loaded: dict[str, Any] = json.loads(FILE.read_text())
    return loaded


@pytest.fixture
def attempt(shared: dict[str, Any], prove: Prove) -> Callable[[str], Claims]:
    vectors = {vector["name"]: vector for vector in shared["vectors"]}

    def run(name: str) -> Claims:
        vector = vectors[name]
        body = vector["raw_body_php_style"].encode()
        return prove(
            Outgoing("POST", f"/upgates/{ACTIONS[vector['event']]}", body=body),
            changed={"signature_token": (shared["signature_token"],), "public_key": shared["public_key_pem"]},
            at=datetime.fromisoformat(shared["freeze_clock_at"]),
        )

    return run


def outcome(attempt: Callable[[str], Claims], name: str) -> str:
    try:
        attempt(name)
    except Refused as refusal:
        return refusal.reason
    return "accepted"


def test_every_vector_is_expected(shared: dict[str, Any]) -> None:
    assert {vector["name"] for vector in shared["vectors"]} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_vector(attempt: Callable[[str], Claims], name: str) -> None:
    assert outcome(attempt, name) == EXPECTED[name]


def test_a_replayed_opening_carries_the_proof_of_the_opening(attempt: Callable[[str], Claims]) -> None:
    replayed = attempt("opening_signature_replayed_on_deactivation")
    assert replayed.proof == attempt("opening_ok").proof == attempt("deactivation_ok").proof


def test_a_proof_carries_no_secret(shared: dict[str, Any], attempt: Callable[[str], Claims]) -> None:
    assert shared["signature_token"].encode() not in attempt("activation_ok").proof


def test_control_a_verifier_that_believes_everything_is_noticed(
    attempt: Callable[[str], Claims], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "check_signature", lambda given, message, keys: b"believed")
    wrong = {name for name, expected in EXPECTED.items() if outcome(attempt, name) != expected}
    assert wrong == {name for name, expected in EXPECTED.items() if expected.startswith(("signature_", "bad_sig"))}
