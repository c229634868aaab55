"""What a visitor may read of their own workspace: its name, its installations, and what needs attention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import InstallationRow, WorkspaceRow
from app.core.services import services
from app.core.tickets import Visitor
from app.pages.attention import Attention, attention
from app.people import sync_state
from app.people.sync_state import Progress
from app.sdk import Person, State, Unknown

SHOWN = (State.ACTIVE, State.PAUSED, State.UNINSTALLING)


@dataclass(frozen=True, slots=True)
class Stall:
    """One installation as its customer sees it.

    ``title`` is the name that its people gave it, else the platform's. ``sync`` is the state of its synchronisation,
    empty where there is none: ``done`` of ``total`` people in its first pass, ``percent`` of it (None: not told),
    ``live_since`` when it was over. ``push`` is the same of a marketplace that takes people, else None. ``attention``
    is None while nothing is wrong.
    """

    id: str
    title: str
    connector: str
    marketplace: str
    state: str
    since: datetime
    sync: str = ""
    done: int = 0
    percent: int | None = None
    live_since: datetime | None = None
    push: Progress | None = None
    attention: Attention | None = None

    @property
    def filling(self) -> bool:
        """Whether its people are on their way."""
        return self.state == State.ACTIVE and self.sync in (sync_state.WAITING, sync_state.FIRST)

    @property
    def giving(self) -> bool:
        """Whether the workspace's people are on their way there."""
        return self.state == State.ACTIVE and self.push is not None and self.push.is_under_way


@dataclass(frozen=True, slots=True)
class About:
    """What every page of a workspace shows: its name, and how many things need attention (0 when not wanted)."""

    name: str
    badge: int


def about(visitor: Visitor) -> About:
    """The visitor's workspace in a few words."""
    with reading() as session:
        row = session.get(WorkspaceRow, visitor.workspace)
    name, wanted = (row.name, row.badges) if row is not None else ("", False)
    return About(name, sum(stall.attention is not None for stall in stalls_of(visitor)) if wanted else 0)


def stalls_of(visitor: Visitor) -> list[Stall]:
    """The installations of the visitor's workspace and of no other, oldest first."""
    statement = (
        select(InstallationRow)
        .where(InstallationRow.workspace_id == visitor.workspace, InstallationRow.state.in_(SHOWN))
        .order_by(InstallationRow.created_at, InstallationRow.id)
    )
    with reading() as session:
        return [to_stall(row) for row in session.scalars(statement)]


def stall_of(visitor: Visitor, id: str) -> Stall:
    """One of them. Raises `Unknown`, for another workspace's too."""
    for stall in stalls_of(visitor):
        if stall.id == id:
            return stall
    raise Unknown("no_installation", "This connection is not here any more.")


def row_of(session: Session, visitor: Visitor, id: str) -> InstallationRow:
    """The row of one of them, to be changed. Raises `Unknown`."""
    row = session.get(InstallationRow, id)
    if row is None or row.workspace_id != visitor.workspace or row.state not in SHOWN:
        raise Unknown("no_installation", "This connection is not here any more.")
    return row


def titles_of(workspace_id: str) -> list[str]:
    """How the installations of a workspace are called."""
    mine = InstallationRow.workspace_id == workspace_id, InstallationRow.state.in_(SHOWN)
    named = func.coalesce(func.nullif(InstallationRow.label, ""), InstallationRow.title)
    with reading() as session:
        rows = session.execute(select(named, InstallationRow.connector).where(*mine).order_by(InstallationRow.id))
        return [title or marketplace(connector) for title, connector in rows]


def shops_of(person: Person) -> list[tuple[str, str]]:
    """The shops that know a person, each with the address of the person's page there, or an empty one."""
    mine = InstallationRow.id.in_(person.sources)
    with reading() as session:
        rows = {row.id: row for row in session.scalars(select(InstallationRow).where(mine))}
    known = zip_longest(person.sources, person.pages, fillvalue="")
    return [(row.label or row.title or marketplace(row.connector), page) for id, page in known if (row := rows.get(id))]


def is_without_admin(visitor: Visitor) -> bool:
    """Whether no marketplace of the workspace opens these pages, so that a link is the only way in."""
    found = [services().registry.find(stall.connector) for stall in stalls_of(visitor)]
    return not any(one.manifest.opens_pages for one in found if one and one.manifest)


def to_stall(row: InstallationRow) -> Stall:
    """The installation with how far its people are."""
    place = marketplace(row.connector)
    found = services().registry.find(row.connector)
    told = sync_state.progress(row.id) if found is not None and found.implements("pull") else Progress(state="")
    takes = found is not None and found.implements("push")
    push = sync_state.progress(row.id, kind=sync_state.PUSH) if takes else None
    return Stall(
        id=row.id,
        title=row.label or row.title or place,
        connector=row.connector,
        marketplace=place,
        state=row.state,
        since=row.created_at,
        sync=told.state,
        done=told.done,
        percent=told.percent,
        live_since=told.live_since,
        push=push,
        attention=attention(row.state, row.alarm, told, push, place),
    )


def marketplace(connector: str) -> str:
    """The title of a marketplace; its bare name when the connector is gone."""
    found = services().registry.find(connector)
    return found.manifest.title if found and found.manifest else connector


def in_words(text: str) -> str:
    """A connector's own text in the reader's language; as plain text, since a template's own ``_`` makes markup."""
    return str(gettext(text)) if text else ""
