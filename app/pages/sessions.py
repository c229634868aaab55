"""A visit: begun with a ticket, known by a bearer or a cookie, ended by the visitor."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, g, jsonify, request
from sqlalchemy import delete, or_

from app.core import sign_in, tickets
from app.core.database import writing
from app.core.models import SessionRow
from app.core.seal import digest
from app.core.tickets import Visitor
from app.pages import language
from app.pages.guard import from_own_site
from app.sdk import Malformed, Unverified, read_object, text_field

COOKIE = "__Host-session"
# Which installation's page asks.
PAGE = "X-Installation"


class NotAdmitted(Unverified):
    """Nobody's visit, or one that is over."""

    kind = "session"
    status = 401
    message = "Your visit has ended. Open the add-on again from your admin."


def begin() -> Response:
    """Exchange a ticket, or a sign-in link, for a visit: the bearer for the page's memory, the cookie for a reload.

    Raises `Refused`.
    """
    if request.mimetype != "application/json":
        raise Malformed("not_json")
    told, now = read_object(request.get_data(cache=False)), datetime.now(UTC)
    if "link" in told:
        admission = sign_in.enter(text_field(told, "link", longest=200), now)
    else:
        admission = tickets.exchange(text_field(told, "ticket", longest=200), now)
    language.switch(admission.visitor.language)
    response = jsonify(bearer=admission.bearer, first=admission.first)
    # Partitioned: kept for the surrounding site alone, so it lives where third-party cookies do not.
    response.set_cookie(
        COOKIE,
        admission.cookie,
        max_age=tickets.WHOLE_LIFE,
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
    )
    return response


def leave() -> Response:
    """End the visit for good; saying it twice does no harm."""
    bearer, cookie = presented()
    known = or_(SessionRow.bearer == digest("bearer", bearer), SessionRow.cookie == digest("cookie", cookie))
    with writing() as session:
        session.execute(delete(SessionRow).where(known))
    response = jsonify(left=True)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="None", partitioned=True)
    return response


def current_visitor() -> Visitor:
    """Who asks, kept in ``g.visitor``; the answer is in their language from here on. Raises `NotAdmitted`.

    The cookie is for all shops of one platform's admin, so it counts only in a page of the visit's own installation:
    else another shop could frame a page that it may frame, and have it act in this visit.
    """
    bearer, cookie = presented()
    visitor = tickets.visitor(bearer, cookie, datetime.now(UTC))
    if visitor is None or not visitor.workspace:
        raise NotAdmitted("no_session")
    if cookie and request.headers.get(PAGE) != visitor.installation:
        raise NotAdmitted("other_installation")
    language.switch(visitor.language)
    g.visitor = visitor
    return visitor


def presented() -> tuple[str, str]:
    """The bearer and the cookie of the request. A bearer stands alone: two shops of one admin share the cookie."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer:
        return bearer, ""
    return "", request.cookies.get(COOKIE, "") if from_own_site() else ""
