"""Consent: an action that joins accounts happens only after a person agreed on a page of ours.

The platform's GET shows the page and changes nothing but this row; what it brought stays here. The POST must carry the
page's token and the cookie that the page set, so a stranger's link cannot connect anybody.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from flask import Response, g, make_response, request
from flask_babel import gettext
from sqlalchemy import delete, select

from app.core import journal, pairing, sign_in, tickets
from app.core.database import reading, writing
from app.core.models import ConsentRow, InstallationRow, JournalRow, WorkspaceRow
from app.core.pipeline import Request
from app.core.seal import digest, new_token
from app.core.services import services
from app.sdk import Answer, Claims, Inbound, Malformed, Page, Replayed, Unverified, read_form

LIFE = timedelta(minutes=10)
STALE = "This page is no longer valid. Press Connect in the marketplace again."


def ask(work: Request, inbound: Inbound) -> Response:
    """Show what is about to be connected to which workspace."""
    claims = work.verify(inbound)
    if is_used(work, journal.proof_digest(work.connector.name, claims)):
        raise Replayed("consent_already_given", STALE)
    token, browser = new_token(), request.cookies.get(cookie_name(), "") or new_token()
    workspace_id, workspace = current_workspace(work.at)
    sealed = work.host.ring.wrap(json.dumps({"query": inbound.query.decode("latin-1")}).encode())
    with writing() as session:
        session.execute(delete(ConsentRow).where(ConsentRow.expires_at < work.at))
        row = ConsentRow(digest=digest("consent", token), browser=digest("browser", browser), sealed=sealed)
        row.connector, row.action = work.connector.name, work.action.name
        row.workspace_id, row.expires_at = workspace_id, work.at + LIFE
        session.add(row)
    response = make_response(page(work, claims, token, workspace))
    secure = secure_origin()
    response.set_cookie(cookie_name(), browser, max_age=LIFE, secure=secure, httponly=True, samesite="Lax", path="/")
    return response


def page(work: Request, claims: Claims, token: str, workspace: str, code: str = "", trouble: str = "") -> str:
    """The page that asks; ``code`` is a good one that names the workspace, ``trouble`` says why another is not."""
    manifest = work.connector.manifest
    g.ancestors = ()
    return services().views["consent"](
        {
            "title": manifest.title if manifest else work.connector.name,
            "action": f"/{work.connector.name}/{work.action.name}",
            "token": token,
            "workspace": workspace,
            "account": str(claims.fields.get("account", "")),
            "code": code,
            "trouble": trouble,
        }
    )


def take(work: Request, inbound: Inbound) -> Answer | Page | Response:
    """The person agreed: verify what was kept and act on it. Raises `Unverified` for anything but our own page."""
    check_same_origin()
    told = read_form(inbound.body)
    row = taken_row(work, told.get("consent", ""))
    kept = json.loads(work.host.ring.unwrap(row.sealed))
    original = Inbound(inbound.action, "GET", inbound.received_at, query=kept["query"].encode("latin-1"))
    claims, code = work.verify(original), told.get("code", "").strip()
    if code and "look" in told:
        return make_response(looked_up(work, claims, told["consent"], code))
    if code:
        return joined(work, claims, code)
    result = work.act(claims, row.workspace_id)
    return result if row.workspace_id else with_way_back(work, claims, result)


def looked_up(work: Request, claims: Claims, token: str, code: str) -> str:
    """The page again, with the workspace that the code names; a few wrong codes, and the page is of no more use."""
    try:
        with reading() as session:
            found = pairing.find(session, code, work.at)
            if found is None:
                raise pairing.wrong()
            name = session.scalars(select(WorkspaceRow.name).where(WorkspaceRow.id == found.workspace_id)).first()
    except Unverified as refused:
        with writing() as session:
            row = session.get(ConsentRow, digest("consent", token))
            if row is not None:
                # Each wrong code takes two of the page's ten minutes.
                row.expires_at -= LIFE / pairing.MOST_WRONG
        return page(work, claims, token, current_workspace(work.at)[1], trouble=str(gettext(refused.message)))
    return page(work, claims, token, name or "", code=code)


def joined(work: Request, claims: Claims, code: str) -> Answer | Page:
    """Connect to the workspace whose code was typed; a refusal gives the code back."""
    workspace_id = pairing.claim(code, work.at)
    try:
        return work.act(claims, workspace_id)
    except BaseException:
        pairing.give_back(code, workspace_id, work.at)
        raise


def with_way_back(work: Request, claims: Claims, result: Answer | Page) -> Answer | Page:
    """An account that stands alone, and whose marketplace never opens our pages, is given a link to come back by."""
    with reading() as session:
        done = session.get(JournalRow, journal.proof_digest(work.connector.name, claims))
        row = session.get(InstallationRow, done.installation_id) if done and done.installation_id else None
        if row is None or not isinstance(result, Page):
            return result
        beside = select(InstallationRow.connector).where(InstallationRow.workspace_id == row.workspace_id)
        found = [work.host.registry.find(name) for name in set(session.scalars(beside))]
    if any(one.manifest.opens_pages for one in found if one and one.manifest):
        return result
    # Made at each answer, and so never kept: the journal holds the page without it.
    link = f"{work.host.page_of(work.connector.name, row.id)}#s={sign_in.issue(row.id)}"
    return replace(result, params={**result.params, "sign_in": link})


def taken_row(work: Request, token: str) -> ConsentRow:
    """The waiting request of this page and browser. It stays until it is over: a failed call can be repeated."""
    if not token:
        raise Malformed("no_consent", STALE)
    with reading() as session:
        row = session.get(ConsentRow, digest("consent", token))
    browser = digest("browser", request.cookies.get(cookie_name(), ""))
    here = (work.connector.name, work.action.name, browser)
    if row is None or (row.connector, row.action, row.browser) != here or row.expires_at < work.at:
        raise Unverified("no_consent", STALE)
    return row


def is_used(work: Request, proof: str) -> bool:
    """Whether this very proof led to a result already."""
    with reading() as session:
        row = session.get(JournalRow, proof)
        return row is not None and row.result is not None


def current_workspace(now: datetime) -> tuple[str | None, str]:
    """The workspace of whoever is signed in in this browser, and its name."""
    visitor = tickets.visitor("", request.cookies.get("__Host-session", ""), now)
    if visitor is None:
        return None, ""
    with reading() as session:
        name = session.scalars(select(WorkspaceRow.name).where(WorkspaceRow.id == visitor.workspace)).first()
    return visitor.workspace, name or ""


def check_same_origin() -> None:
    """Refuse another site's form. Without a referrer browsers send ``null``; then the fetch metadata decides."""
    origin = request.headers.get("Origin", "")
    site = request.headers.get("Sec-Fetch-Site", "same-origin" if origin != "null" else "")
    if site != "same-origin" or origin not in ("", "null", services().public_url):
        raise Unverified("cross_site", STALE)


def secure_origin() -> bool:
    """Whether browsers reach us over TLS."""
    return urlsplit(services().public_url).scheme == "https"


def cookie_name() -> str:
    """The host-bound name needs TLS; on a developer's loopback there is none."""
    return "__Host-consent" if secure_origin() else "consent"
