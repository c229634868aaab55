"""Live installations are looked at: who left without a word, who was replaced, and who is there after all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from stage import Stage, serving_here

from app.core import lifecycle
from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.jobs import credentials, live, logins
from app.sdk import State
from tests.truth.conftest import SQLITE, Shop

DAY = timedelta(days=1)


def look(shop: Shop, at: datetime | None = None) -> datetime:
    """The next look, whenever it is; returns when it was."""
    live.schedule(at or datetime.now(UTC))
    moment = shop.installed().probe_at
    assert moment is not None
    credentials.probe_due(moment)
    return moment


def test_each_is_looked_at_within_its_period(shop: Shop) -> None:
    now = datetime.now(UTC)
    assert shop.installed().probe_at is None
    first = look(shop)
    assert now < first <= now + DAY
    row = shop.installed()
    assert (row.state, row.health, row.probed_at, row.probe_at) == (State.ACTIVE, "alive", first, None)
    assert look(shop, first) == first + DAY
    assert shop.asked("status") == 2


def test_a_lost_notice_of_an_uninstall_is_noticed(shop: Shop) -> None:
    """Two looks that say 401 stop it, a third a day later confirms it, and nobody asks again."""
    shop.box.access = None
    first = look(shop)
    assert (shop.installed().state, shop.installed().alarm) == (State.ACTIVE, "")
    second = look(shop)
    assert second == first + live.SECOND_LOOK
    row = shop.installed()
    assert (row.state, row.alarm) == (State.UNINSTALLING, lifecycle.REFUSED)
    third = look(shop)
    assert third == second + DAY
    row = shop.installed()
    assert (row.state, row.alarm, row.probe_at) == (State.UNINSTALLED, "", None)
    live.schedule(third)
    assert shop.installed().probe_at is None
    assert shop.asked("status") == 3
    shop.work("forget", at=third)
    assert shop.people() == 0


@SQLITE
def test_one_bad_answer_is_not_believed(shop: Shop) -> None:
    access, shop.box.access = shop.box.access, None
    first = look(shop)
    assert shop.installed().state == State.ACTIVE
    shop.box.access = access
    look(shop)
    row = shop.installed()
    assert (row.state, row.alarm, row.probes) == (State.ACTIVE, "", 0)
    assert look(shop, first) > first + live.SECOND_LOOK


@SQLITE
def test_a_sign_of_life_takes_it_back(shop: Shop) -> None:
    """Within the day nothing is destroyed; the shop is served again, and subscribed to again."""
    access, shop.box.access = shop.box.access, None
    look(shop)
    second = look(shop)
    assert shop.installed().state == State.UNINSTALLING
    assert shop.work("pull", at=second + timedelta(hours=1)) == 0
    shop.box.access = access
    at = look(shop)
    row = shop.installed()
    assert (row.state, row.alarm, row.uninstall_at) == (State.ACTIVE, "", None)
    assert (shop.work("subscribe", at=at), shop.people()) == (1, 20)


@SQLITE
def test_who_connects_again_in_time_loses_nothing(shop: Shop) -> None:
    shop.box.access = None
    look(shop)
    look(shop)
    assert shop.installed().state == State.UNINSTALLING
    assert shop.box.play("install", api_key="the-key-of-the-return")[1].ok
    row = shop.installed()
    assert (row.state, row.alarm, row.probe_at, shop.people()) == (State.ACTIVE, "", None, 20)


@SQLITE
@pytest.mark.parametrize("answer", [403, 404, 429, 500, "html"])
def test_no_other_answer_says_that_a_shop_left(shop: Shop, answer: Any) -> None:
    """A page with status 200 counts as alive."""
    shop.box.behaviour["status"] = answer
    at = look(shop)
    for _ in range(3):
        at = look(shop, at)
    row = shop.installed()
    assert (row.state, row.alarm) == (State.ACTIVE, "")
    assert shop.asked("status") == 4, "once a day"


@SQLITE
def test_a_first_401_in_doubt_waits_for_a_clear_word(shop: Shop) -> None:
    shop.box.access = None
    first = look(shop)
    shop.box.behaviour["status"] = 500
    second = look(shop)
    assert shop.installed().probe_at is not None
    shop.box.behaviour.clear()
    third = look(shop)
    assert first < second < third < first + timedelta(hours=2)
    assert shop.installed().state == State.UNINSTALLING


@SQLITE
def test_an_answer_about_former_credentials_means_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected again while the second look is under way."""
    shop.box.access = None
    look(shop)
    ask = credentials.ask

    def slow(connector: Any, row: Any, now: datetime) -> Any:
        health = ask(connector, row, now)
        with writing() as session:
            mine = InstallationRow.id == shop.id
            session.execute(update(InstallationRow).where(mine).values(connected_at=datetime.now(UTC)))
        return health

    monkeypatch.setattr(credentials, "ask", slow)
    look(shop)
    assert (shop.installed().state, shop.installed().alarm) == (State.ACTIVE, "")


@SQLITE
def test_failed_logins_of_pulls_and_looks_count_together(shop: Shop) -> None:
    """The platform counts them all: with its budget spent by others, even a look that is due waits."""
    live.schedule(datetime.now(UTC))
    at = shop.installed().probe_at
    assert at is not None
    logins.note("upgates", 4, at - timedelta(minutes=1))
    credentials.probe_due(at)
    assert shop.asked("status") == 0
    assert shop.installed().probe_at == at
    credentials.probe_due(at + timedelta(hours=1))
    assert shop.asked("status") == 1


