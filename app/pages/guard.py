"""The one place that keeps other sites out: every request below ``/account`` that may change something passes here."""

from __future__ import annotations

from flask import request

from app.core.services import services
from app.sdk import Unverified

HARMLESS = ("GET", "HEAD", "OPTIONS")
HEADER = "X-Stallholder"


def check_own_page() -> None:
    """Refuse what our own script did not send. Raises `Unverified`.

    The session's cookie is ``SameSite=None``, so it proves nothing. The header cannot be sent by a form, and by another
    site's script only after a preflight that we never grant; the browser's own word on the origin must agree.
    """
    if request.method in HARMLESS:
        return
    origin = request.headers.get("Origin", services().public_url)
    if request.headers.get(HEADER) != "1" or not from_own_site() or origin != services().public_url:
        raise Unverified("cross_site", "This request did not come from our own page.")


def from_own_site() -> bool:
    """Whether the browser says that a page of ours sent the request, or says nothing."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
