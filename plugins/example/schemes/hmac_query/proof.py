"""A signed query: the HMAC of everything before the last field, ``sig``, stands in it."""

from __future__ import annotations

from app.sdk import Claims, Inbound, Settings, check_hmac_hex, read_query

from .schemas import read_call


def prove(request: Inbound, settings: Settings) -> Claims:
    """Read strictly, check the signature over the query as it came, then its address and its time.

    Raises `Malformed`, `Unverified` and `Expired`.
    """
    signed, _, signature = request.query.rpartition(b"&sig=")
    given = read_call(request.action, read_query(signed))
    tag = check_hmac_hex(signature.decode("latin-1"), signed, settings["secret"])
    return vouch(request, given, tag + signed)  # noqa: F821 - the template's
