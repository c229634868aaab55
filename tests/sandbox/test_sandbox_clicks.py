"""Every click of every played admin over real HTTP: what the host makes of it, and what stays as it was."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from demo import STRANGER, Demo
from stage import wait_until

from app.core.loading import load
from app.core.sources import discover
from app.sandbox import clicks
from app.sdk.scenarios import offered
from app.sdk.simulation import Entry, Scenario

NAMES = ("bigcommerce", "orlo", "retailcrm", "shoptet", "upgates", "wazzup")
# What takes a connection away is played by tests of its own.
LEAVING = {"uninstall", "reinstall", "revoke", "disconnect", "block", "unblock", "neighbour"}
REASONS = {
    ("bigcommerce", "late"): "expired",
    ("bigcommerce", "forged"): "unverified",
    ("orlo", "late"): "expired",
    ("orlo", "forged"): "unverified",
    ("shoptet", "install"): "unverified",
    ("shoptet", "late"): "expired",
    ("shoptet", "forged"): "unverified",
    ("upgates", "late"): "expired",
    ("upgates", "forged"): "unverified",
    ("retailcrm", "install"): "unverified",
    ("retailcrm", "forged"): "unknown",
    ("wazzup", "test"): "unknown",
    ("wazzup", "forged"): "unverified",
}


def menus() -> list[tuple[str, Entry, Scenario]]:
    """Every entry of every shipped admin in each scenario that it offers."""
    registry = load(discover())
    found = []
    for name in NAMES:
        platform = registry.simulator(name)
        connector = registry.find(name)
        assert connector is not None
        assert connector.manifest is not None
        menu = clicks.menu(platform("http://127.0.0.1:1", platform.make_keys()))
        found += [(name, entry, kind) for entry in menu for kind in offered(connector.manifest, entry)]
    return found


STAYING = [(name, entry, kind) for name, entry, kind in menus() if entry.name not in LEAVING]
# Agreed to by a person alone, and so a page whatever the request carries.
HOSTILE = [
    (name, entry, kind)
    for name, entry, kind in menus()
    if kind in (Scenario.LATE, Scenario.FORGED) and (name, entry.name) != ("wazzup", "install")
]


def named(value: Any) -> str:
    return value.name if isinstance(value, Entry) else str(value)


@pytest.mark.parametrize(
    ("name", "entry"), [(name, entry) for name, entry, kind in STAYING if kind is Scenario.GENUINE], ids=named
)
def test_a_genuine_click_is_accepted(demo: Demo, name: str, entry: Entry) -> None:
    demo.connect(name)
    told = demo.play(name, entry.name)
    assert told["verdict"]["word"] == ("silent" if entry.silent else "accepted"), told["verdict"]
    assert told["verdict"]["good"]
    assert all(one["response"]["status"] in (200, 303) for one in told["exchanges"])


@pytest.mark.parametrize(
    ("name", "entry"), [(name, entry) for name, entry, kind in STAYING if kind is Scenario.DUPLICATE], ids=named
)
def test_a_duplicate_has_one_effect(demo: Demo, name: str, entry: Entry) -> None:
    demo.connect(name)
    told = demo.play(name, entry.name, "duplicate")
    first, second = (one["request"] for one in told["exchanges"])
    assert first == second
    assert told["verdict"]["good"], told["verdict"]
    again = [change for change in told["verdict"]["changes"] if change.startswith("Again: ")]
    fresh = name == "retailcrm" and entry.name == "open"  # the clientId is no signature: each opening opens a page
    assert (
        again == ["Again: A ticket was made that opens the page once, within 60 seconds."]
        if fresh
        else ["Again: Nothing changed."]
    )


@pytest.mark.parametrize(("name", "entry", "kind"), HOSTILE, ids=named)
def test_what_is_late_or_forged_is_refused_and_changes_nothing(
    demo: Demo, name: str, entry: Entry, kind: Scenario
) -> None:
    demo.connect(name)
    with demo.untouched(name):
        told = demo.play(name, entry.name, kind.value)
    assert told["verdict"]["word"] == "refused", told["verdict"]
    assert told["verdict"]["good"]
    expected = REASONS.get((name, entry.action or entry.name)) or REASONS[name, kind.value]
    assert told["exchanges"][0]["refusal"]["kind"] == expected
    assert f"({expected}: " in told["verdict"]["said"]


def test_what_changes_something_is_noticed(demo: Demo) -> None:
    """The control: of a genuine click it is not said that it changes nothing."""
    demo.connect("upgates")
    with pytest.raises(AssertionError), demo.untouched("upgates"):
        demo.play("upgates", "install")


def test_a_forged_state_shows_a_page_and_connects_nobody(demo: Demo) -> None:
    with demo.untouched("wazzup"), requests.Session() as browser:
        told = demo.play("wazzup", "install", "forged")
        assert told["verdict"]["word"] == "accepted"
        assert told["verdict"]["good"]
        token = re.search(r'name="consent" value="([^"]+)"', browser.get(told["page"], timeout=30).text)
        assert token
        agreed = browser.post(
            told["page"].partition("?")[0], data={"consent": token[1]}, headers={"Origin": demo.url}, timeout=30
        )
        assert agreed.status_code >= 400


def test_a_person_agrees_and_the_admin_hears_of_it(demo: Demo) -> None:
    told = demo.play("wazzup", "install")
    assert told["tab"]
    assert told["verdict"]["changes"] == ["Nothing changed."]
    known = demo.ask("wazzup", "/_now").json()["news"]
    assert demo.agree().status_code == 200
    now = demo.ask("wazzup", f"/_now?after={known[-1][0] if known else 0}").json()
    assert now["served"]
    assert any("Wazzup" in text for _, text in now["news"])
    assert "/v3/connect" in now["html"]


def test_a_shop_leaves_and_comes_back_with_new_keys(demo: Demo) -> None:
    demo.connect("upgates")
    left = demo.play("upgates", "uninstall")
    assert any("from active to uninstalling" in change for change in left["verdict"]["changes"])
    assert not demo.ask("upgates", "/_now").json()["served"]
    [before] = demo.rows("SELECT count(*) FROM installation WHERE connector = 'upgates'")
    back = demo.play("upgates", "reinstall")
    assert any("to active: it is served." in change for change in back["verdict"]["changes"])
    assert [before] == demo.rows("SELECT count(*) FROM installation WHERE connector = 'upgates'")


def test_a_second_account_key_takes_the_place_of_the_first(demo: Demo) -> None:
    demo.connect("retailcrm")
    told = demo.play("retailcrm", "reinstall")
    assert any("new credentials are in use" in change for change in told["verdict"]["changes"])
    assert demo.play("retailcrm", "open")["verdict"]["word"] == "accepted"


def test_a_module_is_suspended_and_activated(demo: Demo) -> None:
    demo.connect("retailcrm")
    off = demo.play("retailcrm", "suspend")["verdict"]["changes"]
    assert any("from active to paused" in change for change in off)
    on = demo.play("retailcrm", "activate")["verdict"]["changes"]
    assert any("from paused to active" in change for change in on)


def test_a_block_meets_every_shop_and_destroys_nothing(demo: Demo) -> None:
    demo.connect("upgates")
    assert len(demo.play("upgates", "neighbour")["exchanges"]) == 2
    blocked = demo.play("upgates", "block")
    assert len(blocked["exchanges"]) >= 3
    assert {one["response"]["status"] for one in blocked["exchanges"]} == {200}
    left = demo.rows("SELECT state FROM installation WHERE connector = 'upgates'")
    assert set(left) == {("uninstalling",)}
    statement = "SELECT count(*) FROM credential JOIN installation i ON i.id = installation_id WHERE connector = ?"
    [(kept,)] = demo.rows(statement, "upgates")
    assert kept >= 6
    lifted = demo.play("upgates", "unblock")
    assert lifted["verdict"]["word"] == "silent"
    assert lifted["exchanges"] == []
    assert demo.play("upgates", "install")["verdict"]["good"]


def test_what_happens_on_the_platform_alone_is_told_as_such(demo: Demo) -> None:
    demo.connect("wazzup")
    told = demo.play("wazzup", "disconnect")
    assert (told["verdict"]["word"], told["exchanges"]) == ("silent", [])


def test_the_operator_connects_and_removes_what_no_platform_installs(demo: Demo) -> None:
    known = demo.rows("SELECT id FROM installation WHERE connector = 'orlo'")
    demo.play("orlo", "install")
    [fresh] = demo.rows("SELECT id FROM installation WHERE connector = 'orlo'")
    assert fresh not in known
    assert demo.play("orlo", "search")["verdict"]["word"] == "accepted"
    demo.play("orlo", "uninstall")
    assert demo.play("orlo", "search")["exchanges"][0]["refusal"]["kind"] == "unknown"
    demo.play("orlo", "install")


def test_an_agent_searches_and_opens_whom_the_platform_lists(demo: Demo) -> None:
    demo.connect("orlo")
    told = demo.play("orlo", "search", q="anna")
    assert "Anna" in told["html"]["hits"]
    opened = demo.play("orlo", "open", id="1")
    card = requests.get(opened["page"], timeout=30)
    assert card.status_code == 200
    assert "Anna" in card.text


def test_people_of_a_shop_that_a_click_connected_are_found_by_an_agent(demo: Demo) -> None:
    demo.connect("upgates")
    demo.connect("orlo")

    def found() -> bool:
        return "Šťastná" in demo.play("orlo", "search", q="stastna")["html"]["hits"]

    wait_until(found)


def test_who_registers_in_a_shop_is_found_by_an_agent(demo: Demo) -> None:
    demo.connect("upgates")
    demo.connect("orlo")
    wait_until(lambda: "live since" in demo.ask("upgates", "/_now").json()["html"])
    told = demo.play("upgates", "newcomer")
    assert told["verdict"]["word"] == "silent"
    wait_until(lambda: "Nora" in demo.play("orlo", "search", q="nora nov")["html"]["hits"])


def test_what_is_refused_shows_no_people(demo: Demo) -> None:
    demo.connect("orlo")
    assert "data-changes" in demo.play("orlo", "search", q="anna")["html"]["hits"]
    assert demo.play("orlo", "search", "forged", q="anna")["html"]["hits"] == ""


def test_a_strangers_connector_has_a_tab_to_click_in(demo: Demo) -> None:
    index = requests.get(f"{demo.url}/sandbox/", timeout=10).text
    assert "Souk" in index
    assert demo.origin(STRANGER) in index
    page = demo.ask(STRANGER).text
    assert all(f'data-action="{action}"' in page for action in ("install", "open", "search", "uninstall", "webhook"))
    assert demo.play(STRANGER, "install")["verdict"]["word"] == "accepted"
    opened = demo.play(STRANGER, "open")
    framing = requests.get(opened["page"].partition("#")[0], timeout=10).headers["Content-Security-Policy"]
    assert framing.endswith(f"frame-ancestors {demo.origin(STRANGER)}")
    for scenario, kind in (("late", "expired"), ("forged", "unverified")):
        refused = demo.play(STRANGER, "open", scenario)
        assert refused["exchanges"][0]["refusal"]["kind"] == kind
    assert demo.play(STRANGER, "install", "duplicate")["verdict"]["good"]
