"""Signed fields: the marketplace's RSA signature over the values, in a fixed order and joined by ``;``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.sdk import Claims, Inbound, Malformed, Settings, check_signature, load_public_key, read_object, text_field

from .schemas import read_call

# What each call signs after ``call``, ``shop`` and ``sent_at``, in this order.
SIGNED: Mapping[str, Sequence[str]] = {
    "install": ("name", "language", "api_url", "api_token"),
    "open": ("language",),
    "search": ("q",),
    "uninstall": (),
    "webhook": ("customer_id", "customer_name", "customer_email", "customer_phone"),
}


def prove(request: Inbound, settings: Settings) -> Claims:
    """Read strictly, check the signature over the raw texts, then its address and its time.

    Raises `Malformed`, `Unverified` and `Expired`.
    """
    body = read_object(request.body)
    given = read_call(request.action, body)
    names = ("call", "shop", "sent_at", *SIGNED[request.action])
    values = [text_field(body, name, empty=True) for name in names]
    if any(";" in value for value in values):  # it would blur where one field ends and the next begins
        raise Malformed("semicolon_in_field")
    signed = ";".join(values).encode()
    key = load_public_key(settings["public_key"].encode())
    signature = check_signature(body.get("signature", ""), signed, [key])
    return vouch(request, given, signature + signed)  # noqa: F821 - the template's
