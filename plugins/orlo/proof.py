"""What Orlo signs and how it is checked: protocols/orlo.md section 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.sdk import (
    Claims,
    Expired,
    Inbound,
    Installation,
    Installations,
    Malformed,
    Unknown,
    Unverified,
    build_php_query,
    check_hmac_hex,
    parse_php_query,
    unix_time,
)

from .schemas import read_open, read_search, text_of

# "The path is not signed, nor is the purpose": each endpoint has its own secret and its own parameters.
READERS: Mapping[str, Callable[[Mapping[Any, Any]], dict[str, str]]] = {"search": read_search, "open": read_open}


def prove(request: Inbound, max_ttl: int, installations: Installations) -> Claims:
    """Read strictly, check the signature, then its time.

    "Replaying a read inside its TTL is legal": the claims carry no proof. Raises `Unknown`, `Malformed`, `Unverified`
    and `Expired`.
    """
    installation = installations.by_link("path", request.key) if request.key else None
    if installation is None:
        raise Unknown("unknown_path")
    params = parse_php_query(request.query)
    signature, expires = read_proof(params)
    fields = READERS[request.action](params)
    check_proof(signature, params, installation, f"{request.action}_secret")
    check_time(expires, request.received_at, timedelta(seconds=max_ttl))
    return Claims(installation=installation.id, fields=fields)


def read_proof(params: Mapping[Any, Any]) -> tuple[str, datetime]:
    """``sig`` and ``expires`` ("Unix time"); `Malformed` when one is missing, an array or no number."""
    signature, expires = text_of(params, "sig"), text_of(params, "expires")
    try:
        if signature and expires:
            return signature, unix_time(expires)
    except Malformed:
        pass
    raise Malformed("bad_proof", "missing or invalid sig or expires params")


def check_proof(signature: str, params: Mapping[Any, Any], installation: Installation, secret: str) -> None:
    """The message is "the query without sig, in the order received, as PHP's http_build_query writes it"."""
    message = build_php_query({name: value for name, value in params.items() if name != b"sig"})
    try:
        check_hmac_hex(signature, message, installation.secrets(secret))
    except Unverified as refusal:
        raise Unverified(refusal.reason, "Signature mismatch") from None


def check_time(expires: datetime, now: datetime, longest: timedelta) -> None:
    """ "valid while expires >= now", in whole seconds as PHP counts; "No upper bound is documented", so ours counts."""
    second = now.replace(microsecond=0)
    if expires < second:
        raise Expired("too_old", "request expired")
    if expires - second > longest:
        raise Expired("too_far_ahead", "request expired")
