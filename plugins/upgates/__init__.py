"""Upgates: Czech and Slovak web shops, connected by activation. This file is the table of contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from app.sdk import (
    Answer,
    Batch,
    Claims,
    Document,
    Documents,
    Health,
    Inbound,
    Installation,
    Installations,
    Links,
    Outbound,
    Outcome,
    Person,
    Registration,
    Setting,
    Settings,
    Verified,
    hookimpl,
)

from . import api, proof, schemas, shop, sync, webhooks

DONE = Answer.json({"error": False})


@hookimpl
def settings() -> Sequence[Setting]:
    return schemas.SETTINGS


@hookimpl
def documents(settings: Settings) -> Sequence[Document]:
    return [schemas.key_at(source) for source in schemas.sources(settings) if schemas.is_url(source)]


@hookimpl
def verify(request: Inbound, settings: Settings, installations: Installations, documents: Documents) -> Claims:
    if request.action == "webhook":
        return proof.prove_webhook(request, installations)
    return proof.prove_call(request, settings, documents)


@hookimpl
def install(verified: Verified, outbound: Outbound) -> Registration:
    """No call to the shop: "more than 5 seconds" fails the activation, and its access may not live yet (1.4)."""
    given = verified.fields
    address = api.address_of(given["apiUrl"], outbound)
    return Registration(
        tenant=verified.tenant,
        title=urlsplit(address).hostname or "",
        reply=DONE,
        address=address,
        language=verified.language,
        credentials={"api_user": given["apiUser"], "api_key": given["apiKey"]},
        facts={"version": given["version"]},
        issued_at=given["issued_at"],
    )


@hookimpl
def open(page_url: str) -> Answer:
    """An unknown shop gets a page, too: this answer has no place for a message (section 2)."""
    return Answer.json({"url": page_url, "type": "iframe"})


@hookimpl
def uninstall() -> Answer:
    """A shop that is not active gets the same answer (section 3: "idempotent, answer 200")."""
    return DONE


@hookimpl
def webhook(verified: Verified) -> Outcome:
    """A new version of the add-on (1.5), or the hint that records changed, due "within 1 second" (4.10)."""
    given = verified.fields
    if verified.action == "version":
        return Outcome(DONE, facts={"version": given["version"]} if given["version"] else {})
    return Outcome(DONE, events=given["hints"])


@hookimpl
def probe(installation: Installation, outbound: Outbound) -> Health:
    return api.health_of(installation, outbound)


@hookimpl
def pull(installation: Installation, outbound: Outbound, cursor: str, now: datetime) -> Batch:
    return sync.pull(installation, outbound, cursor, now)


@hookimpl
def reread(
    installation: Installation, outbound: Outbound, people: Sequence[str], orders: Sequence[str], now: datetime
) -> Batch:
    return sync.reread(installation, outbound, people, orders, now)


@hookimpl
def subscribe(installation: Installation, outbound: Outbound, links: Links, now: datetime) -> Mapping[str, str]:
    """At every activation, since a deactivation deletes what "belongs to the API user" (section 3)."""
    return webhooks.subscribe(shop.Shop(installation, outbound, now), links)


@hookimpl
def lookup(installation: Installation, outbound: Outbound, query: str) -> Sequence[Person]:
    return sync.lookup(installation, outbound, query)
