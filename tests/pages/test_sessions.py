"""The ticket works once, the session is carried as promised, and nobody else's page can begin or end one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.core.models import InstallationRow, SessionRow, TicketRow
from app.sdk import State
from tests.pages.shop import JANA, OWN, PUBLIC_URL, add_installation, storing

Mint = Callable[..., str]
Enter = Callable[..., dict[str, str]]


def exchange(client: FlaskClient, ticket: str, **headers: str) -> Any:
    return client.post("/account/session", json={"ticket": ticket}, headers={**OWN, **headers})


def unused_tickets(app: Flask) -> int:
    with storing(app) as session:
        return session.query(TicketRow).filter(TicketRow.used_at.is_(None)).count()


def test_ticket_works_once(client: FlaskClient, mint: Mint) -> None:
    ticket = mint()
    assert exchange(client, ticket).status_code == 200
    again = exchange(client, ticket)
    assert (again.status_code, set(again.json)) == (403, {"error"})
    assert "Set-Cookie" not in again.headers


def test_ticket_is_over_after_a_minute(app: Flask, client: FlaskClient, mint: Mint) -> None:
    ticket = mint()
    with storing(app) as session:
        session.execute(update(TicketRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert exchange(client, ticket).status_code == 403


@pytest.mark.parametrize("body", [{}, {"ticket": 7}, {"ticket": ""}, {"ticket": "x" * 201}, [], {"ticket": "\x00"}])
def test_malformed_ticket(client: FlaskClient, body: object) -> None:
    response = client.post("/account/session", json=body, headers=OWN)
    assert (response.status_code, set(response.json)) == (400, {"error"})


def test_refusal_is_in_the_readers_language(client: FlaskClient) -> None:
    assert "Otevřete ji znovu" in exchange(client, "invented", **{"Accept-Language": "cs-CZ,en;q=0.5"}).json["error"]


def test_cookie_attributes(client: FlaskClient, mint: Mint) -> None:
    cookie = exchange(client, mint()).headers["Set-Cookie"]
    name, *attributes = [part.strip() for part in cookie.split(";")]
    assert name.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    assert not any("Max-Age=28800" not in part for part in attributes if part.startswith("Max-Age"))


def test_bearer_admits(client: FlaskClient, enter: Enter) -> None:
    assert client.get("/account/overview", headers=enter()).status_code == 200


def test_cookie_admits_after_a_reload(app: Flask, client: FlaskClient, mint: Mint) -> None:
    cookie = exchange(client, mint()).headers["Set-Cookie"].partition(";")[0]
    fresh = app.test_client(use_cookies=False)
    reloaded = {"Cookie": cookie, "X-Installation": "i1"}
    assert fresh.get("/account/overview", headers=reloaded).status_code == 200
    assert fresh.get("/account/overview", headers={**reloaded, "Cookie": cookie + "x"}).status_code == 401


@pytest.mark.parametrize("page", ["i9", "", "i1,i9", None], ids=str)
def test_cookie_counts_in_its_own_installations_page_only(
    app: Flask, client: FlaskClient, mint: Mint, page: str | None
) -> None:
    """Two shops of one admin share the cookie: the other's page must neither show this visit nor act in it."""
    cookie = exchange(client, mint()).headers["Set-Cookie"].partition(";")[0]
    fresh = app.test_client(use_cookies=False)
    framed = {**OWN, "Cookie": cookie, **({"X-Installation": page} if page is not None else {})}
    assert fresh.get("/account/overview", headers=framed).status_code == 401
    named = {"name": "Taken", "language": "", "time_zone": ""}
    assert fresh.post("/account/settings", data=named, headers=framed).status_code == 401
    assert fresh.post("/account/settings", data=named, headers={**framed, "X-Installation": "i1"}).status_code == 200


def test_cookie_counts_from_our_own_page_only(app: Flask, client: FlaskClient, mint: Mint) -> None:
    cookie = exchange(client, mint()).headers["Set-Cookie"].partition(";")[0]
    fresh = app.test_client(use_cookies=False)
    for site in ("cross-site", "same-site", "none"):
        headers = {"Cookie": cookie, "Sec-Fetch-Site": site, "X-Installation": "i1"}
        assert fresh.get("/account/people?q=jana", headers=headers).status_code == 401


