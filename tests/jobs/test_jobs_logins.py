"""Failed logins, counted at a platform that shuts us out after five: it meets no more than the three of the budget."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, event, select

from app.core.database import PACE, db, reading, writing
from app.jobs import entrance, logins
from app.jobs.entrance import Entrance, Held
from app.jobs.logins import LoginRow
from app.people import asking
from app.people.sync import Pulling
from tests.jobs import careless_worker, host
from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in, install, row_of, state_of, wait_for, working
from tests.postgres import new_database

BUDGET, LOCKED_OUT = 3, 5
KIND = Pulling()
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DEAD = [f"dead{number}" for number in range(12)]


@dataclass
class Locking:
    """Refuses the logins of shops whose name begins with "dead"; after five of them it lets nobody in."""

    refused: list[str] = field(default_factory=list)
    shut_out: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, shop: str, action: str) -> tuple[int, dict[str, str]] | None:
        with self.lock:
            if len(self.refused) >= LOCKED_OUT:
                self.shut_out += 1
                return 403, {}
            if shop.startswith("dead"):
                self.refused.append(shop)
                return 401, {}
        return None


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Each of its answers takes as long as everybody needs to come to the door."""
    with serving_platform(Platform(people=10, delay=0.2, trouble=Locking())) as served:
        yield served


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake shop's platform stands three failed logins an hour."""
    shutil.copytree(host.CONNECTORS, tmp_path / "connectors")
    manifest = tmp_path / "connectors" / "fakeshop" / "connector.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("= 1000", f"= {BUDGET}"), "utf-8")
    monkeypatch.setattr(host, "CONNECTORS", tmp_path / "connectors")


@pytest.fixture(params=["sqlite", "postgresql"])
def shops(request: pytest.FixtureRequest, strict: None, platform: Platform, tmp_path: Path) -> Iterator[Flask]:
    """A host on each database."""
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    with host_in(tmp_path / "instance", platform, database) as app:
        yield app


SQLITE = pytest.mark.parametrize("shops", ["sqlite"], indirect=True)


def refused(platform: Platform) -> int:
    assert isinstance(platform.trouble, Locking)
    return len(platform.trouble.refused)


def now() -> datetime:
    return datetime.now(UTC)


def careful(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is."""


def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted afterwards."""
    monkeypatch.setattr(Entrance, "attempt", careless_worker.attempt)


def together(app: Flask, *acts: Callable[[], object]) -> None:
    """All at once, each in a thread."""

    def one(act: Callable[[], object]) -> None:
        with app.app_context():
            act()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(one, acts))


@pytest.mark.parametrize(
    ("worker", "exact"),
    [pytest.param(host.WORKER, True, id="guarded"), pytest.param(Path(careless_worker.__file__), False, id="control")],
)
def test_two_workers_and_many_dead_shops(
    strict: None, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: Path, exact: bool
) -> None:
    """As after a restart: all are due at once, and nobody was seen alive."""
    platform.delay = 1.0
    monkeypatch.setattr(host, "WORKER", worker)
    with host_in(tmp_path / "instance", platform):
        install(platform, *DEAD)
        with working(tmp_path / "instance", 2):
            wait_for(lambda: refused(platform) >= (BUDGET if exact else LOCKED_OUT))
            time.sleep(1.0)  # for more, if there are more
    assert isinstance(platform.trouble, Locking)
    assert (refused(platform), platform.trouble.shut_out) == (BUDGET, 0) if exact else refused(platform) == LOCKED_OUT


@pytest.mark.parametrize(
    ("build", "exact"), [pytest.param(careful, True, id="guarded"), pytest.param(careless, False, id="control")]
)
def test_dead_shops_in_parallel_and_a_search_beside_them(
    shops: Flask, platform: Platform, monkeypatch: pytest.MonkeyPatch, build: Callable[..., None], exact: bool
) -> None:
    build(monkeypatch)
    install(platform, *DEAD)
    KIND.wanted(now())
    steps = [partial(KIND.step, run, now()) for run in KIND.wanted(now())]
    together(shops, *steps, lambda: asking.candidates("ws", "marie"))
    assert (refused(platform) == BUDGET) == exact
    if exact:
        assert logins.spent(now()) == {"fakeshop": BUDGET}
        assert KIND.wanted(now()) == []
        waiting = [row for shop in DEAD if (row := row_of(shop)) and not row.refusals]
        assert {(row.failures, row.reason) for row in waiting} <= {(0, "logins_spent"), (0, "")}


@SQLITE
def test_who_lives_gets_in_beside_the_dead(shops: Flask, platform: Platform) -> None:
    """Two have failed and one may: one at a time shows that it lives, and nobody waits for the hour."""
    logins.note("fakeshop", BUDGET - 1, now())
    living = [f"lives{number}" for number in range(6)]
    install(platform, *living)
    KIND.wanted(now())
    for turn in range(10):
        later = now() + turn * 4 * timedelta(seconds=1)
        steps = [partial(KIND.step, run, later) for run in KIND.wanted(later)]
        if not all(state_of(shop) == "live" for shop in living):
            together(shops, *steps)
    assert {state_of(shop) for shop in living} == {"live"}
    assert logins.spent(now()) == {"fakeshop": BUDGET - 1}


