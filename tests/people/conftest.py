"""A small host with two workspaces, once on SQLite files and once on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from app import people
from app.core import database
from app.core.database import Base, MirrorBase, PaceBase, db, writing
from app.core.models import InstallationRow, WorkspaceRow
from app.core.outbound import Outgate
from app.core.registry import Registry
from app.core.seal import Ring
from app.core.services import EXTENSION, Services
from app.people.directory import PeopleDirectory
from app.sdk import State
from tests.postgres import postgres_url

__all__ = ["postgres_url"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def host_on(url: str, folder: Path) -> Flask:
    """A host with nothing but people."""
    app = Flask("people", instance_path=str(folder))
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    ring = Ring([Fernet.generate_key().decode()])
    app.extensions[EXTENSION] = Services("http://localhost", Registry([]), ring, Outgate([]))
    for part in (database, people):
        part.init_app(app)
    return app


@pytest.fixture(params=["sqlite", "postgresql"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The host inside its app context, with empty tables."""
    sqlite = f"sqlite:///{tmp_path / 'stallholder.db'}"
    app = host_on(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"), tmp_path)
    with app.app_context():
        bases = (("main", Base), ("mirror", MirrorBase), ("pace", PaceBase))
        tables = [(base.metadata, db.engines[None if name == "main" else name]) for name, base in bases]
        for metadata, engine in tables:
            metadata.create_all(engine)
        try:
            yield app
        finally:
            db.session.remove()
            for metadata, engine in tables:
                metadata.drop_all(engine)
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture
def installed(host: Flask) -> Callable[..., None]:
    """Writes an installation, or gives it another state."""

    def install(id: str, workspace: str, state: State = State.ACTIVE) -> None:
        with writing() as session:
            session.merge(WorkspaceRow(id=workspace, name=workspace, created_at=NOW))
            session.flush()
            row = InstallationRow(id=id, workspace_id=workspace, connector="fake", tenant=id, state=state)
            row.created_at = row.updated_at = NOW
            session.merge(row)

    return install


@pytest.fixture
def mine(installed: Callable[..., None]) -> PeopleDirectory:
    """The directory of workspace ``w1``, which has the installation ``shop1``."""
    installed("shop1", "w1")
    return PeopleDirectory("w1")


@pytest.fixture
def theirs(installed: Callable[..., None]) -> PeopleDirectory:
    """The directory of workspace ``w2``, which has the installation ``shop2``."""
    installed("shop2", "w2")
    return PeopleDirectory("w2")
