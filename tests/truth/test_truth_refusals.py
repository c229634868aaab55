"""A login that is refused: once may be an accident, twice is the end, and nobody logs in a third time to see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import false, update

from app.core import lifecycle
from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.jobs import credentials, live, logins, trials
from app.people import served, sync_state
from app.people.rereading import FIRST_AFTER
from app.people.sync_state import SyncRow
from app.sdk import State, Stopped
from plugins.upgates import shop as reading_shop
from tests.truth.conftest import SQLITE, Shop

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
KINDS = ("pull", "reread", "subscribe")
Patch = Callable[[pytest.MonkeyPatch], None]


def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is."""


def judged_by_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a connector raises as `Stopped` is the end, before anybody counts."""
    is_final = trials.is_final
    monkeypatch.setattr(trials, "is_final", lambda after, error: isinstance(error, Stopped) or is_final(after, error))


def looked_at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is no look: the first is made at once, and nothing is held back until then."""

    def doubt(id: str, now: datetime) -> None:
        with writing() as session:
            session.execute(update(InstallationRow).where(InstallationRow.id == id).values(probe_at=now, probes=0))

    monkeypatch.setattr(live, "doubt", doubt)


def never_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other work goes on with credentials that were refused."""
    monkeypatch.setattr(live, "in_doubt", false)
    monkeypatch.setattr(live, "is_in_doubt", lambda row: False)


def only_connected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stopped goes on only when the customer connects again."""
    monkeypatch.setattr(served.Served, "goes_on", lambda self, since, refusals: self.changed_at > since)


def any_403_is_a_missing_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks what it means."""

    def refuse_entry(self: reading_shop.Shop) -> None:
        raise Stopped("access_denied")

    monkeypatch.setattr(reading_shop.Shop, "refuse_entry", refuse_entry)


def wants_people_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The retry button thinks of nothing else."""
    again = sync_state.again
    monkeypatch.setattr(sync_state, "again", lambda row, now: row.kind in ("pull", "push") and again(row, now))


def both(rule: Patch, expected: object, seen: object) -> list[Any]:
    """The rule and its control, each with what is seen under it."""
    return [pytest.param(guarded, expected, id="guarded"), pytest.param(rule, seen, id="control")]


def tomorrow() -> datetime:
    """When everything is due."""
    return datetime.now(UTC) + FIRST_AFTER + DAY + MINUTE


def refusals(shop: Shop) -> int:
    """How many calls the shop answered 401 since it has had no access."""
    return len(shop.box.calls)


def without_access(shop: Shop) -> Any:
    """Take the access away; returns it."""
    shop.box.calls.clear()
    access, shop.box.access = shop.box.access, None
    return access


def second_look(shop: Shop) -> datetime:
    """The look that decides."""
    at = shop.installed().probe_at
    assert at is not None
    credentials.probe_due(at)
    return at


@pytest.mark.parametrize(("build", "runs"), both(judged_by_its_class, 1, 0))
@SQLITE
def test_one_401_ends_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch, build: Patch, runs: int) -> None:
    """A minute of the platform's own trouble: the look says alive, and everything goes on at once."""
    build(monkeypatch)
    at = tomorrow()
    access = without_access(shop)
    shop.work("pull", at=at)
    shop.box.access = access
    if runs:
        assert shop.work(*KINDS, at=at + MINUTE) == 0, "nothing is done before the look"
        assert second_look(shop) == at + live.SECOND_LOOK
    row = shop.installed()
    assert (row.state, row.alarm) == (State.ACTIVE, "")
    assert shop.work("pull", at=at + live.SECOND_LOOK) == runs
    assert shop.row("pull").state == ("live" if runs else "stopped")


@pytest.mark.parametrize(("build", "logins_made"), both(looked_at_now, 2, 3))
@pytest.mark.parametrize("kind", KINDS)
@SQLITE
def test_a_shop_that_left_silently_costs_two_logins(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str, build: Patch, logins_made: int
) -> None:
    """The third of three would hold every other shop of the platform for an hour."""
    build(monkeypatch)
    at = tomorrow()
    without_access(shop)
    assert shop.work(kind, at=at) == 1
    for minute in range(30):
        credentials.probe_due(at + minute * MINUTE)
        shop.work(*KINDS, at=at + minute * MINUTE)
    row = shop.installed()
    assert (row.state, row.alarm) == (State.UNINSTALLING, lifecycle.REFUSED)
    later = at + 30 * MINUTE
    assert refusals(shop) == logins.spent(later)["upgates"] == logins_made
    assert bool(logins.held(later)) == (logins_made > 2)


@pytest.mark.parametrize(("build", "runs"), both(never_in_doubt, 0, 2))
@SQLITE
def test_what_was_refused_once_rests_until_the_look(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, build: Patch, runs: int
) -> None:
    build(monkeypatch)
    at = tomorrow()
    without_access(shop)
    assert shop.work("pull", at=at) == 1
    assert shop.work("reread", "subscribe", at=at + MINUTE) == runs
    assert refusals(shop) == 1 + runs


@SQLITE
def test_a_run_that_was_found_before_the_refusal_is_not_begun(shop: Shop) -> None:
    at = tomorrow()
    (run,) = shop.kinds["reread"].wanted(at)
    without_access(shop)
    shop.work("pull", at=at)
    assert shop.kinds["reread"].step(run, at) is False
    assert refusals(shop) == 1