@SQLITE
def test_a_look_for_which_there_is_no_place_is_still_due(shop: Shop) -> None:
    """Others' logins are under way, and any of them may fail: it comes again, and was no look."""
    live.schedule(datetime.now(UTC))
    at = shop.installed().probe_at
    assert at is not None
    places = [logins.take("upgates", f"other{number}", 4, at, at + timedelta(minutes=1)) for number in range(4)]
    credentials.probe_due(at)
    row = shop.installed()
    assert row.probe_at is not None
    assert at < row.probe_at < at + timedelta(seconds=5)
    assert (row.probes, shop.asked("status")) == (0, 0)
    logins.leave([place for place in places if place])
    credentials.probe_due(row.probe_at)
    assert (shop.installed().health, shop.asked("status")) == ("alive", 1)


@SQLITE
def test_a_budget_that_counts_no_failures_would_let_it_through(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    live.schedule(datetime.now(UTC))
    at = shop.installed().probe_at
    assert at is not None
    logins.note("upgates", 4, at - timedelta(minutes=1))
    monkeypatch.setattr(logins, "spent", lambda now: {})
    monkeypatch.setattr(logins, "tally", lambda connector, now: logins.Tally())
    monkeypatch.setattr(logins, "take", lambda *login: 0)
    credentials.probe_due(at)
    assert shop.asked("status") == 1


@SQLITE
def test_a_refused_pull_spends_of_the_same_budget(shop: Shop) -> None:
    shop.box.access = None
    shop.box.tell("Customers.update", shop.box.customers[1])
    now = datetime.now(UTC)
    shop.work("pull", at=now)
    assert logins.spent(now) == {"upgates": 1}


# An integration that was replaced


@pytest.fixture
def messenger(tmp_path: Path) -> Iterator[Any]:
    """An account of Wazzup, connected as an operator does."""
    with ExitStack() as stack:
        stage = stack.enter_context(serving_here(Stage(tmp_path / "instance", stack)))
        assert stage.app is not None
        box = stage.simulators["wazzup"]
        stage.cli("installations", "add", "wazzup", "--workspace", "new", "--set", f"state={box.state()}")
        with stage.app.app_context():
            yield box


def looked_at(at: datetime) -> InstallationRow:
    """The one installation, after its next look."""
    live.schedule(at)
    with reading() as session:
        moment = session.scalars(select(InstallationRow.probe_at)).one()
    assert moment is not None
    assert at < moment <= at + timedelta(minutes=30)
    credentials.probe_due(moment)
    with reading() as session:
        return session.scalars(select(InstallationRow)).one()


def test_somebody_elses_place_is_told_and_taken_back_when_it_is_ours_again(messenger: Any) -> None:
    box = messenger
    ours, now = box.connection.uri, datetime.now(UTC)
    assert looked_at(now).health == "alive"
    box.connection.uri = "https://other.example/hook"
    row = looked_at(now)
    assert (row.health, row.alarm, row.state) == ("replaced", live.REPLACED, State.ACTIVE)
    assert looked_at(now).alarm == live.REPLACED
    assert box.connection.uri == "https://other.example/hook", "it is not fought for"
    box.connection.uri = ours
    row = looked_at(now)
    assert (row.health, row.alarm) == ("alive", "")


# Of many


@SQLITE
def test_a_platform_that_hangs_keeps_nobody_elses_waiting_for_long(shop: Shop) -> None:
    """Ten of a connector take their turn in a round, whoever waits behind them."""
    with writing() as session:
        for number in range(25):
            row = InstallationRow(id=f"many{number}", connector="upgates", tenant=f"many{number}", state=State.ACTIVE)
            row.facts, row.created_at = {}, datetime.now(UTC)
            row.updated_at = row.probe_at = row.created_at
            session.add(row)
    now = datetime.now(UTC)
    credentials.probe_due(now)
    with reading() as session:
        asked = session.scalars(select(InstallationRow.id).where(InstallationRow.probed_at == now)).all()
    assert len(asked) == credentials.AT_ONCE


def first_ten(name: str, now: datetime) -> list[str]:
    """The old rule: those that must wait are first in the queue, too."""
    mine = select(InstallationRow.id).where(InstallationRow.connector == name, InstallationRow.probe_at <= now)
    with reading() as session:
        return list(session.scalars(mine.order_by(InstallationRow.probe_at).limit(credentials.AT_ONCE)))


@SQLITE
@pytest.mark.parametrize(("due", "asked"), [(credentials.due, True), (first_ten, False)], ids=["guarded", "control"])
def test_those_that_must_wait_keep_nobody_elses_place(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, due: Callable[[str, datetime], list[str]], asked: bool
) -> None:
    """Of those who left no more failed logins are risked in this hour; of those who are there one is."""
    monkeypatch.setattr(credentials, "due", due)
    now = datetime.now(UTC)
    logins.note("upgates", logins.budget("upgates"), now - timedelta(minutes=1))
    with writing() as session:
        for number in range(credentials.AT_ONCE):
            row = InstallationRow(id=f"gone{number}", connector="upgates", tenant=f"gone{number}")
            row.state, row.facts, row.created_at = State.UNINSTALLING, {}, now
            row.updated_at, row.uninstall_at, row.probe_at = now, now, now - timedelta(hours=1)
            session.add(row)
        session.get_one(InstallationRow, shop.id).probe_at = now
    credentials.probe_due(now)
    assert (shop.installed().probed_at == now) == asked
    assert shop.asked("status") == asked
