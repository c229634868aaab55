"""A host with the customers' pages alone: real connectors, real tables, a directory held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient

from app import pages
from app.core import database, headers, tickets, web
from app.core.database import Base, MirrorBase, db, writing
from app.core.models import InstallationRow, WorkspaceRow
from app.core.outbound import Outgate
from app.core.registry import Registry, discover, load
from app.core.seal import Ring
from app.core.services import EXTENSION, Services
from app.sdk import Hit, Order, Person, State

PUBLIC_URL = "https://addon.example.com"
ORLO = "https://app.orlo.example"
OWN = {"X-Stallholder": "1", "Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}

JANA = Person(
    external_id="1",
    name="Jana Nováková",
    email="jana+shop@example.cz",
    phone="+420 777 123 456",
    company="Pekárna Nováková",
    url="https://shop.example.cz/admin/customers/1?tab=a&b",
    note="Prefers\nmornings",
    orders=(
        Order(
            "2025-118", "2025-03-07T10:15:00+01:00", "Shipped", "1234.5", "CZK", "https://shop.example.cz/admin/o/118"
        ),
        Order("2025-090", "2025-02-01", "Paid", "89", "EUR"),
    ),
)


class Crowd:
    """A `Directory` of a few people."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = {person.external_id: person for person in people}

    def search(self, query: str, limit: int = 20) -> list[Hit]:
        found = [person for person in self.people.values() if query.casefold() in person.name.casefold()]
        return [Hit(person.external_id, person.name) for person in found][:limit]

    def person(self, id: str) -> Person | None:
        return self.people.get(id)

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        return None


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
    found.settings = {"frame_ancestors": [ORLO]}
    headers.init_app(app)
    web.init_app(app)
    pages.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        MirrorBase.metadata.create_all(db.engines["mirror"])
        yield app
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def host(app: Flask) -> Services:
    """The services; workspace ``w1`` has an Upgates shop, ``w2`` is another customer's."""
    host: Services = app.extensions[EXTENSION]
    crowds = {"w1": Crowd([JANA]), "w2": Crowd([Person("9", "Secret Stranger")])}
    host.directory = lambda workspace: crowds.get(workspace) or Crowd([])
    add_installation("i1", "w1", title="shop.example.cz")
    add_installation("i9", "w2", title="stranger.example")
    return host


def add_installation(id: str, workspace: str, **values: Any) -> None:
    """An installation on 2 May 2025, and its workspace where it is new."""
    day = datetime(2025, 5, 2, tzinfo=UTC)
    with writing() as session:
        if session.get(WorkspaceRow, workspace) is None:
            session.add(WorkspaceRow(id=workspace, name=f"Customer {workspace}", created_at=day))
            session.flush()
        filled = {"connector": "upgates", "tenant": id, "state": State.ACTIVE, "language": "cs", **values}
        session.add(InstallationRow(id=id, workspace_id=workspace, facts={}, created_at=day, updated_at=day, **filled))


@pytest.fixture
def client(app: Flask, host: Services) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def mint(host: Services) -> Callable[..., str]:
    """A fresh ticket, as a signed opening mints it."""

    def mint(installation: str = "i1", language: str = "en") -> str:
        with writing() as session:
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
