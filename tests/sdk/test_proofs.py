"""The signature primitives: genuine proofs pass, every near-miss is refused, weakened verifiers are noticed."""

from __future__ import annotations

import base64
import hmac
import json
import string
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sdk import (
    Expired,
    PublicKey,
    Refused,
    Unverified,
    bearer_token,
    check_hmac_hex,
    check_signature,
    check_window,
    hmac_hex,
    load_public_key,
)

RETAILCRM = Path(__file__).resolve().parents[2] / ".." / "shared" / "vectors" / "retailcrm.json"
MESSAGE = b"token;2030-01-01T12:00:00+01:00;signature-token"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_SIGNATURE = RSA_KEY.sign(MESSAGE, PKCS1v15(), SHA256())
EC_SIGNATURE = EC_KEY.sign(MESSAGE, ec.ECDSA(SHA256()))
KEYS: list[PublicKey] = [RSA_KEY.public_key(), EC_KEY.public_key()]
BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"


def text_of(signature: bytes) -> str:
    return base64.b64encode(signature).decode()


def pem_of(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def reason_of(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(Unverified) as caught:
        call(*arguments, **options)
    return caught.value.reason


def test_the_worked_example_of_orlo() -> None:
    message, secret = b"q=red&expires=1500472622", "changeme!"
    signature = "7c9a0a55dc2d1542ec736b8021f048da114fcba11ca1fb0219c122dfd789e48c"
    assert hmac_hex(secret, message) == signature
    assert check_hmac_hex(signature, message, [secret]) == bytes.fromhex(signature)


def test_the_vectors_of_retailcrm() -> None:
    if not RETAILCRM.exists():
        pytest.skip("the shared vectors are not beside the project")
    vectors = json.loads(RETAILCRM.read_text())
    for case in vectors["valid"]:
        assert hmac_hex(case["secret"], case["apiKey"].encode()) == case["token"]
        check_hmac_hex(case["token"], case["apiKey"].encode(), [case["secret"]])
    first = vectors["valid"][0]
    for token in vectors["invalid_for_first"]:
        reason_of(check_hmac_hex, token, first["apiKey"].encode(), [first["secret"]])


TAG = hmac_hex("the-secret", MESSAGE)


@pytest.mark.parametrize(
    "given_text",
    [
        pytest.param("", id="nothing"),
        pytest.param(TAG.upper(), id="upper case"),
        pytest.param(TAG[:-1], id="63 digits"),
        pytest.param(TAG + "0", id="65 digits"),
        pytest.param(TAG[:32], id="truncated"),
        pytest.param(TAG + "\n", id="line feed"),
        pytest.param(" " + TAG[1:], id="space"),
        pytest.param("0x" + TAG[2:], id="0x"),
        pytest.param("\uff10" + TAG[1:], id="full-width digit"),
        pytest.param("тест" * 16, id="64 letters of another script"),
        pytest.param("\ud800" * 64, id="lone surrogates"),
        pytest.param(text_of(bytes.fromhex(TAG)), id="base64"),
        pytest.param(None, id="absent"),
        pytest.param(["x"], id="a list"),
        pytest.param(TAG.encode(), id="bytes"),
    ],
)
def test_a_misshapen_hmac_is_refused(given_text: Any) -> None:
    assert reason_of(check_hmac_hex, given_text, MESSAGE, ["the-secret"]) == "bad_signature_form"


@pytest.mark.parametrize("place", range(0, 64, 7))
def test_one_wrong_digit_is_refused(place: int) -> None:
    wrong = TAG[:place] + ("1" if TAG[place] != "1" else "2") + TAG[place + 1 :]
    assert reason_of(check_hmac_hex, wrong, MESSAGE, ["the-secret"]) == "signature_mismatch"


def test_every_secret_counts_and_an_empty_one_never() -> None:
    for secrets in (["the-secret", "older"], ["newer", "the-secret"], ["", "the-secret"]):
        assert check_hmac_hex(TAG, MESSAGE, secrets) == bytes.fromhex(TAG)
    assert reason_of(check_hmac_hex, TAG, MESSAGE, ["newer", "older"]) == "signature_mismatch"
    assert reason_of(check_hmac_hex, TAG, MESSAGE, []) == "no_secret"
    assert reason_of(check_hmac_hex, hmac_hex("", MESSAGE), MESSAGE, [""]) == "no_secret"
    assert reason_of(check_hmac_hex, hmac_hex("", MESSAGE), MESSAGE, ["", "other"]) == "signature_mismatch"


def test_a_secret_that_is_no_text_is_refused_without_showing_it() -> None:
    assert reason_of(hmac_hex, "hidden\ud800", MESSAGE) == "bad_secret"
    with pytest.raises(Unverified) as caught:
        check_hmac_hex(TAG, MESSAGE, ["hidden\ud800"])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hidden" not in repr(caught.value)


def comparisons(monkeypatch: pytest.MonkeyPatch, check: Callable[[], object]) -> int:
    """How many times ``check`` compares; the comparison itself stays the real one."""
    seen: list[bool] = []
    real = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        seen.append(real(one, other))
        return seen[-1]

    with monkeypatch.context() as patch:
        patch.setattr(hmac, "compare_digest", counting)
        check()
    return len(seen)


def impatient_check(given_text: str, secrets: Sequence[str]) -> bool:
    return any(hmac.compare_digest(hmac_hex(secret, MESSAGE), given_text) for secret in secrets)


def test_the_search_does_not_stop_at_the_secret_that_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["the-secret", "older", "oldest"]
    assert comparisons(monkeypatch, lambda: check_hmac_hex(TAG, MESSAGE, secrets)) == 3
    assert comparisons(monkeypatch, lambda: impatient_check(TAG, secrets)) == 1, "control"


@pytest.mark.parametrize("signature", [RSA_SIGNATURE, EC_SIGNATURE], ids=["rsa", "ec"])
def test_a_genuine_signature_passes_under_any_key(signature: bytes) -> None:
    proofs = {check_signature(text_of(signature), MESSAGE, keys) for keys in (KEYS, KEYS[::-1])}
    assert len(proofs) == 1
    assert reason_of(check_signature, text_of(signature), MESSAGE + b"x", KEYS) == "signature_mismatch"
    assert reason_of(check_signature, text_of(signature), MESSAGE, []) == "no_key"
    other = rsa.generate_private_key(65537, 2048).public_key()
    assert reason_of(check_signature, text_of(signature), MESSAGE, [other]) == "signature_mismatch"


def spellings(text: str) -> list[str]:
    """The 16 texts of a 256-byte signature that differ in unused trailing bits only."""
    last = BASE64.index(text[-3])
    return [text[:-3] + BASE64[(last & 0b110000) | bits] + "==" for bits in range(16)]


def test_only_one_of_16_spellings_is_genuine() -> None:
    canonical = text_of(RSA_SIGNATURE)
    assert check_signature(canonical, MESSAGE, KEYS) == RSA_SIGNATURE
    others = [spelling for spelling in spellings(canonical) if spelling != canonical]
    assert len(others) == 15
    for spelling in others:
        with pytest.raises(Unverified, match="bad_signature_form"):
            check_signature(spelling, MESSAGE, KEYS)


def test_control_a_validating_decoder_takes_all_16_spellings() -> None:
    texts = spellings(text_of(RSA_SIGNATURE))
    assert len(set(texts)) == 16
    assert {base64.b64decode(text, validate=True) for text in texts} == {RSA_SIGNATURE}


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda text: text + "\n", id="line feed"),
        pytest.param(lambda text: text[:76] + "\r\n" + text[76:], id="wrapped"),
        pytest.param(lambda text: " " + text, id="space"),
        pytest.param(lambda text: text.rstrip("="), id="no padding"),
        pytest.param(lambda text: text + "=", id="more padding"),
        pytest.param(lambda text: text + "AAAA", id="more data"),
        pytest.param(lambda text: "!" + text, id="junk"),
        pytest.param(lambda text: text.replace("A", "\u0410"), id="look-alike letter"),
        pytest.param(lambda text: "\ud800" + text, id="lone surrogate"),
        pytest.param(lambda text: base64.b64decode(text).hex(), id="hex"),
        pytest.param(lambda text: "", id="nothing"),
        pytest.param(lambda text: "AAAA", id="too short"),
        pytest.param(lambda text: "A" * 4_000_000, id="too long"),
        pytest.param(lambda text: None, id="absent"),
        pytest.param(lambda text: text.encode(), id="bytes"),
    ],
)
def test_a_misshapen_signature_is_refused(spell: Callable[[str], Any]) -> None:
    given_text = spell(text_of(b"A" + RSA_SIGNATURE[1:]))
    reason = reason_of(check_signature, given_text, MESSAGE, KEYS)
    # hex digits are base64 letters too: the form passes, the signature does not
    assert reason == ("bad_signature_form" if given_text is None or len(given_text) != 512 else "signature_mismatch")


