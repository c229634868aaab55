"""A store fills the directory: installed over real HTTP, pulled by a real worker, found, hurried by webhooks, gone."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest
from stage import Stage, serving_gunicorn, wait_until

CUSTOMERS = 300


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A host with its worker, and a store whose people are all there."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("bigcommerce") / "instance"
        stage = Stage(folder, stack, more=["bigcommerce"])
        stage.simulators["bigcommerce"].size = CUSTOMERS
        stack.enter_context(serving_gunicorn(stage))
        orlo = stage.connect_orlo()
        assert stage.simulators["bigcommerce"].play("auth")[1].ok
        stage.cli("workspaces", "merge", shown(stage)["workspace"], orlo["workspace"])
        wait_until(lambda: shown(stage)["sync"]["state"] == "live")
        yield stage


def shown(stage: Stage) -> dict[str, Any]:
    """What the operator sees of the store's installation."""
    [row] = [row for row in stage.installations() if row["connector"] == "bigcommerce"]
    found: dict[str, Any] = json.loads(stage.cli("installations", "show", row["id"], "--json").stdout)
    return found


def search(stage: Stage, query: str) -> list[str]:
    _, found = stage.simulators["orlo"].play("search", q=query)
    return [hit["name"] for hit in found.json()["results"]]


def test_every_customer_is_there_and_found_with_an_order(filled: Stage) -> None:
    assert shown(filled)["people"] == CUSTOMERS
    shop = filled.simulators["bigcommerce"].shop
    for id in (1, 150, 300):
        one = shop.customers[id]
        assert f"{one['first_name']} {one['last_name']}" in search(filled, one["email"])
        assert search(filled, one["phone"])
    order = shop.orders[100]
    _, found = filled.simulators["orlo"].play("search", q=shop.customers[order["customer_id"]]["email"])
    _, card = filled.simulators["orlo"].play("open", id=found.json()["results"][0]["id"])
    assert "100" in card.text
    assert f"/manage/orders/{order['id']}" in card.text


def test_the_store_was_given_two_webhooks_whose_hints_are_acted_on(filled: Stage) -> None:
    store = filled.simulators["bigcommerce"]
    wait_until(lambda: len(store.shop.hooks) == 2)
    store.change(7, last_name="Xylophone")
    wait_until(lambda: any("Xylophone" in name for name in search(filled, "xylophone")))
    assert store.told[-1] == ("store/customer/updated", 200)


def test_who_is_deleted_in_the_store_disappears(filled: Stage) -> None:
    store = filled.simulators["bigcommerce"]
    email = store.shop.customers[8]["email"]
    assert search(filled, email)
    store.remove(8)
    wait_until(lambda: not search(filled, email))


def test_a_webhook_with_another_secret_has_no_effect(filled: Stage) -> None:
    store = filled.simulators["bigcommerce"]
    wait_until(lambda: len(store.shop.hooks) == 2)
    store.link = "a-secret-of-nobody"
    assert store.send(store.webhook()).status_code == 403
