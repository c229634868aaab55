"""Forget, while others change what it looks at: a merchant connects again, a page comes late, workspaces become one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.people import forgetting, merging, mirror, sync
from app.people.forgetting import Forgetting
from app.people.models import PersonRow
from app.people.sync import Pulling
from app.people.sync_state import FORGET, SyncRow
from app.sdk import State
from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in, install, row_of, state_of
from tests.postgres import new_database

PEOPLE = 30
FORGET_KIND, PULL_KIND = Forgetting(), Pulling()
DAY = timedelta(days=1)
Meanwhile = Callable[[], object]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving_platform(Platform(people=PEOPLE)) as served:
        yield served


@pytest.fixture(params=["sqlite", "postgresql"])
def host(request: pytest.FixtureRequest, platform: Platform, tmp_path: Path) -> Iterator[Flask]:
    """A host on each database, with a shop that was pulled and is uninstalled."""
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    with host_in(tmp_path / "instance", platform, database) as app:
        install(platform, "shop")
        pull()
        install(platform, "shop", state=State.UNINSTALLED)
        FORGET_KIND.wanted(now())
        yield app


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six transactions with people, and one that finds nobody."""
    monkeypatch.setattr(mirror, "BATCH", 5)


GUARDED = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
SQLITE = pytest.mark.parametrize("host", ["sqlite"], indirect=True)


def now() -> datetime:
    return datetime.now(UTC)


def pull(at: datetime | None = None) -> None:
    """All pages that are due."""
    PULL_KIND.wanted(at or now())
    for run in PULL_KIND.wanted(at or now()):
        while PULL_KIND.step(run, at or now()):
            pass


def forget() -> None:
    """What is due, to the end."""
    FORGET_KIND.wanted(now())  # what is new gets its row
    while runs := FORGET_KIND.wanted(now()):
        for run in runs:
            FORGET_KIND.step(run, now())


def people(of: str = "shop") -> int:
    """Those of a source, in whatever workspace."""
    with reading() as session:
        return session.scalar(select(func.count()).select_from(PersonRow).where(PersonRow.source == of)) or 0


def between(app: Flask, monkeypatch: pytest.MonkeyPatch, number: int, meanwhile: Meanwhile) -> None:
    """Have another thread do something before the transaction ``number`` of those that delete people."""
    real, begun = mirror.writing, list[int]()

    @contextmanager
    def writing_after_others() -> Iterator[Session]:
        begun.append(1)
        if len(begun) == number:
            monkeypatch.setattr(mirror, "writing", real)
            elsewhere(app, meanwhile)
            monkeypatch.setattr(mirror, "writing", writing_after_others)
        with real() as session:
            yield session

    monkeypatch.setattr(mirror, "writing", writing_after_others)


def elsewhere(app: Flask, act: Meanwhile) -> None:
    def acting() -> None:
        with app.app_context():
            act()

    thread = Thread(target=acting)
    thread.start()
    thread.join()


@pytest.mark.parametrize("number", [1, 2, 4, 7])
@GUARDED
@SQLITE
def test_who_connects_again_meanwhile_has_everybody(
    host: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, number: int, guarded: bool
) -> None:
    if not guarded:  # as it was: once, before the people
        monkeypatch.setattr(forgetting, "end_sync", lambda session, id: None)
        with writing() as session:
            session.query(SyncRow).filter(SyncRow.kind != FORGET).delete()

    def again() -> None:
        install(platform, "shop")
        pull()

    between(host, monkeypatch, number, again)
    forget()
    pull(now() + DAY)
    assert (people() == PEOPLE, state_of("shop")) == (guarded, "live")
    assert state_of("shop", FORGET) == "gone"


@GUARDED
@SQLITE
def test_a_page_that_arrives_late_is_not_stored(
    host: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """It was asked for before the uninstall, of which the run knows nothing."""
    if not guarded:
        monkeypatch.setattr(forgetting, "end_sync", lambda session, id: None)
    install(platform, "shop")
    with writing() as session:
        session.query(SyncRow).filter(SyncRow.kind != FORGET).delete()
    real = sync.pull

    def late(*asked: object) -> object:
        batch = real(*asked)  # type: ignore[arg-type]
        install(platform, "shop", state=State.UNINSTALLED)
        elsewhere(host, forget)
        return batch

    monkeypatch.setattr(sync, "pull", late)
    pull()
    assert ((people(), row_of("shop")) == (0, None)) is guarded


@GUARDED
@pytest.mark.parametrize("number", [2, 7])
@SQLITE
def test_a_worker_that_dies_in_it_leaves_it_to_be_ended(
    host: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, number: int, guarded: bool
) -> None:
    def dies() -> None:
        install(platform, "shop")
        pull()
        monkeypatch.setattr(forgetting, "end_sync", killed)

    real = forgetting.end_sync

    def killed(session: Session, id: str) -> None:
        raise KeyboardInterrupt

    between(host, monkeypatch, number, dies)
    with pytest.raises(KeyboardInterrupt):
        forget()
    monkeypatch.setattr(forgetting, "end_sync", real)
    if guarded:  # else as it was: who is there again is not looked at
        forget()
    pull()
    assert (state_of("shop", FORGET) == "gone") is guarded
    assert (people(), state_of("shop")) == (PEOPLE, "live")


@SQLITE
def test_who_comes_and_leaves_again_meanwhile_leaves_nothing(
    host: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there_and_gone() -> None:
        install(platform, "shop")
        pull()
        install(platform, "shop", state=State.UNINSTALLED)

    between(host, monkeypatch, 7, there_and_gone)
    forget()
    assert (people(), row_of("shop")) == (0, None)


@GUARDED
def test_people_who_are_moved_meanwhile_are_found(
    host: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Two workspaces become one: the people are moved first, and only then the installation."""
    install(platform, "other", workspace="w2")

    def moved() -> None:
        mirror.move("ws", "w2")
        if not guarded:
            with writing() as session:
                session.get_one(SyncRow, ("shop", FORGET)).workspace_id = "ws"

    between(host, monkeypatch, 3, moved)
    forget()
    merging.merge("ws", "w2")
    assert ((people(), mirror.count("w2", "shop")) == (0, 0)) is guarded
    assert state_of("shop", FORGET) == "gone"


@SQLITE
def test_what_was_forgotten_once_is_forgotten_when_it_is_removed(host: Flask, platform: Platform) -> None:
    forget()
    install(platform, "shop")
    pull()
    with writing() as session:
        session.query(InstallationRow).delete()
    forget()
    assert (people(), row_of("shop"), row_of("shop", FORGET)) == (0, None, None)
