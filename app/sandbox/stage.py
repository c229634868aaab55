"""The stage: serves the played marketplaces, connects what can be connected by itself, and prints where to look."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import requests
import structlog
from flask import current_app
from sqlalchemy import select

from app.core.database import reading, writing
from app.core.lifecycle import new_workspace
from app.core.models import InstallationRow, WorkspaceRow
from app.core.pipeline import Request
from app.core.services import services
from app.people import importing, merging
from app.sandbox.marketplace import Marketplace
from app.sdk import Answer, Claims
from app.sdk.simulation import serving

log = structlog.get_logger()

DEMO_PEOPLE = Path(__file__).with_name("people.jsonl")
WORKSPACE = "Demo"
STARTING = 60.0


def run() -> None:
    """Play until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    file = Path(current_app.instance_path) / "sandbox.json"
    state = json.loads(file.read_text("utf-8"))
    with ExitStack() as stage:
        marketplaces = {name: Marketplace(*opened(name, home, state)) for name, home in state["homes"].items()}
        for name, marketplace in marketplaces.items():
            stage.enter_context(serving(marketplace.answer, urlsplit(state["homes"][name]).port or 0))
        try:
            if wait_for_host(state["public_url"], stopping):
                tell(marketplaces, state, furnish(marketplaces, state, file))
        except requests.RequestException:
            # The host was told to stop while it was being furnished, and we are next.
            log.info("sandbox.host_gone")
        stopping.wait()


def opened(name: str, home: str, state: dict[str, Any]) -> tuple[str, Any]:
    """A marketplace's title and its simulator."""
    registry = services().registry
    connector = registry.find(name)
    title = connector.manifest.title if connector and connector.manifest else name
    return title, registry.simulator(name)(state["public_url"], state["keys"][name], home)


def wait_for_host(url: str, stopping: threading.Event) -> bool:
    """Until the host answers; false when it never does."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until and not stopping.is_set():
        try:
            if requests.get(f"{url}/healthz", timeout=2).ok:
                return True
        except requests.RequestException:
            stopping.wait(0.2)
    return False


def furnish(marketplaces: dict[str, Marketplace], state: dict[str, Any], file: Path) -> str:
    """A demo workspace with people in it, and every marketplace that needs no person connected to it."""
    workspace = demo_workspace()
    importing.import_file(DEMO_PEOPLE, workspace)
    for name, marketplace in marketplaces.items():
        simulator = marketplace.simulator
        if simulator.operator_fields() is None and "install" in simulator.actions:
            simulator.play("install")
        elif name in state["connected"]:
            simulator.connected(state["connected"][name])
        elif "install" not in simulator.actions:
            state["connected"][name] = connect(name, simulator, workspace)
            file.write_text(json.dumps(state, indent=1), "utf-8")
    gather(workspace)
    return workspace


def demo_workspace() -> str:
    """The demo workspace's id."""
    with writing() as session:
        known = session.scalars(select(WorkspaceRow.id).where(WorkspaceRow.name == WORKSPACE)).first()
        return known or new_workspace(session, WORKSPACE, datetime.now(UTC))


def connect(name: str, simulator: Any, workspace: str) -> dict[str, Any]:
    """What an operator does by hand with ``installations add``."""
    host = services()
    connector = host.registry.find(name)
    if connector is None or connector.manifest is None:
        return {}
    work = Request(host, connector, connector.manifest.actions["install"], datetime.now(UTC))
    reply = work.act(Claims(fields=simulator.operator_fields()), workspace)
    printed: dict[str, Any] = json.loads(reply.body) if isinstance(reply, Answer) else {}
    simulator.connected(printed)
    return printed


def gather(workspace: str) -> None:
    """Bring the shops that connected themselves into the demo workspace."""
    with reading() as session:
        others = set(session.scalars(select(InstallationRow.workspace_id))) - {workspace, None}
    for other in sorted(id for id in others if id):
        merging.merge(other, workspace)


def tell(marketplaces: dict[str, Marketplace], state: dict[str, Any], workspace: str) -> None:
    """Where to look first."""
    lines = ["", "Stallholder is in demo mode: no connector is configured, so the marketplaces are played here.", ""]
    lines += [f"  start here         {state['public_url']}/sandbox/"]
    for marketplace in marketplaces.values():
        lines += [f"  {marketplace.title:<18} {marketplace.simulator.home}/"]
    for marketplace in marketplaces.values():
        page = marketplace.page()
        if page:
            lines += [f"  an embedded page   {page}"]
    lines += [f"  demo workspace     {workspace}   .venv/bin/stallholder people search nov --workspace {workspace}", ""]
    click.echo("\n".join(lines))