@SQLITE
def test_a_look_in_doubt_leaves_the_doubt(shop: Shop) -> None:
    """The shop is out of order when it is asked: nothing logs in before there is a clear word."""
    at = tomorrow()
    access = without_access(shop)
    shop.work("pull", at=at)
    shop.box.behaviour["status"] = 500
    at = second_look(shop)
    assert live.is_in_doubt(shop.installed())
    assert shop.work(*KINDS, at=at) == 0
    shop.box.behaviour.clear()
    shop.box.access = access
    at = second_look(shop)
    assert not live.is_in_doubt(shop.installed())
    assert shop.work("pull", at=at) == 1


@SQLITE
def test_who_connects_again_goes_on_at_once(shop: Shop) -> None:
    """The new credentials are looked at now, whenever the former ones would have been."""
    without_access(shop)
    live.doubt(shop.id, datetime.now(UTC))
    assert shop.box.play("install", api_key="the-key-of-the-return")[1].ok
    at = second_look(shop)
    assert at <= datetime.now(UTC)
    assert not live.is_in_doubt(shop.installed())
    assert shop.work("pull", at=tomorrow()) == 1


@SQLITE
def test_a_worker_that_died_in_a_look_is_no_doubt(shop: Shop) -> None:
    """The look was begun and never told: the next one is a first look again."""
    live.schedule(datetime.now(UTC))
    at = shop.installed().probe_at
    assert at is not None
    assert credentials.take_turn(shop.id, at)
    without_access(shop)
    second_look(shop)
    assert (shop.installed().state, live.is_in_doubt(shop.installed())) == (State.ACTIVE, True)


@pytest.mark.parametrize(("build", "runs"), both(only_connected_again, 1, 0))
@SQLITE
def test_a_second_refusal_stops_it_until_the_next_days_look(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, build: Patch, runs: int
) -> None:
    """The status is told, the customers are not: two logins are refused, then a day passes."""
    build(monkeypatch)
    at = tomorrow()
    shop.box.behaviour["customers"] = 401
    shop.work("pull", at=at)
    at = second_look(shop)
    assert shop.work("pull", at=at) == 1
    assert (shop.row("pull").state, shop.installed().probe_at) == ("stopped", None)
    for hour in range(1, 20):
        assert shop.work("pull", at=at + hour * timedelta(hours=1)) == 0
    live.schedule(at + 19 * timedelta(hours=1))
    shop.box.behaviour.clear()
    at = second_look(shop)
    assert shop.work("pull", at=at) == runs


@SQLITE
def test_a_look_revives_nothing_that_stopped_for_another_reason(shop: Shop) -> None:
    with writing() as session:
        row = session.get_one(SyncRow, (shop.id, "pull"))
        row.state, row.since, row.next_at, row.reason = "stopped", datetime.now(UTC), None, "it failed 5 times"
    live.schedule(datetime.now(UTC))
    at = second_look(shop)
    with reading() as session:
        assert session.get_one(InstallationRow, shop.id).health == "alive"
    assert shop.work("pull", at=at) == 0


# 403


@pytest.mark.parametrize(("build", "runs"), both(any_403_is_a_missing_right, 3, 0))
@SQLITE
def test_a_lock_out_is_sat_out(shop: Shop, monkeypatch: pytest.MonkeyPatch, build: Patch, runs: int) -> None:
    """The platform shuts our address out for an hour: no shop is to blame, and everything goes on afterwards."""
    build(monkeypatch)
    at = tomorrow()
    shop.box.calls.clear()
    shop.box.behaviour["*"] = 403
    assert shop.work(*KINDS, at=at) == 3
    states = [(shop.row(kind).state, shop.row(kind).next_at) for kind in KINDS]
    if runs:
        assert states == [("live", at + timedelta(hours=1))] * 3
        assert (len(shop.box.calls), shop.asked("status")) == (6, 3)
    assert shop.work(*KINDS, at=at + 59 * MINUTE) == 0
    shop.box.behaviour.clear()
    assert shop.work(*KINDS, at=at + 60 * MINUTE) == runs


@SQLITE
def test_a_missing_right_stops_at_once(shop: Shop) -> None:
    at = tomorrow()
    shop.box.behaviour["customers"] = 403
    shop.box.calls.clear()
    shop.work("pull", at=at)
    assert (shop.row("pull").state, shop.asked("status"), len(shop.box.calls)) == ("stopped", 1, 2)
    assert "does not let the add-on read" in shop.row("pull").reason


@pytest.mark.parametrize(("build", "runs"), both(wants_people_alone, 3, 1))
@SQLITE
def test_asked_for_by_a_person_everything_that_stopped_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, build: Patch, runs: int
) -> None:
    build(monkeypatch)
    at = tomorrow()
    shop.box.behaviour.update({"*": 403, "status": None})
    shop.work(*KINDS, at=at)
    assert [shop.row(kind).state for kind in KINDS] == ["stopped"] * 3
    shop.box.behaviour.clear()
    assert shop.work(*KINDS, at=at + DAY) == 0
    assert sync_state.want(shop.id, at + DAY)
    assert shop.work(*KINDS, at=at + DAY) == runs
