"""What follows from a failure: again, and when; or the end, and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from app.core.database import is_busy
from app.jobs import trials
from app.jobs.trials import LONGEST_PAUSE, MOST_CRASHES, MOST_FAILURES, Trials, Verdict, judge, pause
from app.sdk import Later, LoginRefused, Stopped, UpstreamFailed, retry_at

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUSY = OperationalError("BEGIN IMMEDIATE", None, TimeoutError("others are writing"))
FULL = OperationalError("INSERT", None, sqlite3.OperationalError("database or disk is full"))


def after(before: Trials, error: Exception, *, refused: bool = False, wish: datetime | None = None) -> Verdict:
    return judge(before, error, refused=refused, wish=wish, now=NOW)


def test_a_failure_is_tried_again_with_its_reason() -> None:
    found = after(Trials(), UpstreamFailed("timeout"))
    assert (found.trials, found.reason) == (Trials(1), "timeout")
    assert found.next_at is not None
    assert NOW < found.next_at <= NOW + timedelta(seconds=5)


def test_the_pauses_grow_up_to_an_hour_and_are_spread() -> None:
    assert [max(pause(n) for _ in range(200)) > pause(n - 1) for n in range(2, 10)] == [True] * 8
    late = [pause(20) for _ in range(200)]
    assert min(late) >= LONGEST_PAUSE / 2
    assert max(late) <= LONGEST_PAUSE
    assert len({round(one.total_seconds()) for one in late}) > 50


@pytest.mark.parametrize(
    ("trials", "error", "refused"),
    [
        pytest.param(Trials(), Stopped("blocked"), False, id="stopped"),
        pytest.param(Trials(1, 1), UpstreamFailed("status_401"), True, id="second-401"),
        pytest.param(Trials(1, 1), LoginRefused("key_refused"), True, id="second-refusal"),
        pytest.param(Trials(MOST_FAILURES - 1), UpstreamFailed("timeout"), False, id="a-day-of-outage"),
        pytest.param(Trials(MOST_CRASHES - 1), KeyError("x"), False, id="poison"),
        pytest.param(Trials(MOST_FAILURES - 1), FULL, False, id="a-day-of-a-full-disk"),
    ],
)
def test_the_end_keeps_its_cause(trials: Trials, error: Exception, refused: bool) -> None:
    found = after(trials, error, refused=refused)
    assert found.next_at is None
    assert found.reason


@pytest.mark.parametrize(
    ("trials", "error", "refused"),
    [
        pytest.param(Trials(), UpstreamFailed("status_401"), True, id="first-401"),
        pytest.param(Trials(), LoginRefused("key_refused"), True, id="first-refusal"),
        pytest.param(Trials(), Stopped("of-somebody-elses-connector"), True, id="first-401-called-stopped"),
        pytest.param(Trials(1, 1), UpstreamFailed("timeout"), False, id="a-timeout-after-a-401"),
        pytest.param(Trials(MOST_FAILURES - 2), UpstreamFailed("timeout"), False, id="nearly-a-day"),
        pytest.param(Trials(MOST_CRASHES - 2), KeyError("x"), False, id="a-crash-that-may-pass"),
        pytest.param(Trials(999), Later("busy"), False, id="later-for-ever"),
        pytest.param(Trials(999), BUSY, False, id="our-own-busy-database"),
        pytest.param(Trials(MOST_CRASHES), FULL, False, id="our-own-full-disk"),
    ],
)
def test_near_the_end_is_not_the_end(trials: Trials, error: Exception, refused: bool) -> None:
    assert after(trials, error, refused=refused).next_at is not None


def test_a_401_between_others_does_not_add_up() -> None:
    assert after(Trials(1, 1), UpstreamFailed("timeout")).trials.refusals == 0


def test_a_crash_does_not_tell_its_text() -> None:
    assert after(Trials(), ValueError("jana@example.com")).reason == "ValueError"


def test_our_own_busy_database_counts_for_nothing_but_is_told() -> None:
    found = after(Trials(3, 1), BUSY)
    assert (found.trials, found.reason) == (Trials(3, 1), "our own database is busy")
    assert found.next_at is not None
    assert NOW < found.next_at <= NOW + timedelta(seconds=3)


@pytest.mark.parametrize(
    ("rule", "counts"),
    [(is_busy, True), (lambda error: isinstance(error, OperationalError), False)],
    ids=["guarded", "control"],
)
def test_our_own_full_disk_is_told_and_waited_for_longer_and_longer(
    rule: Callable[[Exception], bool], counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "is_busy", rule)
    found = after(Trials(20), FULL)
    assert (found.trials == Trials(21), found.reason == "our own database failed: OperationalError") == (counts, counts)
    assert found.next_at is not None
    assert (found.next_at >= NOW + LONGEST_PAUSE / 2) == counts


@pytest.mark.parametrize(
    ("wished", "obeyed"),
    [(HOUR, HOUR), (timedelta(days=9), timedelta(days=1))],
    ids=["later", "too-far"],
)
def test_the_platforms_wish_is_obeyed(wished: timedelta, obeyed: timedelta) -> None:
    assert after(Trials(), Later("busy", NOW + wished)).next_at == NOW + obeyed
    assert after(Trials(), UpstreamFailed("status_503"), wish=NOW + wished).next_at == NOW + obeyed


@pytest.mark.parametrize("longer", [max, lambda ours, wished: wished], ids=["guarded", "control"])
@pytest.mark.parametrize("wished", [-HOUR, timedelta(0), timedelta(seconds=1)], ids=["past", "at-once", "a-second"])
def test_the_platforms_wish_does_not_shorten_our_own_pause(
    wished: timedelta, longer: Callable[[datetime, datetime], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.trials.max", longer, raising=False)
    for error, wish in ((Later("busy", NOW + wished), None), (UpstreamFailed("status_503"), NOW + wished)):
        found = after(Trials(20), error, wish=wish)
        assert found.next_at is not None
        assert (found.next_at >= NOW + LONGEST_PAUSE / 2) == (longer is max)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", None),
        ("Thu, 01 Jan 2026 13:00:00 GMT", 3600),
        ("Thu, 01 Jan 2026 12:00:30 +0000", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("١٢", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(text: str, seconds: int | None) -> None:
    assert retry_at(text, NOW) == (None if seconds is None else NOW + timedelta(seconds=seconds))
