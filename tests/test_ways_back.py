"""An account whose marketplace never opens our pages: it joins a workspace by a code, or keeps a link for later."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode

import requests
from sqlalchemy import select
from stage import Stage

from app.core import pairing
from app.core.database import reading, writing
from app.core.models import InstallationRow, JournalRow, LinkRow, WorkspaceRow

OWN = {"X-Stallholder": "1", "Sec-Fetch-Site": "same-origin"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


class Person:
    """Somebody with a browser who pressed Connect."""

    def __init__(self, stage: Stage, **state: Any) -> None:
        self.stage, self.browser = stage, requests.Session()
        simulator = stage.simulators["wazzup"]
        path = simulator.install().path if not state else f"/wazzup/install?state={simulator.state(**state)}"
        self.page = self.browser.get(stage.url + path)
        self.token = re.search(r'name="consent" value="([^"]+)"', self.page.text)[1]  # type: ignore[index]

    def press(self, **fields: str) -> requests.Response:
        body = urlencode({"consent": self.token, **fields})
        return self.browser.post(f"{self.stage.url}/wazzup/install", data=body, headers=FORM)

    def enter(self, link: str) -> requests.Response:
        return self.browser.post(f"{self.stage.url}/account/session", json={"link": link}, headers=OWN)


def link_in(page: str) -> str:
    found = re.search(r'value="http[^"]+/account/open/wazzup/[^#]+#s=([^"]+)"', page)
    return unescape(found[1]) if found else ""


def shop_and_code(stage: Stage) -> tuple[str, str]:
    """The workspace of a shop, and a code that its admin shows."""
    stage.simulators["upgates"].play("install")
    assert stage.app is not None
    with stage.app.app_context():
        with writing() as session:
            row = session.scalars(select(InstallationRow).where(InstallationRow.connector == "upgates")).one()
            session.get_one(WorkspaceRow, row.workspace_id).name = "The shop's workspace"
        return row.workspace_id or "", pairing.issue(row.workspace_id or "", datetime.now(UTC))


def workspace_of_the_account(stage: Stage) -> str | None:
    assert stage.app is not None
    with stage.app.app_context(), reading() as session:
        mine = InstallationRow.connector == "wazzup"
        return session.scalars(select(InstallationRow.workspace_id).where(mine)).one_or_none()


def test_an_account_that_stands_alone_is_given_a_way_back(any_stage: Stage) -> None:
    person = Person(any_stage)
    link = link_in(person.press().text)
    entered = person.enter(link)
    assert (entered.status_code, entered.json()["first"]) == (200, True)
    bearer = {"Authorization": f"Bearer {entered.json()['bearer']}"}
    assert requests.get(f"{any_stage.url}/account/overview", headers=bearer).status_code == 200
    assert person.enter(link).json()["first"] is False


def test_the_link_is_kept_nowhere(stage: Stage) -> None:
    """Neither in the journal, which repeats answers, nor in clear; a repeat gets another, and the former ends."""
    person = Person(stage)
    first = link_in(person.press().text)
    assert stage.app is not None
    with stage.app.app_context(), reading() as session:
        ring = stage.app.extensions["stallholder"].ring
        kept = [ring.unwrap(row.result) for row in session.scalars(select(JournalRow)) if row.result]
        assert kept
        assert not any(first.encode() in result or b"sign_in" in result for result in kept)
        assert first not in repr([row.digest for row in session.scalars(select(LinkRow))])
    second = link_in(person.press().text)
    assert second not in ("", first)
    assert (person.enter(first).status_code, person.enter(second).status_code) == (403, 200)


def test_a_typed_code_names_the_workspace_and_joins_it(any_stage: Stage) -> None:
    workspace, code = shop_and_code(any_stage)
    person = Person(any_stage)
    assert "The shop&#39;s workspace" not in person.page.text
    looked = person.press(code=code, look="1").text
    assert "The shop&#39;s workspace" in looked
    assert workspace_of_the_account(any_stage) is None, "looking connects nothing"
    connected = person.press(code=code).text
    assert "is connected" in connected
    assert workspace_of_the_account(any_stage) == workspace
    assert link_in(connected) == "", "the shop's admin is the way back"


def test_a_code_is_used_up(stage: Stage) -> None:
    _, code = shop_and_code(stage)
    assert Person(stage).press(code=code).status_code == 200
    late = Person(stage, accountId=777_001).press(code=code)
    assert late.status_code == 403
    assert "This code is wrong or too old." in late.text


def test_a_refused_connection_gives_the_code_back(stage: Stage) -> None:
    _, code = shop_and_code(stage)
    refused = Person(stage, crmCode="another").press(code=code)
    assert refused.status_code >= 400
    assert Person(stage).press(code=code).status_code == 200


def test_a_wrong_code_is_said_and_five_end_the_page(stage: Stage) -> None:
    person = Person(stage)
    for _ in range(5):
        assert "This code is wrong or too old." in person.press(code="AAAA-AAAA", look="1").text
    assert person.press(code="AAAA-AAAA", look="1").status_code == 403
    assert person.press().status_code == 403
    assert workspace_of_the_account(stage) is None


def test_an_account_beside_a_shop_is_given_no_link(stage: Stage) -> None:
    """Connected once more from outside, it would otherwise hand the shop's workspace to whoever may connect it."""
    _, code = shop_and_code(stage)
    Person(stage).press(code=code)
    again = Person(stage).press().text
    assert "is connected" in again
    assert link_in(again) == ""
