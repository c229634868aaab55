"""Pull, step by step, against a platform that answers over HTTP; time is passed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import Connection, event, update
from sqlalchemy.exc import OperationalError

from app.core.database import MIRROR, db, is_busy, writing
from app.core.models import InstallationRow
from app.core.outbound import BODY_CAP, Outgate
from app.jobs import logins, spread
from app.jobs.trials import MOST_DEATHS
from app.people import ahead, asking, mirror, pile, sync, turns
from app.people.directory import PeopleDirectory
from app.people.forgetting import Forgetting
from app.people.sync import POLL, Pulling, joined
from app.people.sync_state import SyncRow, progress, want
from app.sdk import Batch, LoginRefused, Person, State, Stopped, UpstreamFailed
from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in, install, row_of, state_of, wait_for
from tests.postgres import new_database

KIND = Pulling()
SECOND = timedelta(seconds=1)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving_platform(Platform(people=30)) as served:
        yield served


@pytest.fixture(params=["sqlite", "postgresql"])
def shops(request: pytest.FixtureRequest, platform: Platform, tmp_path: Path) -> Iterator[Flask]:
    """A host on each database, with the shop ``shop``."""
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    with host_in(tmp_path / "instance", platform, database) as app:
        install(platform, "shop")
        yield app


@pytest.fixture(autouse=True)
def a_page_a_step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page by itself, so that a test may stop between two; but for tests of several pages."""
    if "several_pages" not in request.node.name:
        monkeypatch.setattr(sync, "GO_ON_SECONDS", 0.0)


SQLITE = pytest.mark.parametrize("shops", ["sqlite"], indirect=True)


def now() -> datetime:
    return datetime.now(UTC)


def pulled(steps: int = 1, at: datetime | None = None) -> list[bool]:
    """So many steps of the run that is due."""
    (run,) = KIND.wanted(at or now()) or KIND.wanted(at or now())
    return [KIND.step(run, at or now()) for _ in range(steps)]


def held(shop: str = "shop") -> SyncRow:
    row = row_of(shop)
    assert row is not None
    return row


def test_page_by_page_until_it_is_live(shops: Flask, platform: Platform) -> None:
    assert pulled() == [True]
    assert (held().state, held().cursor, mirror.count("ws", "shop")) == ("first", "10", 10)
    assert progress("shop").text == "first sync 33 %"
    assert pulled(2) == [True, False]
    assert (held().state, held().cursor, mirror.count("ws", "shop")) == ("live", "30", 30)
    assert progress("shop", now()).text.startswith("live since ")
    assert [call.cursor for call in platform.of("shop")] == ["", "10", "20"]
    assert [hit.name for hit in PeopleDirectory("ws").search("person 29")] == ["Person 29"]


def test_the_same_run_has_the_same_name_until_it_is_over(shops: Flask) -> None:
    KIND.wanted(now())
    first, again = KIND.wanted(now()), KIND.wanted(now())
    assert first == again
    pulled(3)
    (later,) = KIND.wanted(now() + POLL)
    assert later.id != first[0].id
    KIND.over(later, "", now())
    assert KIND.wanted(now() + POLL)[0].id != later.id


