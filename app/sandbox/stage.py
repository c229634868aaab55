"""The stage: serves the played marketplaces, connects what only an operator connects, and prints where to look."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import requests
import structlog
from flask import Flask, current_app

from app.core.services import services
from app.people import importing
from app.sandbox import desk, places
from app.sandbox.marketplace import Marketplace
from app.sdk.simulation import serving

log = structlog.get_logger()

DEMO_PEOPLE = Path(__file__).with_name("people.jsonl")
STARTING = 60.0


def run() -> None:
    """Play until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    state = places.read(Path(current_app.instance_path))
    with ExitStack() as stage:
        marketplaces = open_all(state)
        for name, marketplace in marketplaces.items():
            stage.enter_context(serving(marketplace.answer, urlsplit(state["homes"][name]).port or 0))
        try:
            if wait_for_host(state["public_url"], stopping):
                tell(marketplaces, state["public_url"], furnish(marketplaces))
        except requests.RequestException:
            # The host was told to stop while it was being furnished, and we are next.
            log.info("sandbox.host_gone")
        stopping.wait()


def open_all(state: Mapping[str, Any]) -> dict[str, Marketplace]:
    """A marketplace for every connector that has a place."""
    # The object itself: each call of a browser needs a context of its own.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    registry = services().registry
    manifests = {name: found.manifest for name in state["homes"] if (found := registry.find(name)) and found.manifest}
    tabs = {manifest.title: places.origin_of(name, state["homes"][name]) for name, manifest in manifests.items()}
    return {
        name: Marketplace(
            app,
            manifest,
            registry.simulator(name)(state["public_url"], state["keys"][name], state["homes"][name]),
            tabs,
        )
        for name, manifest in manifests.items()
    }


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


def furnish(marketplaces: Mapping[str, Marketplace]) -> str:
    """A demo workspace with people in it; what operators connect is connected, what a person once did is repeated."""
    workspace = desk.demo_workspace()
    importing.import_file(DEMO_PEOPLE, workspace)
    for name, marketplace in marketplaces.items():
        simulator = marketplace.simulator
        if not desk.is_manual(simulator):
            # The platform forgot over the restart what the host still holds.
            if desk.served(name) and simulator.operator_fields() is None and "install" in simulator.actions:
                simulator.play("install")
        else:
            desk.reconnect(name, simulator)
        desk.gather(name, simulator.look.owner)
    return workspace


def tell(marketplaces: Mapping[str, Marketplace], url: str, workspace: str) -> None:
    """Where to look first."""
    lines = ["", "Stallholder is in demo mode: no connector is configured, so the marketplaces are played here.", ""]
    lines += [f"  start here         {url}/sandbox/"]
    for marketplace in marketplaces.values():
        lines += [f"  {marketplace.manifest.title:<18} {marketplace.origin}/"]
    for page in filter(None, (marketplace.page() for marketplace in marketplaces.values())):
        lines += [f"  an embedded page   {page}"]
    lines += [f"  demo workspace     {workspace}   .venv/bin/stallholder people search nov --workspace {workspace}", ""]
    click.echo("\n".join(lines))
