"""What a keystroke costs: search as you type over HTTP, through gunicorn, a visit's bearer and the rendered answer.

``python tests/bench/keystrokes.py`` types among 1,000,000 people (``BENCH_PEOPLE``; ``QUICK=1``: 20,000). Beside it
stands the same gunicorn's bare answer to ``/healthz``, which reads nothing.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "stage"), str(ROOT / "tests" / "bench")]

from crowd import fill  # noqa: E402 - the paths come first
from stage import Stage, serving_gunicorn  # noqa: E402

from app.core import tickets  # noqa: E402
from app.core.database import MIRROR, db, writing  # noqa: E402
from tests.pages.shop import add_installation  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "20000" if QUICK else "1000000"))
ROUNDS = 5
WORDS = ("novák", "jana nov", "svobodová", "petr", "seznam.cz", "+420 777", "xenie", "dvořák j", "jan novák sez", "zzz")
TYPISTS = 8


def keystrokes() -> Iterator[str]:
    """Everything that is in the field while the words are typed one after the other."""
    for words in WORDS:
        yield from (words[:end] for end in range(1, len(words) + 1) if words[end - 1] != " ")


class Typist:
    """A person's connection to the host."""

    def __init__(self, url: str, bearer: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.headers["Authorization"] = f"Bearer {bearer}"

    def ask(self, path: str, **query: str) -> float:
        """Milliseconds until the whole answer was there."""
        began = time.perf_counter()
        answer = self.session.get(self.url + path, params=query, timeout=30)
        taken = (time.perf_counter() - began) * 1000
        assert answer.status_code == 200, answer.text
        return taken

    def type(self) -> list[float]:
        """Milliseconds of each keystroke."""
        return [self.ask("/account/people", q=text) for text in keystrokes()]


def enter(stage: Stage) -> str:
    """The bearer of a visit to the crowd's workspace."""
    assert stage.app is not None
    with stage.app.app_context(), writing() as session:
        ticket = tickets.mint(session, "bench", "en", datetime.now(UTC))
    own = {"X-Stallholder": "1"}
    answer = requests.post(f"{stage.url}/account/session", json={"ticket": ticket}, headers=own, timeout=30)
    return str(answer.json()["bearer"])


def prepare(folder: Path, stack: ExitStack) -> tuple[str, str]:
    """A served host with the crowd in one workspace; returns its URL and a bearer."""
    stage = Stage(folder, stack)
    app = stage.make_app()
    add_installation(app, "bench", "bench")
    with app.app_context(), db.engines[MIRROR].connect() as connection:
        fill(connection, ["bench"], PEOPLE, 1)
    stack.enter_context(serving_gunicorn(stage, "--no-worker"))
    return stage.url, enter(stage)


def row(name: str, taken: list[float], bare: list[float]) -> dict[str, Any]:
    """A line of the table."""
    ordered = sorted(taken)
    ours, other = statistics.median(taken), statistics.median(bare)
    return {
        "figure": name,
        "ratio": round(ours / other, 2),
        "ours_ms": round(ours, 2),
        "bare_ms": round(other, 2),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 2),
        "rounds": ROUNDS,
    }


def measure() -> list[dict[str, Any]]:
    """One person who types, then several at once."""
    with tempfile.TemporaryDirectory(prefix="keystrokes-") as name, ExitStack() as stack:
        url, bearer = prepare(Path(name) / "instance", stack)
        typist = Typist(url, bearer)
        alone, bare, crowded = [], [], []
        typist.type()
        assert "Nov" in typist.session.get(f"{url}/account/people?q=nov", timeout=30).text
        for _ in range(ROUNDS):
            alone += typist.type()
            bare += [typist.ask("/healthz") for _ in keystrokes()]
        with ThreadPoolExecutor(TYPISTS) as threads:
            for taken in threads.map(lambda one: one.type(), [Typist(url, bearer) for _ in range(TYPISTS)]):
                crowded += taken
        among = f"among {PEOPLE:,} people"
        return [
            row(f"a keystroke of a search {among}", alone, bare),
            row(f"the same, {TYPISTS} people typing without a pause", crowded, bare),
        ]


if __name__ == "__main__":
    for line in measure():
        print(line)  # noqa: T201 - the table is what this prints
