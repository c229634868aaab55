"""Bazaar in a box: signs the add-on's calls as the marketplace does, and answers as a shop's API would."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from app.sdk import simulation
from app.sdk.simulation import Call, Outgoing, Reply


class Simulator(simulation.Simulator):
    """One shop of Bazaar; ``changes`` replace what a call carries."""

    connector = "example"
    actions = ("install", "open", "search", "uninstall", "webhook")
    customer = ("shop", "api_token")
    signing = ("secret",)
    renewed = ("api_token",)

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        return {"shop": secrets.token_hex(6), "api_token": secrets.token_urlsafe(24), **cls.make_proof_keys()}

    def install(self, **changes: str) -> Outgoing:
        """The shop connects; ``name``, ``language``, ``api_url``, ``api_token``."""
        api = {"api_url": self.home, "api_token": self.keys["api_token"]}
        return self.signed("install", {"name": "Tea and Carpets", "language": "en", **api}, changes)

    def open(self, **changes: str) -> Outgoing:
        """A person opens the add-on; ``language``."""
        return self.signed("open", {"language": "en"}, changes)

    def search(self, **changes: str) -> Outgoing:
        """Somebody looks for a person; ``q``."""
        return self.signed("search", {"q": "novak"}, changes)

    def uninstall(self, **changes: str) -> Outgoing:
        """The shop leaves."""
        return self.signed("uninstall", {}, changes)

    def webhook(self, **changes: str) -> Outgoing:
        """A customer is new or has changed; ``customer_id``, ``customer_name``, ``customer_email`` and so on."""
        customer = {"id": "7", "name": "Jana Nováková", "email": "jana@example.com", "phone": "+420 601 234 567"}
        return self.signed("webhook", {f"customer_{name}": value for name, value in customer.items()}, changes)

    def answer(self, call: Call) -> Reply:
        """The shop's API: who am I?"""
        if call.path != "/me":
            return Reply(404, b"{}")
        known = call.headers.get("authorization") == f"Bearer {self.keys['api_token']}"
        return Reply(200, b'{"ok": true}') if known else Reply(401, b'{"ok": false}')

    # The proof

    @classmethod
    def make_proof_keys(cls) -> dict[str, Any]:
        """What proves a call, on both sides."""
        return {"secret": secrets.token_urlsafe(24)}

    def settings(self) -> dict[str, Any]:
        return {"secret": self.keys["secret"]}

    def signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        """A genuine call."""
        body = json.dumps(self.told(action, {**fields, **changes}), ensure_ascii=False).encode()
        signature = hmac.new(self.keys["secret"].encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Bazaar-Signature": signature}
        return Outgoing("POST", f"/{self.connector}/{action}", headers, body)

    def told(self, action: str, fields: Mapping[str, str]) -> dict[str, str]:
        """What a call says: what every call does, and what this one does."""
        return {"call": action, "shop": self.keys["shop"], "sent_at": str(int(self.clock().timestamp())), **fields}
