"""A small host with two workspaces, once on SQLite files and once on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import Engine, MetaData

from app import people
from app.core import database
from app.core.database import MIRROR, PACE, Base, MirrorBase, PaceBase, db, writing
from app.core.models import InstallationRow, WorkspaceRow
from app.core.outbound import Outgate
from app.core.registry import Registry
from app.core.seal import Ring
from app.core.services import EXTENSION, Services
from app.people.directory import PeopleDirectory
from app.sdk import State
from tests.postgres import new_database, postgres_url

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


def tables() -> list[tuple[MetaData, Engine]]:
    """Those of each database, with its engine."""
    bases = ((None, Base), (MIRROR, MirrorBase), (PACE, PaceBase))
    return [(base.metadata, db.engines[name]) for name, base in bases]


@contextmanager
def made(url: str, folder: Path) -> Iterator[Flask]:
    """The host inside its app context; no connection is left open."""
    app = host_on(url, folder)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture(scope="session")
def empty_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a host that holds nothing: to copy them is quicker than to make them."""
    folder = tmp_path_factory.mktemp("empty")
    with made(f"sqlite:///{folder / 'stallholder.db'}", folder):
        for metadata, engine in tables():
            metadata.create_all(engine)
    return folder


@pytest.fixture(scope="session")
def people_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PostgreSQL database of these tests' own, with its tables."""
    url = new_database(postgres_url)
    with made(url, tmp_path_factory.mktemp("postgres")):
        for metadata, engine in tables():
            metadata.create_all(engine)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The host inside its app context, with empty tables."""
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("empty_files"), tmp_path, dirs_exist_ok=True)
        with made(f"sqlite:///{tmp_path / 'stallholder.db'}", tmp_path) as app:
            yield app
        return
    with made(request.getfixturevalue("people_url"), tmp_path) as app:
        names = ", ".join(table.name for metadata, _ in tables() for table in metadata.sorted_tables)
        with db.engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        yield app


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
