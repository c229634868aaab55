"""Shoptet keeps the rules of the conformance kit, at the level that its manifest claims."""

from __future__ import annotations

from app.sdk.testing import ConnectorContract


class TestShoptet(ConnectorContract):
    connector = "shoptet"
