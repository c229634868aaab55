"""The daily look: what a lost webhook would have told is found by asking for everything by name, a shop at a time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from app.core.database import writing
from app.jobs import spread
from app.people import rereading, sync, turns
from app.people.rereading import EVERY, FIRST_AFTER
from app.people.sync_state import SyncRow
from app.people.turns import Turn
from app.sdk import Batch
from tests.truth.conftest import SQLITE, Shop

MINUTE = timedelta(minutes=1)


def due(shop: Shop) -> datetime:
    at = shop.row("reread").next_at
    assert at is not None
    return at


def deaf(shop: Shop) -> None:
    """No webhook arrives: "a time-out counts as delivered and is not repeated"."""
    shop.box.webhooks.clear()


def test_what_no_hint_told_is_found_once_a_day(shop: Shop) -> None:
    deaf(shop)
    email = shop.box.customers[5]["login"]["email"]
    shop.box.remove(1005)
    shop.box.remove_order(2)
    at = due(shop)
    assert shop.work("pull", "reread", at=at - timedelta(seconds=1)) in (0, 1)  # the lists tell nothing of it
    assert shop.found(email)
    assert shop.work("reread", at=at) == 1
    assert (shop.found(email), shop.people()) == ([], 19)
    assert due(shop) == at + EVERY
    assert shop.work("reread", at=at) == 0


@SQLITE
def test_a_hundred_are_asked_for_at_once_and_their_orders_after_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereading, "AT_ONCE", 7)
    before = shop.asked("customers"), shop.asked("orders")
    assert shop.work("reread", at=due(shop)) == 1
    assert shop.asked("customers") - before[0] == 3
    assert shop.asked("orders") - before[1] <= 3 + 30 // 7
    assert shop.people() == 20


@SQLITE
def test_a_look_that_was_cut_short_goes_on_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "AT_ONCE", 7)
    deaf(shop)
    for id in (1002, 1019):
        shop.box.remove(id)
    at, before = due(shop), shop.asked("customers")
    shop.box.behaviour["orders"] = 503
    shop.work("reread", at=at)
    assert (shop.row("reread").reason, shop.people(), shop.asked("customers") - before) == ("status_503", 19, 1)
    shop.box.behaviour.clear()
    shop.work("reread", at=at + timedelta(hours=1))
    assert (shop.people(), shop.asked("customers") - before) == (18, 3)


def pulls_while_somebody_is_deleted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> str:
    """A page tells of a change of somebody who is deleted, and found to be gone, before it is stored; the e-mail."""
    real = sync.pull

    def late(turn: Turn, cursor: str, now: datetime) -> Batch:
        page = real(turn, cursor, now)
        if any(person.external_id == "1005" for person in page.people):
            monkeypatch.setattr(sync, "pull", real)
            shop.box.remove(1005)
            assert shop.work("reread", at=now) == 1
        return page

    monkeypatch.setattr(sync, "pull", late)
    email = str(shop.box.customers[5]["login"]["email"])
    shop.box.change(1005, note="Moved.")
    assert shop.work("pull", after=MINUTE) == 1
    assert sync.pull is real
    return email


def test_a_page_from_before_a_deletion_does_not_bring_the_person_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = pulls_while_somebody_is_deleted(shop, monkeypatch)
    assert (shop.found(email), shop.people()) == ([], 19)
    assert shop.work("pull", after=2 * MINUTE) == 1
    assert (shop.found(email), shop.people(), shop.row("pull").state) == ([], 19, "live")


@SQLITE
def test_a_page_that_is_stored_nevertheless_is_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "overtake", lambda session, installation_id, kind: None)
    assert shop.found(pulls_while_somebody_is_deleted(shop, monkeypatch))


@SQLITE
@pytest.mark.parametrize("answer", [500, "html", 403])
def test_trouble_deletes_nobody(shop: Shop, answer: object) -> None:
    deaf(shop)
    shop.box.behaviour["customers"] = answer
    shop.work("reread", at=due(shop))
    assert shop.people() == 20
    assert shop.row("reread").failures == 1


@SQLITE
def test_a_hint_during_the_look_is_acted_on_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "AT_ONCE", 7)
    at = due(shop)
    kind = shop.kinds["reread"]
    (run,) = kind.wanted(at)
    assert kind.step(run, at) is True
    shop.box.remove(1020)
    assert shop.hints() == 1
    assert kind.step(run, at) is True
    assert (shop.hints(), shop.people()) == (0, 19)
    while kind.step(run, at):
        pass
    assert due(shop) == at + EVERY


@SQLITE
@pytest.mark.parametrize("after", [FIRST_AFTER, timedelta(0)], ids=["guarded", "control"])
def test_a_first_pass_has_the_shop_for_itself(shop: Shop, monkeypatch: pytest.MonkeyPatch, after: timedelta) -> None:
    """Its own moment of the day may be a minute after it was connected, whatever was hinted meanwhile."""
    monkeypatch.setattr(rereading, "FIRST_AFTER", after)
    now = datetime.now(UTC)
    monkeypatch.setattr(spread, "phase", lambda id, period: (now + MINUTE - datetime.fromtimestamp(0, UTC)) % period)
    with writing() as session:
        session.execute(update(SyncRow).where(SyncRow.kind == "reread").values(cursor="", next_at=now))
    shop.box.remove(1003)
    assert shop.hints() == 1
    assert shop.work("reread", at=now) == 1
    assert (due(shop) - now > FIRST_AFTER) == (after == FIRST_AFTER)


def test_a_thousand_shops_look_at_moments_of_their_own() -> None:
    """Spread over the day, "not all at night or 00:00": no hour has more than twice its share."""
    now = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
    turns = [spread.next_turn(f"ins_{number}", EVERY, now) for number in range(1000)]
    assert all(now < at <= now + EVERY for at in turns)
    hours = Counter(at.hour for at in turns)
    assert len(hours) == 24
    assert max(hours.values()) < 2 * 1000 / 24
    assert spread.next_turn("ins_1", EVERY, turns[1]) == turns[1] + EVERY
