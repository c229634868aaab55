"""JSON Web Tokens signed with HS256 (RFC 7515, RFC 7519): one algorithm, one spelling, and every claim asked for."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import Expired, Malformed, Unverified
from .proofs import hmac_matches
from .reading import read_object

LONGEST_TOKEN = 8192
# RFC 7515, 4.1: no other header may decide how the signature is to be checked.
HEADERS = ({"alg": "HS256", "typ": "JWT"}, {"alg": "HS256"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature holds and which counts now; ``proof`` is for `Claims.proof`."""

    claims: Mapping[str, Any] = field(repr=False)
    issued_at: datetime
    valid_until: datetime
    proof: bytes = field(repr=False)


def check_jwt(
    given: str, secrets: Sequence[str], *, issuer: str, audience: str, now: datetime, lead: timedelta
) -> Token:
    """Check a token in the compact form against every secret: its signature first, then whose it is, then its time.

    ``iss`` and ``aud`` must be exactly ``issuer`` and ``audience``; ``iat`` and ``exp`` must be there, in whole
    seconds, ``nbf`` where it is. It counts from ``lead`` before the later of ``iat`` and ``nbf`` (the clocks may
    differ) until the second before ``exp`` (RFC 7519, 4.1.4). Raises `Unverified`: ``bad_token_form``,
    ``other_algorithm``, ``no_secret``, ``signature_mismatch``, ``other_issuer`` or ``other_audience``; `Expired`; and
    `Malformed` for claims that cannot be read.
    """
    signed, signature = _taken_apart(given)
    head, body = (_decoded(part) for part in signed.split("."))
    if _object_of(head) not in HEADERS:
        raise Unverified("other_algorithm")
    keys = [secret.encode() for secret in secrets if secret]
    if not keys:
        raise Unverified("no_secret")
    if not hmac_matches(signature, signed.encode(), keys):
        raise Unverified("signature_mismatch")
    claims = read_object(body)
    if claims.get("iss") != issuer:
        raise Unverified("other_issuer")
    if claims.get("aud") != audience:
        raise Unverified("other_audience")
    starts = max(_moment(claims, "iat"), _moment(claims, "nbf" if "nbf" in claims else "iat"))
    ends = _moment(claims, "exp")
    if starts - now > lead:
        raise Expired("too_far_ahead")
    if now >= ends:
        raise Expired("too_old")
    return Token(claims, _moment(claims, "iat"), ends, signature + signed.encode())


def _taken_apart(given: str) -> tuple[str, bytes]:
    """What is signed, and the signature."""
    if not isinstance(given, str) or len(given) > LONGEST_TOKEN or not given.isascii() or given.count(".") != 2:
        raise Unverified("bad_token_form")
    signed, _, signature = given.rpartition(".")
    return signed, _decoded(signature)


def _decoded(part: str) -> bytes:
    """Base64url without padding, in the one spelling that an encoder writes (RFC 7515, 2)."""
    if not re.fullmatch("[A-Za-z0-9_-]+", part, re.ASCII) or len(part) % 4 == 1:
        raise Unverified("bad_token_form")
    plain = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(plain).decode().rstrip("=") != part:
        raise Unverified("bad_token_form")
    return plain


def _object_of(head: bytes) -> dict[str, Any]:
    try:
        return read_object(head)
    except Malformed:
        raise Unverified("bad_token_form") from None


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    """Whole seconds since 1970; ``true`` is no number. Raises `Malformed`."""
    seconds = claims.get(name)
    if type(seconds) is not int or not 0 <= seconds < 10**11:
        raise Malformed(f"bad_{name}")
    return datetime.fromtimestamp(seconds, UTC)
