"""The operator's desk: connects by hand what no platform installs, and keeps every shop in the demo workspace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from app.core import lifecycle
from app.core.database import reading, writing
from app.core.lifecycle import new_workspace
from app.core.models import InstallationRow, WorkspaceRow
from app.core.pipeline import Request
from app.core.services import services
from app.people import merging, mirror
from app.sdk import Answer, Claims, State
from app.sdk.simulation import Entry, Scenario, Simulator

WORKSPACE = "Demo"
ONCE = (Scenario.GENUINE,)
CONNECT = Entry(
    "install",
    "The operator connects it",
    "This platform installs nothing by itself: the operator makes the addresses and secrets, and they are typed here.",
    scenarios=ONCE,
    silent=True,
    step=1,
)
REMOVE = Entry(
    "uninstall",
    "The operator removes it",
    "The platform is not told: its next request meets addresses that nobody serves any more.",
    scenarios=ONCE,
    silent=True,
)


def is_manual(simulator: Simulator) -> bool:
    """Whether an operator connects this platform because it has no installation of its own."""
    return simulator.operator_fields() is not None and "install" not in simulator.actions


def demo_workspace() -> str:
    """The demo workspace's id."""
    with reading() as session:
        known = session.scalars(select(WorkspaceRow.id).where(WorkspaceRow.name == WORKSPACE)).first()
    if known is not None:
        return known
    with writing() as session:
        return new_workspace(session, WORKSPACE, datetime.now(UTC))


def served(name: str) -> Sequence[InstallationRow]:
    """The installations of a connector that are served."""
    mine = InstallationRow.connector == name, InstallationRow.state.in_((State.ACTIVE, State.PAUSED))
    with reading() as session:
        return session.scalars(select(InstallationRow).where(*mine)).all()


def connect(name: str, simulator: Simulator) -> Mapping[str, Any]:
    """What an operator does with ``installations add``; what that prints is typed into the platform."""
    host = services()
    connector = host.registry.find(name)
    if connector is None or connector.manifest is None:
        return {}
    work = Request(host, connector, connector.manifest.actions["install"], datetime.now(UTC))
    reply = work.act(Claims(fields=simulator.operator_fields() or {}), demo_workspace())
    printed: dict[str, Any] = json.loads(reply.body) if isinstance(reply, Answer) else {}
    simulator.connected(printed)
    return printed


def reconnect(name: str, simulator: Simulator) -> Mapping[str, Any]:
    """A connection with fresh secrets in the place of the former."""
    remove(name)
    simulator.keys = {**simulator.keys, **simulator.make_keys()}
    return connect(name, simulator)


def remove(name: str) -> None:
    """What an operator does with ``installations remove``."""
    for row in served(name):
        with writing() as session:
            lifecycle.remove(session, row.id)
        mirror.forget(row.workspace_id or "", row.id)


def gather(name: str, owner: str) -> None:
    """Bring the shops of a connector into the demo workspace, so that a search in another marketplace finds them.

    A played shop lives at an address of this machine, which is no name to show: the operator gives it its owner's.
    """
    workspace = demo_workspace()
    for other in sorted({row.workspace_id for row in served(name) if row.workspace_id} - {workspace}):
        merging.merge(other, workspace)
    nameless = InstallationRow.connector == name, InstallationRow.title.startswith("127.0.0.1")
    with reading() as session:
        ids = session.scalars(select(InstallationRow.id).where(*nameless)).all()
        known = session.scalar(select(func.count()).where(InstallationRow.connector == name)) or 0
    for turn, id in enumerate(ids, start=known - len(ids) + 1):
        with writing() as session:
            row = session.get(InstallationRow, id)
            if row is not None:
                row.title = f"{owner} {turn}" if turn > 1 else owner
