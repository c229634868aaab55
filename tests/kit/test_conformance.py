"""Every shipped connector keeps the rules of the conformance kit, at the level that its manifest claims."""

from __future__ import annotations

from app.sdk.testing import ConnectorContract


class TestBigcommerce(ConnectorContract):
    connector = "bigcommerce"


class TestExample(ConnectorContract):
    connector = "example"


class TestOrlo(ConnectorContract):
    connector = "orlo"


class TestRetailcrm(ConnectorContract):
    connector = "retailcrm"


class TestUpgates(ConnectorContract):
    connector = "upgates"


class TestWazzup(ConnectorContract):
    connector = "wazzup"
