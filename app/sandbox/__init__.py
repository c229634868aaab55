"""The sandbox of demo mode: every connector's marketplace played on a port of its own, and a page that leads there."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, redirect, render_template

from app.core.config import instance_folder
from app.core.registry import discover, load
from app.core.services import services
from app.sandbox.stage import run

__all__ = ["homes", "init_app", "prepare", "run"]

blueprint = Blueprint("sandbox", __name__, url_prefix="/sandbox")


def prepare(folder: Path, public_url: str) -> None:
    """Write the sandbox's keys and addresses for a host at ``public_url``; keys of an earlier start are kept."""
    file = folder / "sandbox.json"
    known: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    state: dict[str, Any] = {"public_url": public_url, "connectors": {}, "allow": [], "keys": {}, "homes": {}}
    state["connected"] = known.get("connected", {})
    port = urlsplit(public_url).port or 80
    registry = load(discover(os.environ.get("STALLHOLDER_PLUGINS", "")))
    for connector in registry:
        if connector.manifest is None or not connector.manifest.enabled:
            continue
        try:
            platform = registry.simulator(connector.name)
        except LookupError:
            continue
        port = next_free(port + 1)
        keys = platform.make_keys()
        keys |= {
            name: key
            for name, key in known.get("keys", {}).get(connector.name, {}).items()
            if name not in platform.renewed
        }
        home = f"http://127.0.0.1:{port}"
        state["keys"][connector.name] = keys
        state["homes"][connector.name] = home
        state["allow"].append(f"127.0.0.1:{port}")
        state["connectors"][connector.name] = platform(public_url, keys, home).settings()
    write(file, state)


def next_free(port: int) -> int:
    """This port of loopback, or the next one that nobody uses."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
        port += 1


def write(file: Path, state: dict[str, Any]) -> None:
    """Replace the file in one step; only its owner reads it."""
    draft = file.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(state, opened, indent=1)
    draft.replace(file)


def read(folder: Path) -> dict[str, Any]:
    """What `prepare` wrote; empty outside demo mode."""
    file = folder / "sandbox.json"
    state: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return state


def homes(folder: Path) -> dict[str, str]:
    """Where each marketplace is played."""
    found: dict[str, str] = read(folder).get("homes", {})
    return found


@blueprint.get("/")
def index() -> str:
    """The marketplaces to click through."""
    host = services()
    if not host.demo:
        abort(404)
    names = homes(instance_folder())
    titles = {found.name: found.manifest.title for found in host.registry if found.manifest}
    places = [(titles.get(name, name), home) for name, home in names.items()]
    return render_template("sandbox/index.html", places=places, example=next(iter(names), ""))


def init_app(app: Flask) -> None:
    """Adds /sandbox, which is there in demo mode only, and lets the sandbox's admins frame our pages."""
    host = app.extensions["stallholder"]
    app.register_blueprint(blueprint)
    if host.demo:
        app.add_url_rule("/", "start", lambda: redirect("/sandbox/"))
        host.extra_ancestors = tuple(homes(Path(app.instance_path)).values())
