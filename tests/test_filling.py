"""The directory fills itself: two shops of 250 customers, found through the signed search, handed on as contacts."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from stage import Stage, serving_gunicorn, wait_until

from app.people.hints import PAUSE
from plugins.upgates import webhooks

CUSTOMERS = 250


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A host with its worker; both shops connected and joined to one workspace with Orlo and Wazzup."""
    with ExitStack() as stack:
        stage = Stage(tmp_path_factory.mktemp("filling") / "instance", stack)
        for name in ("retailcrm", "upgates"):
            stage.simulators[name].size = CUSTOMERS
        stack.enter_context(serving_gunicorn(stage))
        orlo = stage.connect_orlo()
        for name in ("retailcrm", "upgates"):
            assert stage.simulators[name].play("install")[1].ok
        for row in stage.installations():
            if row["workspace"] != orlo["workspace"]:
                stage.cli("workspaces", "merge", row["workspace"], orlo["workspace"])
        state = stage.simulators["wazzup"].state()
        stage.cli("installations", "add", "wazzup", "--workspace", orlo["workspace"], "--set", f"state={state}")
        wait_until(lambda: all(synced(stage, name) == "live" for name in ("retailcrm", "upgates")))
        yield stage


def shown(stage: Stage, connector: str) -> dict[str, Any]:
    """What the operator sees of a connector's one installation."""
    [row] = [row for row in stage.installations() if row["connector"] == connector]
    found: dict[str, Any] = json.loads(stage.cli("installations", "show", row["id"], "--json").stdout)
    return found


def synced(stage: Stage, connector: str) -> str:
    return str(shown(stage, connector)["sync"]["state"])


@pytest.mark.parametrize("connector", ["retailcrm", "upgates"])
def test_every_customer_is_there(filled: Stage, connector: str) -> None:
    told = shown(filled, connector)
    assert told["people"] == CUSTOMERS
    assert told["sync"]["text"].startswith("live since")


def search(stage: Stage, query: str) -> list[str]:
    _, found = stage.simulators["orlo"].play("search", q=query)
    return [hit["name"] for hit in found.json()["results"]]


def test_they_are_found_by_name_e_mail_and_phone_with_their_orders(filled: Stage) -> None:
    shop = filled.simulators["upgates"]
    listed = requests.get(
        f"{shop.home}/api/v2/customers", auth=(shop.keys["api_user"], shop.keys["api_key"]), timeout=5
    )
    customers = listed.json()["customers"]
    orders = requests.get(f"{shop.home}/api/v2/orders", auth=(shop.keys["api_user"], shop.keys["api_key"]), timeout=5)
    buyers = {order["customer"]["customer_id"]: order["order_number"] for order in orders.json()["orders"]}
    for customer in customers[::20]:
        name = f"{customer['firstname']} {customer['surname']}"
        email = customer["login"]["email"]
        assert name in search(filled, email), email
        assert name in search(filled, customer["communication"]["phone"])
        assert any(customer["surname"] in found for found in search(filled, customer["surname"]))
    buyer = next(customer for customer in customers if customer["customer_id"] in buyers)
    _, found = filled.simulators["orlo"].play("search", q=buyer["login"]["email"])
    _, card = filled.simulators["orlo"].play("open", id=found.json()["results"][0]["id"])
    assert str(buyers[buyer["customer_id"]]) in card.text


def test_wazzup_gets_the_contacts_once(filled: Stage) -> None:
    wazzup = filled.simulators["wazzup"]
    wait_until(lambda: len(wazzup.connection.ids("contacts")) > CUSTOMERS)
    assert wazzup.connection.busiest(5.0) <= 500


def test_sync_can_be_asked_for_and_waited_for(filled: Stage) -> None:
    told = shown(filled, "retailcrm")
    done = json.loads(filled.cli("installations", "sync", told["id"], "--wait", "--json").stdout)
    assert done["state"] == "live"
    filled.simulators["retailcrm"].add("customers", "user", firstName="Quentin", lastName="Zzyzx")
    filled.cli("installations", "sync", told["id"], "--wait")
    assert search(filled, "zzyzx") == ["Quentin Zzyzx"]


def test_a_push_is_told_asked_for_and_waited_for(filled: Stage) -> None:
    told = shown(filled, "wazzup")
    done = json.loads(filled.cli("installations", "sync", told["id"], "--wait", "--json").stdout)
    assert done["state"] == "live"
    push = shown(filled, "wazzup")["push"]
    assert (push["state"], push["people"]) == ("live", len(filled.simulators["wazzup"].connection.ids("contacts")))
    assert push["last"]


def regular_turn(stage: Stage) -> datetime:
    """When the shop is asked for changes anyway."""
    return datetime.fromisoformat(shown(stage, "upgates")["sync"]["next_at"])


def happens_before_the_regular_turn(stage: Stage, change: Callable[[], object], happened: Callable[[], bool]) -> None:
    """What the shop tells by webhook is acted on although nothing would be asked for another while."""
    wait_until(lambda: regular_turn(stage) > datetime.now(UTC) + 2 * PAUSE)
    turn = regular_turn(stage)
    change()
    wait_until(happened)
    assert datetime.now(UTC) < turn


def test_the_shop_was_given_one_webhook_for_each_event(filled: Stage) -> None:
    shop = filled.simulators["upgates"]
    wait_until(lambda: shown(filled, "upgates")["subscribed"]["since"])
    assert sorted(hook["event"] for hook in shop.webhooks.values()) == sorted(webhooks.EVENTS)
    assert len({hook["url"] for hook in shop.webhooks.values()}) == 1


def test_a_change_in_the_shop_is_found_at_once(filled: Stage) -> None:
    shop = filled.simulators["upgates"]
    id = shop.customers[7]["customer_id"]
    happens_before_the_regular_turn(
        filled,
        lambda: shop.change(id, surname="Xylophonová"),
        lambda: any("Xylophonová" in name for name in search(filled, "xylophon")),
    )
    assert shop.told[-1] == ("Customers.update", 200)
    assert shown(filled, "upgates")["heard_at"]


def test_who_is_deleted_in_the_shop_disappears_at_once(filled: Stage) -> None:
    shop = filled.simulators["upgates"]
    gone = shop.customers[8]
    email = gone["login"]["email"]
    assert search(filled, email)
    happens_before_the_regular_turn(
        filled, lambda: shop.remove(gone["customer_id"]), lambda: not any(search(filled, email))
    )


def test_an_order_deleted_in_the_shop_leaves_the_card(filled: Stage) -> None:
    shop = filled.simulators["upgates"]
    number = next(number for number in shop.orders.numbers if shop.orders[number]["customer"]["customer_id"] != 1008)
    order = shop.orders[number]

    def card() -> str:
        _, found = filled.simulators["orlo"].play("search", q=order["customer"]["email"])
        return str(filled.simulators["orlo"].play("open", id=found.json()["results"][0]["id"])[1].text)

    assert order["order_number"] in card()
    happens_before_the_regular_turn(
        filled, lambda: shop.remove_order(number), lambda: order["order_number"] not in card()
    )


def test_the_limits_of_the_platforms_were_kept(filled: Stage) -> None:
    assert filled.simulators["retailcrm"].busiest(1.0) <= 10
    assert filled.simulators["upgates"].peak_together <= 3
