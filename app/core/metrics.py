"""Metrics in Prometheus' text form: what was served and refused in all web processes, and how the host stands."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, abort, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector
from sqlalchemy import func, select

from app.core.database import reading
from app.core.models import InstallationRow
from app.core.services import services

blueprint = Blueprint("metrics", __name__)
SHARED = "PROMETHEUS_MULTIPROC_DIR"
LOOPBACK = ("127.0.0.1", "::1")
requests = Counter("stallholder_requests", "Requests of the marketplaces.", ["connector", "action", "outcome"])


class Standing(Collector):
    """How many installations there are in each state, and which connectors are in quarantine."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        held = GaugeMetricFamily("stallholder_installations", "Installations.", labels=["connector", "state"])
        counted = select(InstallationRow.connector, InstallationRow.state, func.count())
        with reading() as session:
            for connector, state, count in session.execute(counted.group_by(*counted.selected_columns[:2])):
                held.add_metric([connector, state], count)
        yield held
        shut = GaugeMetricFamily("stallholder_quarantined", "1 for a connector in quarantine.", labels=["connector"])
        for found in services().registry:
            shut.add_metric([found.name], float(bool(found.fault)))
        yield shut


@blueprint.get("/metrics")
def metrics() -> Response:
    """For this machine's own scraper, or for whoever holds the token."""
    if not (is_local() or holds_token()):
        abort(403)
    registry = CollectorRegistry()
    registry.register(Standing())
    if SHARED in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def is_local() -> bool:
    """A caller on this machine itself; a proxy's word for somebody else does not count as one."""
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP"))
    return request.remote_addr in LOOPBACK and not forwarded


def holds_token() -> bool:
    """A bearer of ``METRICS_TOKEN``."""
    token = current_app.config["METRICS_TOKEN"]
    given = request.headers.get("Authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def init_app(app: Flask) -> None:
    """Adds /metrics; reads ``METRICS_TOKEN``."""
    app.register_blueprint(blueprint)
