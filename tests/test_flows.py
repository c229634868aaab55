"""Every marketplace's genuine flow, over real HTTP, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests
from stage import Stage

ORDER = {
    "number": "2026001",
    "date": "2026-05-01T10:00:00+00:00",
    "total": "120.00",
    "currency": "CZK",
    "status": "paid",
}
PEOPLE = [
    {
        "external_id": "1",
        "name": "Žofie Nováková",
        "email": "zofie@example.cz",
        "phone": "+420 777 123 456",
        "company": "Papírna Letná",
        "orders": [ORDER],
    },
    {"external_id": "2", "name": "Иван Петров", "email": "ivan@example.ru", "phone": "+7 916 123-45-67"},
]


def ahead(seconds: int) -> str:
    """A validity that ends in so many seconds, as the platform writes it: each call gets a signature of its own."""
    return (datetime.now(ZoneInfo("Europe/Prague")) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def import_people(stage: Stage, workspace: str) -> None:
    file = stage.folder / "people.jsonl"
    file.write_text("\n".join(json.dumps(person) for person in PEOPLE), "utf-8")
    stage.cli("people", "import", str(file), "--workspace", workspace)


def test_upgates_installs_opens_changes_version_and_leaves(any_stage: Stage) -> None:
    upgates = any_stage.simulators["upgates"]
    _, installed = upgates.play("install", time=ahead(300))
    assert (installed.status_code, installed.json()) == (200, {"error": False})
    assert not upgates.calls, "an installation answers without asking anybody"
    _, opened = upgates.play("open", time=ahead(301))
    assert opened.json()["type"] == "iframe"
    shell = requests.get(opened.json()["url"])
    assert shell.status_code == 200
    assert "https://*.upgates.com" in shell.headers["Content-Security-Policy"]
    for action, seconds in (("version", 302), ("uninstall", 303)):
        _, answered = upgates.play(action, time=ahead(seconds))
        assert (answered.status_code, answered.json()) == (200, {"error": False})
    assert [row["state"] for row in any_stage.installations()] == ["uninstalling"]
    _, late = upgates.play("open", time=ahead(304))
    assert "/account/closed/upgates" in late.json()["url"]
    assert requests.get(late.json()["url"]).status_code == 200


def test_retailcrm_connects_opens_and_is_switched_off(any_stage: Stage) -> None:
    retailcrm = any_stage.simulators["retailcrm"]
    _, config = retailcrm.play("config")
    assert config.json()["success"] is True
    assert config.json()["registerUrl"] == f"{any_stage.url}/retailcrm/install"
    _, connected = retailcrm.play("install")
    assert connected.json() == {"success": True, "accountUrl": f"{any_stage.url}/retailcrm/open"}
    _, opened = retailcrm.play("open")
    assert opened.status_code == 303
    assert requests.get(opened.headers["Location"]).status_code == 200
    _, told = retailcrm.play("activity", active="false")
    assert told.json() == {"success": True}
    assert [row["state"] for row in any_stage.installations()] == ["paused"]
    _, told = retailcrm.play("activity")
    assert [row["state"] for row in any_stage.installations()] == ["active"]
    _, stranger = retailcrm.play("activity", client_id="x" * 43)
    assert (stranger.status_code, stranger.json()["success"]) == (403, False)


def test_a_new_key_updates_the_account_and_rotates_its_client_id(any_stage: Stage) -> None:
    retailcrm = any_stage.simulators["retailcrm"]
    retailcrm.play("install")
    first = retailcrm.client_id
    retailcrm.keys = {**retailcrm.keys, "api_key": "another-key-of-the-same-account"}
    _, again = retailcrm.play("install")
    assert again.json()["success"] is True
    assert retailcrm.client_id != first
    assert len(any_stage.installations()) == 1
    assert retailcrm.play("open", client_id=first)[1].status_code == 403
    assert retailcrm.play("open")[1].status_code == 303


def test_wazzup_connects_only_after_consent(any_stage: Stage) -> None:
    wazzup = any_stage.simulators["wazzup"]
    with requests.Session() as browser:
        page = browser.get(any_stage.url + wazzup.install().path)
        assert page.status_code == 200
        assert not wazzup.calls, "a GET connects nothing"
        connected = wazzup.agree(browser, page)
    assert connected.status_code == 200
    assert [f"{call.method} {call.path}" for call in wazzup.calls] == ["POST /v3/connect", "PATCH /v3/webhooks"]
    assert wazzup.play("test")[1].status_code == 200
    for _ in range(2):
        assert wazzup.play("message", message_id="70886090-f611-4733-a263-f8ad88de116b")[1].status_code == 200
    contacts = [wazzup.play("create_contact")[1].json() for _ in range(2)]
    assert contacts[0] == contacts[1]
    assert contacts[0]["contactData"] == [{"chatType": "whatsapp", "chatId": "79005550011"}]
    assert wazzup.play("create_deal", contact=contacts[0]["id"])[1].json()["contacts"] == [contacts[0]["id"]]
    stranger = wazzup.send(wazzup.callback({"messages": []}, bearer="wrong"))
    assert stranger.status_code == 401


def test_a_forged_consent_connects_nothing(stage: Stage) -> None:
    wazzup = stage.simulators["wazzup"]
    with requests.Session() as browser:
        page = browser.get(stage.url + wazzup.install().path)
    # Another browser, which never saw the page, sends its form.
    with requests.Session() as stranger:
        refused = wazzup.agree(stranger, page)
    assert refused.status_code == 403
    assert not wazzup.calls
    # The right browser, but another site made it send the form.
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}):
        with requests.Session() as browser:
            page = browser.get(stage.url + wazzup.install().path)
            token = page.text.partition('name="consent" value="')[2].partition('"')[0]
            sent = browser.post(f"{stage.url}/wazzup/install", data={"consent": token}, headers=headers)
        assert sent.status_code == 403
    assert not wazzup.calls


def test_an_operator_connects_wazzup_with_a_state(stage: Stage) -> None:
    wazzup = stage.simulators["wazzup"]
    workspace = stage.connect_orlo()["workspace"]
    added = stage.cli("installations", "add", "wazzup", "--workspace", workspace, "--set", f"state={wazzup.state()}")
    assert json.loads(added.stdout)["workspace"] == workspace


def test_orlo_finds_a_person_and_shows_the_card(any_stage: Stage) -> None:
    added = any_stage.connect_orlo()
    assert set(added) == {"id", "workspace", "key", "search_url", "open_url"}
    import_people(any_stage, added["workspace"])
    orlo = any_stage.simulators["orlo"]
    for query in ("nov", "ZOFIE novak", "zofie@example.cz", "777123456", "+420 777 123 456", "papirna", "Ž"):
        _, found = orlo.play("search", q=query)
        assert [hit["name"] for hit in found.json()["results"]] == ["Žofie Nováková"], query
    assert [hit["name"] for hit in orlo.play("search", q="ivanov")[1].json()["results"]] == []
    assert [hit["name"] for hit in orlo.play("search", q="petrov")[1].json()["results"]] == ["Иван Петров"]
    assert orlo.play("search", q=" ")[1].json() == {"results": []}
    [hit] = orlo.play("search", q="nov")[1].json()["results"]
    _, card = orlo.play("open", id=hit["id"])
    assert card.status_code == 200
    assert "Žofie Nováková" in card.text
    assert "2026001" in card.text
    assert "https://app.socialsignin.net" in card.headers["Content-Security-Policy"]
    assert orlo.play("open", id="999999")[1].status_code == 404


def test_shops_and_orlo_meet_in_one_workspace(stage: Stage) -> None:
    stage.simulators["upgates"].play("install")
    [shop] = stage.installations()
    orlo = stage.connect_orlo()
    import_people(stage, shop["workspace"])
    stage.cli("workspaces", "merge", shop["workspace"], orlo["workspace"])
    assert {row["workspace"] for row in stage.installations()} == {orlo["workspace"]}
    assert len(stage.simulators["orlo"].play("search", q="petrov")[1].json()["results"]) == 1


@pytest.mark.parametrize(
    "path", ["/upgates/open/", "/upgates//open", "//upgates/open", "/upgates/open//", "/upgates///open/"]
)
def test_slashes_are_served_never_redirected(stage: Stage, path: str) -> None:
    upgates = stage.simulators["upgates"]
    upgates.play("install")
    genuine = upgates.open()
    answered = requests.post(stage.url + path, data=genuine.body, headers=genuine.headers, allow_redirects=False)
    assert (answered.status_code, answered.json()["type"]) == (200, "iframe")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nobody/install", 404),
        ("POST", "/upgates/nothing", 404),
        ("POST", "/upgates/install/key", 404),
        ("GET", "/upgates/install", 405),
        ("DELETE", "/orlo/search/key", 405),
        ("POST", "/orlo/install", 404),
        ("GET", "/", 404),
    ],
)
def test_what_is_not_served(stage: Stage, method: str, path: str, status: int) -> None:
    assert requests.request(method, stage.url + path, allow_redirects=False).status_code == status


def test_a_refusal_speaks_the_senders_language(stage: Stage) -> None:
    texts = set()
    for language in ("en", "ru", "es"):
        answered = requests.post(
            f"{stage.url}/retailcrm/install", data={"register": "{}"}, headers={"Accept-Language": language}
        )
        assert (answered.status_code, answered.json()["success"]) == (200, False)
        texts.add(answered.json()["errorMsg"])
    assert len(texts) == 3
