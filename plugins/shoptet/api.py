"""The calls to Shoptet: its OAuth server, which is the partner's own e-shop, and the API with short-lived tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.sdk import (
    Health,
    Installation,
    Later,
    LoginRefused,
    Outbound,
    Response,
    Settings,
    State,
    Stopped,
    Unverified,
    UpstreamFailed,
    retry_at,
    told_fields,
    told_id,
    told_text,
)

OAUTH = "/action/ApiOAuthServer"
MEDIA_TYPE = "application/vnd.shoptet.v1.0"
SECONDS = 30.0
TOKEN = re.compile(r"[\x21-\x7e]{16,512}")
# API access tokens by the digest of the OAuth access token that they were fetched with, in memory alone: they live for
# 30 minutes and "5 at once", so they are shared by all calls of this process, and fetched anew when one is refused.
TOKENS: dict[str, str] = {}
MOST_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Eshop:
    """The e-shop that a code was redeemed for, and its OAuth access token, "unlimited life"."""

    id: str
    title: str
    token: str


def redeem(outbound: Outbound, settings: Settings, code: str, address: str) -> Eshop:
    """Exchange the code of an installation; ``address`` is the one at which it came.

    Raises `Unverified` where the OAuth server does not accept it, else `UpstreamFailed`.
    """
    form = {"code": code, "grant_type": "authorization_code", "client_id": settings["client_id"]}
    form |= {"redirect_uri": address, "scope": "api"}
    response = outbound.request("POST", f"{server(settings)}/token", form=form)
    if response.status in (400, 401, 403):
        raise Unverified("code_refused", "Shoptet did not accept the installation. Install the add-on again.")
    told = told_fields(response.json()) if response.ok else {}
    id, token = told_id(told.get("eshopId")), told_token(told)
    if not (id and token):
        raise UpstreamFailed("no_oauth_token")
    host = urlsplit(told_text(told.get("eshopUrl"))).hostname if told_text(told.get("eshopUrl")) else ""
    return Eshop(str(id), host or f"Shoptet {id}", token)


def fetch_token(outbound: Outbound, settings: Settings, oauth_token: str) -> str:
    """A new API access token, kept for the calls to come. Raises `Stopped`, `Later` and `UpstreamFailed`."""
    response = ask_for_token(outbound, settings, oauth_token)
    if response.status == 401:
        raise LoginRefused("access_gone", "The e-shop does not accept the add-on any more. Install it again.")
    if response.status in (423, 429) or response.status >= 500 or too_many(response):
        raise Later("no_token_now")
    token = told_token(told_fields(response.json())) if response.ok else ""
    if not token:
        raise UpstreamFailed("no_api_token")
    TOKENS[digest(oauth_token)] = token
    while len(TOKENS) > MOST_TOKENS:
        del TOKENS[next(iter(TOKENS))]
    return token


def ask_for_token(outbound: Outbound, settings: Settings, oauth_token: str) -> Response:
    """The OAuth server's answer to a request for an API access token."""
    headers = {"Authorization": f"Bearer {oauth_token}"}
    return outbound.request("GET", f"{server(settings)}/getAccessToken", headers=headers)


def health_of(installation: Installation, settings: Settings, outbound: Outbound) -> Health:
    """Whether the OAuth access token lives; asked of the OAuth server, since an API access token may outlive it.

    401 is the word that it does not. 403 is one only of an e-shop that said that it leaves: while an add-on is
    suspended, or too many tokens are about, it says nothing.
    """
    token = installation.secret("oauth_token")
    if not token:
        return Health.UNSURE
    try:
        response = ask_for_token(outbound, settings, token)
        alive = response.ok and told_token(told_fields(response.json())) != ""
    except UpstreamFailed:
        return Health.UNSURE
    leaving = installation.state is State.UNINSTALLING and not too_many(response)
    if response.status == 401 or (response.status == 403 and leaving):
        return Health.DEAD
    return Health.ALIVE if alive or too_many(response) else Health.UNSURE


def too_many(response: Response) -> bool:
    """Whether all 5 tokens are in use: that says, too, that the OAuth access token lives."""
    try:
        return told_fields(response.json()).get("error") == "maximum_tokens_reached"
    except UpstreamFailed:
        return False


def shop_of(installation: Installation, settings: Settings, outbound: Outbound, now: datetime | None = None) -> Shop:
    """The API of this installation's e-shop."""
    return Shop(outbound, settings, installation.secret("oauth_token"), now)


@dataclass(frozen=True, slots=True)
class Shop:
    """The API as one e-shop's OAuth access token opens it; ``now`` is when we ask, where that is known."""

    outbound: Outbound
    settings: Settings
    oauth_token: str
    now: datetime | None = None

    def signature_key(self) -> str:
        """A new key for the signatures of webhooks; the former one signs no more. Raises as `ask` does."""
        key = told_text(self.data("POST", "webhooks/renew-signature-key").get("signatureKey"))
        if not 8 <= len(key) <= 512:
            raise UpstreamFailed("no_signature_key")
        return key

    def data(self, method: str, path: str, query: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What stands under ``data`` in an answer. Raises as `ask` does."""
        asked = f"{path}?{urlencode(query)}" if query else path
        return told_fields(told_fields(self.ask(method, asked).json()).get("data"))

    def ask(self, method: str, path: str, json: object = None, takes: Collection[int] = ()) -> Response:
        """One call, with a fresh token where the one at hand has ended. Statuses in ``takes`` are answers, too.

        Raises `Stopped`, `Later` and `UpstreamFailed`.
        """
        if not self.oauth_token:
            raise Stopped("no_access")
        known = TOKENS.get(digest(self.oauth_token))
        response = self.send(method, path, json, known or fetch_token(self.outbound, self.settings, self.oauth_token))
        if response.status == 401 and known:
            fresh = fetch_token(self.outbound, self.settings, self.oauth_token)
            response = self.send(method, path, json, fresh)
        if response.status not in takes:
            self.refuse(response)
        return response

    def send(self, method: str, path: str, json: object, token: str) -> Response:
        """One call with this API access token, whatever comes of it."""
        headers = {"Shoptet-Access-Token": token, "Content-Type": MEDIA_TYPE}
        url = f"{self.settings['api_url'].rstrip('/')}/api/{path}"
        return self.outbound.request(method, url, headers=headers, json=json, timeout=SECONDS)

    def refuse(self, response: Response) -> None:
        """Raise what a status other than success means."""
        status = response.status
        if status == 401:
            TOKENS.pop(digest(self.oauth_token), None)
            raise UpstreamFailed("token_refused")
        if status == 403:
            raise Stopped("access_denied", "The e-shop does not let the add-on read its customers and orders.")
        if status in (423, 429) or status >= 500:  # 423: "locked", for a short while
            raise Later(f"status_{status}", retry_at(response.headers.get("retry-after", ""), self.now))
        if not response.ok:
            raise UpstreamFailed(f"status_{status}")


def server(settings: Settings) -> str:
    """The OAuth server's address."""
    return f"{settings['shop_url'].rstrip('/')}{OAUTH}"


def told_token(told: Mapping[str, Any]) -> str:
    """The token in an OAuth answer; empty for none that could be one."""
    token = told_text(told.get("access_token"))
    return token if TOKEN.fullmatch(token) else ""


def digest(token: str) -> str:
    """A name for a token that does not tell it."""
    return hashlib.sha256(token.encode()).hexdigest()
