"""Signs the query of a call."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from app.sdk import simulation
from app.sdk.simulation import Outgoing


class Simulator(simulation.Simulator):
    def signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        """A genuine call."""
        query = urlencode(self.told(action, {**fields, **changes}))
        signature = hmac.new(self.keys["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        return Outgoing("GET", f"/{self.connector}/{action}?{query}&sig={signature}")
