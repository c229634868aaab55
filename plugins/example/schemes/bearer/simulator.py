"""Sends the secret that the operator was told."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app.sdk import simulation
from app.sdk.simulation import Outgoing


class Simulator(simulation.Simulator):
    def signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        """A genuine call."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.link}"}
        body = json.dumps({**fields, **changes}, ensure_ascii=False).encode()
        return Outgoing("POST", f"/{self.connector}/{action}", headers, body)
