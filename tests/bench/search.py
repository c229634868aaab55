"""What a search costs among 10,000 and 1,000,000 people, in one workspace and over 1,000, on every database.

``python tests/bench/search.py`` prints a table for each database; ``QUICK=1`` goes to 100,000. The first size is
measured in a database that holds nothing else, and once more when everything else is there: it must not notice.
"""

from __future__ import annotations

import json
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
FEW = 10_000
MANY = int(os.environ.get("BENCH_PEOPLE", "100000" if QUICK else "1000000"))
WORKSPACES = 1_000
ROUNDS = 5
REPEATS = 20 if QUICK else 50
# Of 10,000 people a few have such a name.
RARE, RARER, RAREST = (fold(Crowd().last[place]) for place in (250, 300, 400))
CLASSES: dict[str, list[str]] = {
    "1 common letter": ["n", "j", "s", "k"],
    "1 common beginning": ["no", "nov", "jan", "mar", "svob", "novak", "sezna", "420", "gmai"],
    "1 common word": ["jan", "novák", "petr", "seznam", "svobodová"],
    "1 rare": [RARE, RARER, RAREST[:-1], "xen", "+420 777 1", "zzz"],
    "2 common": ["jan nov", "j n", "petr svo", "nov jan", "jan novák", "mar dvo", "jana novák", "seznam jan"],
    "2 common and rare": [f"jan {RARE}", f"j {RARER}", f"{RAREST[:-1]} seznam", "xen nov", "zzz jan"],
    "2 that nobody has": ["nov svob", "dvořák procház", "jana petra", "jan pavel"],
    "3 words": ["jan nov sez", "j n s", "jan novák gmail", "petr svo 420", "xen nov cz", "nov svob jan"],
}


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


def timed(workspaces: list[str], queries: list[str]) -> list[float]:
    """Milliseconds of every search, after one round that warms up."""
    taken = []
    for place in range(REPEATS + 1):
        directory = PeopleDirectory(workspaces[place * 7919 % len(workspaces)])
        for query in queries:
            started = time.perf_counter()
            directory.search(query)
            taken.append((time.perf_counter() - started) * 1000)
    return taken[len(queries) :]


def measured(workspaces: list[str]) -> dict[str, tuple[float, float]]:
    """The median over the rounds of p50 and of p99, for every class of queries."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CLASSES}
    for _ in range(ROUNDS):
        for name, queries in CLASSES.items():
            taken = sorted(timed(workspaces, queries))
            found[name].append((statistics.median(taken), taken[int(len(taken) * 0.99)]))
    return {name: tuple(map(statistics.median, zip(*rounds, strict=True))) for name, rounds in found.items()}  # type: ignore[misc]


def grow(workspaces: list[str], total: int, first_id: int) -> int:
    """More people by the short cut, and statistics as the database's own upkeep would make them."""
    engine = db.engines[MIRROR]
    with engine.connect() as connection:
        free = fill(connection, workspaces, total, first_id)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE person, term")
    return free


def run(url: str) -> dict[str, Any]:
    """All sizes on one database."""
    spread = [f"w{number}" for number in range(WORKSPACES)]
    with host(url):
        columns = {}
        free = grow(["small"], FEW, 1_000_000_000)
        columns[f"{FEW:,}"] = measured(["small"])
        free = grow(["large"], MANY, free)
        columns[f"{MANY:,}"] = measured(["large"])
        grow(spread, MANY, free)
        columns[f"{MANY:,} over {WORKSPACES:,}"] = measured(spread)
        columns[f"{FEW:,} beside them"] = measured(["small"])
    return columns


def show(name: str, columns: dict[str, dict[str, tuple[float, float]]]) -> None:
    """One row for each class: p50/p99 in ms, and how much the p50 grew from the first column to the second."""
    say(f"\n{name}: p50 / p99 in ms\n{'':20}" + "".join(f"{title:>24}" for title in columns) + f"{'growth':>8}")
    first, second, *_ = columns.values()
    for kind in CLASSES:
        cells = "".join(f"{'{:.2f} / {:.2f}'.format(*column[kind]):>24}" for column in columns.values())
        say(f"{kind:20}{cells}{second[kind][0] / first[kind][0]:>8.2f}")


def store_rate(url: str, total: int = 5_000) -> float:
    """People a second through the mirror's own door, in batches of a sync."""
    people = [person for person, _ in zip(Crowd(7).people(), range(total), strict=False)]
    with host(url):
        started = time.perf_counter()
        for start in range(0, total, 100):
            mirror.store("stored", "import", people[start : start + 100])
        rate = total / (time.perf_counter() - started)
        mirror.forget("stored")
        return rate


def main() -> dict[str, Any]:
    """Every database in turn; returns what was measured."""
    check()
    folder = Path(tempfile.mkdtemp(prefix="search-"))
    results: dict[str, Any] = {}
    try:
        for name, url in urls(folder):
            rate = store_rate(url)
            results[name] = {"stored a second": rate, "search": run(url)}
            show(name, results[name]["search"])
            say(f"stored: {rate:,.0f} people a second, in batches of 100")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


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
    measured_now = main()
    if "--json" in sys.argv:
        say(json.dumps(measured_now))
