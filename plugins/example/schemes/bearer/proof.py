"""A bearer: the secret itself comes with every call, and proves who calls, but not what is said nor when."""

from __future__ import annotations

from app.sdk import Claims, Inbound, Settings, check_bearer, read_object

from .schemas import read_call


def prove(request: Inbound, settings: Settings) -> Claims:
    """Read strictly, then compare the secret; whoever learns it may say anything.

    Raises `Malformed` and `Unverified`.
    """
    given = read_call(request.action, read_object(request.body))
    check_bearer(request.header("authorization"), settings["secret"])
    return Claims(fields=given, tenant=given["shop"], language=given.get("language", ""))
