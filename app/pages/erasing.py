"""The end of a workspace: what goes, and a typed word before it does."""

from __future__ import annotations

from flask import g, render_template, request

from app.pages import sessions, workspace
from app.pages.fragments import fragment
from app.people import erasing, mirror
from app.sdk import ConditionUnmet, read_form


def erase_form() -> str:
    """What would go."""
    visitor = sessions.current_visitor()
    return fragment("erase", count=mirror.count(visitor.workspace), stalls=workspace.stalls_of(visitor))


def erase() -> str:
    """Destroy the workspace, when its name was typed. Raises `ConditionUnmet`."""
    visitor = sessions.current_visitor()
    name = workspace.about(g.visitor).name
    if " ".join(read_form(request.get_data()).get("confirm", "").split()) != " ".join(name.split()):
        raise NotConfirmed("not_confirmed")
    stalls = workspace.stalls_of(visitor)
    erasing.erase(visitor.workspace)
    return render_template("pages/erased.html", name=name, stalls=stalls)


class NotConfirmed(ConditionUnmet):
    """Something else was typed than what confirms it."""

    status = 422
    message = "Type the workspace's name exactly as it is shown. Nothing was erased."
