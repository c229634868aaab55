"""The addresses below ``/account``: an inert shell for an admin's frame, and the fragments that its script asks for."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from app.core.services import services
from app.core.web import said
from app.pages import language, sessions, workspace
from app.pages.guard import HARMLESS, check_own_page
from app.sdk import Busy, Refused, Unknown

blueprint = Blueprint("account", __name__, url_prefix="/account")
blueprint.before_request(check_own_page)
blueprint.add_url_rule("/session", view_func=sessions.begin, methods=["POST"])
blueprint.add_url_rule("/leave", view_func=sessions.leave, methods=["POST"])

MOST_HITS = 20
LONGEST_QUERY = 200


@blueprint.get("/", strict_slashes=False)
def home() -> str:
    """What this is and where it is opened; public."""
    language.switch(request.args.get("language", ""))
    names = sorted(workspace.marketplace(connector.name) for connector in services().registry if connector.serving)
    return render_template("pages/home.html", marketplaces=names)


@blueprint.get("/open/<connector>")
def open_shell(connector: str) -> tuple[str, int]:
    """The page that a marketplace's admin opens: it reads and changes nothing, its script spends the ticket."""
    return framed(connector, "pages/shell.html")


@blueprint.get("/closed/<connector>")
def closed(connector: str) -> tuple[str, int]:
    """Why there is nothing to open for this shop."""
    return framed(connector, "pages/closed.html")


@blueprint.get("/overview")
def overview() -> str:
    """Fragment: the visitor's workspace with its installations and the search."""
    visitor = sessions.current_visitor()
    return render_template("pages/overview.html", name=workspace.name_of(visitor), stalls=workspace.stalls_of(visitor))


@blueprint.get("/people")
def people() -> str:
    """Fragment: who was found for ``q``, best first."""
    visitor = sessions.current_visitor()
    query = request.args.get("q", "")[:LONGEST_QUERY].strip()
    hits = services().directory(visitor.workspace).search(query, MOST_HITS + 1) if query else []
    return render_template("pages/hits.html", query=query, hits=hits[:MOST_HITS], more=len(hits) > MOST_HITS)


@blueprint.get("/people/<id>")
def person(id: str) -> str:
    """Fragment: one person's card. Raises `Unknown`, for another workspace's person too."""
    found = services().directory(sessions.current_visitor().workspace).person(id)
    if found is None:
        raise Unknown("no_person", "This person is not here any more.")
    return render_template("pages/card.html", person=found)


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> Response:
    """JSON where a script sent something, a fragment where it wanted to show something."""
    if request.method in HARMLESS:
        response = Response(render_template("pages/trouble.html", message=said(refused)), refused.status)
    else:
        response = jsonify(error=said(refused))
        response.status_code = refused.status
    if isinstance(refused, sessions.NotAdmitted):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@blueprint.errorhandler(SQLAlchemyError)
def refuse_busy(error: SQLAlchemyError) -> Response:
    """The database is locked or away: the visitor may try again."""
    return refuse(Busy("database"))


def framed(name: str, template: str) -> tuple[str, int]:
    """A public page that the marketplace's admin may frame; a page for everybody when there is no such marketplace."""
    language.switch(request.args.get("language", ""))
    connector = services().registry.find(name)
    if connector is None:
        return services().views["refused"]({"message": said(Unknown("no_connector"))}), 404
    g.ancestors = services().ancestors(connector)
    return render_template(template, marketplace=workspace.marketplace(name)), 200
