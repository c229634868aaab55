"""Whether the host lives, and whether it can serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Flask, Response, jsonify
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core import nodes
from app.core.database import reading
from app.core.models import HeartbeatRow
from app.core.services import services

blueprint = Blueprint("health", __name__)
WORKER_SILENT = timedelta(seconds=60)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is alive; no I/O."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Database, worker and connectors; 503 with the reasons when not ready."""
    faults = {connector.name: connector.fault for connector in services().registry if connector.fault}
    serving = [connector.name for connector in services().registry if connector.serving]
    reasons = database_and_worker() + ([] if serving else ["connectors: none is serving"])
    body: dict[str, object] = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    body |= {"connectors": {"serving": serving, "quarantined": sorted(faults)}, "nodes": unlike_nodes()}
    return jsonify(body), 503 if reasons else 200


def unlike_nodes() -> list[str]:
    """Which node lacks which connector; that alone does not make this one unready."""
    try:
        return nodes.differences(datetime.now(UTC))
    except SQLAlchemyError:
        return []


def database_and_worker() -> list[str]:
    """What is wrong with the database or the worker."""
    try:
        with reading() as session:
            seen_at = session.scalar(select(func.max(HeartbeatRow.seen_at)))
    except SQLAlchemyError as error:
        return [f"database: {type(error).__name__}"]
    if seen_at is None or datetime.now(UTC) - seen_at > WORKER_SILENT:
        return ["worker: no sign of life for a minute"]
    return []


def init_app(app: Flask) -> None:
    """Adds /healthz and /readyz."""
    app.register_blueprint(blueprint)
