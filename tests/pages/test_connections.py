"""Connections: made here or there, named, joined by code, ended; and what is told once is told once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core import pairing
from app.core.database import writing
from app.core.installations import InstallationsOf, link_digest
from app.core.models import CredentialRow, InstallationRow, LinkRow, PairingRow, SessionRow, WorkspaceRow
from app.sdk import State
from tests.pages.shop import OWN, add_installation, storing

Enter = Callable[..., dict[str, str]]


def post(client: FlaskClient, path: str, bearer: dict[str, str], **form: str) -> Any:
    return client.post(f"/account/{path}", data=form, headers={**OWN, **bearer, "HX-Request": "true"})


def count(app: Flask, table: type, *where: Any) -> int:
    with storing(app) as session:
        return session.query(table).filter(*where).count()


def test_what_is_made_here_is_shown_once_and_works(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    page = post(client, "connect/orlo", bearer).text
    values = dict(re.findall(r'<label for="paste\d">([^<]+)</label>\s*<div[^>]*><input[^>]+value="([^"]+)"', page))
    assert list(values) == [
        "Search endpoint URL",
        "Search endpoint secret",
        "Iframe endpoint URL",
        "Iframe endpoint secret",
    ]
    assert values["Search endpoint URL"].startswith("https://addon.example.com/orlo/search/")
    assert len({*values.values()}) == 4
    with storing(app) as session:
        row = session.scalars(select(InstallationRow).where(InstallationRow.connector == "orlo")).one()
        assert (row.workspace_id, row.state) == ("w1", State.ACTIVE)
        sealed = session.scalars(select(CredentialRow.sealed).where(CredentialRow.installation_id == row.id)).all()
        assert not any(value in kept for value in values.values() for kept in sealed)
    again = client.get(f"/account/connections/{row.id}", headers=bearer).text
    assert not any(value in again for value in values.values())


@pytest.mark.parametrize("connector", ["upgates", "wazzup", "retailcrm", "nobody"])
def test_what_begins_elsewhere_is_not_made_here(client: FlaskClient, enter: Enter, connector: str) -> None:
    assert post(client, f"connect/{connector}", enter()).status_code == 404


def test_a_workspace_has_an_end_of_connections(
    client: FlaskClient, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.pages.connecting.MOST_CONNECTIONS", 2)
    bearer = enter()
    assert [post(client, "connect/orlo", bearer).status_code for _ in range(2)] == [200, 200]
    assert "too many connections" in post(client, "connect/orlo", bearer).text


def test_a_name_of_ones_own_outlives_the_platforms(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    assert "Brno &amp; Praha" in post(client, "connections/i1/name", bearer, name="  Brno  &  Praha ").text
    with storing(app) as session:
        session.execute(update(InstallationRow).where(InstallationRow.id == "i1").values(title="told anew"))
    overview = client.get("/account/overview", headers=bearer).text
    assert "Brno &amp; Praha" in overview
    assert "told anew" not in overview
    assert "told anew" in post(client, "connections/i1/name", bearer, name="").text


def test_disconnecting_forgets_and_says_what_is_left(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="wazzup", title="Wazzup 42")
    bearer = enter()
    assert "Disconnect the integration in Wazzup too" in post(client, "connections/i2/disconnect", bearer).text
    assert count(app, InstallationRow, InstallationRow.id == "i2") == 0
    assert client.get("/account/overview", headers=bearer).status_code == 200


def test_disconnecting_ones_own_way_in_says_goodbye(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    gone = post(client, "connections/i1/disconnect", bearer)
    assert "shop.example.cz is disconnected" in gone.text
    assert "Deactivate the add-on in the shop" in gone.text
    assert client.get("/account/overview", headers=bearer).status_code == 401


def test_anothers_connection_is_out_of_reach(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    for path in ("name", "again", "disconnect", "link", "link/end"):
        assert post(client, f"connections/i9/{path}", bearer, name="mine").status_code == 404
    with storing(app) as session:
        assert session.get_one(InstallationRow, "i9").label == ""


def test_a_refusal_is_put_beside_the_form(client: FlaskClient, enter: Enter) -> None:
    refused = post(client, "connections/i9/disconnect", enter())
    assert refused.headers["HX-Retarget"] == "#notice"
    assert 'role="alert"' in refused.text
    assert "This connection is not here any more." in refused.text


# Joining


def test_two_workspaces_become_one(app: Flask, client: FlaskClient, enter: Enter) -> None:
    theirs, mine = enter("i9"), enter("i1")
    code = shown_code(client, theirs)
    look = post(client, "join/look", mine, code=code.lower().replace("-", " ")).text
    for said in ("Customer w1", "shop.example.cz", "Customer w2", "stranger.example"):
        assert said in look
    assert count(app, InstallationRow, InstallationRow.workspace_id == "w2") == 1, "looking joins nothing"
    joined = post(client, "join", mine, code=code).text
    assert "Both sides are one workspace now." in joined
    assert "stranger.example" in joined
    assert count(app, WorkspaceRow, WorkspaceRow.id == "w2") == 0
    assert client.get("/account/overview", headers=mine).status_code == 200
    assert client.get("/account/overview", headers=theirs).status_code == 401, "it showed the old workspace"
    assert "stranger.example" in client.get("/account/overview", headers=enter("i1")).text


def shown_code(client: FlaskClient, bearer: dict[str, str]) -> str:
    page = post(client, "join/code", bearer).text
    return str(re.search(r"<output>([2-9A-Z]{4}-[2-9A-Z]{4})</output>", page)[1])  # type: ignore[index]


def test_a_code_works_once_and_the_newest_counts(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i5", "w5", title="third.example")
    theirs, mine = enter("i9"), enter("i1")
    old, code = shown_code(client, theirs), shown_code(client, theirs)
    assert post(client, "join/look", mine, code=old).status_code == 403
    assert post(client, "join", mine, code=code).status_code == 200
    assert post(client, "join", enter("i5"), code=code).status_code == 403


def test_a_code_is_stored_as_a_digest_and_ends(app: Flask, client: FlaskClient, enter: Enter) -> None:
    code = shown_code(client, enter("i9"))
    with storing(app) as session:
        row = session.get_one(PairingRow, "w2")
        assert code.replace("-", "") not in repr(row.__dict__)
        row.until = datetime.now(UTC) - timedelta(seconds=1)
    assert post(client, "join/look", enter(), code=code).status_code == 403


def test_ones_own_code_is_refused(client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    code = shown_code(client, bearer)
    assert post(client, "join/look", bearer, code=code).status_code == 409
    assert post(client, "join", bearer, code=code).status_code == 409


@pytest.mark.parametrize("step", ["join/look", "join"])
def test_guessing_ends_after_five_wrong_codes(client: FlaskClient, enter: Enter, step: str) -> None:
    code, mine = shown_code(client, enter("i9")), enter()
    assert [post(client, step, mine, code="AAAA-AAAA").status_code for _ in range(5)] == [403] * 5
    assert post(client, "join/look", mine, code=code).status_code == 429
    assert post(client, "join", mine, code=code).status_code == 429


def test_without_the_limit_the_right_code_would_pass(
    client: FlaskClient, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(pairing, "MOST_WRONG", 100)
    code, mine = shown_code(client, enter("i9")), enter()
    for _ in range(6):
        post(client, "join/look", mine, code="AAAA-AAAA")
    assert post(client, "join/look", mine, code=code).status_code == 200


def test_after_ten_quiet_minutes_the_count_begins_anew(app: Flask, client: FlaskClient, enter: Enter) -> None:
    code, mine = shown_code(client, enter("i9")), enter()
    for _ in range(5):
        post(client, "join/look", mine, code="AAAA-AAAA")
    with storing(app) as session:
        session.get_one(PairingRow, "w1").tries_until = datetime.now(UTC) - timedelta(seconds=1)
    assert post(client, "join/look", mine, code=code).status_code == 200


def test_of_two_that_join_each_other_one_wins(app: Flask, client: FlaskClient, enter: Enter) -> None:
    theirs, mine = enter("i9"), enter("i1")
    of_w2, of_w1 = shown_code(client, theirs), shown_code(client, mine)
    now = datetime.now(UTC)
    with app.app_context():
        assert pairing.join(of_w2, "w1", now) == "w2"
        with pytest.raises(Exception, match="wrong_code"):
            pairing.join(of_w1, "w2", now)
        with pytest.raises(Exception, match="joining"):
            pairing.issue("w2", now)


def test_a_claimed_code_is_given_back_when_it_led_to_nothing(app: Flask, host: object) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        code = pairing.issue("w1", now)
        assert pairing.claim(code, now) == "w1"
        with pytest.raises(Exception, match="wrong_code"):
            pairing.claim(code, now)
        pairing.give_back(code, "w1", now)
        assert pairing.claim(code, now) == "w1"


# Sign-in links


def made_link(client: FlaskClient, bearer: dict[str, str], id: str = "i2") -> str:
    page = post(client, f"connections/{id}/link", bearer).text
    return str(re.search(r'value="https://addon.example.com/account/open/wazzup/[^#]+#s=([^"]+)"', page)[1])  # type: ignore[index]


def enter_by(client: FlaskClient, link: str) -> Any:
    return client.post("/account/session", json={"link": link}, headers=OWN)


def test_a_sign_in_link_opens_the_pages_until_it_is_renewed_or_ended(
    app: Flask, client: FlaskClient, enter: Enter
) -> None:
    add_installation(app, "i2", "w3", connector="wazzup", title="Wazzup 42")
    bearer = enter("i2")
    first = made_link(client, bearer)
    assert len(first) >= 43
    for _ in range(2):
        entered = enter_by(client, first)
        assert entered.status_code == 200, "it is kept, not spent"
    visit = {"Authorization": f"Bearer {entered.json['bearer']}"}
    assert "Wazzup 42" in client.get("/account/overview", headers=visit).text
    with storing(app) as session:
        [row] = session.scalars(select(LinkRow).where(LinkRow.purpose == "sign-in"))
        assert first not in row.digest
    second = made_link(client, bearer)
    assert (enter_by(client, first).status_code, enter_by(client, second).status_code) == (403, 200)
    assert "no longer works" in post(client, "connections/i2/link/end", bearer).text
    assert enter_by(client, second).status_code == 403


@pytest.mark.parametrize("state", [State.UNINSTALLING, State.UNINSTALLED])
def test_a_sign_in_link_ends_with_its_installation(app: Flask, client: FlaskClient, enter: Enter, state: str) -> None:
    add_installation(app, "i2", "w3", connector="wazzup")
    link = made_link(client, enter("i2"))
    with storing(app) as session:
        session.execute(update(InstallationRow).where(InstallationRow.id == "i2").values(state=state))
    assert enter_by(client, link).status_code == 403


def test_no_other_link_secret_signs_in(app: Flask, client: FlaskClient, enter: Enter) -> None:
    """Link secrets are stored by purpose: what a platform was given opens no pages, and a sign-in link no webhook."""
    add_installation(app, "i2", "w3", connector="wazzup")
    link = made_link(client, enter("i2"))
    host = app.extensions["stallholder"]
    with app.app_context():
        found = InstallationsOf("wazzup", host.ring, datetime.now(UTC))
        assert all(found.by_link(purpose, link) is None for purpose in ("path", "crm_key", "sign-in"))
        with writing() as session:
            digest = link_digest("wazzup", "sign-in", "a-webhooks-secret")
            session.add(LinkRow(digest=digest, installation_id="i2", purpose="sign-in"))
    assert enter_by(client, "a-webhooks-secret").status_code == 403


def test_where_an_admin_is_the_way_in_there_is_no_link(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="wazzup")
    bearer = enter()
    for id in ("i1", "i2"):
        assert post(client, f"connections/{id}/link", bearer).status_code == 404
        assert "Sign-in link" not in client.get(f"/account/connections/{id}", headers=bearer).text


def test_a_link_from_before_can_be_ended_beside_an_admin(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w3", connector="wazzup")
    link = made_link(client, enter("i2"))
    code, mine = shown_code(client, enter("i2")), enter()
    post(client, "join", mine, code=code)
    assert "End the link" in client.get("/account/connections/i2", headers=mine).text
    post(client, "connections/i2/link/end", mine)
    assert enter_by(client, link).status_code == 403


def test_other_visits_can_be_ended(app: Flask, client: FlaskClient, enter: Enter) -> None:
    other, stranger, mine = enter(), enter("i9"), enter()
    assert "1 visit to this workspace is open" in client.get("/account/settings", headers=mine).text
    post(client, "visits/end", mine)
    answers = [client.get("/account/overview", headers=one).status_code for one in (other, stranger, mine)]
    assert answers == [401, 200, 200]
    assert count(app, SessionRow) == 2
