"""Migrations: what they build is what the models say, on every database; doing it twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, inspect

import app.people.models
from app.core import database, migrate, models
from app.core.database import MIRROR, PACE, Base, MirrorBase, PaceBase, db
from tests.postgres import new_database

DATABASES = {"main": Base.metadata, MIRROR: MirrorBase.metadata, PACE: PaceBase.metadata}
BACKENDS = ("sqlite", "postgresql")


@pytest.fixture(params=BACKENDS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """A host whose databases are empty."""
    app = Flask("migrate")
    url = f"sqlite:///{tmp_path}/host.db"
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgres_url"))
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    database.init_app(app)
    with app.app_context():
        yield app
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


def shape_of(engine: Engine) -> dict[str, Any]:
    """Every table with its columns, indexes and constraints, and what the version tables hold."""
    found = inspect(engine)
    shape: dict[str, Any] = {
        table: [
            sorted(str(column) for column in found.get_columns(table)),
            sorted(str(index) for index in found.get_indexes(table)),
            sorted(str(constraint) for constraint in found.get_unique_constraints(table)),
            sorted(str(key) for key in found.get_foreign_keys(table)),
        ]
        for table in found.get_table_names()
    }
    with engine.connect() as connection:
        for table in [name for name in shape if name.startswith("alembic_version")]:
            shape[table] = connection.exec_driver_sql(f"SELECT * FROM {table}").all()  # noqa: S608 - our own names
    return shape


def shapes() -> list[dict[str, Any]]:
    return [shape_of(db.engines[key]) for key in (None, MIRROR, PACE)]


def test_models_and_migrations_agree(host: Flask) -> None:
    migrate.migrate()
    assert {name: migrate.differences(name) for name in DATABASES} == {"main": [], MIRROR: [], PACE: []}


def test_every_table_of_the_models_is_there(host: Flask) -> None:
    migrate.migrate()
    for key, metadata in ((None, Base.metadata), (MIRROR, MirrorBase.metadata), (PACE, PaceBase.metadata)):
        assert set(metadata.tables) <= set(inspect(db.engines[key]).get_table_names())


def test_migrating_twice_changes_nothing(host: Flask) -> None:
    migrate.migrate()
    before = shapes()
    migrate.migrate()
    assert shapes() == before


def test_pending_tells_what_is_not_up_to_date(host: Flask) -> None:
    assert migrate.pending() == ["main", MIRROR, PACE]
    assert not any(
        set(metadata.tables) & set(shape) for metadata, shape in zip(DATABASES.values(), shapes(), strict=True)
    )
    migrate.migrate()
    assert migrate.pending() == []


def test_pending_notices_one_database_that_stayed_behind(host: Flask) -> None:
    migrate.migrate()
    with db.engines[MIRROR].begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM {migrate.version_table(MIRROR)}")  # noqa: S608 - our own name
    assert migrate.pending() == [MIRROR]


def test_the_histories_are_kept_apart(host: Flask) -> None:
    """On PostgreSQL all live in one database."""
    migrate.migrate()
    held = [shape.get(migrate.version_table(name)) for name, shape in zip(DATABASES, shapes(), strict=True)]
    assert [len(rows or ()) for rows in held] == [1, 1, 1]


# The controls: what has come apart is noticed


def add_column(metadata: MetaData) -> None:
    metadata.tables["workspace"].append_column(Column("planted", Integer))


def add_table(metadata: MetaData) -> None:
    Table("planted", metadata, Column("id", Integer, primary_key=True))


def widen(metadata: MetaData) -> None:
    metadata.tables["workspace"].c.name.type = String(999)


def take_index(metadata: MetaData) -> None:
    table = metadata.tables["event"]
    table.indexes.discard(next(iter(table.indexes)))


def allow_null(metadata: MetaData) -> None:
    metadata.tables["workspace"].c.name.nullable = True


@pytest.mark.parametrize("change", [add_column, add_table, widen, take_index, allow_null])
def test_a_model_that_has_moved_on_is_noticed(host: Flask, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    migrate.migrate()
    moved = MetaData(naming_convention=database.NAMING)
    for table in Base.metadata.tables.values():
        table.to_metadata(moved)
    change(moved)
    monkeypatch.setitem(migrate.METADATA, "main", moved)
    assert migrate.differences("main")


@pytest.mark.parametrize(
    ("key", "statement"),
    [(None, "DROP TABLE heartbeat"), (None, "DROP INDEX ix_event_received_at"), (MIRROR, "DROP TABLE person_order")],
)
def test_a_database_that_lost_something_is_noticed(host: Flask, key: str | None, statement: str) -> None:
    migrate.migrate()
    with db.engines[key].begin() as connection:
        connection.exec_driver_sql(statement)
    assert migrate.differences(key or "main")


def test_the_models_are_those_of_the_host() -> None:
    """A module of models that nobody imports would be compared with nothing."""
    assert models.InstallationRow.__tablename__ in Base.metadata.tables
    assert app.people.models.PersonRow.__tablename__ in MirrorBase.metadata.tables


@pytest.mark.parametrize("host", ["postgresql"], indirect=True)
def test_two_hosts_that_start_together_migrate_one_after_the_other(host: Flask) -> None:
    """On SQLite the file does it: a second writer waits."""
    with migrate.connected("main"), db.engine.connect() as other:
        taken = other.exec_driver_sql(f"SELECT pg_try_advisory_lock({migrate.LOCK})").scalar()
        assert taken is False
