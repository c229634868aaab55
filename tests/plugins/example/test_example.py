"""The template connector over real HTTP: it serves only where it was switched on, and then all that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from stage import NAMES, Stage, serving_here

from app import sandbox
from app.core.config import configure
from app.core.loading import load
from app.core.registry import Connector
from app.core.sources import discover
from app.sdk import Health, Installation, State
from plugins.example import api

SECRET = {"secret": "a-secret-of-sixteen-and-more"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A host on which the template is switched on."""
    with ExitStack() as stack:
        yield stack.enter_context(serving_here(Stage(tmp_path / "instance", stack, more=["example"])))


@pytest.fixture
def bazaar(stage: Stage) -> Any:
    return stage.simulators["example"]


# Off by itself


@pytest.mark.parametrize(
    ("tables", "served"),
    [
        ({}, False),
        ({"example": SECRET}, False),
        ({"example": {"enabled": False, **SECRET}}, False),
        ({"example": {"enabled": True, **SECRET}}, True),
    ],
    ids=["nothing", "only-its-secret", "switched-off", "switched-on"],
)
def test_it_serves_only_where_it_was_switched_on(tables: dict[str, Any], served: bool) -> None:
    assert configured(tables).serving is served


def configured(tables: dict[str, Any]) -> Connector:
    found = load(discover())
    configure(found, tables, lenient=False)
    return next(connector for connector in found if connector.name == "example")


def test_demo_mode_plays_the_real_marketplaces_alone(tmp_path: Path) -> None:
    sandbox.prepare(tmp_path, "http://127.0.0.1:8000")
    assert set(sandbox.homes(tmp_path)) == {*NAMES, "bigcommerce"}


# What it shows


def test_a_shop_connects_opens_is_searched_and_leaves(stage: Stage, bazaar: Any) -> None:
    assert bazaar.play("install")[1].json() == {"ok": True}
    assert bazaar.play("webhook")[1].json() == {"ok": True}
    [found] = bazaar.play("search", q="nov")[1].json()["people"]
    assert found["name"] == "Jana Nováková"
    page = requests.get(bazaar.play("open")[1].json()["url"])
    assert "https://admin.bazaar.example" in page.headers["Content-Security-Policy"]
    assert bazaar.play("uninstall")[1].json() == {"ok": True}
    assert [row["state"] for row in stage.installations()] == ["uninstalling"]
    assert bazaar.play("search")[1].status_code == 404


@pytest.mark.parametrize(("token", "health"), [("", Health.ALIVE), ("taken-back", Health.DEAD)])
def test_its_probe_asks_the_shop(stage: Stage, bazaar: Any, token: str, health: Health) -> None:
    token = token or bazaar.keys["api_token"]
    shop = Installation("i", "w", "example", "s", "Tea", State.ACTIVE, lambda name: (token,), address=bazaar.home)
    assert stage.app is not None
    outbound = stage.app.extensions["stallholder"].outgate.within(5.0)
    assert api.health_of(shop, outbound) is health
    assert [call.path for call in bazaar.calls] == ["/me"]


@pytest.mark.parametrize("action", ["install", "open", "search", "uninstall", "webhook"])
def test_a_changed_byte_and_an_old_call_are_refused(bazaar: Any, action: str) -> None:
    bazaar.play("install")
    genuine = bazaar.request(action)
    changed = replace(genuine, body=genuine.body.replace(b'"shop": "', b'"shop": "x'))
    for refused in (changed, bazaar.request(action, sent_at="1500000000")):
        answer = bazaar.send(refused)
        assert (answer.status_code, answer.json()["ok"]) == (403, False)


@pytest.mark.parametrize("action", ["install", "open", "search", "webhook"])
def test_a_call_for_one_address_is_no_call_for_another(stage: Stage, bazaar: Any, action: str) -> None:
    bazaar.play("install")
    moved = bazaar.send(replace(bazaar.request(action), path="/example/uninstall"))
    assert moved.status_code == 403
    assert [row["state"] for row in stage.installations()] == ["active"]


@pytest.mark.parametrize(
    "changes",
    [{"language": "xx"}, {"api_url": "https://example.com"}, {"name": ""}, {"sent_at": "soon"}, {"shop": "x" * 65}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_cannot_be_read_is_said_in_its_own_shape(bazaar: Any, changes: dict[str, str]) -> None:
    answer = bazaar.play("install", **changes)[1]
    assert answer.status_code == 400
    assert set(answer.json()) == {"ok", "why"}