# What it costs


def statements(act: Callable[[], object]) -> list[str]:
    """What the act has the table of logins do."""
    heard: list[str] = []

    def hear(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if " login" in statement:
            heard.append(statement.split()[0])

    event.listen(db.engines[PACE], "before_cursor_execute", hear)
    try:
        act()
    finally:
        event.remove(db.engines[PACE], "before_cursor_execute", hear)
    return heard


def entered(shop: str = "lives", since: datetime | None = None, status: int = 200, calls: int = 1) -> Entrance:
    """A turn with so many calls that are answered alike."""
    one = Entrance("fakeshop", shop, now(), 10.0, since=since or now() - HOUR)
    for _ in range(calls):
        with one.attempt(time.time() + 0.2) as answer:
            answer.status = status
    return one


@SQLITE
def test_who_was_seen_alive_costs_one_look_a_turn(shops: Flask) -> None:
    assert statements(entered).count("INSERT") == 1
    assert statements(lambda: entered(calls=20)) == ["SELECT"]


@SQLITE
def test_trust_ends_with_time_with_new_credentials_and_with_a_failure_of_anybody(
    shops: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered()
    assert "INSERT" not in statements(entered)
    assert "INSERT" in statements(lambda: entered(since=now())), "new credentials"
    entered("dead", status=401)
    assert "INSERT" in statements(entered), "a failure"
    assert "INSERT" not in statements(entered), "seen alive since"
    monkeypatch.setattr(entrance, "TRUSTED", timedelta(0))
    assert "INSERT" in statements(entered), "too long ago"


@SQLITE
def test_other_workers_failures_end_the_trust_at_the_next_turn(shops: Flask) -> None:
    entered()
    logins.note("fakeshop", 1, now())
    assert "INSERT" in statements(entered)


@SQLITE
@pytest.mark.parametrize("status", [0, 200, 403, 404, 429, 500])
def test_a_place_is_given_back_whatever_else_is_answered(shops: Flask, status: int) -> None:
    entered(status=status, calls=2 * BUDGET)
    with reading() as session:
        assert session.scalars(select(LoginRow.id)).all() == []


@SQLITE
def test_a_turn_under_way_goes_no_further_once_another_was_refused(shops: Flask) -> None:
    first = entered()
    entered(status=401)
    with pytest.raises(Held), first.attempt(time.time() + 1):
        pytest.fail("a second login with credentials that were refused")


# A death


def left_behind(shop: str, moment: datetime) -> int:
    """The place of a login whose process died; its time is over at ``moment``."""
    place = logins.take("fakeshop", shop, BUDGET, moment - MINUTE, moment)
    assert place is not None
    return place


def test_what_a_death_left_counts_and_its_own_shop_gets_in_once_more(shops: Flask) -> None:
    at = now()
    for number in range(BUDGET):
        left_behind(f"cut{number}", at)
    assert logins.take("fakeshop", "other", BUDGET, at, at + MINUTE) is None
    place = logins.take("fakeshop", "cut0", BUDGET, at, at + MINUTE)
    assert place is not None
    assert logins.take("fakeshop", "cut1", BUDGET, at, at + MINUTE) is None, "four at the most"
    logins.forgive("cut0", [place], at)
    assert logins.take("fakeshop", "other", BUDGET, at, at + MINUTE) is not None


def test_what_a_death_left_is_over_with_the_hour(shops: Flask) -> None:
    at = now()
    for number in range(BUDGET):
        left_behind(f"cut{number}", at)
    assert logins.held(at) == set(), "who was seen alive is let in"
    assert logins.take("fakeshop", "other", BUDGET, at + 58 * MINUTE, at + HOUR) is None
    assert logins.take("fakeshop", "other", BUDGET, at + HOUR, at + 2 * HOUR) is not None


def test_one_shops_logins_that_may_fail_are_made_one_after_the_other(shops: Flask) -> None:
    at = now()
    place = logins.take("fakeshop", "shop", BUDGET, at, at + MINUTE)
    assert place is not None
    assert logins.take("fakeshop", "shop", BUDGET, at, at + MINUTE) is None
    logins.leave([place])
    assert logins.take("fakeshop", "shop", BUDGET, at, at + MINUTE) is not None


def test_a_spent_budget_says_when_there_is_room_again(shops: Flask) -> None:
    at = now()
    for number in range(BUDGET):
        logins.note("fakeshop", 1, at - number * MINUTE)
    with pytest.raises(Held) as caught:
        entered()
    assert caught.value.at == at - (BUDGET - 1) * MINUTE + HOUR
    with writing() as session:
        session.execute(delete(LoginRow))
    entered()
