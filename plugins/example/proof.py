"""What Bazaar signs and how it is checked: README.md, 2."""

from __future__ import annotations

from datetime import timedelta

from app.sdk import Claims, Inbound, Settings, Unverified, check_hmac_hex, check_window, read_object, text_field

from .schemas import READERS, read_sent_at

PAST, FUTURE = timedelta(minutes=5), timedelta(minutes=1)


def prove(request: Inbound, settings: Settings) -> Claims:
    """Read strictly, check the signature over the bytes as they came, then the time.

    Raises `Malformed`, `Unverified` and `Expired`.
    """
    body = read_object(request.body)
    fields, sent_at = READERS[request.action](body), read_sent_at(body)
    tag = check_hmac_hex(request.header("x-bazaar-signature"), request.body, settings["secret"])
    if body.get("call") != request.action:  # "A call for one URL is no call for another"
        raise Unverified("other_call")
    check_window(sent_at, request.received_at, past=PAST, future=FUTURE)
    return Claims(
        fields={**fields, "sent_at": sent_at},
        tenant=text_field(body, "shop", longest=64),
        proof=tag + request.body,
        valid_until=sent_at + PAST,
        issued_at=sent_at,
        language=fields.get("language", ""),
    )
