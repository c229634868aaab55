"""What a search costs among 10,000 and 1,000,000 people, in one workspace and over 1,000, on every database.

``make bench SEARCH=1`` prints a table for each database; ``QUICK=1`` takes a smaller crowd. The first size is measured
in a database that holds nothing else, and again in rounds that alternate with the others when everything is there.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from crowd import Crowd, check, fill  # noqa: E402 - the paths come first

from app.core import database, migrate  # noqa: E402
from app.core.database import MIRROR, db  # noqa: E402
from app.people import mirror  # noqa: E402
from app.people.directory import PeopleDirectory  # noqa: E402
from app.people.text import fold  # noqa: E402
from tests import postgres  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
FEW = 2_000 if QUICK else 10_000
MANY = 20_000 if QUICK else 1_000_000
WORKSPACES = 100 if QUICK else 1_000
# People in a workspace of each crowd.
SIZES = {"small": FEW, "large": MANY, "spread": MANY // WORKSPACES}
ROUNDS = 5
REPEATS = 8 if QUICK else 50
PEOPLE_STORED = 1_000 if QUICK else 5_000
CROWD = Crowd()


def surname(people: int, many: int) -> str:
    """A surname that about so ``many`` of the people have."""
    place = round(people / (many * CROWD.weights[len(CROWD.last)][-1])) - 8
    return fold(CROWD.last[min(max(place, 0), len(CROWD.last) - 1)])


def queries(people: int) -> dict[str, list[str]]:
    """What is asked of a workspace with so many people: what is rare there is another word in each.

    The same rare word finds one person among few people and fills a page among many: the last class says what that
    costs, and words that seldom meet are looked for in vain in the best part of their lists.
    """
    rare, rarer, rarest = (surname(people, many) for many in (9, 8, 7))
    pageful = [surname(people, many) for many in (60, 45, 30)]
    return {
        "1 common letter": ["n", "j", "s", "k"],
        "1 common beginning": ["no", "nov", "jan", "mar", "svob", "novak", "sezna", "420", "gmai"],
        "1 common word": ["jan", "novák", "petr", "seznam", "svobodová"],
        "1 rare": [rare, rarer, rarest[:-1], f"+420 777 {'123' if people > 100_000 else '1'}", "zzz"],
        "1 that a page of people have": pageful,
        "2 common": ["jan nov", "j n", "petr svo", "nov jan", "jan novák", "mar dvo", "jana novák", "seznam jan"],
        "2 common and rare": [f"jan {rare}", f"j {rarer}", f"{rarest[:-1]} seznam", "zzz jan"],
        "2 that a page of people have": [f"j {surname(people, many)}" for many in (150, 130, 110)],
        "2 that nobody has": ["nov svob", "dvořák procház", "jana petra", "jan pavel"],
        "3 words": ["jan nov sez", "j n s", "jan novák gmail", "petr svo 420", "xen nov cz", "nov svob jan"],
        "2 that seldom meet": ["te kopk", "krad mi", "kuce zo", "x novak", "novak 777", "jos la", "jan pozal"],
    }


KINDS = list(queries(MANY))


def say(text: str) -> None:
    """A line for whoever started it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def host(url: str) -> Iterator[Flask]:
    """A host with nothing but the databases, up to date."""
    app = Flask("bench")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    database.init_app(app)
    with app.app_context():
        migrate.migrate()
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def timed(workspaces: list[str], asked: list[str]) -> list[float]:
    """Milliseconds of every search, after one round that warms up."""
    taken = []
    for place in range(REPEATS + 1):
        directory = PeopleDirectory(workspaces[place * 7919 % len(workspaces)])
        for query in asked:
            started = time.perf_counter()
            directory.search(query)
            taken.append((time.perf_counter() - started) * 1000)
    return taken[len(asked) :]


Times = dict[str, tuple[float, float]]  # p50 and p99 in ms of every class


def measured(crowds: dict[str, list[str]]) -> list[dict[str, Times]]:
    """Rounds in each of which all crowds take turns, class by class: what disturbs one disturbs the others."""
    rounds: list[dict[str, Times]] = []
    for _ in range(ROUNDS):
        rounds.append({name: {} for name in crowds})
        for kind in KINDS:
            for name, workspaces in crowds.items():
                taken = sorted(timed(workspaces, queries(SIZES[name])[kind]))
                rounds[-1][name][kind] = statistics.median(taken), taken[int(len(taken) * 0.99)]
    return rounds


