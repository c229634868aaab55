"""The calls to a shop's API, and the addresses at which they may go: README.md, 5."""

from __future__ import annotations

import re

from app.sdk import Health, Installation, Malformed, Outbound, UpstreamFailed

SHOP = re.compile(r"https://[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.bazaar\.example", re.ASCII)
HEALTH = {200: Health.ALIVE, 401: Health.DEAD}


def address_of(url: str, outbound: Outbound) -> str:
    """The API's base address: one of Bazaar's own hosts, or one that the operator exempted. Raises `Malformed`."""
    if SHOP.fullmatch(url) or outbound.exempts(url):
        return url
    raise Malformed("bad_api_url", "The address of the shop's API is not one of the marketplace.")


def health_of(installation: Installation, outbound: Outbound) -> Health:
    """Whether the token lives: "401 means that the token was taken back"; anything else tells nothing."""
    token = installation.secret("api_token")
    if not (installation.address and token):
        return Health.UNSURE
    try:
        reply = outbound.request("GET", f"{installation.address}/me", headers={"Authorization": f"Bearer {token}"})
    except UpstreamFailed:
        return Health.UNSURE
    return HEALTH.get(reply.status, Health.UNSURE)
