"""A real host for one connector: a database of its own in a folder that is thrown away, nothing of the operator's."""

from __future__ import annotations

import io
import json
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from app import create_app
from app.core import config, logs
from app.core.calls import LinksOf
from app.core.database import db, reading, writing
from app.core.documents import DocumentStore
from app.core.installations import InstallationsOf, credential, link_digest, to_installation
from app.core.loading import load
from app.core.migrate import migrate
from app.core.models import CredentialRow, InstallationRow, LinkRow
from app.core.pipeline import Request
from app.core.registry import Connector
from app.core.seal import new_token
from app.core.services import EXTENSION, Services
from app.core.sources import Source, discover, in_folder
from app.kit.ledger import rows
from app.kit.wire import answered, environ_of
from app.sdk import Answer, Claims, Person
from app.sdk.simulation import Outgoing
from app.sdk.testing.case import CALLED
from app.sdk.testing.host import Got, Subject

# Nobody waits for a platform that hangs longer than it takes to see that the host does not.
LONGEST_DEADLINE = 1.0
HOOKS = ("install", "open", "search", "uninstall", "webhook", *CALLED)


class NoConnector(LookupError):
    """There is no such connector, or its folder is none."""


def find(connector: str, extra_folders: str = "") -> Source:
    """A connector by its name, or by its folder's path. Raises `NoConnector`."""
    known, folder = discover(extra_folders), Path(connector).resolve()
    if os.sep in connector:
        found = next((source for source in known if source.folder.resolve() == folder), None)
        found = found or next((source for source in in_folder(folder.parent, "") if source.folder == folder), None)
    else:
        found = next((source for source in known if source.name == connector), None)
    if found is None:
        raise NoConnector(f"there is no connector {connector!r}; see `stallholder connectors list`")
    return found


class Served:
    """The `Host` of the suite."""

    def __init__(self, app: Flask, connector: Connector, log: io.StringIO) -> None:
        self.app, self.connector, self._log = app, connector, log
        self.services: Services = app.extensions[EXTENSION]

    def at(self, clock: Callable[[], datetime]) -> None:
        self.services.clock = clock

    def send(self, outgoing: Outgoing) -> Got:
        status, headers, body = answered(self.app, environ_of(outgoing))
        return Got(status, {name.lower(): value for name, value in headers.items()}, body)

    def add(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        actions = self.connector.manifest.actions.values() if self.connector.manifest else ()
        install = next(action for action in actions if action.hook == "install")
        with self.app.app_context():
            work = Request(self.services, self.connector, install, self.services.clock())
            reply = work.act(Claims(fields=dict(fields)), None)
        told = json.loads(reply.body) if isinstance(reply, Answer) else {}
        return {"id": work.installed, **told}

    def link(self, installation: str, purpose: str) -> str:
        token = new_token()
        with self.app.app_context(), writing() as session:
            digest = link_digest(self.connector.name, purpose, token)
            session.add(LinkRow(digest=digest, installation_id=installation, purpose=purpose))
        return token

    def states(self) -> Mapping[str, str]:
        mine = InstallationRow.connector == self.connector.name
        with self.app.app_context(), reading() as session:
            return {row.id: str(row.state) for row in session.scalars(select(InstallationRow).where(mine))}

    def credentials(self, installation: str) -> Mapping[str, str]:
        mine = CredentialRow.installation_id == installation
        with self.app.app_context(), reading() as session:
            names = sorted({row.name for row in session.scalars(select(CredentialRow).where(mine))})
            now = self.services.clock()
            return {name: credential(session, self.services.ring, installation, name, "current", now) for name in names}

    def store(self, installation: str, person: Person) -> None:
        with self.app.app_context():
            with reading() as session:
                workspace = session.get_one(InstallationRow, installation).workspace_id or ""
            self.services.store_people(workspace, installation, [person])

    def call(self, hook: str, installation: str, **arguments: Any) -> Any:
        outbound, now = self.services.outgate.within(LONGEST_DEADLINE), self.services.clock()
        reserved = self.connector.manifest.subscription if self.connector.manifest else ()
        tokens = {purpose: new_token() for purpose in reserved}
        ports = {
            "settings": self.connector.settings,
            "outbound": outbound,
            "documents": DocumentStore(outbound, now),
            "installations": InstallationsOf(self.connector.name, self.services.ring, now),
            "links": LinksOf(self.services.public_url, self.connector.name, tokens),
            "now": now,
        }
        with self.app.app_context():
            with reading() as session:
                found = to_installation(session.get_one(InstallationRow, installation), self.services.ring, now)
            return self.connector.call(hook, installation=found, **{**ports, **arguments})

    def rows(self) -> Mapping[str, Sequence[str]]:
        with self.app.app_context():
            return rows()

    def left_behind(self) -> Mapping[str, bytes]:
        with self.app.app_context():
            for engine in db.engines.values():
                engine.dispose()
        files = [file for file in Path(self.app.instance_path).rglob("*") if file.is_file()]
        kept = {file.name: file.read_bytes() for file in files if file.name != "config.toml"}
        return kept | {"the log": self._log.getvalue().encode()}

    def log(self) -> Sequence[Mapping[str, Any]]:
        return [json.loads(line) for line in self._log.getvalue().splitlines() if line.startswith("{")]


class Stand:
    """The `Hosting` of the suite: one connector, and an address that is kept for it until it is served."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.subject = subject_of(self.source)

    def __enter__(self) -> Stand:
        return self

    def __exit__(self, *failure: object) -> None:
        self.listening.close()

    @contextmanager
    def serve(self, settings: Mapping[str, Any], allowed: Sequence[str]) -> Iterator[Served]:
        """The host, while the block runs; its log is kept in memory."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stallholder-kit-")))
            connectors = folder / "connectors"
            connectors.mkdir()
            (connectors / self.source.name).symlink_to(self.source.folder, target_is_directory=True)
            app = stack.enter_context(made(folder, self.config(settings, allowed, connectors)))
            log = stack.enter_context(logging_to_memory())
            services: Services = app.extensions[EXTENSION]
            connector = services.registry.find(self.source.name)
            if connector is None:
                raise NoConnector(f"{self.source.name} is switched off")
            with_short_deadlines(connector)
            server = make_server("127.0.0.1", 0, app, threaded=True, fd=self.listening.fileno())
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            yield Served(app, connector, log)

    def config(self, settings: Mapping[str, Any], allowed: Sequence[str], connectors: Path) -> dict[str, Any]:
        """The host's settings: made up for this run, but for the connector's own."""
        return {
            "PUBLIC_URL": self.url,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "MASTER_KEYS": [Fernet.generate_key().decode()],
            "OUTBOUND_ALLOW": list(allowed),
            "DEMO": False,
            "PLUGINS": str(connectors) if self.source.package.startswith("stallholder_connector_") else "",
            "CONNECTORS": {self.source.name: {**settings, "enabled": True}},
        }


