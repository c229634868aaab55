"""Wazzup: WhatsApp, Telegram and other chats, connected by WAuth. This file is the table of contents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from app.sdk import (
    Changes,
    Claims,
    Command,
    ConditionUnmet,
    Directory,
    Health,
    Inbound,
    Installation,
    Installations,
    Links,
    Outbound,
    Outcome,
    Page,
    Registration,
    Setting,
    Settings,
    Verified,
    hookimpl,
)

from . import api, proof, schemas, sync


@hookimpl
def settings() -> Sequence[Setting]:
    """The partner values at Wazzup, and where its API lives."""
    return schemas.SETTINGS


@hookimpl
def verify(request: Inbound, installations: Installations) -> Claims:
    """Read a redirect's `state`, or find the installation that a webhook's two link secrets name."""
    if request.action == "webhook":
        return proof.prove_webhook(request, installations)
    return proof.prove_install(request)


@hookimpl
def install(verified: Verified, settings: Settings, links: Links, outbound: Outbound) -> Registration:
    """Redeem the `state` for an API key, then have the webhooks sent to us."""
    state = proof.check_state(verified.fields.get("state"))  # an operator's did not pass `verify`
    uri = links.to("webhook", links.token("path"))
    if len(uri) > 200:  # "webhooksUri: string, <= 200 chars"; said before the state is spent
        raise ConditionUnmet("address_too_long", "The public address of this server is too long for Wazzup.")
    key = api.connect(outbound, settings, state, links.token("crm_key"))
    api.subscribe(outbound, settings, key, uri)
    account = schemas.account_of(state)  # told by Wazzup itself, now that it took the state
    title = f"Wazzup {account}".strip()
    tenant = account or "key-" + hashlib.sha256(key.encode()).hexdigest()[:32]
    reply = Page("connected", {"title": title})
    credentials, facts = {"api_key": key}, {"webhook_origin": links.public_url}
    return Registration(tenant, title, reply, settings["api_url"], "", credentials, facts, proven=True)


@hookimpl
def webhook(verified: Verified, installation: Installation, links: Links, people: Directory) -> Outcome:
    """Answer a callback: messages and their deliveries are kept, a contact or a deal gets its id."""
    told = links.public_url + "/account/"
    return schemas.take(verified.fields, people, installation.id, told, verified.at)


@hookimpl
def probe(installation: Installation, settings: Settings, outbound: Outbound) -> Health:
    """Ask whether the API key lives, and whether the webhooks still come to us."""
    return api.health(outbound, settings, installation.secret("api_key"), installation.facts.get("webhook_origin", ""))


@hookimpl
def push(installation: Installation, settings: Settings, outbound: Outbound, changes: Changes, memo: str) -> str:
    """Hand people over as contacts and their orders as deals, and take back what is no more."""
    return sync.push(outbound, settings, installation, changes, memo)


@hookimpl
def commands() -> Sequence[Command]:
    """Register, brand and try out the add-on at Wazzup."""
    return api.COMMANDS
