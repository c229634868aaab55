"""The stage of the end-to-end tests: a real host over real HTTP, with every marketplace played by its simulator."""

from __future__ import annotations

import itertools
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from cryptography.fernet import Fernet
from flask import Flask
from werkzeug.serving import make_server

from app import create_app
from app.core.database import db
from app.core.loading import load
from app.core.migrate import migrate
from app.core.sources import discover
from app.kit.host import toml
from app.sdk.simulation import Call, Reply, serving

NAMES = ("retailcrm", "wazzup", "upgates", "orlo", "shoptet")
_KEYS: dict[str, Any] = {}


# Below the ports that the system hands out by itself: between looking and serving, nobody else is given one of these.
LOWEST, EACH, STEP = 12_000, 4_000, 8
_TURNS = itertools.count(random.randrange(EACH // STEP))


def free_port() -> int:
    """A port of loopback that nobody uses, with a few free ones behind it; each test process has its own thousands."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = LOWEST + EACH * worker + STEP * (next(_TURNS) % (EACH // STEP))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def keys_of(platform: Any) -> dict[str, Any]:
    """A simulator's keys, made once a run: an RSA pair takes its time."""
    return _KEYS.setdefault(platform.__name__ + platform.__module__, platform.make_keys())


class Stage:
    """A host in ``folder`` and its marketplaces; `serving_here` or `serving_gunicorn` brings it up.

    ``more`` are names of connectors that do not serve by themselves; they are played and switched on, too.
    """

    def __init__(self, folder: Path, stack: ExitStack, more: Sequence[str] = (), **settings: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulators: dict[str, Any] = {}
        self.app: Flask | None = None
        registry = load(discover(settings.get("PLUGINS", "")))
        for name in (*NAMES, *more):
            home = stack.enter_context(serving(lambda call, name=name: self.received(name, call)))
            platform = registry.simulator(name)
            self.simulators[name] = platform(self.url, keys_of(platform), home)
        self.settings = self.defaults()
        stack.callback(self.close)
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the settings down, with these changed; a host that runs has read them already."""
        self.settings |= settings
        (self.folder / "config.toml").write_text(toml(self.settings), "utf-8")

    def close(self) -> None:
        """Close the connections that are pooled: what is left open is a warning, and so an error."""
        if self.app is not None:
            with self.app.app_context():
                for engine in db.engines.values():
                    engine.dispose()

    def received(self, name: str, call: Call) -> Reply:
        """A call of the host to a marketplace."""
        reply: Reply = self.simulators[name].received(call)
        return reply

    def defaults(self) -> dict[str, Any]:
        """Settings under which the host trusts its marketplaces."""
        return {
            "PUBLIC_URL": self.url,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "MASTER_KEYS": [Fernet.generate_key().decode()],
            "OUTBOUND_ALLOW": [simulator.home.removeprefix("http://") for simulator in self.simulators.values()],
            "CONNECTORS": {name: {"enabled": True, **one.settings()} for name, one in self.simulators.items()},
        }

    def make_app(self) -> Flask:
        """The app of this stage, its databases up to date."""
        app = create_app(self.folder)
        with app.app_context():
            migrate()
        self.app = app
        return app

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line on this instance."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=check,
            timeout=60,
        )

    def environment(self) -> dict[str, str]:
        """The environment of this instance's programs."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith("STALLHOLDER_")}
        return mine | {"STALLHOLDER_INSTANCE": str(self.folder)}

    def connect_orlo(self, workspace: str = "new") -> dict[str, Any]:
        """Add Orlo as an operator does; returns what was printed."""
        fields = self.simulators["orlo"].operator_fields()
        pairs = [part for name, value in fields.items() for part in ("--set", f"{name}={value}")]
        printed: dict[str, Any] = json.loads(
            self.cli("installations", "add", "orlo", "--workspace", workspace, *pairs).stdout
        )
        self.simulators["orlo"].connected(printed)
        return printed

    def installations(self) -> list[dict[str, Any]]:
        """What the operator sees."""
        found: list[dict[str, Any]] = json.loads(self.cli("installations", "list", "--json").stdout)
        return found


@contextmanager
def serving_here(stage: Stage) -> Iterator[Stage]:
    """Serve from a thread of this process."""
    server = make_server("127.0.0.1", stage.port, stage.make_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving_gunicorn(stage: Stage, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve as an operator does: ``stallholder serve``, with its worker."""
    command = [sys.executable, "-m", "app.cli", "serve", "--bind", f"127.0.0.1:{stage.port}", *arguments]
    log = (stage.folder / "serve.log").open("wb")
    process = subprocess.Popen(command, env=stage.environment(), stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: answers(f"{stage.url}/healthz", process, stage.folder / "serve.log"))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        log.close()


def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Whether the host answers; fails at once when it has ended."""
    assert process.poll() is None, log.read_text()
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def wait_until(happened: Any, seconds: float = 60.0) -> None:
    """Wait for something that will happen."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
