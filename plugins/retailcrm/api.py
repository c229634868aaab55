"""The calls to an account: who it is, what its key may do, and the registration of the module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.sdk import ConditionUnmet, Installation, Links, Outbound, Refused, Settings, Unverified, UpstreamFailed

from .schemas import check_address, to_address

SCOPES = ("integration_read", "integration_write", "customer_read", "order_read")
OLD_STYLE = "/api/integration-modules/{code}/edit"  # what a key without scopes lists instead


def identify(url: str, settings: Settings, outbound: Outbound) -> tuple[str, str]:
    """Technical and public address by which the account at ``url`` calls itself; no key is sent to learn them.

    Empty where it does not tell (sheet, section 2: ``system-info``; older systems have no such method) or may not be
    believed. Raises `Malformed`, `UpstreamFailed`, and `ConditionUnmet` where something else than an account answers.
    """
    kind = check_address(url, settings, outbound)
    status, told = ask(outbound, "GET", f"{url}/api/system-info")
    if status != 404 and not (status == 200 and told):
        raise ConditionUnmet("no_account", "There is no account at this address.")

    def believed(name: str) -> str:
        address = to_address(str(told.get(name, "")))
        try:
            other = check_address(address, settings, outbound)
        except Refused:
            return ""
        # A customer's own host speaks for itself alone; else it could pass for another customer's account.
        return address if status == 200 and (address == url or other == kind != "listed") else ""

    return believed("technicalUrl"), believed("publicUrl")


def moved(installation: Installation, url: str, settings: Settings, outbound: Outbound) -> str:
    """The public address of the account at an unsigned new ``url``; empty unless it is the same account by its name."""
    if url in ("", installation.address):
        return ""
    try:
        technical_url, public_url = identify(url, settings, outbound)
    except Refused:  # the switch is applied all the same, and a reconnect brings the address with a proof
        return ""
    return (public_url or url) if technical_url == installation.tenant else ""


def check_rights(url: str, key: str, outbound: Outbound) -> None:
    """See that the key lives at ``url`` and may do what we need. Raises `ConditionUnmet` and as `call` does."""
    told = call(outbound, "GET", f"{url}/api/credentials", key)
    scopes, credentials = told.get("scopes") or (), told.get("credentials") or ()
    missing = [scope for scope in SCOPES if scope not in scopes]
    if missing and (scopes or OLD_STYLE not in credentials):
        raise ConditionUnmet("rights", "The add-on needs these rights: %(rights)s.", rights=", ".join(missing))


def register(url: str, key: str, settings: Settings, links: Links, outbound: Outbound) -> None:
    """Create or update the module in the account (sheet, section 3: ``edit``). Raises as `call` does."""
    code = settings["code"]
    module = {
        "code": code,
        "integrationCode": code,
        "active": True,
        "name": settings["name"],
        "logo": settings["logo_url"],
        "clientId": links.token("client_id"),
        "baseUrl": links.to("activity").removesuffix("/activity"),
        "accountUrl": links.to("open"),
        "actions": {"activity": "/activity"},
        "availableCountries": list(settings["country_codes"]),
    }
    call(outbound, "POST", f"{url}/api/v5/integration-modules/{code}/edit", key, integrationModule=json.dumps(module))


def call(outbound: Outbound, method: str, url: str, key: str, **form: str) -> Mapping[str, Any]:
    """What the account answers to its key. Raises `ConditionUnmet`, `Unverified`, `UpstreamFailed`.

    The vendor's clients tell refusals apart by ``errorMsg`` too (sheet, section 3); its text is never passed on.
    """
    status, told = ask(outbound, method, url, key, form)
    text = str(told.get("errorMsg", ""))
    if status == 402:
        raise ConditionUnmet("balance", "Please top up the balance of your account and connect again.")
    if status == 401 or '"apiKey"' in text:
        raise Unverified("wrong_key", "The account does not accept the key it gave.")
    if not told or text.startswith("Account does not exist"):  # an unknown subdomain answers with a page
        raise ConditionUnmet("no_account", "There is no account at this address.")
    if text.startswith("Access denied"):
        raise ConditionUnmet("access_denied", "The key of the account may not connect add-ons.")
    if status != 200 or told.get("success") is not True:
        raise UpstreamFailed("refused_by_account", "The account refused the connection.")
    return told


def ask(
    outbound: Outbound, method: str, url: str, key: str = "", form: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of the answer, empty for any other body. Raises `UpstreamFailed` for 429 and 5xx."""
    response = outbound.request(method, url, headers={"X-API-KEY": key} if key else {}, form=form or None)
    if response.status >= 500 or response.status == 429:
        raise UpstreamFailed(f"status_{response.status}")
    try:
        told = response.json()
    except UpstreamFailed:
        told = {}
    return response.status, told if isinstance(told, dict) else {}
