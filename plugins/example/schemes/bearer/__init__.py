"""Installed by the operator, who tells the platform a secret of ours: it comes back with every call."""

from __future__ import annotations

import hashlib

from app.sdk import Answer, Links, Registration, hookimpl


@hookimpl
def install(links: Links) -> Registration:
    """The operator adds a customer; the secret is told once, in the reply."""
    key = links.token("bearer")
    tenant = hashlib.sha256(key.encode()).hexdigest()
    return Registration(tenant, "Bazaar", Answer.json({"key": key}), proven=True)
