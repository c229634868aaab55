"""A bearer: a secret of ours comes back with every call, and proves whom it was given to, but not what is said."""

from __future__ import annotations

from app.sdk import Claims, Inbound, Installations, Unverified, bearer_token, read_object

from .schemas import READERS


def prove(request: Inbound, installations: Installations) -> Claims:
    """Find the installation by the secret, then read strictly. Raises `Unverified` and `Malformed`."""
    found = installations.by_link("bearer", bearer_token(request.header("authorization")))
    if found is None:
        raise Unverified("wrong_bearer")
    given = READERS[request.action](read_object(request.body))
    return Claims(installation=found.id, fields=given, language=given.get("language", ""))
