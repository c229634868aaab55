"""A shop that finds nobody whom it is asked for may be ill: it is believed when it goes on saying so, and read anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from app.core.database import reading, writing
from app.people import doubt, rereading, turns
from app.people.models import OrderRow
from app.people.rereading import EVERY
from app.people.sync_state import PULL, STOPPED, SyncRow
from app.sdk.simulation import Reply
from tests.truth.conftest import SQLITE, Shop

NAMES = {"customers": "ids=", "orders": "order_numbers="}
GUARDED = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])


def denies(shop: Shop, *resources: str) -> None:
    """Asked for somebody by name it has nobody; its list tells of all."""
    for name in resources:
        shop.box.behaviour[name] = denial(name)


def denial(name: str) -> Callable[[Any], Reply | None]:
    answer = Reply(200, f'{{"{name}": []}}'.encode(), "application/json")
    return lambda call: answer if NAMES[name] in f"{call.path}{getattr(call, 'query', '')}" else None


def due(shop: Shop) -> datetime:
    at = shop.row("reread").next_at
    assert at is not None
    return at


def orders() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(OrderRow)) or 0


def empty(shop: Shop) -> None:
    """Everybody is deleted, and no webhook tells."""
    shop.box.webhooks.clear()
    for id in range(1001, 1021):
        shop.box.remove(id)


@GUARDED
@pytest.mark.parametrize("resource", ["customers", "orders"])
@SQLITE
def test_a_bad_day_loses_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch, resource: str, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(doubt, "arises", lambda *asked: False)
    before = shop.people(), orders()
    denies(shop, resource)
    for _ in range(2):
        shop.work("pull", "reread", at=due(shop))
    shop.box.behaviour.clear()
    for _ in range(2):
        shop.work("pull", "reread", at=due(shop))
    assert ((shop.people(), orders()) == before) is guarded
    assert shop.row("reread").reason == ""


def test_that_all_are_gone_is_believed_on_the_third_day(shop: Shop) -> None:
    empty(shop)
    for _ in range(2):
        shop.work("pull", "reread", at=due(shop))
        assert (shop.people(), shop.row("reread").reason) == (20, doubt.REASON)
    shop.work("reread", at=due(shop))
    assert (shop.people(), orders(), shop.row("reread").reason) == (0, 0, "")
    assert shop.row("pull").state == "waiting"
    shop.work("pull", "reread", at=due(shop))
    assert (shop.people(), shop.row("pull").state) == (0, "live")


@GUARDED
@SQLITE
def test_who_was_there_all_the_while_comes_back(shop: Shop, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(turns, "from_the_start", lambda *row: None)
    before = orders()
    denies(shop, "customers")
    for _ in range(3):
        shop.work("reread", at=due(shop))
    assert shop.people() == 0
    shop.work("pull", at=due(shop))
    assert ((shop.people(), orders()) == (20, before)) is guarded


@SQLITE
def test_one_good_day_settles_the_doubt(shop: Shop) -> None:
    denies(shop, "customers")
    shop.work("reread", at=due(shop))
    shop.box.behaviour.clear()
    shop.work("reread", at=due(shop))
    denies(shop, "customers")
    for _ in range(2):
        shop.work("reread", at=due(shop))
    assert shop.people() == 20


@SQLITE
def test_many_who_are_gone_go_at_once_where_others_are_found(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "AT_ONCE", 7)
    shop.box.webhooks.clear()
    for id in range(1007, 1014):
        shop.box.remove(id)
    at = due(shop)
    shop.work("reread", at=at)
    assert (shop.people(), due(shop), shop.row("pull").state) == (13, at + EVERY, "live")


@GUARDED
@SQLITE
def test_a_hint_on_a_bad_day_deletes_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(doubt, "arises", lambda *asked: False)
    denies(shop, "customers")
    shop.box.tell("Customers.delete", shop.box.customers[5])
    assert shop.work("reread") == 1
    assert (shop.people() == 20, shop.hints()) == (guarded, 0)


@SQLITE
def test_a_pull_that_stopped_stays_so_and_begins_anew_when_it_goes_on(shop: Shop) -> None:
    at = due(shop)
    with writing() as session:
        session.get_one(SyncRow, (shop.id, PULL)).state = STOPPED
        turns.from_the_start(session, shop.id, PULL, at)
    assert (shop.row("pull").state, shop.row("pull").cursor) == (STOPPED, "")
