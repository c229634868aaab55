"""The calls around an installation: a code redeemed, what the store is called, and whether its token lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.sdk import (
    Health,
    Installation,
    Malformed,
    Outbound,
    Response,
    Settings,
    Unverified,
    UpstreamFailed,
    told_fields,
    told_text,
)

from .schemas import check_scope, spoken, tenant_of

HEALTH = {200: Health.ALIVE, 401: Health.DEAD}
REFUSED = (400, 401, 403)
SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code was good for: the store, and the token of its API."""

    context: str
    access_token: str = field(repr=False)


def redeem(given: Mapping[str, str], settings: Settings, callback: str, outbound: Outbound) -> Grant:
    """Exchange a code, with the current secret first: during a rotation the platform may know only the former.

    "The answer's context" alone is believed, and must be the one that the browser brought. Raises `Unverified` where
    the platform knows no such code, `ConditionUnmet` where a right is missing, and `UpstreamFailed`.
    """
    for secret in settings["client_secret"]:
        form = {name: given[name] for name in ("code", "scope", "context")}
        form |= {"client_id": settings["client_id"], "client_secret": secret}
        form |= {"grant_type": "authorization_code", "redirect_uri": callback}
        reply = outbound.request("POST", f"{settings['login_url']}/oauth2/token", json=form, timeout=SECONDS)
        if reply.status not in REFUSED:
            return grant_of(reply, given["context"])
    raise Unverified("code_refused", "The platform does not know this link. Install the app again.")


def grant_of(reply: Response, context: str) -> Grant:
    """The grant in an answer; raises as `redeem` does."""
    if reply.status != 200:
        raise UpstreamFailed(f"status_{reply.status}")
    told = told_fields(reply.json())
    token = told_text(told.get("access_token"))
    try:
        named = tenant_of(told, "context")
    except Malformed:
        raise UpstreamFailed("no_context") from None
    if not token or len(token) > 255:
        raise UpstreamFailed("no_token")
    if named != context:
        raise Unverified("other_context")
    check_scope(told.get("scope"))
    return Grant(named, token)


def called(address: str, token: str, outbound: Outbound) -> tuple[str, str]:
    """The store's name and language; both empty where it does not say: the code is spent, so nothing may fail now."""
    try:
        reply = outbound.request("GET", f"{address}/v2/store", headers=with_token(token), timeout=SECONDS)
        told = told_fields(reply.json()) if reply.status == 200 else {}
    except UpstreamFailed:
        return "", ""
    return told_text(told.get("name"))[:200], spoken(told.get("language"))


def health_of(installation: Installation, outbound: Outbound) -> Health:
    """Whether the token lives: 401 means that it does not; anything else tells nothing."""
    token = installation.secret("access_token")
    if not (installation.address and token):
        return Health.UNSURE
    try:
        reply = outbound.request("GET", f"{installation.address}/v2/store", headers=with_token(token))
    except UpstreamFailed:
        return Health.UNSURE
    return HEALTH.get(reply.status, Health.UNSURE)


def with_token(token: str) -> dict[str, str]:
    """The headers of every call to a store's API."""
    return {"X-Auth-Token": token, "Accept": "application/json"}
