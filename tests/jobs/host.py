"""A host whose only connector is the fake shop, and workers of it as processes of their own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet
from flask import Flask

from app import create_app
from app.core.database import db, reading, writing
from app.core.migrate import migrate
from app.core.models import InstallationRow, WorkspaceRow
from app.people import sync
from app.people.sync_state import SyncRow
from app.sdk import State
from tests.jobs.fake_platform import Platform

ROOT = Path(__file__).resolve().parents[2]
CONNECTORS = Path(__file__).with_name("connectors")
WORKER = Path(__file__).with_name("worker_process.py")


@contextmanager
def host_in(folder: Path, platform: Platform, database: str = "") -> Iterator[Flask]:
    """The app inside its context, migrated, with a workspace ``ws``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        'PUBLIC_URL = "http://127.0.0.1:1"',
        f'SECRET_KEY = "{secrets.token_urlsafe(32)}"',
        f'MASTER_KEYS = ["{Fernet.generate_key().decode()}"]',
        f'PLUGINS = "{CONNECTORS}"',
        f'OUTBOUND_ALLOW = ["{platform.address.removeprefix("http://")}"]',
    ]
    if database:
        lines.append(f'SQLALCHEMY_DATABASE_URI = "{database}"')
    (folder / "config.toml").write_text("\n".join(lines), "utf-8")
    app = create_app(folder)
    sync.init_app(app)
    with app.app_context():
        migrate()
        with writing() as session:
            session.add(WorkspaceRow(id="ws", name="ws", created_at=datetime.now(UTC)))
        yield app
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


def install(
    platform: Platform,
    *shops: str,
    state: State = State.ACTIVE,
    connector: str = "fakeshop",
    workspace: str = "ws",
) -> None:
    """Write installations down, or give them another state."""
    now = datetime.now(UTC)
    with writing() as session:
        session.merge(WorkspaceRow(id=workspace, name=workspace, created_at=now))
        session.flush()
        for shop in shops:
            row = InstallationRow(id=shop, connector=connector, tenant=shop, state=state, facts={})
            row.workspace_id = workspace
            row.address = f"{platform.address}/{shop}"
            row.created_at = row.updated_at = now
            session.merge(row)


@contextmanager
def working(folder: Path, number: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many workers; ended gracefully, which must succeed unless the test ended them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STALLHOLDER_")}
    environment |= {"STALLHOLDER_INSTANCE": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WORKER)]
    with (folder / "worker.log").open("ab") as log:
        started = [
            subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
            for _ in range(number)
        ]
    try:
        yield started
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        statuses = [process.wait(40) for process in started]
    assert set(statuses) <= {0, -signal.SIGKILL}, (folder / "worker.log").read_text()


def row_of(shop: str, kind: str = "pull") -> SyncRow | None:
    """The row of an installation's work."""
    with reading() as session:
        return session.get(SyncRow, (shop, kind))


def state_of(shop: str, kind: str = "pull") -> str:
    """Its state, empty while there is no row."""
    row = row_of(shop, kind)
    return row.state if row else ""


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until it holds; the bound is for a test that would hang, never a measure."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.05)
