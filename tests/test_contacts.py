"""A shop's customers at the messenger: one contact for one human, and what the shop's history tells ends there too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from stage import Stage

from app.core.services import services
from app.people import mirror
from app.people.models import IMPORT
from app.people.pushing import Pushing
from app.people.sync import Pulling
from app.sdk import Order, Person

URL = "https://shop.example/1"
SQLITE = pytest.mark.parametrize("any_stage", ["sqlite"], indirect=True)


@pytest.fixture
def shop(any_stage: Stage) -> Iterator[Any]:
    """A shop with three customers, connected and joined to a workspace with the messenger; all is synchronised."""
    retailcrm, wazzup = any_stage.simulators["retailcrm"], any_stage.simulators["wazzup"]
    retailcrm.size = 3
    assert retailcrm.play("install")[1].ok
    (row,) = any_stage.installations()
    any_stage.cli("installations", "add", "wazzup", "--workspace", row["workspace"], "--set", f"state={wazzup.state()}")
    with any_stage.app.app_context():  # type: ignore[union-attr]
        retailcrm.workspace = row["workspace"]
        for id in list(retailcrm.ids("customers")):
            retailcrm.change(id, phones=[{"number": f"+420 777 {id:06d}"}])
        synchronise()
        yield retailcrm


def synchronise(hours: int = 0) -> None:
    """All that is due at that time: the shop is asked, then the messenger is told."""
    now = datetime.now(UTC) + timedelta(hours=hours, minutes=2)
    for kind in (Pulling(), Pushing()):
        kind.wanted(now)
        for run in kind.wanted(now):
            while kind.step(run, now):
                pass


def deals(wazzup: Any) -> dict[str, str]:
    """The names of the deals at the messenger, with the name of the contact they belong to."""
    held = wazzup.connection.pushed
    return {deal["name"]: held["contacts"][deal["contacts"][0]]["name"] for deal in held.get("deals", {}).values()}


def names(wazzup: Any) -> list[str]:
    return sorted(contact["name"] for contact in wazzup.connection.pushed["contacts"].values())


def of_shop(shop: Any) -> dict[str, str]:
    """The same as the shop has it."""
    return {f"Order {shop.entry(id)['number']}": name_of(shop, shop.owner(id)) for id in shop.ids("orders")}


def name_of(shop: Any, id: int) -> str:
    told = shop.entry(id)
    return " ".join(filter(None, (told.get(name) for name in ("firstName", "patronymic", "lastName"))))


def check_true(shop: Any, wazzup: Any) -> None:
    assert names(wazzup) == sorted(name_of(shop, id) for id in shop.ids("customers"))
    assert deals(wazzup) == of_shop(shop)


def test_the_history_of_the_shop_ends_at_the_messenger(any_stage: Stage, shop: Any) -> None:
    wazzup = any_stage.simulators["wazzup"]
    check_true(shop, wazzup)
    first, second, third = shop.ids("customers")
    order, moved = list(shop.ids("orders"))[-2:]
    shop.remove(order)
    shop.change(moved, customer={"id": first, "type": "customer"})
    synchronise(1)
    check_true(shop, wazzup)
    shop.combine(second, third)
    synchronise(2)
    check_true(shop, wazzup)
    shop.remove(third)
    synchronise(3)
    check_true(shop, wazzup)
    assert len(names(wazzup)) == 1
    # The control: one that the shop has no more would be seen.
    wazzup.connection.pushed["contacts"]["p-999"] = {"name": "Forgotten"}
    with pytest.raises(AssertionError):
        check_true(shop, wazzup)


@SQLITE
def test_nothing_is_told_twice(any_stage: Stage, shop: Any) -> None:
    wazzup = any_stage.simulators["wazzup"]
    for hours in (1, 2):
        synchronise(hours)
    for kind in ("users", "contacts", "pipelines", "deals"):
        assert set(wazzup.connection.times(kind).values()) == {1}, kind
    assert wazzup.connection.deleted == []


@SQLITE
def test_the_same_human_from_a_file_joins_and_leaves(any_stage: Stage, shop: Any) -> None:
    wazzup = any_stage.simulators["wazzup"]
    first = next(iter(shop.ids("customers")))
    email = shop.entry(first)["email"]
    bought = (Order("F1", "2026-01-01", url=URL),)
    mirror.store(shop.workspace, IMPORT, [Person("f", "From a file", email, "+420 603 000 000", orders=bought)])
    synchronise(1)
    assert deals(wazzup)["Order F1"] == name_of(shop, first)
    (contact,) = [one for one in wazzup.connection.pushed["contacts"].values() if one["name"] == name_of(shop, first)]
    assert {chat["chatId"] for chat in contact["contactData"]} == {f"420777{first:06d}", "420603000000"}
    mirror.store(shop.workspace, IMPORT, [Person("f", "From a file", "", "+420 603 000 000", orders=bought)])
    synchronise(3)
    assert deals(wazzup)["Order F1"] == "From a file"
    # The control: as long as the file's person is there, the shop alone is not what the messenger has.
    with pytest.raises(AssertionError):
        check_true(shop, wazzup)
    mirror.forget(shop.workspace, IMPORT)
    synchronise(4)
    check_true(shop, wazzup)


@SQLITE
def test_the_erased_go_there_too_and_stay_away(any_stage: Stage, shop: Any) -> None:
    wazzup = any_stage.simulators["wazzup"]
    first = next(iter(shop.ids("customers")))
    (hit,) = services().directory(shop.workspace).search(str(shop.entry(first)["email"]))
    told = json.loads(any_stage.cli("people", "export", hit.id, "--workspace", shop.workspace).stdout)
    assert [record["name"] for record in told["records"]] == [name_of(shop, first)]
    assert len(told["handed_to"]) == 1
    any_stage.cli("people", "erase", hit.id, "--workspace", shop.workspace, "--yes")
    for hours in (1, 2):
        synchronise(hours)
        assert name_of(shop, first) not in names(wazzup)
        assert len(names(wazzup)) == 2
        assert set(deals(wazzup).values()) <= set(names(wazzup))
    assert services().directory(shop.workspace).search(str(shop.entry(first)["email"])) == []
    shop.change(first, firstName="Renamed")
    synchronise(3)
    assert name_of(shop, first) in names(wazzup)
    refused = any_stage.cli("people", "export", hit.id, "--workspace", shop.workspace, check=False)
    assert refused.returncode == 1
    assert "there is nobody" in refused.stderr
