"""Two workspaces become one: a code shown in one admin, typed in the other, and a page that names both sides."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, request

from app.core import pairing
from app.core.database import reading
from app.core.models import WorkspaceRow
from app.pages import sessions, workspace
from app.pages.fragments import fragment, moved
from app.people import merging
from app.sdk import read_form, text_field


def join_form() -> str:
    """Both ways: show a code here, or type the other side's."""
    sessions.current_visitor()
    return fragment("join")


def show_code() -> str:
    """A fresh code of this workspace."""
    visitor = sessions.current_visitor()
    return fragment("code", code=pairing.issue(visitor.workspace, datetime.now(UTC)))


def look() -> str:
    """Who would be joined to whom; nothing is joined yet. Raises `Unverified`."""
    visitor, code = sessions.current_visitor(), typed()
    other = pairing.owner(code, visitor.workspace, datetime.now(UTC))
    with reading() as session:
        row = session.get(WorkspaceRow, other)
    return fragment(
        "joining",
        code=code,
        theirs=(row.name if row else "", workspace.titles_of(other)),
        ours=workspace.titles_of(visitor.workspace),
    )


def join() -> Response:
    """Bring everything of the code's workspace into this one. Raises `Unverified`."""
    visitor, code, now = sessions.current_visitor(), typed(), datetime.now(UTC)
    pairing.owner(code, visitor.workspace, now)  # here, too, a wrong code counts
    merging.merge(pairing.join(code, visitor.workspace, now), visitor.workspace)
    return moved(fragment("overview", stalls=workspace.stalls_of(visitor), said="joined"))


def typed() -> str:
    """The code of the form."""
    return text_field(read_form(request.get_data()), "code", longest=40)
