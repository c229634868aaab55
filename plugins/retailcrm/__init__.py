"""RetailCRM and Simla.com: the module side of the marketplace's simple connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

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
    Person,
    Registration,
    Setting,
    Settings,
    State,
    Unverified,
    Verified,
    hookimpl,
)

from . import api, proof, schemas, sync


@hookimpl
def settings() -> Sequence[Setting]:
    """The partner cabinet's values and the domains where accounts live."""
    return schemas.SETTINGS


@hookimpl
def verify(request: Inbound, settings: Settings, installations: Installations) -> Claims:
    """Check a connection's token, or find the account by the link secret it was given."""
    match request.action:
        case "install":
            return proof.install(request, settings)
        case "open":
            return proof.open(request, installations)
        case "activity":
            return proof.activity(request, installations)
    raise Unverified("unknown_action")


@hookimpl
def describe(links: Links) -> Answer:
    """Say which rights the module wants and where to register (sheet, section 1)."""
    return Answer.json({"success": True, "scopes": api.SCOPES, "registerUrl": links.to("install")})


@hookimpl
def install(verified: Verified, settings: Settings, links: Links, outbound: Outbound) -> Registration:
    """Learn who the account is, see that its key works there, and register the module with it."""
    url, key = verified.fields["system_url"], verified.fields["api_key"]
    technical_url, public_url = api.identify(url, settings, outbound)
    api.check_rights(url, key, outbound)
    api.register(url, key, settings, links, outbound)
    return Registration(
        tenant=technical_url or url,
        title=urlsplit(public_url or url).netloc,
        reply=Answer.json({"success": True, "accountUrl": links.to("open")}),
        address=url,
        language=verified.language,
        credentials={"api_key": key},
        facts={"public_url": public_url or url},
        proven=True,
    )


@hookimpl
def open(page_url: str) -> Answer:
    """The account page is opened by a POST and shown by a GET (sheet, 4.3)."""
    return Answer.see_other(page_url)


@hookimpl
def webhook(verified: Verified, installation: Installation, settings: Settings, outbound: Outbound) -> Outcome:
    """Apply the switch (active and not frozen); apply a new address only when the same account answers there."""
    told = verified.fields
    facts = {name: "true" if told[name] else "false" for name in ("active", "freeze")}
    public_url = api.moved(installation, told["system_url"], settings, outbound)
    return Outcome(
        Answer.json({"success": True}),
        state=State.ACTIVE if told["active"] and not told["freeze"] else State.PAUSED,
        address=told["system_url"] if public_url else "",
        facts=facts | {"public_url": public_url} if public_url else facts,
    )


@hookimpl
def probe(installation: Installation, outbound: Outbound) -> Health:
    return sync.probe(installation, outbound)


@hookimpl
def pull(installation: Installation, outbound: Outbound, cursor: str, now: datetime) -> Batch:
    return sync.pull(installation, outbound, cursor, now)


@hookimpl
def lookup(installation: Installation, outbound: Outbound, query: str) -> Sequence[Person]:
    return sync.lookup(installation, outbound, query)
