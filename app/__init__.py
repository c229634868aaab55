"""Stallholder: one small host that keeps a stall for an add-on in every marketplace."""

from __future__ import annotations

import gc
from pathlib import Path

from flask import Flask

from app import pages, people, sandbox
from app.core import (
    config,
    database,
    headers,
    health,
    loading,
    logs,
    metrics,
    nodes,
    outbound,
    seal,
    services,
    sources,
    web,
)


def create_app(instance: Path | None = None) -> Flask:
    """The host, wired: settings, connectors, database, then the layers from the lowest up.

    Raises `app.core.config.ConfigError` with one line that names the key when a setting is wrong.
    """
    logs.configure()
    folder = instance or config.instance_folder()
    settings = config.load_host(folder)
    connectors = loading.load(sources.discover(settings["PLUGINS"]))
    config.configure(connectors, settings["CONNECTORS"], lenient=settings["DEMO"])

    app = Flask("app", instance_path=str(folder))
    app.config.from_mapping(settings)
    app.extensions[services.EXTENSION] = services.Services(
        public_url=settings["PUBLIC_URL"],
        registry=connectors,
        ring=seal.Ring(settings["MASTER_KEYS"]),
        outgate=outbound.Outgate(settings["OUTBOUND_ALLOW"]),
        demo=settings["DEMO"],
    )
    for part in (database, headers, web, nodes, health, metrics, people, pages, sandbox):
        part.init_app(app)
    return app


def served() -> Flask:
    """`create_app` for a process that serves until it ends, as gunicorn starts them."""
    app = create_app()
    # What is loaded by now stays: to look through all of it again and again would stop every request meanwhile.
    gc.collect()
    gc.freeze()
    return app