@pytest.mark.parametrize(
    ("length", "reason"),
    [(7, "bad_signature_form"), (8, "signature_mismatch"), (1024, "signature_mismatch"), (1025, "bad_signature_form")],
)
def test_a_signature_of_any_plausible_length_is_tried(length: int, reason: str) -> None:
    assert reason_of(check_signature, text_of(b"x" * length), MESSAGE, KEYS) == reason


@pytest.mark.parametrize("bit", range(0, 2048, 97))
def test_one_wrong_bit_is_refused(bit: int) -> None:
    wrong = bytearray(RSA_SIGNATURE)
    wrong[bit // 8] ^= 1 << bit % 8
    assert reason_of(check_signature, text_of(bytes(wrong)), MESSAGE, KEYS) == "signature_mismatch"


def test_both_twins_of_an_ecdsa_signature_are_one_proof() -> None:
    r, s = decode_dss_signature(EC_SIGNATURE)
    twin = encode_dss_signature(r, ec.SECP256R1().group_order - s)
    assert twin != EC_SIGNATURE
    EC_KEY.public_key().verify(twin, MESSAGE, ec.ECDSA(SHA256()))  # control: anybody's twin verifies
    assert check_signature(text_of(twin), MESSAGE, KEYS) == check_signature(text_of(EC_SIGNATURE), MESSAGE, KEYS)


@pytest.mark.parametrize("bits", [2048, 3072])
def test_an_rsa_key_is_loaded(bits: int) -> None:
    public = rsa.generate_private_key(65537, bits).public_key()
    assert load_public_key(pem_of(public)) == public


@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()], ids=lambda c: c.name
)
def test_a_curve_key_is_loaded_and_used(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    loaded = load_public_key(pem_of(key.public_key()))
    assert check_signature(text_of(key.sign(MESSAGE, ec.ECDSA(SHA256()))), MESSAGE, [loaded])


def rsa_key_of(bits: int) -> rsa.RSAPublicKey:
    """A key that only looks like one: a modulus of that size, quickly made."""
    return rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key()


def unfit_keys() -> list[Any]:
    private = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [
        pytest.param(b"", "no public key", id="nothing"),
        pytest.param(b"\xff\0", "no public key", id="rubble"),
        pytest.param(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key", id="no content"),
        pytest.param(private, "no public key", id="private key"),
        pytest.param(pem_of(rsa.generate_private_key(65537, 1024).public_key()), "has 1024", id="rsa-1024"),  # noqa: S505
        pytest.param(pem_of(rsa_key_of(8193)), "has 8193", id="rsa-8193"),
        pytest.param(pem_of(ec.generate_private_key(ec.SECP224R1()).public_key()), "has 224", id="p-224"),
        pytest.param(pem_of(ed25519.Ed25519PrivateKey.generate().public_key()), "must be an RSA", id="ed25519"),
        pytest.param(pem_of(dsa.generate_private_key(2048).public_key()), "must be an RSA", id="dsa"),
    ]


@pytest.mark.parametrize(("pem", "words"), unfit_keys())
def test_an_unfit_key_is_refused(pem: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_public_key(pem)


def test_a_bearer_token_is_read() -> None:
    assert bearer_token("Bearer abc.DEF-123_~+/=") == "abc.DEF-123_~+/="
    assert bearer_token("bearer " + "x" * 512) == "x" * 512


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer ", "abc", "Basic abc", "Bearer  abc", "Bearer abc ", "Bearer a b", "Bearer abc\n"),
        *(" Bearer abc", "Bearer ž", "Bearer a\0", "Bearer \x7f", "Bearer\tabc", "Bearer " + "x" * 513, "Bearer a, b"),
    ],
    ids=repr,
)
def test_no_bearer_token(header: str) -> None:
    assert reason_of(bearer_token, header) == "no_bearer"


NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def test_both_ends_of_the_window_are_inside() -> None:
    past, future = timedelta(minutes=5), timedelta(hours=1)
    check_window(NOW - past, NOW, past=past, future=future)
    check_window(NOW + future, NOW, past=past, future=future)
    check_window(NOW, NOW, past=timedelta(0), future=timedelta(0))


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOW - timedelta(minutes=5) - TICK, "too_old"),
        (NOW + timedelta(hours=1) + TICK, "too_far_ahead"),
        (datetime.min.replace(tzinfo=UTC), "too_old"),
        (datetime.max.replace(tzinfo=UTC), "too_far_ahead"),
    ],
)
def test_outside_the_window(moment: datetime, reason: str) -> None:
    with pytest.raises(Expired, match=reason):
        check_window(moment, NOW, past=timedelta(minutes=5), future=timedelta(hours=1))


