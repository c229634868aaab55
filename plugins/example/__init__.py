"""Bazaar: an invented marketplace, the template for a connector of yours. This file is the table of contents."""

from __future__ import annotations

from collections.abc import Sequence

from app.sdk import (
    Answer,
    Claims,
    Directory,
    Health,
    Inbound,
    Installation,
    Outbound,
    Outcome,
    Registration,
    Setting,
    Settings,
    Verified,
    hookimpl,
)

from . import api, proof, schemas

DONE = Answer.json({"ok": True})


@hookimpl
def settings() -> Sequence[Setting]:
    return schemas.SETTINGS


@hookimpl
def verify(request: Inbound, settings: Settings) -> Claims:
    return proof.prove(request, settings)


@hookimpl
def install(verified: Verified, outbound: Outbound) -> Registration:
    """The same shop again: the host keeps it one, whatever token it brings (README.md, 3)."""
    given = verified.fields
    return Registration(
        tenant=verified.tenant,
        title=given["name"],
        reply=DONE,
        address=api.address_of(given["api_url"], outbound),
        language=verified.language,
        credentials={"api_token": given["api_token"]},
        issued_at=given["sent_at"],
    )


@hookimpl
def open(page_url: str) -> Answer:
    return Answer.json({"url": page_url})


@hookimpl
def search(verified: Verified, people: Directory) -> Answer:
    return schemas.results(people.search(verified.fields["q"], schemas.MOST_RESULTS))


@hookimpl
def uninstall() -> Answer:
    return DONE


@hookimpl
def webhook(verified: Verified) -> Outcome:
    return Outcome(DONE, people=[verified.fields["customer"]])


@hookimpl
def probe(installation: Installation, outbound: Outbound) -> Health:
    return api.health_of(installation, outbound)
