"""The processes that serve, and the connectors that each has: one that lacks a connector is noticed."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from flask import Flask, Response, current_app
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import NodeRow
from app.core.registry import Registry
from app.core.services import EXTENSION, Services

log = structlog.get_logger()

NOTED = timedelta(minutes=1)
# A process that noted nothing for so long has ended, or serves nobody.
GONE = timedelta(seconds=150)
NODE = "stallholder-node"
Held = Mapping[str, str]


class Note:
    """What one process says of itself, again every minute."""

    def __init__(self, registry: Registry) -> None:
        # Machines in containers may share host name and process id.
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(2)}"
        self._registry = registry
        self._due = datetime.min.replace(tzinfo=UTC)

    def is_due(self, now: datetime) -> bool:
        """Whether it is time again; true once for each time."""
        if now < self._due:
            return False
        self._due = now + NOTED
        return True

    def write(self, now: datetime) -> None:
        """Say what this process has, and forget those that are long gone."""
        held = {found.name: f"{found.source.version()} {found.state}" for found in self._registry}
        with writing() as session:
            session.merge(NodeRow(name=self.name, connectors=json.dumps(held), seen_at=now))
            session.execute(delete(NodeRow).where(NodeRow.seen_at < now - GONE))


def note(now: datetime) -> None:
    """A duty of the worker, which answers nobody."""
    mine: Note = current_app.extensions[NODE]
    if mine.is_due(now):
        mine.write(now)


def differences(now: datetime) -> list[str]:
    """What one node has and another lacks, or has otherwise: a line each, empty when all are alike."""
    with reading() as session:
        nodes = living(session, now)
    names = sorted({name for held in nodes.values() for name in held})
    return [line for name in names for line in of_connector(name, nodes)]


def living(session: Session, now: datetime) -> dict[str, Held]:
    """The connectors of every node seen lately."""
    rows = session.scalars(select(NodeRow).where(NodeRow.seen_at >= now - GONE).order_by(NodeRow.name))
    return {row.name: json.loads(row.connectors) for row in rows}


def of_connector(name: str, nodes: Mapping[str, Held]) -> Iterator[str]:
    """Where one connector is missing or different."""
    lacking = [node for node, held in nodes.items() if name not in held]
    if lacking:
        yield f"connector {name} is missing on {', '.join(lacking)}"
    where: dict[str, list[str]] = {}
    for node, held in nodes.items():
        if name in held:
            where.setdefault(held[name], []).append(node)
    if len(where) > 1:
        told = "; ".join(f"{version} on {', '.join(on)}" for version, on in sorted(where.items()))
        yield f"connector {name} differs: {told}"


def init_app(app: Flask) -> None:
    """Every minute, after an answer was sent, the process notes what it has."""
    host: Services = app.extensions[EXTENSION]
    mine = app.extensions[NODE] = Note(host.registry)

    def write() -> None:
        try:
            with app.app_context():
                mine.write(datetime.now(UTC))
        except SQLAlchemyError as error:
            log.warning("node.not_noted", kind=type(error).__name__)

    @app.after_request
    def note_if_due(response: Response) -> Response:
        if mine.is_due(datetime.now(UTC)):
            response.call_on_close(write)
        return response
