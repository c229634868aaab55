"""What a visitor is told: the greeting, how far things are, what needs attention and its mend; settings; the end."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.database import writing
from app.core.installations import InstallationsOf
from app.core.models import InstallationRow, WorkspaceRow
from app.core.pipeline import Request
from app.core.registry import Registry
from app.pages import workspace
from app.pages.attention import MENDS, attention
from app.pages.messages import find_messages
from app.people.models import PushedRow
from app.people.sync_state import FIRST, LIVE, PULL, PUSH, STOPPED, WAITING, SyncRow
from app.sdk import State, Verified
from tests.pages.shop import OWN, add_installation, storing

Enter = Callable[..., dict[str, str]]
APP = Path(__file__).resolve().parents[2] / "app"
NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)


def post(client: FlaskClient, path: str, bearer: dict[str, str], **form: str) -> Any:
    return client.post(f"/account/{path}", data=form, headers={**OWN, **bearer, "HX-Request": "true"})


def sync(app: Flask, **values: Any) -> None:
    filled = {"state": FIRST, "ticket": "t", "since": NOON, **values}
    with storing(app) as session:
        session.merge(SyncRow(installation_id="i1", kind=PULL, workspace_id="w1", connector="upgates", **filled))


def overview(client: FlaskClient, bearer: dict[str, str], page: str = "overview", **headers: str) -> str:
    return client.get(f"/account/{page}", headers={**bearer, **headers}).text.replace("\u00a0", " ")


# The first opening


def test_only_the_first_opening_is_greeted(client: FlaskClient, mint: Callable[..., str]) -> None:
    begun = [client.post("/account/session", json={"ticket": mint()}, headers=OWN).json for _ in range(2)]
    assert [told["first"] for told in begun] == [True, False]


def test_the_greeting_leads(app: Flask, client: FlaskClient, enter: Enter) -> None:
    sync(app, done=40, total=200)
    page = overview(client, enter(), "welcome")
    for said in ("Welcome", "Your customers are coming in.", "20 %", "Find your first person", "Connect what else"):
        assert said in page
    sync(app, state=LIVE, live_since=NOON)
    assert "Your customers are coming in." not in overview(client, enter(), "welcome")


# Progress


@pytest.mark.parametrize(
    ("values", "said", "bar"),
    [
        ({}, "Its customers will be fetched in a moment.", "<progress max"),
        ({"done": 1}, "1 customer fetched so far", "<progress max"),
        ({"done": 12345}, "12,345 customers fetched so far", "<progress max"),
        ({"done": 50, "total": 200}, "Its customers are being fetched: 25 %", 'value="25"'),
        ({"done": 300, "total": 200}, "Its customers are being fetched: 99 %", 'value="99"'),
    ],
)
def test_progress_is_told_and_asked_for_again(
    app: Flask, client: FlaskClient, enter: Enter, values: dict[str, int], said: str, bar: str
) -> None:
    sync(app, **values)
    page = overview(client, enter())
    assert said in page
    assert bar in page
    assert 'hx-trigger="every 2s"' in page


def test_what_is_complete_is_not_asked_for_again(app: Flask, client: FlaskClient, enter: Enter) -> None:
    sync(app, state=LIVE, live_since=NOON)
    page = overview(client, enter(), **{"X-Time-Zone": "Europe/Prague"})
    assert "Complete since 02/05/2025, 14:00" in page
    assert "every 2s" not in page
    assert "<progress" not in page


# Attention


def test_what_stopped_can_be_tried_again(app: Flask, client: FlaskClient, enter: Enter) -> None:
    sync(app, state=STOPPED, reason="access_denied")
    bearer = enter()
    page = overview(client, bearer)
    for said in ("1 thing needs your attention", "Upgates refused us", "Try again", "access_denied"):
        assert (said in page) is (said != "access_denied")
    assert 'class="badge">1' in overview(client, bearer, "people")
    assert "It is being tried again." in post(client, "connections/i1/again", bearer).text
    with storing(app) as session:
        assert session.get_one(SyncRow, ("i1", PULL)).state != STOPPED
    assert "needs your attention" not in overview(client, bearer)


def pushing(app: Flask, people: int, **values: Any) -> None:
    """A messenger that was given so many people, each human of two of ours, and how its push stands."""
    add_installation(app, "i2", "w1", connector="wazzup", title="Wazzup 42")
    filled = {"ticket": "t", "since": NOON, **values}
    with storing(app) as session:
        session.add(SyncRow(installation_id="i2", kind=PUSH, workspace_id="w1", connector="wazzup", **filled))
        session.add_all(
            PushedRow(installation_id="i2", person_id=id, leader=id - id % 2) for id in range(2, 2 * people + 2)
        )
        session.add(PushedRow(installation_id="i2", person_id=999, mark=7))  # waits to be looked at


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_a_push_that_stopped_can_be_tried_again(
    app: Flask, client: FlaskClient, enter: Enter, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(workspace, "attention", lambda *asked: attention(*asked[:3], None, asked[4]))
    pushing(app, 3, state=STOPPED, reason="access_denied", pushed_at=NOON)
    bearer = enter()
    page = overview(client, bearer)
    said = ["Your customers are not handed on to it any more: Wazzup refused us.", "connections/i2/again"]
    assert [text in page for text in said] == [guarded, guarded]
    assert "3 customers handed on, last on 2 May 2025" in page
    if not guarded:
        return
    assert "It is being tried again." in post(client, "connections/i2/again", bearer).text
    with storing(app) as session:
        assert session.get_one(SyncRow, ("i2", PUSH)).state != STOPPED
    assert "needs your attention" not in overview(client, bearer)


@pytest.mark.parametrize(
    ("values", "said", "moves"),
    [
        ({"state": WAITING}, "Your customers will be handed on to it in a moment.", True),
        ({"state": FIRST, "done": 10, "total": 40}, "Your customers are being handed on to it: 25 %", True),
        ({"state": LIVE, "live_since": NOON}, "There is nobody to hand on yet.", False),
    ],
    ids=["waiting", "first", "live"],
)
def test_how_far_a_push_is_is_told(
    app: Flask, client: FlaskClient, enter: Enter, values: dict[str, Any], said: str, moves: bool
) -> None:
    sync(app, state=LIVE, live_since=NOON)
    pushing(app, 0, **values)
    page = overview(client, enter())
    assert said in page
    assert ('hx-trigger="every 2s"' in page) is moves


def test_a_paused_installation_says_where_it_is_switched_on(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="retailcrm", title="CRM", state=State.PAUSED)
    assert "Switch the add-on on again in RetailCRM." in overview(client, enter())


def alarms() -> set[str]:
    """Every alarm that the app sets."""
    found = set()
    for file in APP.rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        lines = {
            node.value.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and any(getattr(one, "attr", "") == "alarm" for one in node.targets)
        }
        found |= {text for line, text in find_messages(file.read_text("utf-8")) if line in lines}
    return found


def test_every_alarm_has_its_mend() -> None:
    assert len(alarms()) >= 3, "a search that finds nothing proves nothing"
    assert alarms() == set(MENDS)


@pytest.mark.parametrize("alarm", [*MENDS, "An alarm of another kind"])
def test_a_mend_is_shown_with_its_alarm(app: Flask, client: FlaskClient, enter: Enter, alarm: str) -> None:
    add_installation(app, "i2", "w1", connector="wazzup", title="Wazzup 42", alarm=alarm)
    page = overview(client, enter())
    found = re.search(r"<h3>Wazzup 42</h3>\s*<p>[^<]+</p>\s*<p>([^<]+)</p>", page)
    assert found
    assert "%(" not in found[1]


# Settings


def test_the_chosen_language_wins_over_the_openings(client: FlaskClient, enter: Enter) -> None:
    bearer = enter(language="cs")
    saved = post(client, "settings", bearer, name="Acme", language="es", badges="1").text
    assert "Guardado." in saved
    assert "Resumen" in overview(client, enter(language="cs"))
    post(client, "settings", bearer, name="Acme", language="", badges="1")
    assert "Přehled" in overview(client, enter(language="cs"))


def test_name_zone_and_badges_are_the_workspaces(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="retailcrm", title="CRM", state=State.PAUSED)
    sync(app, state=LIVE, live_since=NOON)
    bearer = enter()
    post(client, "settings", bearer, name="  Acme   Ltd ", time_zone="Asia/Yekaterinburg")
    page = overview(client, bearer, **{"X-Time-Zone": "Europe/Prague"})
    assert "Acme Ltd" in page
    assert "02/05/2025, 17:00" in page
    assert 'class="badge"' not in page
    assert "1 thing needs your attention" in page
    with storing(app) as session:
        assert session.get_one(WorkspaceRow, "w2").name == "Customer w2"


@pytest.mark.parametrize(
    "form",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": "A", "language": "de"},
        {"name": "A", "time_zone": "Mars/Olympus"},
        {"name": "A", "time_zone": "../../etc/passwd"},
        {},
    ],
    ids=repr,
)
def test_what_no_choice_offers_is_refused(app: Flask, client: FlaskClient, enter: Enter, form: dict[str, str]) -> None:
    assert post(client, "settings", enter(), **form).status_code == 400
    with storing(app) as session:
        row = session.get_one(WorkspaceRow, "w1")
        assert (row.name, row.time_zone) == ("Customer w1", "")


@pytest.mark.parametrize("told", ["Mars/Olympus", "../../etc/passwd", "\x00", "Europe", "x" * 300, "localtime"])
def test_a_time_zone_that_a_browser_makes_up_is_utc(app: Flask, client: FlaskClient, enter: Enter, told: str) -> None:
    sync(app, state=LIVE, live_since=NOON)
    page = client.get("/account/overview", headers={**enter(), "X-Time-Zone": told.replace("\x00", "")})
    assert page.status_code == 200


# The end


def test_nothing_is_erased_without_the_name(app: Flask, client: FlaskClient, enter: Enter) -> None:
    bearer = enter()
    for typed in ("", "customer w1", "Customer w2"):
        refused = post(client, "erase", bearer, confirm=typed)
        assert (refused.status_code, "Nothing was erased." in refused.text) == (422, True)
    assert client.get("/account/overview", headers=bearer).status_code == 200


def test_erasing_takes_everything_of_this_workspace_alone(app: Flask, client: FlaskClient, enter: Enter) -> None:
    add_installation(app, "i2", "w1", connector="wazzup", title="Wazzup 42")
    bearer = enter()
    gone = post(client, "erase", bearer, confirm=" Customer  w1 ").text
    assert "“Customer w1” is erased" in gone
    assert "Wazzup 42" in gone
    with storing(app) as session:
        assert [row.id for row in session.query(InstallationRow)] == ["i9"]
        assert [row.id for row in session.query(WorkspaceRow)] == ["w2"]
    assert client.get("/account/overview", headers=bearer).status_code == 401


# Where the ticket stands


@pytest.mark.parametrize(("ticket", "mark"), [("fragment", "#t="), ("query", "?t=")])
def test_a_host_that_strips_fragments_is_given_the_ticket_in_the_query(
    app: Flask, connectors: Registry, monkeypatch: pytest.MonkeyPatch, host: object, ticket: str, mark: str
) -> None:
    found = connectors.find("upgates")
    assert found is not None
    assert found.manifest is not None
    monkeypatch.setattr(found, "manifest", replace(found.manifest, ticket=ticket))
    services = app.extensions["stallholder"]
    with app.app_context(), writing() as session:
        now = datetime.now(UTC)
        work = Request(services, found, found.manifest.actions["open"], now)
        mine = InstallationsOf("upgates", services.ring, now).by_id("i1")
        url = work.page_url(session, Verified("upgates", "open", now), mine, "")
    assert f"/account/open/upgates/i1{mark}" in url
