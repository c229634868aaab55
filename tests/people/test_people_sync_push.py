"""Push: batches of what changed, no id twice, noted only when the platform took them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.database import reading
from app.people import mirror, pushing
from app.people.directory import IMPORT, PeopleDirectory
from app.people.models import PushedRow
from app.people.pushing import SWEEP, Pushing
from app.people.sync import Pulling
from app.people.sync_state import progress
from app.people.turns import Turn
from app.sdk import Batch, Changes, Order, Person
from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in, install, row_of
from tests.postgres import new_database

KIND = Pushing()


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving_platform(Platform(people=0)) as served:
        yield served


@pytest.fixture(params=["sqlite", "postgresql"])
def taker(request: pytest.FixtureRequest, platform: Platform, tmp_path: Path) -> Iterator[Flask]:
    """A host with 25 imported people and the installation ``taker``, which takes ten at once."""
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    with host_in(tmp_path / "instance", platform, database) as app:
        install(platform, "taker")
        mirror.store("ws", IMPORT, [Person(str(number), f"Person {number}") for number in range(25)])
        yield app


SQLITE = pytest.mark.parametrize("taker", ["sqlite"], indirect=True)


def now() -> datetime:
    return datetime.now(UTC)


def push_all(at: datetime | None = None) -> None:
    """Steps until there is nothing more to do, or a failure."""
    KIND.wanted(at or now())
    for run in KIND.wanted(at or now()):
        while KIND.step(run, at or now()):
            pass


def test_how_many_were_given_and_when_the_last(taker: Flask) -> None:
    assert (progress("taker", kind="push").people, progress("taker", kind="push").pushed_at) == (0, None)
    at = now()
    push_all(at)
    told = progress("taker", kind="push")
    assert (told.people, told.pushed_at, told.state) == (25, at, "live")
    push_all(at + SWEEP)
    assert progress("taker", kind="push").pushed_at == at, "nothing was new"
    mirror.store("ws", IMPORT, [Person("25", "Person 25")])
    push_all(at + 2 * SWEEP)
    told = progress("taker", kind="push")
    assert (told.people, told.pushed_at) == (26, at + 2 * SWEEP)


def names(platform: Platform) -> list[str]:
    return [person["name"] for _, batch in platform.pushed for person in batch if "name" in person]


def test_everybody_once_in_batches(taker: Flask, platform: Platform) -> None:
    push_all()
    assert [len(batch) for _, batch in platform.pushed] == [10, 10, 5]
    ids = [person["id"] for _, batch in platform.pushed for person in batch if "name" in person]
    assert len(set(ids)) == len(ids) == 25
    assert PeopleDirectory("ws").person(ids[0]) is not None
    assert progress("taker", kind="push").state == "live"


@SQLITE
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_a_platform_that_is_connected_to_nobody_is_told_once(
    taker: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """It may want a user there before the first person comes."""
    if not guarded:
        real = pushing.push
        monkeypatch.setattr(pushing, "push", lambda turn, changes: real(turn, changes) if changes else turn.row.memo)
    mirror.forget("ws")
    push_all()
    assert platform.pushed == ([("taker", [])] if guarded else [])
    for hours in (2, 4):
        push_all(now() + hours * SWEEP)
    assert len(platform.pushed) == guarded
    assert progress("taker", kind="push").state == "live"


def test_only_what_changed(taker: Flask, platform: Platform) -> None:
    push_all()
    platform.pushed.clear()
    push_all(now() + 2 * SWEEP)
    assert platform.pushed == []
    mirror.store("ws", IMPORT, [Person("3", "Renamed"), Person("4", "Person 4")])
    push_all(now() + 4 * SWEEP)
    assert names(platform) == ["Renamed"]


def test_what_a_pull_brings_is_pushed_soon(taker: Flask, platform: Platform) -> None:
    push_all()
    platform.pushed.clear()
    platform.people = 3
    install(platform, "shop")
    Pulling().wanted(now())
    for run in Pulling().wanted(now()):
        Pulling().step(run, now())
    push_all()
    told = [person["name"] for shop, batch in platform.pushed if shop == "taker" for person in batch]
    assert sorted(told) == ["Person 0", "Person 1", "Person 2"]


@SQLITE
def test_nothing_is_noted_before_the_platform_took_it(taker: Flask, platform: Platform) -> None:
    platform.trouble = lambda shop, action: (500, {}) if action == "push" else None
    push_all()
    with reading() as session:
        assert list(session.scalars(select(PushedRow.digest).where(PushedRow.digest != ""))) == []
    row = row_of("taker", "push")
    assert row is not None
    assert (row.failures, row.reason) == (1, "status_500")
    platform.trouble = lambda shop, action: None
    push_all(now() + timedelta(minutes=1))
    assert len(names(platform)) == 25


@SQLITE
def test_a_crash_after_the_platform_took_it_repeats_the_same_upsert(
    taker: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object, **named: object) -> bool:
        raise SystemExit

    real = pushing.note
    monkeypatch.setattr(pushing, "note", die)
    with pytest.raises(SystemExit):
        push_all()
    monkeypatch.setattr(pushing, "note", real)
    push_all()
    first, again, *_ = [batch for _, batch in platform.pushed]
    assert first == again
    assert len(names(platform)) == 35


@SQLITE
def test_a_change_during_a_push_is_not_lost(taker: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    install(platform, "shop")
    batch = Batch(people=[Person("1", "Before")])
    push_all()
    mark = lambda session: pushing.mark(session, "ws", "shop", batch)  # noqa: E731
    mirror.apply("ws", "shop", batch, mark)
    real = pushing.push

    def changing(turn: Turn, changes: Changes) -> str:
        monkeypatch.setattr(pushing, "push", real)
        mirror.apply("ws", "shop", Batch(people=[Person("1", "After")]), mark)
        return real(turn, changes)

    monkeypatch.setattr(pushing, "push", changing)
    platform.pushed.clear()
    push_all()
    assert [name for name in names(platform) if name in ("Before", "After")] == ["Before", "After"]


@SQLITE
def test_an_order_is_a_change_of_its_own(taker: Flask, platform: Platform) -> None:
    push_all()
    platform.pushed.clear()
    mirror.store("ws", IMPORT, [Person("5", "Person 5", orders=(Order("A1", "2026-01-01"), Order("A2")))])
    push_all(now() + 2 * SWEEP)
    (batch,) = [batch for _, batch in platform.pushed]
    id = str(PeopleDirectory("ws").search("person 5")[0].id)
    assert sorted(one["order"] for one in batch) == [f"{id}:A1", f"{id}:A2"]
    platform.pushed.clear()
    mirror.store("ws", IMPORT, [Person("5", "Person 5", orders=(Order("A1", "2026-01-01", closed=True),))])
    push_all(now() + 4 * SWEEP)
    assert [batch for _, batch in platform.pushed] == [[{"order": f"{id}:A1", "of": id}, {"gone_order": f"{id}:A2"}]]


@SQLITE
def test_no_installation_gets_its_own_people_back(taker: Flask, platform: Platform) -> None:
    mirror.store("ws", "taker", [Person("own", "Own")])
    push_all()
    assert "Own" not in names(platform)
    assert len(names(platform)) == 25