def median_of(rounds: list[dict[str, Times]], name: str, kind: str) -> tuple[float, float]:
    """The medians over the rounds of p50 and of p99."""
    p50, p99 = (statistics.median(one[name][kind][place] for one in rounds) for place in (0, 1))
    return p50, p99


def grow(workspaces: list[str], total: int, first_id: int) -> int:
    """More people by the short cut, and statistics as the database's own upkeep would make them."""
    engine = db.engines[MIRROR]
    with engine.connect() as connection:
        free = fill(connection, workspaces, total, first_id)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE person, term")
    return free


def run(name: str, url: str) -> list[dict[str, Any]]:
    """Everything on one database."""
    spread = [f"w{number}" for number in range(WORKSPACES)]
    with host(url):
        free = grow(["small"], FEW, 1_000_000_000)
        alone = measured({"small": ["small"]})
        grow(spread, MANY, grow(["large"], MANY, free))
        beside = measured({"small": ["small"], "large": ["large"], "spread": spread})
    return [*(told(name, kind, alone, beside) for kind in KINDS), together(name, beside)]


def told(name: str, kind: str, alone: list[dict[str, Times]], beside: list[dict[str, Times]]) -> dict[str, Any]:
    """One class: how much its cost grows, whether others' people are noticed, and the milliseconds of each crowd."""
    growth = statistics.median(one["large"][kind][0] / one["small"][kind][0] for one in beside)
    crowds = {f"{FEW:,}": (alone, "small"), f"{MANY:,}": (beside, "large")}
    crowds |= {f"{MANY:,} over {WORKSPACES:,}": (beside, "spread"), f"{FEW:,} beside them": (beside, "small")}
    times = {title: median_of(rounds, crowd, kind) for title, (rounds, crowd) in crowds.items()}
    noticed = times[f"{FEW:,} beside them"][0] / times[f"{FEW:,}"][0]
    return {
        "figure": f"{name}, {kind}: cost among {MANY:,} to that among {FEW:,}",
        "ratio": round(growth, 2),
        "beside_to_alone": round(noticed, 2),
        **{title: "{:.2f} / {:.2f}".format(*taken) for title, taken in times.items()},
    }


def together(name: str, beside: list[dict[str, Times]]) -> dict[str, Any]:
    """All classes: in some a small crowd has nothing to show where a large one fills the page, in others it is even."""
    sums = [{crowd: sum(p50 for p50, _ in one[crowd].values()) for crowd in ("small", "large")} for one in beside]
    growth = statistics.median(one["large"] / one["small"] for one in sums)
    return {
        "figure": f"{name}, a search of each class: cost among {MANY:,} to that among {FEW:,}",
        "ratio": round(growth, 2),
    }


def store_rate(url: str) -> float:
    """People a second through the mirror's own door, in batches of a sync."""
    people = [person for person, _ in zip(Crowd(7).people(), range(PEOPLE_STORED), strict=False)]
    with host(url):
        started = time.perf_counter()
        for start in range(0, PEOPLE_STORED, 500):
            mirror.store("stored", "import", people[start : start + 500])
        rate = PEOPLE_STORED / (time.perf_counter() - started)
        mirror.forget("stored")
        return rate


def measure() -> list[dict[str, Any]]:
    """Every database in turn."""
    check()
    folder = Path(tempfile.mkdtemp(prefix="search-"))
    rows: list[dict[str, Any]] = []
    try:
        for name, url in urls(folder):
            say(f"{name}: {store_rate(url):,.0f} people a second are stored, in batches of 500; p50 / p99 in ms below")
            rows += run(name, url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def urls(folder: Path) -> Iterator[tuple[str, str]]:
    """SQLite, and PostgreSQL where there is one."""
    yield "SQLite", f"sqlite:///{folder}/host.db"
    start: Callable[[], Iterator[str]] = postgres.postgres_url.__wrapped__  # type: ignore[attr-defined]
    server = start()
    try:
        yield "PostgreSQL", next(server)
    except pytest.skip.Exception as reason:
        say(f"PostgreSQL left out: {reason}")
    finally:
        next(server, None)


if __name__ == "__main__":
    for row in measure():
        say("  ".join(f"{name} {value}" for name, value in row.items()))
