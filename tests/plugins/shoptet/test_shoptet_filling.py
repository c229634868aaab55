"""An e-shop fills the directory: installed over HTTP, read by a real worker, found by the search, then followed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest
from stage import Stage, serving_gunicorn, wait_until

from plugins.shoptet import webhooks
from plugins.shoptet.simulator import guid_of

CUSTOMERS = 130  # three pages


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A host with its worker; the e-shop is installed and joined to one workspace with Orlo."""
    with ExitStack() as stack:
        stage = Stage(tmp_path_factory.mktemp("shoptet") / "instance", stack)
        eshop = stage.simulators["shoptet"]
        eshop.size = CUSTOMERS
        stack.enter_context(serving_gunicorn(stage))
        orlo = stage.connect_orlo()
        assert eshop.play("install")[1].status_code == 200
        stage.cli("workspaces", "merge", row(stage)["workspace"], orlo["workspace"])
        wait_until(lambda: shown(stage)["sync"]["state"] == "live")
        yield stage


@pytest.fixture
def eshop(filled: Stage) -> Any:
    return filled.simulators["shoptet"]


def row(stage: Stage) -> dict[str, Any]:
    [found] = [row for row in stage.installations() if row["connector"] == "shoptet"]
    return found


def shown(stage: Stage) -> dict[str, Any]:
    """What the operator sees of the e-shop."""
    found: dict[str, Any] = json.loads(stage.cli("installations", "show", row(stage)["id"], "--json").stdout)
    return found


def search(stage: Stage, query: str) -> list[str]:
    """The names that an agent finds in Orlo."""
    _, found = stage.simulators["orlo"].play("search", q=query)
    return [hit["name"] for hit in found.json()["results"]]


def card(stage: Stage, query: str) -> str:
    """The card of the first person found."""
    orlo = stage.simulators["orlo"]
    _, found = orlo.play("search", q=query)
    return str(orlo.play("open", id=found.json()["results"][0]["id"])[1].text)


def test_every_customer_is_there_and_found_with_their_orders(filled: Stage, eshop: Any) -> None:
    told = shown(filled)
    assert told["people"] == CUSTOMERS
    assert told["credentials"] == ["oauth_token (current)", "signature_key (current)"]
    for customer in [*eshop.customers.records.values()][::30]:
        assert customer["fullName"] in search(filled, customer["email"])
        assert customer["fullName"] in search(filled, customer["phone"])
    order = next(one for one in eshop.orders.records.values() if one["customerGuid"])
    assert order["code"] in card(filled, order["email"])


def test_the_worker_made_each_webhook_once(filled: Stage, eshop: Any) -> None:
    wait_until(lambda: shown(filled)["subscribed"]["since"])
    hooks = [*eshop.webhooks.values()]
    assert sorted(hook["event"] for hook in hooks) == sorted(webhooks.EVENTS)
    assert {hook["url"] for hook in hooks if hook["event"] != "addon:uninstall"} == {f"{filled.url}/shoptet/webhook"}


def test_what_happens_in_the_e_shop_is_followed(filled: Stage, eshop: Any) -> None:
    wait_until(lambda: len(eshop.webhooks) == len(webhooks.EVENTS))
    eshop.change(guid_of(3), fullName="Xenie Xylofonová")
    eshop.add(fullName="Quido Zázvorka", email="quido@eshop.example")
    gone, deleted = eshop.customers.records[guid_of(5)]["email"], next(iter(eshop.orders.records.values()))
    eshop.remove(guid_of(5))
    assert deleted["code"] in card(filled, deleted["email"])
    eshop.remove_order(deleted["code"])
    assert {status for _, status in eshop.told} == {200}
    wait_until(lambda: search(filled, "xylofon") == ["Xenie Xylofonová"])
    wait_until(lambda: search(filled, "zazvorka") == ["Quido Zázvorka"])
    wait_until(lambda: not search(filled, gone))
    wait_until(lambda: deleted["code"] not in card(filled, deleted["email"]))
    assert shown(filled)["heard_at"]


def test_few_tokens_were_fetched_and_no_limit_was_met(filled: Stage, eshop: Any) -> None:
    """The web process that installs and the worker: one each, and one for each look at the access."""
    assert eshop.fetched <= 4
    assert eshop.traffic.peak <= 3


def test_suspended_and_approved_again(filled: Stage, eshop: Any) -> None:
    assert eshop.play("suspend")[1].status_code == 200
    assert row(filled)["state"] == "paused"
    assert eshop.play("approve")[1].status_code == 200
    assert row(filled)["state"] == "active"


def test_a_removed_add_on_is_served_no_more_and_its_people_are_gone(filled: Stage, eshop: Any) -> None:
    assert eshop.play("uninstall")[1].status_code == 200
    wait_until(lambda: row(filled)["state"] == "uninstalled")
    assert search(filled, "xylofon") == []
    assert eshop.send(eshop.webhook()).status_code == 403
