"""The settings, and the reading of what BigCommerce sends (docs/bigcommerce.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import fields

from app.sdk import (
    ConditionUnmet,
    Event,
    Malformed,
    Setting,
    read_object,
    text_field,
    told_fields,
    told_id,
    told_text,
)

STORE = re.compile(r"stores/[a-z0-9]{1,32}", re.ASCII)
CODE = re.compile(r"[A-Za-z0-9._~-]{1,512}", re.ASCII)
LANGUAGES = ("en", "cs", "sk", "ru", "es")
# The rights that we need. "modify" holds "read-only" in it, and the names have both.
SCOPES = ("store_v2_customers", "store_v2_orders", "store_v2_information")
READ_ONLY = "_read_only"


def url(default: str) -> fields.URL:
    """An address of the platform's, which a test may play."""
    return fields.URL(load_default=default, schemes={"http", "https"}, require_tld=False)


SETTINGS = (
    Setting("client_id", fields.String(), "The app's client id: Developer Portal, View Client ID.", required=True),
    Setting("client_secret", fields.String(), "The client secret beside it.", required=True, secret=True),
    Setting("api_url", url("https://api.bigcommerce.com"), "Where the stores' API is reached."),
    Setting("login_url", url("https://login.bigcommerce.com"), "Where a code is redeemed."),
)


def read_code(query: Mapping[str, str]) -> dict[str, str]:
    """What the auth callback brings, of which only the form can be checked. Raises `Malformed`."""
    given = {"code": text_field(query, "code", longest=512), "scope": text_field(query, "scope", longest=1000)}
    if not CODE.fullmatch(given["code"]):
        raise Malformed("bad_code", "The link is incomplete. Install the app again.")
    return {**given, "context": tenant_of(query, "context")}


def tenant_of(told: Mapping[str, Any], name: str) -> str:
    """The store as the platform names it: ``stores/`` and its hash, which never changes. Raises `Malformed`."""
    tenant = text_field(told, name, longest=64)
    if not STORE.fullmatch(tenant):
        raise Malformed(f"bad_{name}")
    return tenant


def check_scope(scope: object) -> None:
    """ "Check that the scopes are those of the app's profile": raises `ConditionUnmet` where one is missing."""
    granted = {name.removesuffix(READ_ONLY) for name in told_text(scope).split()}
    if missing := [name for name in SCOPES if name not in granted]:
        raise ConditionUnmet("scope_missing", "The app needs these rights: %(rights)s.", rights=", ".join(missing))


def language_of(claims: Mapping[str, Any]) -> str:
    """The user's language, of a ``locale`` in BCP 47; empty for one that we do not speak."""
    return spoken(told_fields(claims.get("user")).get("locale"))


def spoken(tag: object) -> str:
    """One of our languages, of a language tag such as ``en-US``; empty for any other."""
    language = re.split("[-_]", told_text(tag).lower())[0]
    return language if language in LANGUAGES else ""


def read_hint(body: bytes) -> Sequence[Event]:
    """What a webhook hints at; who is said to be gone is asked for by name. Raises `Malformed` for no object."""
    told = read_object(body)
    scope, id = told_text(told.get("scope")), told_id(told_fields(told.get("data")).get("id"))
    if id and scope == "store/customer/deleted":
        return Event.named(people=[str(id)])
    if id and scope in ("store/order/archived", "store/order/deleted"):
        return Event.named(orders=[str(id)])
    return [Event.changed()]
