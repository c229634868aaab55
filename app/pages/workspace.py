"""What a visitor may read of their own workspace: its name and its installations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext
from sqlalchemy import select

from app.core.database import reading
from app.core.models import InstallationRow, WorkspaceRow
from app.core.services import services
from app.core.tickets import Visitor
from app.people import sync_state
from app.sdk import State

SHOWN = (State.ACTIVE, State.PAUSED, State.UNINSTALLING)


@dataclass(frozen=True, slots=True)
class Stall:
    """One installation as its customer sees it; ``alarm`` is translated, or empty.

    ``sync`` is the state of its synchronisation, empty where there is none; ``percent`` how far its first pass is.
    """

    title: str
    marketplace: str
    state: str
    since: datetime
    alarm: str
    sync: str = ""
    percent: int = 0


def name_of(visitor: Visitor) -> str:
    """The name of the visitor's workspace."""
    with reading() as session:
        return session.scalar(select(WorkspaceRow.name).where(WorkspaceRow.id == visitor.workspace)) or ""


def stalls_of(visitor: Visitor) -> list[Stall]:
    """The installations of the visitor's workspace and of no other, oldest first."""
    statement = (
        select(InstallationRow)
        .where(InstallationRow.workspace_id == visitor.workspace, InstallationRow.state.in_(SHOWN))
        .order_by(InstallationRow.created_at, InstallationRow.id)
    )
    with reading() as session:
        return [to_stall(row) for row in session.scalars(statement)]


def to_stall(row: InstallationRow) -> Stall:
    """The installation with how far its people are."""
    found = services().registry.find(row.connector)
    fills = found is not None and found.implements("pull")
    told = sync_state.progress(row.id) if fills else None
    percent = min(99, 100 * told.done // told.total) if told and told.total else 0
    alarm = translated(row.alarm)
    state = told.state if told else ""
    return Stall(row.title, marketplace(row.connector), row.state, row.created_at, alarm, state, percent)


def translated(alarm: str) -> str:
    """An alarm in the reader's language; as plain text, since a template's own ``_`` would take it for markup."""
    return str(gettext(alarm)) if alarm else ""


def marketplace(connector: str) -> str:
    """The title of a marketplace; its bare name when the connector is gone."""
    found = services().registry.find(connector)
    return found.manifest.title if found and found.manifest else connector
