"""No signature: a secret of ours in the address names the installation, and proves that it was given to the caller."""

from __future__ import annotations

from app.sdk import Claims, Inbound, Installations, Unknown, read_object

from .schemas import READERS


def prove(request: Inbound, installations: Installations) -> Claims:
    """Find the installation by the secret, then read strictly. Raises `Unknown` and `Malformed`."""
    found = installations.by_link("path", request.key) if request.key else None
    if found is None:
        raise Unknown("unknown_path")
    given = READERS[request.action](read_object(request.body))
    return Claims(installation=found.id, fields=given, language=given.get("language", ""))
