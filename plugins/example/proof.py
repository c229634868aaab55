"""What Bazaar signs and how it is checked: README.md, 2."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.sdk import Claims, Inbound, Settings, Unverified, check_hmac_hex, check_window, read_object

from .schemas import read_call

PAST, FUTURE = timedelta(minutes=5), timedelta(minutes=1)


def prove(request: Inbound, settings: Settings) -> Claims:
    """Read strictly, check the signature over the body as it came, then its address and its time.

    Raises `Malformed`, `Unverified` and `Expired`.
    """
    given = read_call(request.action, read_object(request.body))
    tag = check_hmac_hex(request.header("x-bazaar-signature"), request.body, settings["secret"])
    return vouch(request, given, tag + request.body)


def vouch(request: Inbound, given: Mapping[str, Any], proof: bytes) -> Claims:
    """The claims of a call whose signature holds. Raises `Unverified` and `Expired`."""
    if given["call"] != request.action:  # "A call for one URL is no call for another"
        raise Unverified("other_call")
    check_window(given["sent_at"], request.received_at, past=PAST, future=FUTURE)
    return Claims(
        fields=given,
        tenant=given["shop"],
        proof=proof,
        valid_until=given["sent_at"] + PAST,
        issued_at=given["sent_at"],
        language=given.get("language", ""),
    )