@SQLITE
def test_live_shops_are_polled_each_at_its_own_moment(shops: Flask) -> None:
    pulled(3)
    assert KIND.wanted(now()) == []
    at = held().next_at
    assert at is not None
    assert at - now() <= POLL
    pulled(1, at)
    assert held().next_at == at + POLL
    moments = {spread.phase(f"shop{number}", POLL) // (POLL / 10) for number in range(300)}
    assert moments == set(range(10))


@SQLITE
def test_a_run_that_was_overtaken_stores_nothing(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled()
    (run,) = KIND.wanted(now())
    real = sync.pull

    def slow(turn: turns.Turn, cursor: str, at: datetime) -> Batch:
        batch = real(turn, cursor, at)
        monkeypatch.setattr(sync, "pull", real)
        assert KIND.step(run, at) is True  # another worker does the same step meanwhile
        return Batch(people=[Person("stray", "Stray")], cursor=batch.cursor, more=True)

    monkeypatch.setattr(sync, "pull", slow)
    assert KIND.step(run, now()) is False
    assert (held().cursor, mirror.count("ws", "shop")) == ("20", 20)


@SQLITE
def test_without_that_guard_a_stray_page_would_be_stored(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled()
    monkeypatch.setattr(turns, "change", lambda session, turn, **values: None)
    stray = Batch(people=[Person("stray", "Stray")], cursor="x", more=True)
    monkeypatch.setattr(sync, "pull", lambda turn, cursor, at: stray)
    pulled()
    assert mirror.count("ws", "shop") == 11


@SQLITE
def test_a_cursor_and_its_page_commit_together(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("app.people.pushing.mark", broken)
    assert pulled() == [False]
    assert (held().cursor, held().failures, mirror.count("ws", "shop")) == ("", 1, 0)


def test_several_pages_are_one_step(shops: Flask, platform: Platform) -> None:
    platform.people = 75
    assert pulled() == [False]
    assert (held().cursor, held().state, mirror.count("ws", "shop")) == ("75", "live", 75)
    assert [call.cursor for call in platform.of("shop")] == ["", "10", "20", "30", "40", "50", "60", "70"]


@SQLITE
@pytest.mark.parametrize(("merge", "found"), [(pile.merge, 1), (lambda: None, 0)], ids=["guarded", "control"])
@pytest.mark.parametrize("fails", [False, True], ids=["a page", "a page before a failure, several_pages"])
def test_whom_a_step_brought_is_found_after_it(
    shops: Flask,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
    merge: Callable[[], None],
    found: int,
) -> None:
    monkeypatch.setattr(pile, "merge", merge)
    platform.trouble = lambda shop, action: (500, {}) if fails and platform.of("shop") else None
    assert pulled() == [not fails]
    assert (held().cursor, mirror.count("ws", "shop")) == ("10", 10)
    assert len(PeopleDirectory("ws").search("person 9")) == found


@SQLITE
def test_of_several_pages_none_is_begun_when_the_step_has_lasted_long_enough(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.delay = 0.3
    monkeypatch.setattr(sync, "GO_ON_SECONDS", 0.4)
    assert pulled() == [True]
    assert [call.cursor for call in platform.of("shop")] == ["", "10"]
    assert (held().cursor, held().state) == ("20", "first")


@SQLITE
def test_of_several_pages_those_before_a_failure_are_stored_and_it_counts_once(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.trouble = lambda shop, action: (500, {}) if len(platform.of("shop")) == 2 else None
    assert pulled() == [False]
    assert (held().cursor, held().failures, held().reason) == ("20", 1, "status_500")
    assert mirror.count("ws", "shop") == 20
    assert pulled(1, now() + timedelta(minutes=1)) == [False]
    assert [call.cursor for call in platform.of("shop")] == ["", "10", "20", "20"]
    assert (held().failures, held().state, mirror.count("ws", "shop")) == (0, "live", 30)


@SQLITE
@pytest.mark.parametrize(("busy", "stored"), [(3, 30), (4, 0)], ids=["for-some-time", "for-too-long"])
def test_of_several_pages_those_in_hand_wait_while_the_database_is_busy(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, busy: int, stored: int
) -> None:
    real, left = mirror.apply, iter(range(busy))

    def apply(*page: object, **how: object) -> mirror.Stored:
        if next(left, None) is not None:
            raise OperationalError("BEGIN IMMEDIATE", None, TimeoutError())
        return real(*page, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(mirror, "apply", apply)
    pulled()
    assert (mirror.count("ws", "shop"), held().failures) == (stored, 0)
    assert ("; our own database is busy, again at " in progress("shop").text) == (not stored)
    assert len({call.cursor for call in platform.of("shop")}) == len(platform.of("shop"))


def is_ours(error: Exception) -> bool:
    return isinstance(error, OperationalError)


@pytest.mark.parametrize(("rule", "counts"), [(is_busy, True), (is_ours, False)], ids=["guarded", "control"])
@SQLITE
def test_of_several_pages_none_comes_while_the_disk_is_full_and_it_is_told(
    shops: Flask, monkeypatch: pytest.MonkeyPatch, rule: Callable[[Exception], bool], counts: bool
) -> None:
    monkeypatch.setattr("app.jobs.trials.is_busy", rule)
    at = now()
    with full_disk():
        for _ in range(6):
            pulled(1, at)
            at = held().next_at or at
    assert (held().failures, held().state) == (6 * counts, "waiting")
    assert ("; our own database failed: SQLITE_FULL, again at " in progress("shop").text) == counts
    pulled(1, at)
    assert (held().failures, held().reason, mirror.count("ws", "shop")) == (0, "", 30)


@contextmanager
def full_disk() -> Iterator[None]:
    """The mirror's file may not grow meanwhile."""
    engine = db.engines[MIRROR]

    def begin(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "begin", begin)
    yield
    event.remove(engine, "begin", begin)
    engine.dispose()


def back_again(turn: turns.Turn, cursor: str, at: datetime) -> Batch:
    """A customer who is deleted on one page and there again on the next."""
    if not cursor:
        return Batch(people=[Person("1", "Jan")], gone=["1"], cursor="a", more=True)
    return Batch(people=[Person("1", "Jan")], cursor="b", live=True)


@SQLITE
def test_of_several_pages_none_is_joined_to_one_that_deletes(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "pull", back_again)
    assert pulled() == [False]
    assert mirror.count("ws", "shop") == 1


@SQLITE
def test_several_pages_joined_whatever_they_delete_are_noticed(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "joined", lambda pages: replace(joined(pages), gone=[*chain(*(p.gone for p in pages))]))
    monkeypatch.setattr(ahead, "may_be_joined", lambda page: time.sleep(0.3) or True)  # the next one has come by then
    monkeypatch.setattr(sync, "pull", back_again)
    assert pulled() == [False]
    assert mirror.count("ws", "shop") == 0


@SQLITE
def test_a_failure_waits_and_goes_on_at_its_cursor(shops: Flask, platform: Platform) -> None:
    pulled()
    platform.trouble = lambda shop, action: (500, {})
    assert pulled() == [False]
    assert (held().failures, held().reason, held().state) == (1, "status_500", "first")
    assert "status_500, again at" in progress("shop").text
    assert KIND.wanted(now()) == []
    platform.trouble = lambda shop, action: None
    later = now() + timedelta(minutes=1)
    assert [run.queue for run in KIND.wanted(later)] == ["fakeshop~again"]
    assert pulled(1, later) == [True]
    assert [run.queue for run in KIND.wanted(later)] == ["fakeshop"]
    assert pulled(1, later) == [False]
    assert [call.cursor for call in platform.of("shop")] == ["", "10", "10", "20"]
    assert (held().failures, held().reason) == (0, "")


@pytest.mark.parametrize("header", ["600", "date"])
@SQLITE
def test_later_is_obeyed(shops: Flask, platform: Platform, header: str) -> None:
    named = f"{now() + timedelta(seconds=600):%a, %d %b %Y %H:%M:%S GMT}" if header == "date" else header
    platform.trouble = lambda shop, action: (429, {"Retry-After": named})
    pulled()
    at = held().next_at
    assert at is not None
    assert abs(at - now() - timedelta(seconds=600)) < timedelta(seconds=10)


@SQLITE
def test_two_401_are_the_last(shops: Flask, platform: Platform) -> None:
    platform.trouble = lambda shop, action: (401, {})
    pulled()
    assert held().state == "waiting"
    pulled(1, now() + timedelta(hours=1))
    assert held().state == "stopped"
    assert "401 twice" in progress("shop").text
    assert KIND.wanted(now() + timedelta(days=99)) == []
    assert len(platform.of("shop")) == 2
    # Asked for by a person, or connected again, it gets another chance.
    assert want("shop")
    assert held().state == "waiting"
    assert len(KIND.wanted(now())) == 1


@pytest.mark.parametrize(("raised", "state"), [(LoginRefused, "waiting"), (Stopped, "stopped")], ids=["refused", "no"])
@SQLITE
def test_a_refusal_without_a_401_counts_as_one(
    shops: Flask, monkeypatch: pytest.MonkeyPatch, raised: type[Stopped], state: str
) -> None:
    """RetailCRM says "Wrong apiKey value" with another status; what is no matter of the login ends it at once."""

    def refused(turn: turns.Turn, cursor: str, at: datetime) -> Batch:
        raise raised("wrong_key")

    monkeypatch.setattr(sync, "pull", refused)
    pulled()
    assert (held().state, held().refusals) == (state, int(raised is LoginRefused))


@SQLITE
def test_a_connector_with_too_many_failed_logins_waits_as_a_whole(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "budget", lambda connector: 3)
    install(platform, *(f"dead{number}" for number in range(6)))
    platform.trouble = lambda shop, action: (401, {})
    KIND.wanted(now())
    for run in KIND.wanted(now()):
        KIND.step(run, now())
    assert len(platform.calls) == 3
    assert KIND.wanted(now()) == []


@SQLITE
def test_connected_again_after_it_stopped(shops: Flask, platform: Platform) -> None:
    platform.trouble = lambda shop, action: (403, {})
    pulled()
    assert state_of("shop") == "stopped"
    assert KIND.wanted(now()) == []
    install(platform, "shop")
    KIND.wanted(now())
    assert len(KIND.wanted(now())) == 1


@SQLITE
def test_poison_is_stopped_with_its_cause_and_others_go_on(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(platform, "poison")
    real = sync.pull

    def poisoned(turn: turns.Turn, cursor: str, at: datetime) -> Batch:
        if turn.installation.id == "poison":
            raise KeyError("secret")
        return real(turn, cursor, at)

    monkeypatch.setattr(sync, "pull", poisoned)
    KIND.wanted(now())
    for number in range(20):
        at = now() + number * timedelta(hours=2)
        for run in KIND.wanted(at):
            KIND.step(run, at)
    assert progress("poison").text == "stopped because it failed 5 times, last with KeyError"
    assert state_of("shop") == "live"


@SQLITE
def test_a_cursor_that_stands_still_is_no_endless_loop(shops: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    connector = turns.services().registry.find("fakeshop")
    assert connector is not None
    monkeypatch.setattr(type(connector), "call", lambda self, hook, **rest: Batch(cursor=rest["cursor"], more=True))
    assert pulled() == [False]
    assert held().failures == 1


@SQLITE
def test_a_run_that_kills_its_workers_comes_back_alone_and_is_stopped(shops: Flask) -> None:
    KIND.wanted(now())
    at = now()
    for death in range(1, MOST_DEATHS):
        (run,) = KIND.wanted(at)
        KIND.lost(run, at)
        # From the second on, the engine's own going on with it finds that it has another turn.
        assert (KIND.wanted(at) == []) == (death > 1)
        assert KIND.step(run, at) is False if death > 1 else True
        at = held().next_at or at
    assert held().state == "waiting"
    KIND.lost(KIND.wanted(at)[0], at)
    assert (held().state, held().failures) == ("stopped", MOST_DEATHS)


@SQLITE
def test_a_run_whose_workers_died_gets_on_and_is_forgiven(shops: Flask) -> None:
    KIND.wanted(now())
    for _ in range(3):
        KIND.lost(KIND.wanted(held().next_at)[0], held().next_at or now())
    assert KIND.step(KIND.wanted(held().next_at)[0], held().next_at or now()) is True
    assert (held().failures, held().reason, mirror.count("ws", "shop")) == (0, "", 10)


@pytest.mark.parametrize("state", [State.PAUSED, State.UNINSTALLING, State.UNINSTALLED, State.PENDING])
@SQLITE
def test_only_active_installations_are_asked(shops: Flask, platform: Platform, state: State) -> None:
    KIND.wanted(now())
    (run,) = KIND.wanted(now())
    install(platform, "shop", state=state)
    assert KIND.wanted(now()) == []
    assert KIND.step(run, now()) is False
    assert platform.calls == []


def test_a_lost_mirror_begins_anew(shops: Flask, platform: Platform) -> None:
    pulled(3)
    mirror.forget("ws")
    with writing() as session:
        session.query(SyncRow).delete()
    pulled(3)
    assert mirror.count("ws", "shop") == 30


def test_uninstalled_everything_goes_and_comes_back_with_it(shops: Flask, platform: Platform) -> None:
    pulled(3)
    install(platform, "shop", state=State.UNINSTALLED)
    forgetting = Forgetting()
    forgetting.wanted(now())
    (run,) = forgetting.wanted(now())
    forgetting.step(run, now())
    assert (mirror.count("ws", "shop"), row_of("shop"), state_of("shop", "forget")) == (0, None, "gone")
    assert forgetting.wanted(now()) == []
    install(platform, "shop")
    pulled(3)
    assert mirror.count("ws", "shop") == 30
    install(platform, "shop", state=State.UNINSTALLED)
    forgetting.wanted(now())
    assert len(forgetting.wanted(now())) == 1


@SQLITE
def test_an_installation_that_was_removed_is_forgotten(shops: Flask) -> None:
    pulled()
    with writing() as session:
        session.query(InstallationRow).delete()
    forgetting = Forgetting()
    forgetting.wanted(now())
    (run,) = forgetting.wanted(now())
    forgetting.step(run, now())
    assert (mirror.count("ws", "shop"), row_of("shop"), row_of("shop", "forget")) == (0, None, None)
    assert forgetting.wanted(now()) == []


# Large pages


@SQLITE
@pytest.mark.parametrize(
    ("largest", "reason", "people"),
    [(turns.LARGEST_ANSWER, "", 1), (BODY_CAP, "too_large", 0)],
    ids=["guarded", "control"],
)
def test_a_page_of_long_orders_is_read_by_the_worker(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, largest: int, reason: str, people: int
) -> None:
    real = turns.to_turn
    monkeypatch.setattr(turns, "to_turn", lambda *given: real(*given, largest=largest))
    person = {"external_id": "1", "name": "Jan", "note": "x" * (BODY_CAP + 1)}
    page = {"people": [person], "cursor": "1", "more": False, "live": True}
    monkeypatch.setattr(Platform, "page", lambda self, start: page)
    pulled()
    assert (held().reason, mirror.count("ws", "shop")) == (reason, people)


# A shop that is elsewhere


def going(platform: Platform, monkeypatch: pytest.MonkeyPatch, *ways: str) -> None:
    """Each of these addresses says that the shop is at the next one, the last at the first; another gives a page."""
    real = sync.pull

    def pull(turn: turns.Turn, cursor: str, at: datetime) -> Batch:
        name = turn.installation.address.removeprefix(f"{platform.address}/")
        if name not in ways:
            return real(turn, cursor, at)
        after = ways[(ways.index(name) + 1) % len(ways)]
        return Batch(cursor=cursor, more=True, moved=f"{platform.address}/{after}")

    monkeypatch.setattr(sync, "pull", pull)


@pytest.mark.parametrize(("most", "steps"), [(3, 4), (10**6, 50)], ids=["guarded", "control"])
def test_two_addresses_that_name_each_other_end_in_a_failure(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, most: int, steps: int
) -> None:
    monkeypatch.setattr(sync, "MOST_MOVES", most)
    going(platform, monkeypatch, "shop", "other")
    KIND.wanted(now())
    (run,) = KIND.wanted(now())
    taken = 1
    while KIND.step(run, now()) and taken < 50:
        taken += 1
    assert taken == steps
    failed = (1, "moves_on", []) if most == 3 else (0, "", [run])
    assert (held().failures, held().reason, KIND.wanted(now())) == failed


@SQLITE
def test_a_shop_that_moved_is_followed_and_counted_anew_after_each_page(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = iter(["a", "b", "c", "", "d", "e", "f", ""])
    real = sync.pull

    def pull(turn: turns.Turn, cursor: str, at: datetime) -> Batch:
        after = next(addresses, "")
        return Batch(cursor=cursor, more=True, moved=f"{platform.address}/{after}") if after else real(turn, cursor, at)

    monkeypatch.setattr(sync, "pull", pull)
    assert pulled(9) == [True] * 8 + [False]
    assert (held().failures, held().moves, mirror.count("ws", "shop")) == (0, 0, 30)
    assert [call.cursor for call in platform.of("c") + platform.of("f")] == ["", "10", "20"]


# Asking the platforms


def test_while_the_first_pass_is_under_way_the_platform_is_asked(shops: Flask, platform: Platform) -> None:
    pulled()
    assert [person.name for person in asking.candidates("ws", "marie")] == ["Looked Up marie"]
    assert [hit.name for hit in PeopleDirectory("ws").search("looked")] == ["Looked Up marie"]
    assert held().cursor == "10"
    pulled(2)
    assert asking.candidates("ws", "marie") == []
    assert len(platform.of("shop", "lookup")) == 1


@SQLITE
def test_nobody_is_asked_for_nothing_or_by_another_workspace(shops: Flask, platform: Platform) -> None:
    pulled()
    assert asking.candidates("ws", " ") == asking.candidates("other", "marie") == []
    assert platform.of("shop", "lookup") == []


@SQLITE
def test_a_platform_that_hangs_or_fails_brings_nobody(shops: Flask, platform: Platform) -> None:
    pulled()
    platform.trouble = lambda shop, action: (500, {})
    assert asking.candidates("ws", "marie") == []
    platform.trouble, platform.delay = lambda shop, action: None, 3.0
    began = datetime.now(UTC)
    assert asking.candidates("ws", "marie") == []
    # The platform would take 3 seconds: not to wait for it is what is asked.
    assert datetime.now(UTC) - began < 3 * SECOND


@SQLITE
@pytest.mark.parametrize(("seconds", "found"), [(asking.SECONDS, 0), (60.0, 1)], ids=["guarded", "control"])
def test_a_mirror_that_is_busy_does_not_keep_a_search_waiting(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, seconds: float, found: int
) -> None:
    """Whoever came in time but is not stored in time is found by the next search."""
    pulled()
    monkeypatch.setattr(asking, "SECONDS", seconds)
    real, free, stores = mirror.apply, Event(), list[int]()

    def apply(*page: object) -> mirror.Stored:
        free.wait(asking.SECONDS * 4 if not found else 2)  # others write
        stores.append(1)
        return real(*page)  # type: ignore[arg-type]

    monkeypatch.setattr(mirror, "apply", apply)
    assert (len(asking.candidates("ws", "marie")), len(stores)) == (found, found)
    free.set()
    wait_for(lambda: PeopleDirectory("ws").search("looked"))


@SQLITE
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_shops_that_hang_in_a_search_keep_no_install_waiting(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """In a process that has but one thread for the calls of installs."""
    pulled()
    monkeypatch.setattr("app.core.outbound.THREADS", 1)
    gate = Outgate([platform.address.removeprefix("http://")])
    monkeypatch.setattr(turns.services(), "outgate", gate)
    if not guarded:
        within = gate.within
        monkeypatch.setattr(gate, "within", lambda seconds, **limits: within(seconds))
    asked, answered = Event(), Event()

    def hangs(shop: str, action: str) -> None:
        if action == "lookup":
            asked.set()
            answered.wait(10)

    platform.trouble = hangs
    with ThreadPoolExecutor(1) as agent:
        agent.submit(in_context, shops, lambda: asking.candidates("ws", "marie"))
        assert asked.wait(10)
        reached = True
        try:
            gate.within(0.5 if not guarded else 5.0).request("GET", f"{platform.address}/other/page")
        except UpstreamFailed:
            reached = False
        answered.set()
    assert reached is guarded


def in_context(app: Flask, act: Callable[[], object]) -> None:
    with app.app_context():
        act()


@SQLITE
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_who_comes_after_the_shop_was_forgotten_is_not_stored(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    pulled()
    (turn,) = asking.askable("ws", now())
    if guarded:
        with writing() as session:
            session.query(SyncRow).delete()
    mirror.forget("ws", "shop")
    assert len(asking.ask(shops, turn, "marie")) == mirror.count("ws", "shop") == (0 if guarded else 1)


@SQLITE
def test_a_refused_lookup_is_not_repeated_with_every_search(shops: Flask, platform: Platform) -> None:
    pulled()
    platform.trouble = lambda shop, action: (401, {})
    for _ in range(5):
        assert asking.candidates("ws", "marie") == []
    assert len(platform.of("shop", "lookup")) == 1
    assert held().refusals == 1


def test_want_asks_for_a_sync_now(shops: Flask) -> None:
    assert want("shop") is False
    pulled(3)
    with writing() as session:
        session.execute(update(SyncRow).values(next_at=now() + timedelta(hours=9)))
    assert KIND.wanted(now()) == []
    assert want("shop") is True
    assert len(KIND.wanted(now())) == 1


def test_one_that_never_had_its_turn_waits(shops: Flask) -> None:
    assert (progress("shop").state, progress("shop").text, progress("shop").live_since) == ("waiting", "waiting", None)
