"""What proves a request of BigCommerce: a code that only it can redeem, its own token, or a header of ours.

Sources: the apps guide, "Implementing OAuth", "Handling callbacks" and "Webhooks overview" (docs/bigcommerce.md).
"""

from __future__ import annotations

from datetime import timedelta

from app.sdk import (
    Claims,
    Inbound,
    Installations,
    Settings,
    Unverified,
    check_jwt,
    read_query,
    text_field,
)

from .schemas import language_of, read_code, read_hint, tenant_of

LEAD = timedelta(minutes=1)  # how far the platform's clock may be ahead of ours
ISSUER = "bc"


def prove_code(request: Inbound) -> Claims:
    """Read the browser's request, of which nothing is believed: the code is redeemed by `install`, and good for one."""
    given = read_code(read_query(request.query))
    covered = f"{given['code']} {given['context']} {given['scope']}"
    return Claims(fields=given, proof=covered.encode())


def prove_token(request: Inbound, settings: Settings) -> Claims:
    """Check ``signed_payload_jwt``, "HS256 with the client secret", for our client id; ``sub`` names the store.

    The older ``signed_payload`` is deprecated and never looked at. Raises `Malformed`, `Unverified` and `Expired`.
    """
    token = check_jwt(
        text_field(read_query(request.query), "signed_payload_jwt", longest=8192),
        settings["client_secret"],
        issuer=ISSUER,
        audience=settings["client_id"],
        now=request.received_at,
        lead=LEAD,
    )
    return Claims(
        tenant=tenant_of(token.claims, "sub"),
        proof=token.proof,
        valid_until=token.valid_until,
        language=language_of(token.claims),
    )


def prove_webhook(request: Inbound, installations: Installations) -> Claims:
    """The header that we gave to the platform names the store: "headers are sent back with each callback"."""
    secret = request.header("x-stallholder-secret")
    found = installations.by_link("header", secret) if secret else None
    if found is None:
        raise Unverified("unknown_secret")
    return Claims(installation=found.id, fields={"hints": read_hint(request.body)})
