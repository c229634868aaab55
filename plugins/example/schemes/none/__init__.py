"""Installed by the operator; the secret in the address is all that proves a call."""

from __future__ import annotations

import hashlib

from app.sdk import Answer, Claims, Inbound, Installations, Links, Registration, hookimpl

from . import proof, schemas


@hookimpl
def verify(request: Inbound, installations: Installations) -> Claims:
    return proof.prove(request, installations)


@hookimpl
def install(links: Links) -> Registration:
    """The operator adds a customer; the addresses are told once, in the reply."""
    key = links.token("path")
    addresses = {f"{action}_url": links.to(action, key) for action in schemas.READERS}
    tenant = hashlib.sha256(key.encode()).hexdigest()
    return Registration(tenant, "Bazaar", Answer.json({"key": key, **addresses}), proven=True)