def test_bearer_outranks_the_cookie(client: FlaskClient, enter: Enter, mint: Mint) -> None:
    """Two shops open in one admin share the cookie; each page keeps to its own workspace."""
    bearer = enter("i1")
    exchange(client, mint("i9"))
    assert JANA.name in client.get("/account/people/1", headers=bearer).text
    assert client.get("/account/overview", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("path", ["/account/overview", "/account/people?q=jana", "/account/people/1"])
def test_without_a_visit(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Open the add-on again from your admin." in response.text
    assert JANA.name not in response.text


@pytest.mark.parametrize("over", [{"seen_at": timedelta(minutes=15)}, {"created_at": timedelta(hours=8)}], ids=str)
def test_visit_ends_by_itself(app: Flask, client: FlaskClient, enter: Enter, over: dict[str, timedelta]) -> None:
    bearer = enter()
    with storing(app) as session:
        session.execute(update(SessionRow).values({key: datetime.now(UTC) - age for key, age in over.items()}))
    assert client.get("/account/overview", headers=bearer).status_code == 401


@pytest.mark.parametrize("state", [State.UNINSTALLING, State.UNINSTALLED, State.PENDING])
def test_visit_ends_with_the_installation(app: Flask, client: FlaskClient, enter: Enter, state: State) -> None:
    bearer = enter()
    with storing(app) as session:
        session.execute(update(InstallationRow).where(InstallationRow.id == "i1").values(state=state))
    assert client.get("/account/overview", headers=bearer).status_code == 401


def test_installation_without_a_workspace_admits_nobody(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    with storing(app) as session:
        session.execute(update(InstallationRow).where(InstallationRow.id == "i1").values(workspace_id=None))
    assert client.get("/account/overview", headers=bearer).status_code == 401


@pytest.mark.parametrize("way", ["bearer", "cookie"])
def test_leave_ends_the_visit(app: Flask, client: FlaskClient, mint: Mint, way: str) -> None:
    begun = exchange(client, mint())
    bearer = {"Authorization": f"Bearer {begun.json['bearer']}"}
    carried = bearer if way == "bearer" else {"Cookie": begun.headers["Set-Cookie"].partition(";")[0]}
    fresh = app.test_client(use_cookies=False)
    left = fresh.post("/account/leave", headers={**OWN, **carried})
    assert left.status_code == 200
    assert left.headers["Set-Cookie"].startswith("__Host-session=;")
    assert "Partitioned" in left.headers["Set-Cookie"]
    assert fresh.get("/account/overview", headers=bearer).status_code == 401
    assert fresh.post("/account/leave", headers=OWN).status_code == 200


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CROSS_SITE = {
    "form post": {**FORM, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "form post without a referrer": {**FORM, "Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "no-cors fetch as text": {"Content-Type": "text/plain", "Origin": "https://evil.example"},
    "multipart form": {"Content-Type": "multipart/form-data; boundary=x", "Origin": "https://evil.example"},
    "old browser, bare": FORM,
    "json of another site": {**OWN, "Content-Type": "application/json", "Origin": "https://evil.example"},
    "sibling subdomain": {**OWN, "Origin": "https://other.example.com", "Sec-Fetch-Site": "same-site"},
    "opaque origin": {**OWN, "Origin": "null"},
    "origin that begins like ours": {**OWN, "Origin": PUBLIC_URL + ".evil.example"},
    "plain http": {**OWN, "Origin": "http://addon.example.com"},
    "typed address": {**OWN, "Sec-Fetch-Site": "none"},
    "another site, says the browser": {**OWN, "Sec-Fetch-Site": "cross-site"},
    "header missing": {**OWN, "X-Stallholder": ""},
    "header of another value": {**OWN, "X-Stallholder": "true"},
}


@pytest.mark.parametrize("path", ["/account/session", "/account/leave"])
@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE.keys())
def test_cross_site_posts_are_refused(
    app: Flask, client: FlaskClient, mint: Mint, path: str, headers: dict[str, str]
) -> None:
    ticket = mint()
    body = f'{{"ticket": "{ticket}"}}'
    headers = {"Content-Type": "application/json", **headers}
    response = client.post(path, data=body, headers=headers)
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers
    assert unused_tickets(app) == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_simple_content_types_are_refused(app: Flask, client: FlaskClient, mint: Mint, kind: str) -> None:
    body = f'{{"ticket": "{mint()}"}}'
    response = client.post("/account/session", data=body, headers={**OWN, "Content-Type": kind})
    assert response.status_code == 400
    assert unused_tickets(app) == 1


def test_without_the_guard_a_foreign_post_would_succeed(app: Flask, client: FlaskClient, mint: Mint) -> None:
    """The negative control of the tests above."""
    app.before_request_funcs["account"].clear()
    foreign = {"Content-Type": "application/json", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    response = client.post("/account/session", data=f'{{"ticket": "{mint()}"}}', headers=foreign)
    assert response.status_code == 200
    assert unused_tickets(app) == 0


def test_every_changing_route_is_guarded(app: Flask, client: FlaskClient) -> None:
    harmless = {"GET", "HEAD", "OPTIONS"}
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/account")]
    changing = [rule for rule in rules if rule.methods and rule.methods - harmless]
    assert len(changing) == 14
    for rule in changing:
        path = rule.rule.replace("<id>", "i1").replace("<connector>", "orlo")
        assert client.post(path).status_code == 403, path
        assert client.post(path, headers={**OWN, "Origin": "https://evil.example"}).status_code == 403, path


def test_paused_installation_is_still_served(app: Flask, client: FlaskClient, mint: Mint) -> None:
    add_installation(app, "i5", "w1", state=State.PAUSED)
    assert exchange(client, mint("i5")).status_code == 200
