"""Which requests are genuine: every signed byte counts, the unsigned ones do not, and v1 never helps."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.sdk import Claims, Malformed, Refused, Unknown, Unverified
from app.sdk.simulation import Outgoing
from plugins.upgates import proof
from plugins.upgates.proof import SIGNED
from plugins.upgates.simulator import Simulator

Prove = Callable[..., Claims]
ACTIONS = ("install", "open", "uninstall", "version")


def changed(outgoing: Outgoing, **fields: object) -> Outgoing:
    body = {**json.loads(outgoing.body), **fields}
    return Outgoing(outgoing.method, outgoing.path, outgoing.headers, json.dumps(body).encode())


def without(outgoing: Outgoing, name: str) -> Outgoing:
    body = json.loads(outgoing.body)
    del body[name]
    return Outgoing(outgoing.method, outgoing.path, outgoing.headers, json.dumps(body).encode())


def mutations(outgoing: Outgoing) -> Iterator[Outgoing]:
    """Each byte of each signed field changed to its neighbour, left out and doubled."""
    body = json.loads(outgoing.body)
    for name in SIGNED[outgoing.path.rpartition("/")[2]][0]:
        text = body[name]
        for i, letter in enumerate(text):
            for other in (chr(ord(letter) ^ 1), "", letter * 2, letter.swapcase()):
                if other != letter:
                    yield changed(outgoing, **{name: text[:i] + other + text[i + 1 :]})


def count_accepted(prove: Prove, requests: Iterator[Outgoing]) -> int:
    count = 0
    for request in requests:
        try:
            prove(request)
        except Refused:
            continue
        count += 1
    return count


@pytest.mark.parametrize("action", ACTIONS)
def test_a_genuine_call_is_accepted(shop: Simulator, prove: Prove, in_time: str, action: str) -> None:
    claims = prove(getattr(shop, action)(time=in_time))
    assert claims.tenant == shop.keys["token"]
    assert claims.proof


@pytest.mark.parametrize("action", ACTIONS)
def test_every_byte_of_a_signed_field_counts(shop: Simulator, prove: Prove, in_time: str, action: str) -> None:
    assert count_accepted(prove, mutations(getattr(shop, action)(time=in_time))) == 0


def test_control_an_unsigned_field_may_change(shop: Simulator, prove: Prove, in_time: str) -> None:
    genuine = shop.install(time=in_time)
    assert count_accepted(prove, iter([changed(genuine, version=7, current_admin_language="en")])) == 1


def test_control_a_verifier_that_forgets_a_field_is_noticed(
    shop: Simulator, prove: Prove, in_time: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = shop._signed("install", json.loads(shop.install(time=in_time).body), ("token", "apiUser", "time"))
    forgetful = {"install": [("token", "apiUser", "time")]}
    requests = list(mutations(shop.install(time=in_time)))
    monkeypatch.setattr(proof, "SIGNED", forgetful)
    signature = json.loads(genuine.body)["signature_v2"]
    assert count_accepted(prove, (changed(request, signature_v2=signature) for request in requests)) > 0


def test_every_bit_of_the_signature_counts(shop: Simulator, prove: Prove, in_time: str) -> None:
    genuine = shop.open(time=in_time)
    signature = base64.b64decode(json.loads(genuine.body)["signature_v2"])
    flipped = (
        bytes([*signature[:i], signature[i] ^ 1 << bit, *signature[i + 1 :]])
        for i in range(0, len(signature), 5)
        for bit in range(8)
    )
    texts = (changed(genuine, signature_v2=base64.b64encode(value).decode()) for value in flipped)
    assert count_accepted(prove, texts) == 0


@pytest.mark.parametrize(
    "respell",
    [
        lambda s: s + "\n",
        lambda s: " " + s,
        lambda s: s.rstrip("="),
        lambda s: s + "=",
        lambda s: s.replace("=", "==") + "A",
        lambda s: base64.urlsafe_b64encode(base64.b64decode(s)).decode().replace("=", "%3D"),
        lambda s: base64.b64decode(s).hex(),
        lambda s: [s],
        lambda s: None,
        lambda s: 0,
        lambda s: "",
    ],
    ids=["newline", "space", "no-pad", "more-pad", "junk", "urlsafe", "hex", "list", "null", "number", "empty"],
)
def test_one_signature_has_one_spelling(
    shop: Simulator, prove: Prove, in_time: str, respell: Callable[[str], object]
) -> None:
    genuine = shop.open(time=in_time)
    with pytest.raises(Unverified):
        prove(changed(genuine, signature_v2=respell(json.loads(genuine.body)["signature_v2"])))


@pytest.mark.parametrize("action", ACTIONS)
def test_v1_never_stands_in_for_v2(shop: Simulator, prove: Prove, in_time: str, action: str) -> None:
    genuine = getattr(shop, action)(time=in_time)
    only_v1 = without(changed(genuine, signature=json.loads(genuine.body)["signature_v2"]), "signature_v2")
    with pytest.raises(Unverified):
        prove(only_v1)


def test_v1_beside_v2_is_ignored(shop: Simulator, prove: Prove, in_time: str) -> None:
    assert prove(changed(shop.open(time=in_time), signature="a0e0a3e7")).tenant == shop.keys["token"]


def test_the_previous_signature_token_counts_too(shop: Simulator, prove: Prove, in_time: str) -> None:
    tokens = ("a-new-signature-token", shop.keys["signature_token"])
    assert prove(shop.open(time=in_time), changed={"signature_token": tokens}).tenant == shop.keys["token"]


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [(("another-signature-token",), "signature_mismatch"), ((), "no_token"), (("",), "no_token")],
    ids=["foreign", "none", "empty"],
)
def test_a_request_for_another_addon_is_refused(
    shop: Simulator, prove: Prove, in_time: str, tokens: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(Unverified, match=reason):
        prove(shop.open(time=in_time), changed={"signature_token": tokens})


def test_an_empty_signature_token_is_never_accepted(keys: dict[str, Any], prove: Prove, in_time: str) -> None:
    careless = Simulator("http://host.example", {**keys, "signature_token": ""})
    with pytest.raises(Unverified, match="no_token"):
        prove(careless.open(time=in_time), changed={"signature_token": ("",)})


def test_the_version_call_may_sign_its_version(shop: Simulator, prove: Prove, in_time: str) -> None:
    signed = shop.version(time=in_time, version="12", signs="version")
    assert prove(signed).fields["version"] == "12"
    with pytest.raises(Unverified):
        prove(changed(signed, version=13))


def test_what_an_effect_depends_on_is_told_apart_although_unsigned(shop: Simulator, prove: Prove, in_time: str) -> None:
    told = {action: prove(getattr(shop, action)(time=in_time, version="5")).unsigned for action in ACTIONS}
    assert told == {"install": b"5", "open": b"", "uninstall": b"", "version": b"5"}


def test_an_opening_and_a_deactivation_share_their_proof(shop: Simulator, prove: Prove, in_time: str) -> None:
    assert prove(shop.open(time=in_time)).proof == prove(shop.uninstall(time=in_time)).proof


@pytest.mark.parametrize(
    ("given", "kept"),
    [(3, "3"), ("3", "3"), (0, "0"), ("", ""), ("v2", ""), (-1, ""), (10**9, ""), ("\u0663", "")],
    ids=["int", "text", "zero", "empty", "word", "negative", "too-long", "other-digits"],
)
def test_version_is_a_number_or_nothing(shop: Simulator, prove: Prove, in_time: str, given: object, kept: str) -> None:
    assert prove(changed(shop.install(time=in_time), version=given)).fields["version"] == kept


@pytest.mark.parametrize("given", [[1], {"a": 1}, True, 1.5], ids=["list", "object", "bool", "fraction"])
def test_version_of_another_type_is_malformed(shop: Simulator, prove: Prove, in_time: str, given: object) -> None:
    with pytest.raises(Malformed, match="bad_version"):
        prove(changed(shop.install(time=in_time), version=given))


@pytest.mark.parametrize(
    ("given", "kept"),
    [("cs", "cs"), ("sk", "sk"), ("en", "en"), ("de", "cs"), ("../en", "cs"), (["en"], "cs"), (None, "cs")],
)
def test_language_is_one_of_three(shop: Simulator, prove: Prove, in_time: str, given: object, kept: str) -> None:
    assert prove(changed(shop.open(time=in_time), current_admin_language=given)).language == kept


def test_only_an_activation_brings_access(shop: Simulator, prove: Prove, in_time: str) -> None:
    smuggled = changed(shop.open(time=in_time), apiUser="1", apiKey="2", apiUrl="https://evil.example")
    assert set(prove(smuggled).fields) == {"token", "time", "version", "issued_at"}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"a"', b"{", b'{"token":"a","token":"a"}', b"\xff", b"token=a"])
def test_a_body_that_is_no_object_is_malformed(prove: Prove, body: bytes) -> None:
    with pytest.raises(Malformed):
        prove(Outgoing("POST", "/upgates/open", body=body))


def test_a_webhook_is_known_by_its_path(prove: Prove, installation: Any, installations: Any) -> None:
    known = installations({("path", "k" * 43): installation()})
    hook = Outgoing("POST", f"/upgates/webhook/{'k' * 43}", body=b'{"project_name":"a","customers":[]}')
    claims = prove(hook, installations=known)
    assert (claims.installation, claims.proof) == ("i1", b"")


@pytest.mark.parametrize("path", ["/upgates/webhook", "/upgates/webhook/", "/upgates/webhook/other"])
def test_a_webhook_elsewhere_is_unknown(prove: Prove, installation: Any, installations: Any, path: str) -> None:
    known = installations({("path", "k" * 43): installation(), ("path", ""): installation()})
    with pytest.raises(Unknown):
        prove(Outgoing("POST", path, body=b"{}"), installations=known)
