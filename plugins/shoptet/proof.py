"""What proves a call of Shoptet: a code that its OAuth server redeems, or an HMAC-SHA1 under the e-shop's own key."""

from __future__ import annotations

import re
from datetime import timedelta

from app.sdk import Claims, Inbound, Installations, Malformed, Unverified, check_hmac_hex, check_window, read_query

from .schemas import LEAVING, read_notice

PAST, FUTURE = timedelta(hours=1), timedelta(minutes=5)  # "3 attempts, 15 minutes apart"


def prove_install(request: Inbound) -> Claims:
    """Read the code, "a 255 character long string". As the proof, it is good for one install. Raises `Malformed`."""
    code = read_query(request.query).get("code", "")
    if re.fullmatch(r"[\x21-\x7e]{16,512}", code) is None:
        raise Malformed("bad_code")
    return Claims(fields={"code": code}, proof=code.encode())


def prove_notice(request: Inbound, installations: Installations) -> Claims:
    """The body names the e-shop, and only that e-shop's key may have signed it.

    Raises `Malformed`, `Unverified` (also for an e-shop that is not connected) and `Expired`.
    """
    notice = read_notice(request.body)
    found = installations.by_tenant(notice.eshop)
    if found is None:
        raise Unverified("unknown_eshop")
    keys, given = found.secrets("signature_key"), request.header("shoptet-webhook-signature")
    tag = check_hmac_hex(given, request.body, keys, hash="sha1")
    if (notice.event == LEAVING) != (request.action == "uninstall"):
        raise Unverified("other_event")  # the event is signed, so no call is good for the other address
    check_window(notice.created, request.received_at, past=PAST, future=FUTURE)
    return Claims(
        fields={"notice": notice},
        tenant=notice.eshop,
        proof=tag + request.body,
        valid_until=notice.created + PAST,
        issued_at=notice.created,
    )
