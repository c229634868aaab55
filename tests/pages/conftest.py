"""A host with the customers' pages alone: real connectors, real tables, a directory held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient

from app import pages
from app.core import database, headers, tickets, web
from app.core.database import Base, MirrorBase, db
from app.core.loading import load
from app.core.outbound import Outgate
from app.core.registry import Registry
from app.core.seal import Ring
from app.core.services import EXTENSION, Services
from app.core.sources import discover
from app.sdk import Person
from tests.pages.shop import JANA, ORLO, OWN, PUBLIC_URL, Crowd, add_installation, storing


@pytest.fixture(scope="session")
def connectors() -> Registry:
    return load(discover())


@pytest.fixture
def app(tmp_path: Path, connectors: Registry) -> Iterator[Flask]:
    app = Flask("app")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'host.db'}"
    database.init_app(app)
    host = Services(PUBLIC_URL, connectors, Ring([Fernet.generate_key().decode()]), Outgate())
    app.extensions[EXTENSION] = host
    found = connectors.find("orlo")
    assert found is not None
    found.settings = {"frame_ancestors": [ORLO], "max_ttl": 3900}
    headers.init_app(app)
    web.init_app(app)
    pages.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        MirrorBase.metadata.create_all(db.engines["mirror"])
    yield app
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def host(app: Flask) -> Services:
    """The services; workspace ``w1`` has an Upgates shop, ``w2`` is another customer's."""
    host: Services = app.extensions[EXTENSION]
    crowds = {"w1": Crowd([JANA]), "w2": Crowd([Person("9", "Secret Stranger")])}
    host.directory = lambda workspace: crowds.get(workspace) or Crowd([])
    add_installation(app, "i1", "w1", title="shop.example.cz")
    add_installation(app, "i9", "w2", title="stranger.example")
    return host


@pytest.fixture
def client(app: Flask, host: Services) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def mint(app: Flask, host: Services) -> Callable[..., str]:
    """A fresh ticket, as a signed opening mints it."""

    def mint(installation: str = "i1", language: str = "en") -> str:
        with storing(app) as session:
            return tickets.mint(session, installation, language, datetime.now(UTC))

    return mint


@pytest.fixture
def enter(client: FlaskClient, mint: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """Begin a visit without keeping its cookie; returns the headers that carry its bearer."""

    def enter(installation: str = "i1", language: str = "en") -> dict[str, str]:
        response = client.post("/account/session", json={"ticket": mint(installation, language)}, headers=OWN)
        assert response.status_code == 200, response.text
        client.delete_cookie("__Host-session", domain="localhost")
        return {"Authorization": f"Bearer {response.json['bearer']}"}

    return enter
