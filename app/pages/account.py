"""The addresses below ``/account``: documents that are the same for everybody, and fragments for one visitor.

A document (`shells`) is inert. Its script asks for the fragments with the visit's bearer; each has an address of its
own in the browser, ``/account/open/<connector>/<installation>/<page>``, so that reload, back and a second tab find
the way.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from app.core.web import said
from app.pages import (
    connecting,
    connections,
    erasing,
    finding,
    joining,
    links,
    overview,
    sessions,
    settings,
    shells,
)
from app.pages.fragments import address
from app.pages.guard import HARMLESS, check_own_page
from app.sdk import Busy, Refused

blueprint = Blueprint("account", __name__, url_prefix="/account")
blueprint.before_request(check_own_page)

PAGES = (
    # Documents, for everybody
    ("/", shells.home),
    ("/open/<connector>/<installation>", shells.open_shell),
    ("/open/<connector>/<installation>/<path:page>", shells.open_shell),
    ("/closed/<connector>", shells.closed),
    # Fragments, for a visitor
    ("/welcome", overview.welcome),
    ("/overview", overview.overview),
    ("/people", finding.people),
    ("/people/<id>", finding.person),
    ("/connections", connections.connections),
    ("/connections/<id>", connections.connection),
    ("/connect/<connector>", connecting.guide),
    ("/join", joining.join_form),
    ("/settings", settings.settings),
    ("/erase", erasing.erase_form),
)
CHANGES = (
    ("/session", sessions.begin),
    ("/leave", sessions.leave),
    ("/connect/<connector>", connecting.connect),
    ("/connections/<id>/name", connections.rename),
    ("/connections/<id>/again", connections.again),
    ("/connections/<id>/disconnect", connections.disconnect),
    ("/connections/<id>/link", links.renew_link),
    ("/connections/<id>/link/end", links.end_link),
    ("/join/code", joining.show_code),
    ("/join/look", joining.look),
    ("/join", joining.join),
    ("/settings", settings.save_settings),
    ("/visits/end", settings.end_visits),
    ("/erase", erasing.erase),
)
for path, view in PAGES:
    blueprint.add_url_rule(path, view_func=view, strict_slashes=False)
for path, change in CHANGES:
    blueprint.add_url_rule(path, view_func=change, methods=["POST"])


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> Response:
    """A fragment beside what was asked for; JSON to the script, which begins and ends visits itself."""
    if request.method in HARMLESS or "HX-Request" in request.headers:
        way_on = address() if "visitor" in g and request.method in HARMLESS else ""
        response = Response(render_template("pages/trouble.html", message=said(refused), way_on=way_on), refused.status)
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#notice", "innerHTML"
        response.headers["HX-Reselect"] = "[role=alert]"
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
