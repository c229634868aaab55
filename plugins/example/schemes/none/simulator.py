"""Calls the addresses that the operator was told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.sdk import simulation
from app.sdk.simulation import Outgoing


class Simulator(simulation.Simulator):
    customer = ()
    signing = ()

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.link = str(keys.get("key", ""))

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        return {}

    def settings(self) -> dict[str, Any]:
        return {}

    def operator_fields(self) -> dict[str, str]:
        return {}

    def connected(self, installation: Mapping[str, str]) -> None:
        self.link = installation["key"]

    def signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        """A genuine call."""
        body = json.dumps({**fields, **changes}, ensure_ascii=False).encode()
        return Outgoing("POST", f"/{self.connector}/{action}/{self.link}", {"Content-Type": "application/json"}, body)
