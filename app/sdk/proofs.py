"""The signature primitives: every proof of a platform is checked by a function of this module."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .errors import Expired, Unverified

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey

SHORTEST_SIGNATURE, LONGEST_SIGNATURE = 8, 1024  # bytes: the smallest DER pair, RSA with 8192 bits
SMALLEST_RSA, LARGEST_RSA, SMALLEST_CURVE = 2048, 8192, 256  # bits
# An HMAC holds with SHA-1, too: what breaks SHA-1 are collisions, and nobody who lacks the key can look for one.
HEX_DIGITS = {"sha256": 64, "sha1": 40}


def hmac_hex(key: str, message: bytes) -> str:
    """HMAC-SHA256 of ``message`` under the UTF-8 bytes of ``key``, in lower-case hex."""
    return hmac.digest(_key_bytes(key), message, "sha256").hex()


def check_hmac_hex(given: str, message: bytes, secrets: Sequence[str], hash: str = "sha256") -> bytes:
    """Check a lower-case hex HMAC against every secret and return its bytes; ``hash`` is ``sha256`` or ``sha1``.

    An empty secret is never accepted. Raises `Unverified`: ``bad_signature_form``, ``no_secret`` or
    ``signature_mismatch``.
    """
    if not isinstance(given, str) or re.fullmatch(f"[0-9a-f]{{{HEX_DIGITS[hash]}}}", given) is None:
        raise Unverified("bad_signature_form")
    keys = [_key_bytes(secret) for secret in secrets if secret]
    if not keys:
        raise Unverified("no_secret")
    tag = bytes.fromhex(given)
    if not hmac_matches(tag, message, keys, hash):
        raise Unverified("signature_mismatch")
    return tag


def hmac_matches(tag: bytes, message: bytes, keys: Sequence[bytes], hash: str = "sha256") -> bool:
    """Whether ``tag`` is the whole HMAC of ``message`` under one of ``keys``."""
    matches = 0
    for key in keys:  # all of them: the time must not tell which one matched
        matches += hmac.compare_digest(hmac.digest(key, message, hash), tag)
    return matches > 0


def load_public_key(pem: bytes) -> PublicKey:
    """The RSA (2048 to 8192 bits) or elliptic-curve (256 bits and more) public key in ``pem``.

    Raises `ValueError`, with a text for the operator, for anything else.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no public key in PEM form (-----BEGIN PUBLIC KEY-----)") from error
    if isinstance(key, RSAPublicKey):
        if not SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
            raise ValueError(f"an RSA key needs {SMALLEST_RSA} to {LARGEST_RSA} bits, this one has {key.key_size}")
        return key
    if isinstance(key, EllipticCurvePublicKey):
        if key.key_size < SMALLEST_CURVE:
            raise ValueError(f"an elliptic-curve key needs {SMALLEST_CURVE} bits, this one has {key.key_size}")
        return key
    raise ValueError("the public key must be an RSA or an elliptic-curve key")


def check_signature(given: str, message: bytes, keys: Sequence[PublicKey]) -> bytes:
    """Check a base64 signature over ``message`` (SHA-256; PKCS #1 v1.5 or ECDSA); any of ``keys`` may match.

    Returns the signature's bytes, one value for all spellings of one signature. Raises `Unverified`:
    ``bad_signature_form``, ``no_key`` or ``signature_mismatch``.
    """
    signature = _decode_signature(given)
    if not keys:
        raise Unverified("no_key")
    for key in keys:
        if signature_matches(signature, message, key):
            return _lower_twin(signature, key)
    raise Unverified("signature_mismatch")


def signature_matches(signature: bytes, message: bytes, key: PublicKey) -> bool:
    """Whether ``signature`` over ``message`` is one by the holder of ``key``."""
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature, message, PKCS1v15(), SHA256())
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def bearer_token(header: str) -> str:
    """The token of ``Authorization: Bearer X``: 1 to 512 visible ASCII characters. Raises `Unverified`."""
    found = re.fullmatch(r"(?i:bearer) ([\x21-\x7e]{1,512})", header, re.ASCII)
    if found is None:
        raise Unverified("no_bearer")
    return found[1]


def check_window(moment: datetime, now: datetime, *, past: timedelta, future: timedelta) -> None:
    """Accept a ``moment`` from ``past`` before ``now`` to ``future`` after it, both ends included.

    Raises `Expired`: ``too_old`` or ``too_far_ahead``.
    """
    if now - moment > past:
        raise Expired("too_old")
    if moment - now > future:
        raise Expired("too_far_ahead")


def _key_bytes(key: str) -> bytes:
    try:
        return key.encode("utf-8")
    except UnicodeEncodeError:
        raise Unverified("bad_secret") from None  # the cause would carry the secret


def _decode_signature(given: str) -> bytes:
    if not isinstance(given, str) or not given.isascii() or len(given) > LONGEST_SIGNATURE * 4 // 3 + 4:
        raise Unverified("bad_signature_form")
    try:
        signature = base64.b64decode(given, validate=True)
    except ValueError:
        raise Unverified("bad_signature_form") from None
    # Unused trailing bits give 16 spellings of the same bytes; only the one an encoder writes is genuine.
    if base64.b64encode(signature).decode("ascii") != given:
        raise Unverified("bad_signature_form")
    if not SHORTEST_SIGNATURE <= len(signature) <= LONGEST_SIGNATURE:
        raise Unverified("bad_signature_form")
    return signature


def _lower_twin(signature: bytes, key: PublicKey) -> bytes:
    """Anybody can turn an ECDSA signature (r, s) into the equally valid (r, n - s): both count as the one."""
    if isinstance(key, RSAPublicKey):
        return signature
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, key.curve.group_order - s))
