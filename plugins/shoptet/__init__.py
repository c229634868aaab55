"""Shoptet: Czech and Slovak web shops, connected by an OAuth code. This file is the table of contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.sdk import (
    Answer,
    Batch,
    Claims,
    Event,
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

from . import api, proof, schemas, sync, webhooks

DONE = Answer.json({"ok": True})


@hookimpl
def settings() -> Sequence[Setting]:
    return schemas.SETTINGS


@hookimpl
def verify(request: Inbound, installations: Installations) -> Claims:
    if request.action == "install":
        return proof.prove_install(request)
    return proof.prove_notice(request, installations)


@hookimpl
def install(verified: Verified, settings: Settings, outbound: Outbound, links: Links) -> Registration:
    """Three calls within the platform's 5 seconds: redeem the code, fetch an API access token, renew the key.

    The key cannot wait for `subscribe`, which stores nothing sealed. It is renewed by each install: "a new call
    replaces it", and what the former one signed counts for as long as the host keeps the former credentials.
    """
    eshop = api.redeem(outbound, settings, verified.fields["code"], links.to("install"))
    key = api.Shop(outbound, settings, eshop.token).signature_key()
    return Registration(
        tenant=eshop.id,
        title=eshop.title,
        reply=DONE,
        address=settings["api_url"],
        credentials={"oauth_token": eshop.token, "signature_key": key},
        proven=True,
        issued_at=verified.at,
    )


@hookimpl
def uninstall() -> Answer:
    return DONE


@hookimpl
def webhook(verified: Verified, installation: Installation) -> Outcome:
    """Suspended, approved again, or a hint that records changed: what changed is read from the API."""
    notice: schemas.Notice = verified.fields["notice"]
    state = schemas.STATES.get(notice.event)
    if state is None:
        return Outcome(DONE, events=[Event.changed()] if notice.hints else ())
    told = notice.created.isoformat()
    if told < installation.facts.get("standing_at", ""):  # "the order is not guaranteed": a later word was heard
        return Outcome(DONE)
    return Outcome(DONE, state=state, facts={"standing_at": told})


@hookimpl
def probe(installation: Installation, settings: Settings, outbound: Outbound) -> Health:
    return api.health_of(installation, settings, outbound)


@hookimpl
def pull(installation: Installation, settings: Settings, outbound: Outbound, cursor: str, now: datetime) -> Batch:
    return sync.pull(api.shop_of(installation, settings, outbound, now), cursor, now)


@hookimpl
def subscribe(installation: Installation, settings: Settings, outbound: Outbound, links: Links) -> Mapping[str, str]:
    return webhooks.subscribe(api.shop_of(installation, settings, outbound), links)


@hookimpl
def lookup(installation: Installation, settings: Settings, outbound: Outbound, query: str) -> Sequence[Person]:
    return sync.lookup(api.shop_of(installation, settings, outbound), query)
