"""Sends the secret with every call."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app.sdk import simulation
from app.sdk.simulation import Outgoing


class Simulator(simulation.Simulator):
    def signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        """A genuine call."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.keys['secret']}"}
        return Outgoing(
            "POST",
            f"/{self.connector}/{action}",
            headers,
            json.dumps(self.told(action, {**fields, **changes})).encode(),
        )
