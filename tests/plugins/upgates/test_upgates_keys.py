"""The public key: from text, a file or an address, several at once, changed without a gap."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema

from app.sdk import Claims, Unverified, UpstreamFailed
from app.sdk.simulation import Outgoing
from plugins import upgates
from plugins.upgates.simulator import Simulator

Prove = Callable[..., Claims]
URL = "https://files.example/key.pub"


@pytest.fixture(scope="module")
def new_keys() -> dict[str, Any]:
    return Simulator.make_keys()


@pytest.fixture
def pem(shop: Simulator) -> bytes:
    return str(shop.keys["public_key"]).encode()


@pytest.fixture
def new_pem(new_keys: dict[str, Any]) -> bytes:
    return str(new_keys["public_key"]).encode()


def test_a_key_from_a_file(shop: Simulator, prove: Prove, in_time: str, tmp_path: Path, pem: bytes) -> None:
    (tmp_path / "key.pub").write_bytes(pem)
    assert prove(shop.open(time=in_time), changed={"public_key": str(tmp_path / "key.pub")}).tenant


def test_either_of_two_keys(shop: Simulator, prove: Prove, in_time: str, pem: bytes, new_pem: bytes) -> None:
    both = {"public_key": [new_pem.decode(), pem.decode()]}
    assert prove(shop.open(time=in_time), changed=both).tenant
    with pytest.raises(Unverified, match="signature_mismatch"):
        prove(shop.open(time=in_time), changed={"public_key": [new_pem.decode()]})


def test_a_key_from_an_address_needs_no_fetch(
    shop: Simulator, prove: Prove, in_time: str, documents: Any, pem: bytes
) -> None:
    kept = documents({URL: [pem]})
    assert prove(shop.open(time=in_time), changed={"public_key": URL}, documents=kept).tenant
    assert kept.refreshed == []


def test_the_previous_copy_counts_for_an_overlap(
    shop: Simulator, prove: Prove, in_time: str, documents: Any, pem: bytes, new_pem: bytes
) -> None:
    kept = documents({URL: [new_pem, pem]})
    assert prove(shop.open(time=in_time), changed={"public_key": URL}, documents=kept).tenant


@pytest.mark.parametrize("before", ["older", "none", "garbage"])
def test_a_changed_key_is_fetched_after_a_failed_check(
    shop: Simulator, prove: Prove, in_time: str, documents: Any, pem: bytes, new_pem: bytes, before: str
) -> None:
    kept = documents({"older": {URL: [new_pem]}, "none": {}, "garbage": {URL: [b"<html>"]}}[before])
    kept.next[URL] = [pem]
    assert prove(shop.open(time=in_time), changed={"public_key": URL}, documents=kept).tenant
    assert kept.refreshed == [URL]


def test_a_copy_that_is_no_key_hides_no_good_one(
    shop: Simulator, prove: Prove, in_time: str, documents: Any, pem: bytes
) -> None:
    kept = documents({URL: [b"<html>", pem]})
    assert prove(shop.open(time=in_time), changed={"public_key": URL}, documents=kept).tenant


def test_a_forged_request_asks_once_and_stays_refused(
    shop: Simulator, prove: Prove, in_time: str, documents: Any, new_pem: bytes
) -> None:
    kept = documents({URL: [new_pem]})
    with pytest.raises(Unverified, match="signature_mismatch"):
        prove(shop.open(time=in_time), changed={"public_key": URL}, documents=kept)
    assert kept.refreshed == [URL]


def test_what_is_no_signature_asks_for_nothing(prove: Prove, in_time: str, documents: Any, pem: bytes) -> None:
    kept = documents({URL: [pem]})
    body = json.dumps({"token": "a", "time": in_time, "signature_v2": "not base64!!"}).encode()
    with pytest.raises(Unverified, match="bad_signature_form"):
        prove(Outgoing("POST", "/upgates/open", body=body), changed={"public_key": URL}, documents=kept)
    assert kept.refreshed == []


@pytest.mark.parametrize("source", [URL, "/no/such/file", [URL, "/no/such/file"]], ids=["url", "file", "both"])
def test_without_any_key_it_is_our_fault(shop: Simulator, prove: Prove, in_time: str, source: object) -> None:
    with pytest.raises(UpstreamFailed, match="no_public_key"):
        prove(shop.open(time=in_time), changed={"public_key": source})


def test_control_a_key_that_never_changes_refuses_after_a_change(
    new_keys: dict[str, Any], shop: Simulator, prove: Prove, in_time: str, documents: Any, pem: bytes
) -> None:
    rotated = Simulator("http://host.example", {**new_keys, "signature_token": shop.keys["signature_token"]})
    with pytest.raises(Unverified):
        prove(rotated.open(time=in_time), changed={"public_key": URL}, documents=documents({URL: [pem]}))


def test_only_addresses_are_documents(pem: bytes) -> None:
    documents = upgates.documents({"public_key": [URL, pem.decode(), "/a/file"]})
    assert [document.url for document in documents] == [URL]
    assert [documents[0].is_good(copy) for copy in (pem, b"", b"<html>")] == [True, False, False]


SETTINGS = Schema.from_dict({setting.name: setting.field for setting in upgates.settings()})


def test_the_official_address_is_the_default() -> None:
    loaded = SETTINGS().load({"signature_token": "a"})
    [document] = upgates.documents(loaded)
    assert document.url == "https://files.upgates.com/addons/signature/api.signature.pub.key"


@pytest.mark.parametrize("good", [URL, [URL], "http://127.0.0.1:9/key"], ids=["one", "list", "plain-http"])
def test_usable_sources(good: object, pem: bytes) -> None:
    assert not SETTINGS().validate({"public_key": good})
    assert not SETTINGS().validate({"public_key": pem.decode()})


@pytest.mark.parametrize(
    "bad",
    [
        "",
        [],
        None,
        7,
        [7],
        {"a": 1},
        "/no/such/file",
        "changeme",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n",
        "a\0b",
        ["", URL],
    ],
    ids=["empty", "no-items", "null", "number", "numbers", "object", "no-file", "word", "no-key", "nul", "part-empty"],
)
def test_unusable_sources(bad: object) -> None:
    assert "public_key" in SETTINGS().validate({"public_key": bad})
