"""Subscriptions: each event once at the shop, under an address that we answer at every moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select
from stage import Stage, wait_until

from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.jobs import housekeeping, live
from app.people import subscribing
from app.people.sync_state import SUBSCRIBE, SyncRow
from plugins.upgates import webhooks
from tests.truth.conftest import SQLITE, Shop

DAY = timedelta(days=1)


def events(shop: Shop) -> list[str]:
    return sorted(hook["event"] for hook in shop.box.webhooks.values())


def urls(shop: Shop) -> set[str]:
    return {hook["url"] for hook in shop.box.webhooks.values()}


def answered(url: str) -> int:
    return requests.post(url, json={"customers": []}, timeout=5).status_code


def test_each_event_is_subscribed_to_once(shop: Shop) -> None:
    assert events(shop) == sorted(webhooks.EVENTS)
    (url,) = urls(shop)
    assert answered(url) == 200
    assert len(shop.links()) == 1
    assert shop.row(SUBSCRIBE).live_since is not None
    assert shop.installed().subscription == {"webhook_origin": shop.stage.url}


@SQLITE
@pytest.mark.parametrize(("soon", "runs"), [(subscribing.SOON, 0), (timedelta(0), 1)], ids=["guarded", "control"])
def test_one_that_waits_for_our_own_database_is_not_brought_forward(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, soon: timedelta, runs: int
) -> None:
    """It would fail again at once, and again."""
    monkeypatch.setattr(subscribing, "SOON", soon)
    now = datetime.now(UTC)
    with writing() as session:
        row = session.get_one(SyncRow, (shop.id, SUBSCRIBE))
        row.cursor, row.next_at = "", now + timedelta(seconds=2)
    assert shop.work(SUBSCRIBE, at=now) == runs


def test_the_daily_look_mends_and_the_former_address_is_good_for_a_while(shop: Shop) -> None:
    """A shop switches a webhook off when we were away, or somebody deletes one; the others only change addresses."""
    (former,), ids = urls(shop), set(shop.box.webhooks)
    lost, off = list(shop.box.webhooks)[:2]
    shop.box.webhooks[off]["active_yn"] = False
    del shop.box.webhooks[lost]
    now = datetime.now(UTC)
    assert shop.work(SUBSCRIBE, at=now) == 0
    assert shop.work(SUBSCRIBE, at=now + DAY) == 1
    assert events(shop) == sorted(webhooks.EVENTS)
    assert all(hook["active_yn"] for hook in shop.box.webhooks.values())
    assert len(ids & set(shop.box.webhooks)) == 5
    (url,) = urls(shop)
    assert url != former
    assert [answered(one) for one in (url, former)] == [200, 200]
    assert [link.expires_at for link in shop.links() if link.expires_at] == [now + DAY + timedelta(minutes=10)]
    housekeeping.purge(now + DAY + timedelta(minutes=11))
    assert [answered(one) for one in (url, former)] == [200, 403]


@SQLITE
def test_others_webhooks_are_left_alone_and_doubles_of_ours_are_deleted(shop: Shop) -> None:
    (url,) = urls(shop)
    theirs = {"id": 901, "active_yn": True, "name": "x", "url": "https://other.example/upgates/webhook/x"}
    shop.box.webhooks[901] = theirs | {"event": "Orders.create"}
    shop.box.webhooks[902] = theirs | {"id": 902, "url": url, "event": "Orders.create"}
    shop.box.webhooks[903] = theirs | {"id": 903, "url": url, "event": "Products.create"}
    shop.work(SUBSCRIBE, after=DAY)
    assert events(shop) == sorted([*webhooks.EVENTS, "Orders.create"])
    assert shop.box.webhooks[901]["url"] == theirs["url"]


@SQLITE
def test_what_this_access_may_not_hear_of_is_not_asked_for(shop: Shop) -> None:
    shop.box.webhooks.clear()
    shop.box.denied = {event for event in webhooks.EVENTS if event.startswith("Orders")}
    shop.work(SUBSCRIBE, after=DAY)
    assert {event.partition(".")[0] for event in events(shop)} == {"Customers"}
    assert shop.row(SUBSCRIBE).state == "live"


@SQLITE
@pytest.mark.parametrize("how", ["create", "change"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_a_200_that_says_no_is_no_subscription(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, how: str, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(webhooks, "refusals", lambda told: [])
    if how == "create":
        shop.box.webhooks.clear()
    shop.box.unwilling = {"Customers.delete"}
    now = datetime.now(UTC) + DAY
    shop.work(SUBSCRIBE, at=now)
    row = shop.row(SUBSCRIBE)
    assert (row.failures, row.reason) == ((1, "not_done_by_shop") if guarded else (0, ""))
    shop.box.unwilling.clear()
    assert shop.work(SUBSCRIBE, at=row.next_at) == 1
    assert events(shop) == sorted(webhooks.EVENTS)
    assert (shop.row(SUBSCRIBE).failures, len(urls(shop))) == (0, 1)


@pytest.mark.parametrize(
    ("told", "no"),
    [
        pytest.param({"webhooks": [{"created_yn": True}, {"created_yn": False}]}, ["created_yn"], id="one of two"),
        pytest.param({"webhook": {"updated_yn": 0}}, ["updated_yn"], id="as a number"),
        pytest.param({"webhooks": [{"id": "1", "deleted": False}]}, ["deleted"], id="not deleted"),
        pytest.param({"active_yn": False}, ["active_yn"], id="made, and switched off"),
        pytest.param({"webhook": {"created_yn": True, "messages": []}}, [], id="done"),
        pytest.param({"webhooks": [{"deleted": True, "name": None}]}, [], id="deleted"),
        pytest.param([7, None, "no", {"name": "no", "yn": False}], [], id="odd"),
    ],
)
def test_what_an_answer_says_no_to(told: Any, no: list[str]) -> None:
    assert webhooks.refusals(told) == no


@SQLITE
def test_a_server_that_moved_takes_its_webhooks_along(shop: Shop) -> None:
    for hook in shop.box.webhooks.values():
        hook["url"] = hook["url"].replace(shop.stage.url, "https://former.example")
    with writing() as session:
        row = session.get_one(InstallationRow, shop.id)
        row.subscription = {"webhook_origin": "https://former.example"}
    shop.work(SUBSCRIBE, after=DAY)
    assert events(shop) == sorted(webhooks.EVENTS)
    (url,) = urls(shop)
    assert url.startswith(shop.stage.url)


def test_an_activation_again_subscribes_again(shop: Shop) -> None:
    """A deactivation deletes the webhooks with the access."""
    assert shop.box.play("uninstall")[1].ok
    assert events(shop) == []
    assert shop.work(SUBSCRIBE) == 0, "a shop that leaves is not asked"
    asked = len(shop.box.calls)
    assert shop.box.play("install", api_key="a-new-key-of-the-shop")[1].ok
    assert len(shop.box.calls) == asked, "an activation is answered without asking anybody"
    assert shop.work(SUBSCRIBE) == 1
    assert events(shop) == sorted(webhooks.EVENTS)


@SQLITE
def test_the_same_activation_again_asks_once(shop: Shop) -> None:
    assert shop.work(SUBSCRIBE) == 0
    later = datetime.now(UTC) + timedelta(minutes=7)
    assert shop.box.play("install", time=later.isoformat(timespec="seconds"))[1].ok
    assert (shop.work(SUBSCRIBE), shop.work(SUBSCRIBE)) == (1, 0)
    assert len(shop.box.webhooks) == 6


@SQLITE
@pytest.mark.parametrize("trouble", [500, "html"])
def test_trouble_is_tried_again_later_and_the_address_in_use_stays(shop: Shop, trouble: Any) -> None:
    (url,) = urls(shop)
    shop.box.behaviour["webhooks"] = trouble
    now = datetime.now(UTC) + DAY
    shop.work(SUBSCRIBE, at=now)
    row = shop.row(SUBSCRIBE)
    assert (row.failures, row.state) == (1, "live")
    assert row.next_at is not None
    assert row.next_at > now
    assert answered(url) == 200, "it stays good until the shop took another"
    assert shop.work(SUBSCRIBE, at=now) == 0
    shop.box.behaviour.clear()
    assert shop.work(SUBSCRIBE, at=now + DAY) == 1
    assert shop.row(SUBSCRIBE).failures == 0


@SQLITE
def test_a_dead_access_is_asked_once(shop: Shop) -> None:
    shop.box.access = None
    before = len(shop.box.calls)
    for day in (1, 2, 3):
        shop.work(SUBSCRIBE, after=day * DAY)
    assert len(shop.box.calls) - before == 1
    assert live.is_in_doubt(shop.installed())


@SQLITE
@pytest.mark.parametrize("after", ["keep", "note"])
def test_cut_short_after_the_shop_took_it(shop: Shop, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """What was created and not noted is found at the shop, and mended."""

    def died(*arguments: Any) -> None:
        raise SystemExit

    now = datetime.now(UTC) + DAY
    shop.box.webhooks.clear()
    monkeypatch.setattr(subscribing, after, died)
    with pytest.raises(SystemExit):
        shop.work(SUBSCRIBE, at=now)
    monkeypatch.undo()
    (url,) = urls(shop)
    assert answered(url) == 200, "the shop's address was live before it was told"
    assert shop.work(SUBSCRIBE, at=now) == 1
    assert events(shop) == sorted(webhooks.EVENTS)
    assert len(urls(shop)) == 1


@SQLITE
def test_if_we_did_not_look_there_would_be_doubles(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(webhooks, "ours", lambda shop, links: iter(()))
    shop.work(SUBSCRIBE, after=DAY)
    assert len(events(shop)) == 12


# A worker that is killed in the middle


def worker(stage: Stage) -> subprocess.Popen[bytes]:
    log = (stage.folder / "worker.log").open("ab")
    command = [sys.executable, "-m", "app.cli", "worker"]
    with log:
        return subprocess.Popen(command, env=stage.environment(), stdout=log, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("kill_at", [1, 4, 6], ids=lambda number: f"at-webhook-{number}")
def test_a_killed_worker_leaves_one_of_each(stage: Stage, kill_at: int) -> None:
    """Killed while the shop creates a webhook: the next worker finds what is there."""
    box = stage.simulators["upgates"]
    box.size = 0
    first = worker(stage)
    created: list[str] = []

    def killing(call: Any) -> None:
        if call.method == "POST":
            created.append(call.path)
            if len(created) == kill_at:
                first.kill()

    box.behaviour["webhooks"] = killing
    assert box.play("install")[1].ok
    assert first.wait(60) == -signal.SIGKILL
    assert stage.app is not None
    second = worker(stage)
    try:
        with stage.app.app_context():
            wait_until(lambda: subscribed() is not None)
    finally:
        second.terminate()
        assert second.wait(40) == 0
    assert sorted(hook["event"] for hook in box.webhooks.values()) == sorted(webhooks.EVENTS)
    assert len({hook["url"] for hook in box.webhooks.values()}) == 1
    assert len(created) == 6, "what was created is not created again"


def subscribed() -> datetime | None:
    with reading() as session:
        return session.scalars(select(SyncRow.live_since).where(SyncRow.kind == SUBSCRIBE)).first()
