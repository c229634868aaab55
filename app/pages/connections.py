"""The connections of a workspace: what is there, its names, another try, and the end of one."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, render_template, request

from app.core import sign_in
from app.core.database import writing
from app.core.services import services
from app.pages import connecting, sessions, workspace
from app.pages.fragments import fragment, moved
from app.people import erasing, sync_state
from app.sdk import read_form, text_field

LONGEST_NAME = 100


def connections() -> str:
    """Every connection, and what else can be connected."""
    return listed()


def listed(said: str = "") -> str:
    """The same with a word on what was just done."""
    stalls = workspace.stalls_of(sessions.current_visitor())
    return fragment("connections", stalls=stalls, places=connecting.places_of(stalls), said=said)


def connection(id: str) -> str:
    """One connection. Raises `Unknown`."""
    return shown(id)


def shown(id: str, said: str = "", link: str = "") -> str:
    """The same with a word on what was just done, or a sign-in link that was just made."""
    visitor = sessions.current_visitor()
    stall = workspace.stall_of(visitor, id)
    found = services().registry.find(stall.connector)
    manifest = found.manifest if found else None
    return fragment(
        "connection",
        stall=stall,
        said=said,
        link=link,
        linkable=workspace.is_without_admin(visitor),
        linked=bool(sign_in.holders([id])),
        own=id == visitor.installation,
        leaving=workspace.in_words(manifest.guide.disconnect) if manifest else "",
    )


def rename(id: str) -> str:
    """Call a connection by a name of one's own; by the platform's again when it is empty."""
    visitor = sessions.current_visitor()
    name = " ".join(text_field(read_form(request.get_data()), "name", longest=LONGEST_NAME, empty=True).split())
    with writing() as session:
        workspace.row_of(session, visitor, id).label = name
    return shown(id, said="renamed")


def again(id: str) -> Response:
    """Try a synchronisation that stopped once more."""
    workspace.stall_of(sessions.current_visitor(), id)
    sync_state.want(id, datetime.now(UTC))
    return moved(listed(said="again"), "connections")


def disconnect(id: str) -> str | Response:
    """Forget a connection and everybody who came through it."""
    visitor = sessions.current_visitor()
    stall = workspace.stall_of(visitor, id)
    found = services().registry.find(stall.connector)
    leaving = workspace.in_words(found.manifest.guide.disconnect) if found and found.manifest else ""
    erasing.disconnect(visitor.workspace, id)
    if id == visitor.installation:
        return render_template("pages/gone.html", title=stall.title, leaving=leaving)
    return moved(listed(said=leaving or "disconnected"), "connections")
