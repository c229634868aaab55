"""Adding by hand: an install that no platform asks for, because its customers or the operator begin it here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.core.pipeline import Request
from app.core.registry import Connector
from app.core.services import Services
from app.sdk import Answer, Claims, Unknown


def add(
    host: Services, connector: Connector, fields: Mapping[str, str], workspace: str | None, at: datetime
) -> tuple[str, Mapping[str, Any]]:
    """Connect with ``fields`` to a workspace (None: a new one); returns the installation's id and what was told once.

    Raises `Refused` as the connector does, `Unknown` for one that cannot be added by hand.
    """
    manifest = connector.manifest
    if manifest is None or not connector.serving or manifest.operator_fields is None:
        raise Unknown("not_by_hand")
    work = Request(host, connector, manifest.actions["install"], at)
    reply = work.act(Claims(fields=dict(fields)), workspace)
    return work.installed, json.loads(reply.body) if isinstance(reply, Answer) else {}