@contextmanager
def made(folder: Path, settings: Mapping[str, Any]) -> Iterator[Flask]:
    """The app in a new folder; what the operator set in the environment is out of sight meanwhile."""
    (folder / "config.toml").write_text(toml(settings), "utf-8")
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(f"{config.PREFIX}_")}
    try:
        app = create_app(folder)
    finally:
        os.environ.update(hidden)
    with app.app_context():
        migrate()
    try:
        yield app
    finally:
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()
        app.extensions[EXTENSION].outgate.close()


@contextmanager
def logging_to_memory() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as the lines that an operator would read."""
    kept = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=kept))
    try:
        yield kept
    finally:
        logs.configure()


def toml(settings: Mapping[str, Any], path: str = "") -> str:
    """Settings as TOML: values first, tables after."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if not isinstance(value, Mapping)]
    for key, value in settings.items():
        if isinstance(value, Mapping):
            dotted = f"{path}.{key}" if path else key
            lines += ["", f"[{dotted}]", toml(value, dotted)]
    return "\n".join(lines)


def subject_of(source: Source) -> Subject:
    """The connector as the suite sees it."""
    registry = load([source])
    connector = next(iter(registry))
    simulator, fault = None, connector.fault
    if not fault:
        try:
            simulator = registry.simulator(source.name)
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; the suite tells it
            fault = f"its simulator cannot be used: {type(error).__name__}: {error}"
    hooks = frozenset(name for name in HOOKS if connector.implements(name))
    return Subject(source.name, source.folder, fault, connector.manifest, simulator, connector.declared, hooks)


def with_short_deadlines(connector: Connector) -> None:
    """Wait for no platform longer than a second: how a hook bears a slow one does not depend on how slow."""
    manifest = connector.manifest
    if manifest is not None:
        actions = {
            name: replace(action, deadline=min(action.deadline, LONGEST_DEADLINE))
            for name, action in manifest.actions.items()
        }
        connector.manifest = replace(manifest, actions=actions)
