"""The calls to a shop's REST API v2, and the addresses at which they may go (protocols/upgates.md 4.1, 4.2)."""

from __future__ import annotations

import re

from app.sdk import Health, Installation, Malformed, Outbound, UpstreamFailed

LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
SHOP = re.compile(rf"(?i:https://({LABEL}\.admin(?:\.{LABEL})?\.upgates\.com))(?::443)?(?:/|/api/v2/?)?", re.ASCII)
EXEMPT = re.compile(r"(https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?)((?:/[A-Za-z0-9._~-]+)*)/?")
HEALTH = {200: Health.ALIVE, 401: Health.DEAD}


def address_of(url: str, outbound: Outbound) -> str:
    """The API's base address without a trailing slash.

    Upgates' own hosts: "https only, host exactly <label>.admin.<label>.upgates.com (optionally without the second
    label), port 443, path /api/v2" (4.1), which is put in where it is missing (1.4). Whatever the operator exempted
    in ``OUTBOUND_ALLOW`` passes by plain http and with any path, too. Raises `Malformed` for anything else.
    """
    if shop := SHOP.fullmatch(url):
        return f"https://{shop[1].lower()}/api/v2"
    if (other := EXEMPT.fullmatch(url)) and outbound.exempts(url):
        return other[1] + (other[2] or "/api/v2")
    raise Malformed("bad_apiUrl", "The address of the shop's API is not one of Upgates.")


def health_of(installation: Installation, outbound: Outbound) -> Health:
    """Whether the API access lives: ``GET /status`` is "allowed for every API user" (4.6), 401 means gone (section 3).

    403 may be the lock-out "per IP address" and 301 a move (4.2): neither says anything about the access. Without
    credentials nothing is asked, since a failed login counts towards the lock-out.
    """
    user, key = installation.secret("api_user"), installation.secret("api_key")
    if not (installation.address and user and key):
        return Health.UNSURE
    try:
        reply = outbound.request("GET", f"{installation.address}/status", auth=(user, key))
    except UpstreamFailed:
        return Health.UNSURE
    return HEALTH.get(reply.status, Health.UNSURE)