thorough = settings(max_examples=400, deadline=None, derandomize=True, database=None)
texts = st.one_of(
    st.text(max_size=400),
    st.text(st.characters(categories=["Cs", "Nd", "Cc"]), min_size=64, max_size=64),
    st.text(st.sampled_from("0123456789abcdef"), min_size=62, max_size=66),
    st.text(st.sampled_from(BASE64 + "=\n-_"), max_size=1400),
    st.binary(max_size=1100).map(text_of),
)
secret_lists = st.lists(st.text(st.characters(), max_size=5), max_size=3)


@thorough
@given(texts, st.binary(max_size=50), secret_lists)
def test_an_hmac_check_only_ever_refuses(given_text: str, message: bytes, secrets: list[str]) -> None:
    with pytest.raises(Refused):
        check_hmac_hex(given_text, message, secrets)


@thorough
@given(texts, st.binary(max_size=50))
def test_a_signature_check_only_ever_refuses(given_text: str, message: bytes) -> None:
    with pytest.raises(Refused):
        check_signature(given_text, message, KEYS)


@thorough
@given(texts)
def test_a_bearer_header_only_ever_refuses(header: str) -> None:
    with pytest.raises(Refused):
        bearer_token(header)


def test_an_hmac_sha1_is_checked_as_strictly() -> None:
    """RFC 2202, test case 2."""
    tag = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    message = b"what do ya want for nothing?"
    assert check_hmac_hex(tag, message, ["other", "Jefe"], hash="sha1") == bytes.fromhex(tag)
    assert reason_of(check_hmac_hex, tag, message, ["Jefe"]) == "bad_signature_form"
    assert reason_of(check_hmac_hex, hmac_hex("Jefe", message), message, ["Jefe"], "sha1") == "bad_signature_form"
    assert reason_of(check_hmac_hex, tag, message + b" ", ["Jefe"], "sha1") == "signature_mismatch"
    assert reason_of(check_hmac_hex, tag, message, [""], "sha1") == "no_secret"
