"""The token of a connection and the link secret: what is accepted, and every near miss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import plugins.retailcrm as connector
from app.sdk import Claims, Malformed, Refused, Unknown, Unverified
from app.sdk.simulation import Outgoing
from plugins.retailcrm import proof

VECTORS = Path(__file__).resolve().parents[3] / ".." / "shared" / "vectors" / "retailcrm.json"
V1 = {
    "token": "016ab397889c59a1f61a07d69857880a0d867aa1b0edb1014971757cf7a25bb1",
    "apiKey": "api_key",
    "systemUrl": "https://demo.simla.com",
}
WIRE = (
    b"register=%7B%22token%22%3A%22016ab397889c59a1f61a07d69857880a0d867aa1b0edb1014971757cf7a25bb1%22%2C%22apiKey%22"
    b"%3A%22api_key%22%2C%22systemUrl%22%3A%22https%3A%5C%2F%5C%2Fdemo.simla.com%22%7D"
)
SECRET = "secret"
LONG_KEY = "d504c46529789e8eb20ccfda9c1553d6ac1878cd6874c4924708b82d4093bf9b"


def vectors() -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("the shared vectors are not on this machine")
    return dict(json.loads(VECTORS.read_text()))


def register(**changes: Any) -> Outgoing:
    return raw(urlencode({"register": json.dumps({**V1, **changes})}).encode())


def raw(body: bytes, action: str = "install") -> Outgoing:
    return Outgoing("POST", f"/retailcrm/{action}", {}, body)


def accepted(world: Any, outgoing: Outgoing) -> bool:
    try:
        return isinstance(world.verify(outgoing), Claims)
    except Unverified:
        return False


def test_every_valid_vector_is_accepted(world: Any) -> None:
    for vector in vectors()["valid"]:
        world.configure(secret=vector["secret"])
        claims = world.verify(register(token=vector["token"], apiKey=vector["apiKey"]))
        assert claims.fields == {"api_key": vector["apiKey"], "system_url": "https://demo.simla.com"}
        assert claims.proof == bytes.fromhex(vector["token"]) + vector["apiKey"].encode()
        assert claims.unsigned == b"https://demo.simla.com"


def test_every_invalid_vector_is_refused(world: Any) -> None:
    world.configure(secret=SECRET)
    for token in vectors()["invalid_for_first"]:
        assert not accepted(world, register(token=token)), token


def test_a_verifier_that_compares_nothing_would_be_noticed(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "check_hmac_hex", lambda *_: b"")
    assert any(accepted(world, register(token=token)) for token in vectors()["invalid_for_first"])


def test_a_secret_longer_than_a_block(world: Any) -> None:
    world.configure(secret="a" * 100)
    assert accepted(world, register(token=LONG_KEY, apiKey="ffqfNWKTDvdaqwcPgQhhHEEutO81Qbff"))


NEAR_MISSES = {
    "swapped roles": "a6323d39441a8431100c237db614d47d801d68ed64d18902b76ef1bd8995fd82",
    "key with a newline": "3f490c905936e84337d1577e4baec1cb4139970ca42e69fd543f311e9bd4e903",
    "upper case": V1["token"].upper(),
    "shortened": V1["token"][:-2],
    "lengthened": V1["token"] + "00",
    "newline behind": V1["token"] + "\n",
    "full-width digits": V1["token"].replace("0", "\uff10"),
    "not ASCII": "тест",
    "empty": "",
    "zeros": "0" * 64,
}


@pytest.mark.parametrize("token", NEAR_MISSES.values(), ids=NEAR_MISSES.keys())
def test_a_near_miss_is_refused(world: Any, token: str) -> None:
    world.configure(secret=SECRET)
    assert accepted(world, register())
    with pytest.raises((Unverified, Malformed)):
        world.verify(register(token=token))


@pytest.mark.parametrize("name", ["token", "apiKey", "systemUrl"])
@pytest.mark.parametrize("value", [["x"], 7, None, True, {"a": 1}, "a\x00b", "x" * 2000], ids=repr)
def test_a_field_that_is_no_text_is_malformed(world: Any, name: str, value: object) -> None:
    world.configure(secret=SECRET)
    with pytest.raises(Malformed):
        world.verify(register(**{name: value}))


BODIES = {
    "nothing": b"",
    "no register": b"clientId=1",
    "no JSON": b"register=hello",
    "a list": b"register=[]",
    "two registers": WIRE + b"&" + WIRE,
    "a key twice": b'register={"token":"a","token":"b","apiKey":"k","systemUrl":"https://demo.simla.com"}',
    "bad escape": b"register=%zz",
    "not UTF-8": b"register=%ff",
    "deep": b"register=" + b"[" * 100_000,
    "lone surrogate": b'register={"token":"","apiKey":"\\ud800","systemUrl":"https://demo.simla.com"}',
    "token absent": b'register={"apiKey":"k","systemUrl":"https://demo.simla.com"}',
    "key unfit for a header": urlencode({"register": json.dumps({**V1, "apiKey": "ключ"})}).encode(),
    "key with a space": urlencode({"register": json.dumps({**V1, "apiKey": " key"})}).encode(),
    "JSON body of another shape": b'{"register": []}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_an_unreadable_registration_is_malformed(world: Any, body: bytes) -> None:
    with pytest.raises(Malformed):
        world.verify(raw(body))


SPELLINGS = {
    "as the platform sends it": WIRE,
    "unknown fields": urlencode({"register": json.dumps({**V1, "locale": "es", "more": [1]})}).encode(),
    "nested keys": urlencode({f"register[{name}]": value for name, value in V1.items()}).encode(),
    "a JSON body": json.dumps(V1).encode(),
    "a slash behind": urlencode({"register": json.dumps({**V1, "systemUrl": "https://Demo.Simla.com/"})}).encode(),
}


@pytest.mark.parametrize("body", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_the_spellings_of_one_registration(world: Any, body: bytes) -> None:
    world.configure(secret=SECRET)
    claims = world.verify(raw(body))
    assert claims.fields == {"api_key": "api_key", "system_url": "https://demo.simla.com"}
    assert claims.unsigned == b"https://demo.simla.com"


def test_the_wire_form_is_the_sheets() -> None:
    assert len(WIRE) == 191


def test_a_secret_can_be_rotated(world: Any) -> None:
    for secrets, expected in ((("new", "secret"), True), (("new",), False), ((), False), (("",), False)):
        world.configure(secret=secrets)
        assert accepted(world, register()) is expected


@pytest.mark.parametrize(
    ("url", "language"),
    [("https://a.retailcrm.ru", "ru"), ("https://a.retailcrm.pro/", "ru"), ("https://a.retailcrm.es", "es")]
    + [(url, "") for url in ("https://a.simla.com", "https://a.retailcrm.io", "https://ru.simla.com")],
)
def test_the_language_is_that_of_the_domain(world: Any, url: str, language: str) -> None:
    assert world.verify(world.account.install(system_url=url)).language == language


@pytest.mark.parametrize("action", ["open", "activity"])
def test_a_link_secret_names_the_installation(world: Any, action: str) -> None:
    world.install()
    claims = world.verify(getattr(world.account, action)())
    assert (claims.installation, claims.proof) == ("i1", b"")


@pytest.mark.parametrize("action", ["open", "activity"])
@pytest.mark.parametrize(
    ("client_id", "refusal"),
    [
        ("", Malformed),
        ("x" * 101, Malformed),
        ("a\nb", Malformed),
        ("b2f1c7d09e6a4f0f8d3c5a7e1b9d2461", Unknown),
        ("B2F1C7D09E6A4F0F8D3C5A7E1B9D2460", Unknown),
        ("i1", Unknown),
        ("' or 1=1 --", Unknown),
    ],
)
def test_a_wrong_link_secret_is_refused(world: Any, action: str, client_id: str, refusal: type[Refused]) -> None:
    world.install()
    with pytest.raises(refusal):
        world.verify(getattr(world.account, action)(client_id=client_id))


@pytest.mark.parametrize("action", ["open", "activity"])
def test_a_link_secret_is_read_from_the_body_alone(world: Any, action: str) -> None:
    world.install()
    with pytest.raises(Malformed):
        world.verify(Outgoing("POST", f"/retailcrm/{action}?clientId={world.account.client_id}", {}, b""))


@pytest.mark.parametrize("action", ["config", "uninstall", "search", "", "Install"])
def test_an_unknown_action_is_never_verified(world: Any, action: str) -> None:
    with pytest.raises(Unverified):
        world.verify(raw(WIRE, action))


def test_open_leads_to_the_page_by_a_get() -> None:
    answer = connector.open("https://addon.example.com/account/#t=1")
    assert (answer.status, answer.headers["Location"]) == (303, "https://addon.example.com/account/#t=1")


def test_no_secret_shows_in_a_claims_text(world: Any) -> None:
    assert world.account.keys["api_key"] not in repr(world.verify(world.account.install()))
