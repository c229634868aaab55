"""Bring the databases up to date, or say that they are.

Alembic is imported where it is used: processes that live long do without its 11 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from app.core.database import MIRROR, PACE, Base, MirrorBase, PaceBase, db

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).resolve().parents[1] / "migrations"
METADATA = {"main": Base.metadata, MIRROR: MirrorBase.metadata, PACE: PaceBase.metadata}
# Serialises hosts that start at the same time on one PostgreSQL; any number does, if it is always the same.
LOCK = 7_825_501


def version_table(name: str) -> str:
    """Where the history of one database is kept."""
    return f"alembic_version_{name}"


def configured(name: str, connection: Connection) -> Config:
    """Alembic's configuration for one database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(FOLDER / name))
    config.attributes.update(connection=connection, metadata=METADATA[name], version_table=version_table(name))
    return config


@contextmanager
def connected(name: str) -> Iterator[Connection]:
    """A transaction on one database, alone among migrating hosts."""
    engine = db.engines[None if name == "main" else name]
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        yield connection


def migrate() -> None:
    """Run every missing migration of each database, each in one transaction."""
    from alembic import command

    for name in METADATA:
        with connected(name) as connection:
            command.upgrade(configured(name, connection), "head")


def pending() -> list[str]:
    """The databases that are not up to date."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    behind = []
    for name in METADATA:
        with connected(name) as connection:
            script = ScriptDirectory.from_config(configured(name, connection))
            context = MigrationContext.configure(connection, opts={"version_table": version_table(name)})
            if context.get_current_revision() != script.get_current_head():
                behind.append(name)
    return behind


def differences(name: str) -> list[object]:
    """What the models of one database have that its tables have not, and the other way round."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with connected(name) as connection:
        tables = set(METADATA[name].tables)
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": version_table(name),
                "compare_type": True,
                "include_name": lambda found, kind, parents: kind != "table" or found in tables,
            },
        )
        return list(compare_metadata(context, METADATA[name]))
