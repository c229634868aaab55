"""Erase: an installation, or a whole workspace, is forgotten with everybody who came through it."""

from __future__ import annotations

from sqlalchemy import delete, select

from app.core import lifecycle
from app.core.database import writing
from app.core.models import InstallationRow, WorkspaceRow
from app.people import mirror


def disconnect(workspace_id: str, installation_id: str) -> None:
    """Forget an installation: credentials, events, visits, people. The platform is not told; may be repeated."""
    with writing() as session:
        lifecycle.remove(session, installation_id)
    mirror.forget(workspace_id, installation_id)


def erase(workspace_id: str) -> None:
    """Destroy a workspace: its installations with their keys, its people, and itself; may be repeated."""
    with writing() as session:
        mine = select(InstallationRow.id).where(InstallationRow.workspace_id == workspace_id)
        for installation_id in session.scalars(mine).all():
            lifecycle.remove(session, installation_id)
        session.execute(delete(WorkspaceRow).where(WorkspaceRow.id == workspace_id))
    mirror.forget(workspace_id)
