"""Where each marketplace is played and with which keys: written when demo mode starts, read by host and stage."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from app.core.loading import load
from app.core.registry import Connector, Registry
from app.core.sources import discover

log = structlog.get_logger()


def prepare(folder: Path, public_url: str) -> None:
    """Write the sandbox's keys and addresses for a host at ``public_url``; keys of an earlier start are kept."""
    file = folder / "sandbox.json"
    known = read(folder)
    state: dict[str, Any] = {"public_url": public_url, "connectors": {}, "allow": [], "keys": {}, "homes": {}}
    state["looks"] = {}
    port = urlsplit(public_url).port or 80
    registry = load(discover(os.environ.get("STALLHOLDER_PLUGINS", "")))
    for connector in registry:
        platform = simulator_of(registry, connector)
        if platform is None:
            continue
        port = next_free(port + 1)
        place(
            state, platform, connector.name, f"http://127.0.0.1:{port}", known.get("keys", {}).get(connector.name, {})
        )
    write(file, state)


def simulator_of(registry: Registry, connector: Connector) -> Any:
    """The simulator of a connector that serves by itself; None where it brings none that can be used."""
    if connector.fault or not (connector.manifest and connector.manifest.enabled):
        return None
    try:
        return registry.simulator(connector.name)
    except LookupError:
        return None
    except Exception as error:  # noqa: BLE001 - a stranger's simulator must fail alone
        log.error("sandbox.no_simulator", connector=connector.name, error=type(error).__name__)
        return None


def place(state: dict[str, Any], platform: Any, name: str, home: str, known: dict[str, Any]) -> None:
    """Give a marketplace its address, its keys and what the host must know to trust it."""
    keys = platform.make_keys() | {key: value for key, value in known.items() if key not in platform.renewed}
    state["keys"][name] = keys
    state["homes"][name] = home
    state["allow"].append(home.removeprefix("http://"))
    state["connectors"][name] = platform(state["public_url"], keys, home).settings()
    state["looks"][name] = {"bar": platform.look.bar, "accent": platform.look.accent, "told": platform.look.told}


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
    """At which address each marketplace answers the host's own calls."""
    found: dict[str, str] = read(folder).get("homes", {})
    return found


def origin_of(name: str, home: str) -> str:
    """Where people see its admin: browsers take each name below ``localhost`` for a site of its own (RFC 6761)."""
    return f"http://{name.replace('_', '-')}.localhost:{urlsplit(home).port}"
