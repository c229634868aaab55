"""While our own mirror is written to by others: work comes back after a pause, says why, and is never given up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.core import database
from app.core.database import MIRROR, db, writing
from app.jobs import trials
from app.jobs.kinds import Kind
from app.jobs.trials import BUSY, FAILED, MOST_CRASHES, short_reason
from app.people import hints, mirror, pushing, turns
from app.people.forgetting import Forgetting
from app.people.pushing import Pushing
from app.people.sync import Pulling
from app.people.sync_state import SyncRow, progress
from app.sdk import State
from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in, install, row_of

PULL = Pulling()
TIMES = MOST_CRASHES + 2


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A host that waits for nobody, with the shop ``shop``."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with serving_platform(Platform(people=30)) as platform, host_in(tmp_path / "instance", platform) as app:
        install(platform, "shop")
        yield app


@contextmanager
def others_write() -> Iterator[None]:
    """Another process holds the mirror."""
    with closing(sqlite3.connect(db.engines[MIRROR].url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def now() -> datetime:
    return datetime.now(UTC)


def held(kind: str = "pull") -> SyncRow:
    row = row_of("shop", kind)
    assert row is not None
    return row


def busy_run(kind: Kind, at: datetime) -> str:
    """The run that is due, as the engine does it, while others write; what broke it."""
    kind.wanted(at)
    (run,) = kind.wanted(at)
    with others_write(), pytest.raises(Exception, match="locked") as broken:
        kind.step(run, at)
    reason = short_reason(broken.value)
    kind.over(run, reason, at)
    return reason


def test_a_pull_comes_back_after_a_pause_and_tells_why(shops: Flask) -> None:
    at = now()
    for _ in range(TIMES):
        busy_run(PULL, at)
        assert PULL.wanted(at) == [], "no run after the other"
        at = held().next_at or at
    assert (held().state, held().failures) == ("waiting", 0)
    assert "our own database is busy, again at " in progress("shop").text
    (run,) = PULL.wanted(at)
    PULL.step(run, at)
    assert (held().reason, mirror.count("ws", "shop")) == ("", 30)


def test_a_busy_database_that_counted_as_a_crash_would_be_noticed(
    shops: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BUSY", "another word")
    at = now()
    for _ in range(MOST_CRASHES):
        busy_run(PULL, at)
        at = held().next_at or at
    assert held().state == "stopped"


@pytest.mark.parametrize("word", [BUSY, "another word"], ids=["guarded", "control"])
def test_what_waits_to_be_pushed_or_read_does_not_shorten_the_pause(
    shops: Flask, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    for module in (pushing, hints):
        monkeypatch.setattr(module, "BUSY", word)
    at, push = now(), Pushing()
    push.wanted(at)
    push.over(push.wanted(at)[0], BUSY, at)
    with writing() as session:
        pushing.mark_ids(session, "shop", [1])
    assert (push.wanted(at) == []) == (word == BUSY)
    assert hints.can_hurry(held("push")) == (word != BUSY)


@pytest.mark.parametrize("spaced", [True, False], ids=["guarded", "control"])
def test_crashes_come_further_and_further_apart_and_keep_their_cause(
    shops: Flask, monkeypatch: pytest.MonkeyPatch, spaced: bool
) -> None:
    if not spaced:
        monkeypatch.setattr(turns, "pause", lambda failures: timedelta(0))
    at = now()
    PULL.wanted(at)
    for crash in range(1, MOST_CRASHES):
        (run,) = PULL.wanted(at)
        PULL.over(run, "KeyError", at)
        assert (PULL.wanted(at) == []) == spaced
        assert (held().failures, held().reason, "KeyError, again at " in progress("shop").text) == (
            crash,
            "KeyError",
            1,
        )
        at = held().next_at or at
    PULL.over(PULL.wanted(at)[0], "KeyError", at)
    assert progress("shop").text == "stopped because it failed 5 times, last with KeyError"


@pytest.mark.parametrize("word", [FAILED, "another word"], ids=["guarded", "control"])
def test_a_full_disk_on_which_no_failure_is_stored_is_no_crash(
    shops: Flask, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    reason = short_reason(OperationalError("UPDATE", None, sqlite3.OperationalError("database or disk is full")))
    monkeypatch.setattr(trials, "FAILED", word)
    PULL.wanted(now())
    for _ in range(MOST_CRASHES):
        at = held().next_at or now()
        PULL.over(PULL.wanted(at)[0], reason, at)
    assert (held().state, held().failures) == ("waiting" if word == FAILED else "stopped", MOST_CRASHES)


@pytest.mark.parametrize("stopping", [False, True], ids=["guarded", "control"])
def test_an_erasure_is_never_given_up(shops: Flask, monkeypatch: pytest.MonkeyPatch, stopping: bool) -> None:
    """Whatever broke it, and however often: it waits longer and longer, and then everybody goes."""
    if stopping:
        monkeypatch.setattr(Forgetting, "over", lambda self, run, reason, at: turns.over(run, reason, at))
    PULL.wanted(now())
    PULL.step(PULL.wanted(now())[0], now())
    install(Platform(), "shop", state=State.UNINSTALLED)
    kind, at = Forgetting(), now()
    assert busy_run(kind, at) == BUSY
    assert held("forget").reason == BUSY
    for _ in range(TIMES):
        at = held("forget").next_at or at
        for run in kind.wanted(at):
            kind.over(run, "KeyError", at)
            assert kind.wanted(at) == [], "no run after the other"
    at += timedelta(days=30)
    for run in kind.wanted(at):
        kind.step(run, at)
    assert (held("forget").state, mirror.count("ws", "shop")) == (("stopped", 30) if stopping else ("gone", 0))
    assert (held("forget").failures == 0) != stopping


def test_an_erasure_that_does_not_wait_would_be_noticed(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "pause", lambda failures: timedelta(0))
    with pytest.raises(AssertionError, match="no run after the other"):
        test_an_erasure_is_never_given_up(shops, monkeypatch, False)
