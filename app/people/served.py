"""Served: which installations want a kind of work, and when what stopped gets another chance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, not_, select

from app.core.database import reading
from app.core.models import InstallationRow
from app.core.services import services
from app.jobs import live
from app.people.lists import among
from app.sdk import Health, State


@dataclass(frozen=True, slots=True)
class Served:
    """An installation that wants this kind of work. ``alive_at``: its credentials were last looked at, and work."""

    workspace: str
    connector: str
    changed_at: datetime
    connected_at: datetime | None
    alive_at: datetime | None

    def goes_on(self, since: datetime, refusals: int) -> bool:
        """Whether what stopped ``since`` gets another chance: connected again, or refused by mistake."""
        alive = self.alive_at is not None and self.alive_at > since
        return self.changed_at > since or (refusals > 0 and alive)


def served_with(hook: str, ids: Collection[str] | None = None) -> dict[str, Served]:
    """The active installations whose connector implements the hook; of ``ids`` alone, if they are told.

    But for those whose credentials are in doubt.
    """
    names = [one.name for one in services().registry if one.serving and one.implements(hook)]
    row = InstallationRow
    alive = case((row.health == Health.ALIVE, row.probed_at))
    columns = (row.id, row.workspace_id, row.connector, row.updated_at, row.connected_at, alive)
    active = (row.state == State.ACTIVE, row.connector.in_(names), not_(live.in_doubt()))
    with reading() as session:
        few = () if ids is None else (among(session, row.id, ids),)
        rows = session.execute(select(*columns).where(*active, *few)).all() if names else []
    return {id: Served(workspace or "", *told) for id, workspace, *told in rows}
