"""BigCommerce: stores connected by a single-click app. This file is the table of contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.sdk import (
    Answer,
    Batch,
    Claims,
    Health,
    Inbound,
    Installation,
    Installations,
    Links,
    Outbound,
    Outcome,
    Page,
    Person,
    Registration,
    Setting,
    Settings,
    Verified,
    hookimpl,
)

from . import api, proof, schemas, sync, webhooks
from .store import Store

DONE = Answer.json({})  # "no response needed", here and at every callback that no person sees


@hookimpl
def settings() -> Sequence[Setting]:
    return schemas.SETTINGS


@hookimpl
def verify(request: Inbound, settings: Settings, installations: Installations) -> Claims:
    if request.action == "auth":
        return proof.prove_code(request)
    if request.action == "webhook":
        return proof.prove_webhook(request, installations)
    return proof.prove_token(request, settings)


@hookimpl
def install(verified: Verified, settings: Settings, links: Links, outbound: Outbound) -> Registration:
    """Redeem the code, and ask the store what it is called; a store that does not say is connected all the same."""
    grant = api.redeem(verified.fields, settings, links.to("auth"), outbound)
    address = f"{settings['api_url']}/{grant.context}"
    title, language = api.called(address, grant.access_token, outbound)
    title = title or grant.context
    return Registration(
        tenant=grant.context,
        title=title,
        reply=Page("connected", {"title": title}),
        address=address,
        language=language,
        credentials={"access_token": grant.access_token},
        proven=True,
    )


@hookimpl
def open(page_url: str) -> Answer:
    """An unknown store gets a page, too: it explains."""
    return Answer.see_other(page_url)


@hookimpl
def uninstall() -> Answer:
    """A store that is not connected gets the same answer."""
    return DONE


@hookimpl
def webhook(verified: Verified) -> Outcome:
    """A user's access was revoked, of whom nothing is kept here; or the hint that records changed."""
    if verified.action == "remove_user":
        return Outcome(DONE)
    return Outcome(DONE, events=verified.fields["hints"])


@hookimpl
def probe(installation: Installation, outbound: Outbound) -> Health:
    return api.health_of(installation, outbound)


@hookimpl
def pull(installation: Installation, outbound: Outbound, cursor: str, now: datetime) -> Batch:
    return sync.pull(Store(installation, outbound, now), cursor)


@hookimpl
def reread(installation: Installation, outbound: Outbound, people: Sequence[str], orders: Sequence[str]) -> Batch:
    return sync.reread(Store(installation, outbound), people, orders)


@hookimpl
def subscribe(installation: Installation, outbound: Outbound, links: Links) -> Mapping[str, str]:
    """At every install, since an uninstall deletes them, and daily: a hook at rest for 90 days is switched off."""
    return webhooks.subscribe(Store(installation, outbound), links)


@hookimpl
def lookup(installation: Installation, outbound: Outbound, query: str) -> Sequence[Person]:
    return sync.lookup(Store(installation, outbound), query)
