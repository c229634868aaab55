"""The account in a box, and the manifest beside the code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pluggy
import pytest

import plugins.retailcrm as connector
from app.sdk import hookspecs
from app.sdk.simulation import Call, serving
from plugins.retailcrm.simulator import Simulator

KEY = {"x-api-key": "key-of-the-account"}


@pytest.fixture
def account() -> Simulator:
    """An account of its own."""
    return Simulator("http://host", {"code": "acme", "secret": "s" * 20, "api_key": KEY["x-api-key"]}, "http://crm")


def get(account: Simulator, path: str, query: str = "", headers: dict[str, str] = KEY) -> tuple[int, Any]:
    reply = account.received(Call("GET", path, query, headers))
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize(("limit", "sizes"), [(20, [20, 20, 0]), (50, [40, 0]), (100, [40])])
def test_customers_come_in_pages(account: Simulator, limit: int, sizes: list[int]) -> None:
    for page, size in enumerate(sizes, 1):
        status, told = get(account, "/api/v5/customers", f"limit={limit}&page={page}")
        assert (status, len(told["customers"]), told["pagination"]["totalCount"]) == (200, size, 40)
        assert told["pagination"]["totalPageCount"] == -(-40 // limit)


@pytest.mark.parametrize("query", ["limit=10", "limit=250", "limit=x", "page=0", "page=-1"])
def test_other_pages_are_refused(account: Simulator, query: str) -> None:
    assert get(account, "/api/v5/customers", query)[0] == 400


def test_every_customer_is_one_of_a_kind_and_has_the_orders_told(account: Simulator) -> None:
    people = get(account, "/api/v5/customers", "limit=100")[1]["customers"]
    assert len({person["id"] for person in people}) == 40
    for person in people:
        orders = get(account, "/api/v5/orders", f"filter[customerId]={person['id']}")[1]["orders"]
        assert len(orders) == person["ordersCount"]
        assert all(order["customer"]["id"] == person["id"] for order in orders)


def test_a_customer_is_found_by_a_phone_in_the_name_filter(account: Simulator) -> None:
    people = get(account, "/api/v5/customers", "filter%5Bname%5D=%2B15550100003")[1]["customers"]
    assert [person["externalId"] for person in people] == ["3"]
    people = get(account, "/api/v5/customers", "filter[email]=customer5@example.com")[1]["customers"]
    assert [person["externalId"] for person in people] == ["5"]


@pytest.mark.parametrize("path", ["/api/credentials", "/api/v5/customers", "/api/v5/orders"])
@pytest.mark.parametrize(("headers", "status"), [({}, 400), ({"x-api-key": "wrong"}, 403), (KEY, 200)])
def test_the_account_asks_for_its_key(account: Simulator, path: str, headers: dict[str, str], status: int) -> None:
    assert get(account, path, headers=headers)[0] == status


def test_who_it_is_needs_no_key(account: Simulator) -> None:
    assert get(account, "/api/system-info", headers={})[1]["technicalUrl"] == "http://crm"
    assert get(account, "/elsewhere")[0] == 404


def test_a_hanging_call_ends_when_released(account: Simulator) -> None:
    account.behaviour["credentials"] = "hang"
    account.release.set()
    assert get(account, "/api/credentials")[1]["success"] is False


def test_it_plays_over_real_http() -> None:
    heard: list[Call] = []
    account = Simulator("", Simulator.make_keys())

    def host(call: Call) -> Any:
        heard.append(call)
        return account.bent({"success": True})

    with serving(host) as url:
        account.host = url
        for action in account.actions:
            _, response = account.play(action)
            assert response.json() == {"success": True}
    assert [(call.method, call.path) for call in heard] == [
        ("GET", "/retailcrm/config"),
        ("POST", "/retailcrm/install"),
        ("POST", "/retailcrm/open"),
        ("POST", "/retailcrm/activity"),
    ]


def manifest() -> dict[str, Any]:
    return tomllib.loads((Path(connector.__file__).parent / "connector.toml").read_text())


def test_every_action_of_the_manifest_has_its_hook_and_its_simulation() -> None:
    actions = manifest()["actions"]
    assert set(actions) == set(Simulator.actions)
    for name, action in actions.items():
        assert callable(getattr(connector, action.get("hook", name)))


def test_the_statuses_that_scripts_check() -> None:
    told = manifest()
    assert told["refusal"]["status"] == 200
    assert told["actions"]["open"]["refusal"]["media_type"] == "text/html"
    for action in ("open", "activity"):
        status = told["actions"][action]["refusal"]["status"]
        assert (status["malformed"], status["unknown"], status["unverified"]) == (400, 403, 403)


def test_the_hooks_fit_the_contract() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(connector)
    manager.check_pending()
    names = [caller.name for caller in manager.get_hookcallers(connector) or ()]
    assert sorted(names) == [
        "describe",
        "install",
        "lookup",
        "open",
        "probe",
        "pull",
        "settings",
        "verify",
        "webhook",
    ]
