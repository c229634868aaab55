"""Hints: what a shop tells by webhook is acted on at once, costs little, and is never believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.core.database import writing
from app.core.models import EventRow
from app.jobs import live
from app.people import hints, rereading, sync
from app.people.hints import PAUSE
from app.sdk import Batch
from tests.truth.conftest import SQLITE, Shop


def told(shop: Shop, event: str = "Customers.update", number: int = 3) -> None:
    shop.box.tell(event, shop.box.customers[number])


def test_a_change_is_pulled_before_its_turn(shop: Shop) -> None:
    assert shop.work("pull") == 0
    shop.box.change(1003, surname="Xylophonová")
    assert shop.work("pull") == 1
    assert any("Xylophonová" in name for name in shop.found("xylophon"))
    assert shop.hints() == 0
    assert shop.installed().heard_at is not None


@SQLITE
def test_without_the_hint_it_waits_for_its_turn(shop: Shop) -> None:
    """The control: nothing else made it due."""
    shop.box.webhooks.clear()
    shop.box.change(1003, surname="Xylophonová")
    assert shop.work("pull") == 0
    assert shop.work("pull", after=sync.POLL) == 1
    assert shop.found("xylophon")


@SQLITE
def test_a_burst_costs_two_pulls(shop: Shop) -> None:
    """As many as come before the pull, and as many as come while it pauses, are one each."""
    now, before = datetime.now(UTC), shop.asked("customers")
    for _ in range(150):
        told(shop)
    assert shop.hints() == 1
    assert shop.work("pull", at=now) == 1
    for _ in range(150):
        told(shop)
    assert shop.work("pull", at=now) == 0, "it pauses"
    assert shop.work("pull", at=now + PAUSE) == 1
    assert shop.work("pull", at=now + PAUSE) == 0
    assert shop.asked("customers") - before == 2


@SQLITE
def test_five_thousand_in_one_call_cost_one_pull_or_a_look_at_each_hundred(shop: Shop) -> None:
    """ "Up to 5000 records a call": changes are in the list anyway, the deleted are asked for by name."""
    before = len(shop.box.calls)
    shop.box.tell("Customers.update", *[shop.box.customers[1]] * 5000)
    assert (shop.hints(), shop.work("pull")) == (1, 1)
    assert len(shop.box.calls) - before == 2
    strangers = [shop.box.customers[1] | {"customer_id": 10**6 + number} for number in range(5000)]
    shop.box.tell("Customers.delete", *strangers)
    assert shop.box.told[-1] == ("Customers.delete", 200)
    assert (shop.hints(), shop.work("reread"), shop.hints()) == (50, 1, 0)
    assert len(shop.box.calls) - before == 52
    assert shop.people() == 20


@SQLITE
def test_what_is_told_during_a_pull_asks_for_another(shop: Shop) -> None:
    """The page may have been read before the change: the hint that led to this pull does not stand for it."""
    now = datetime.now(UTC)
    late: list[str] = []

    def meanwhile(call: Any) -> None:
        if not late:
            late.append("once")
            shop.box.behaviour.clear()
            told(shop)

    told(shop)
    shop.box.behaviour["orders"] = meanwhile
    assert shop.work("pull", at=now) == 1
    assert late
    assert shop.hints() == 1
    assert shop.work("pull", at=now + PAUSE) == 1


@SQLITE
def test_if_hints_were_taken_away_after_the_pull_it_would_be_lost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    now = datetime.now(UTC)

    def meanwhile(call: Any) -> None:
        shop.box.behaviour.clear()
        told(shop)

    monkeypatch.setattr(hints, "forget", lambda id, digest: None)
    told(shop)
    shop.box.behaviour["orders"] = meanwhile
    assert shop.work("pull", at=now) == 1
    monkeypatch.undo()
    hints.forget(shop.id, hints.UNNAMED)
    assert (shop.hints(), shop.work("pull", at=now + PAUSE)) == (0, 0)


@SQLITE
def test_a_shop_in_trouble_is_not_hurried(shop: Shop) -> None:
    shop.box.behaviour["customers"] = 500
    told(shop)
    shop.work("pull")
    row = shop.row("pull")
    assert (row.failures, row.reason) == (1, "status_500")
    told(shop)
    assert shop.work("pull") == 0
    assert shop.row("pull").next_at == row.next_at
    assert shop.hints() == 1, "nothing is lost"


@SQLITE
def test_an_access_that_is_gone_is_looked_at_and_not_asked_again(shop: Shop) -> None:
    shop.box.access = None
    told(shop)
    shop.work("pull")
    asked = len(shop.box.calls)
    told(shop)
    assert shop.work("pull", after=timedelta(hours=1)) == 0
    assert len(shop.box.calls) == asked
    at = shop.installed().probe_at
    assert at is not None
    assert at <= datetime.now(UTC) + live.SECOND_LOOK


def test_who_is_deleted_goes_with_orders_and_words(shop: Shop) -> None:
    email = shop.box.customers[5]["login"]["email"]
    assert shop.found(email)
    shop.box.remove(1005)
    assert shop.work("reread") == 1
    assert (shop.found(email), shop.people(), shop.hints()) == ([], 19, 0)


def test_an_order_that_is_deleted_goes_alone(shop: Shop) -> None:
    services = shop.stage.app.extensions["stallholder"]  # type: ignore[union-attr]
    directory = services.directory(shop.installed().workspace_id or "")

    def orders(number: int) -> set[str]:
        email = shop.box.orders[number]["customer"]["email"]
        person = directory.person(directory.search(email)[0].id)
        return {order.number for order in person.orders}

    before, name = orders(4), shop.box.orders[4]["order_number"]
    gone = shop.box.orders[4]
    shop.box.remove_order(4)
    assert shop.work("reread") == 1
    person = directory.person(directory.search(gone["customer"]["email"])[0].id)
    assert before - {order.number for order in person.orders} == {name}
    assert shop.people() == 20


@SQLITE
def test_a_hint_is_not_believed(shop: Shop) -> None:
    """It says that somebody was deleted who is there; whoever knows the address may say so."""
    told(shop, "Customers.delete", 5)
    assert shop.work("reread") == 1
    assert (shop.people(), shop.hints()) == (20, 0)


@SQLITE
def test_an_answer_about_others_deletes_nobody(shop: Shop) -> None:
    """A shop that does not know the filter lists everybody: who is asked for need not be among them."""

    def unfiltered(call: Any) -> Any:
        return {"current_page": 1, "number_of_pages": 1, "number_of_items": 1, "customers": [shop.box.customers[7]]}

    shop.box.remove(1005)
    shop.box.behaviour["customers"] = unfiltered
    shop.work("reread")
    assert (shop.people(), shop.row("reread").reason) == (20, "filter_ignored")
    assert shop.hints() == 1


@SQLITE
def test_a_connector_cannot_delete_what_was_not_asked_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lying:
        name = "upgates"
        settings: dict[str, Any] = {}  # noqa: RUF012 - a stand-in that nobody changes

        def call(self, hook: str, **arguments: Any) -> Batch:
            return Batch(gone=[*arguments["people"], "1007"])

    asked = rereading.asked
    monkeypatch.setattr(rereading, "asked", lambda turn, *rest: asked(replaced(turn, Lying()), *rest))
    shop.box.remove(1005)
    shop.work("reread")
    assert (shop.people(), shop.row("reread").reason) == (20, "WrongResult")


def replaced(turn: Any, connector: Any) -> Any:
    return type(turn)(turn.row, turn.installation, connector, turn.outbound)


@SQLITE
def test_a_hint_that_cannot_be_read_is_dropped(shop: Shop) -> None:
    shop.box.remove(1005)
    with writing() as session:
        mine = EventRow.installation_id == shop.id
        session.execute(update(EventRow).where(mine).values(sealed="key_none.AAAA"))
    assert shop.work("reread") == 1
    assert (shop.hints(), shop.people()) == (0, 20)
