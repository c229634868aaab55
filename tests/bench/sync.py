"""The first sync of a big shop: beside a bare loop, with the worker's memory, and with installs going on.

``make bench SYNC=1``; ``QUICK=1`` takes smaller shops. The bare loop is what one would write by hand: requests, json,
executemany, a commit for each page, no index. The shop is a process of its own. It answers at once, which leaves
nothing but the work of either side to measure, or as a shop far away does.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "stage")]

from stage import Stage, free_port, serving_gunicorn, wait_until  # noqa: E402 - the paths come first

QUICK = os.environ.get("QUICK") == "1"
ROUNDS = 3
# Customers of the shop of a round, of the same one far away, and of the big one; every two have three orders.
NEAR, FAR, BIG = (2_000, 600, 3_000) if QUICK else (20_000, 20_000, 200_000)
FAR_SECONDS = 0.05
INSTALLS = 40 if QUICK else 400
INSTALL_EVERY = 0.1 if QUICK else 0.25
ROLES = Path(__file__).with_name("sync_roles.py")
TABLES = {
    "customers": "id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT, company TEXT",
    "orders": "id INTEGER PRIMARY KEY, customer INTEGER, number TEXT, date TEXT, total REAL",
}


@contextmanager
def role(name: str, told: dict[str, Any], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of `sync_roles` while the block runs."""
    command = [sys.executable, str(ROLES), name]
    pipe = subprocess.PIPE
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process,
    ):
        tell(process, told)
        try:
            yield process
        finally:
            with suppress(BrokenPipeError):  # it has ended already
                process.stdin.close()  # type: ignore[union-attr]
            process.wait(60)
            if process.returncode:
                sys.stdout.write(f"the {name} ended: {log.read_text()[-1000:]}\n")


def tell(process: subprocess.Popen[str], told: Any) -> None:
    """A line for a role."""
    process.stdin.write(json.dumps(told) + "\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]


class Bench:
    """A host, one shop in a process of its own to be pulled, and many that let nobody read them, to be installed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.installed = folder, 0
        port = free_port()
        self.home = f"http://127.0.0.1:{port}"
        self.stage = Stage(folder / "instance", stack)
        self.stage.configure(OUTBOUND_ALLOW=[*self.stage.settings["OUTBOUND_ALLOW"], f"127.0.0.1:{port}"])
        self.closed = self.stage.simulators["upgates"]
        # The add-on lacks the right to read them, which is looked at once and ends the work.
        self.closed.behaviour |= {"*": 403, "status": None}
        told = {"host": self.stage.url, "keys": self.closed.keys, "port": port}
        self.shop = stack.enter_context(role("shop", told, folder / "shop.log"))
        stack.enter_context(serving_gunicorn(self.stage, "--no-worker"))
        told = {"instance": str(self.stage.folder)}
        self.worker = stack.enter_context(role("worker", told, folder / "worker.log"))

    def becomes(self, customers: int, seconds: float = 0.0) -> None:
        """The shop has so many customers from now on, and takes so long for an answer."""
        tell(self.shop, [customers, seconds])
        assert self.shop.stdout is not None
        assert self.shop.stdout.readline() == "ready\n"

    def install(self, home: str = "") -> tuple[str, float]:
        """Activate the add-on in another shop; its token, and the seconds until that was acknowledged."""
        self.installed += 1
        token, moment = f"shop-{self.installed}", datetime.now(UTC) + timedelta(seconds=120 + self.installed)
        address = f"{home or self.closed.home}/api/v2"
        outgoing = self.closed.install(token=token, api_url=address, time=moment.isoformat(timespec="seconds"))
        began = time.perf_counter()
        answer = self.closed.send(outgoing)
        assert answer.json() == {"error": False}, answer.text
        return token, time.perf_counter() - began

    def sync(self) -> float:
        """The shop is installed and becomes live: seconds in all."""
        began = time.perf_counter()
        token, _ = self.install(self.home)
        wait_until(lambda: self.is_live(token), 7200)
        return time.perf_counter() - began

    def is_live(self, token: str) -> bool:
        """Whether its first pass is over."""
        instance = self.folder / "instance"
        with closing(sqlite3.connect(instance / "stallholder.db")) as store:
            store.execute("ATTACH ? AS mirror", (str(instance / "stallholder-mirror.db"),))
            live = (
                "SELECT 1 FROM installation JOIN mirror.sync ON installation_id = id WHERE tenant = ? AND kind = 'pull'"
            )
            return store.execute(f"{live} AND sync.state = 'live'", (token,)).fetchone() is not None

    def bare(self) -> float:
        """The same customers and orders, page by page, by hand: seconds."""
        began = time.perf_counter()
        file = self.folder / "bare.db"
        file.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as store, requests.Session() as session:
            store.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            session.auth = (self.closed.keys["api_user"], self.closed.keys["api_key"])
            for resource, row in (("customers", customer), ("orders", order)):
                store.execute(f"CREATE TABLE {resource} ({TABLES[resource]})")
                page = last = 1
                while page <= last:
                    told = session.get(f"{self.home}/api/v2/{resource}", params={"page": page}, timeout=30).json()
                    store.executemany(f"INSERT INTO {resource} VALUES (?, ?, ?, ?, ?)", map(row, told[resource]))  # noqa: S608
                    store.commit()
                    page, last = page + 1, told["number_of_pages"]
        return time.perf_counter() - began

    def memory(self) -> float:
        """What the worker holds now, in MB."""
        status = Path(f"/proc/{self.worker.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def customer(one: dict[str, Any]) -> tuple[Any, ...]:
    """A customer as the bare loop stores it."""
    company, name = one["company"] or {}, f"{one['firstname']} {one['surname']}"
    return one["customer_id"], name, one["login"]["email"], one["communication"]["phone"], company.get("name")


def order(one: dict[str, Any]) -> tuple[Any, ...]:
    """An order as the bare loop stores it."""
    return (
        one["order_id"],
        one["customer"]["customer_id"],
        one["order_number"],
        one["creation_time"],
        one["order_total"],
    )


def compare(bench: Bench, name: str, customers: int, seconds: float) -> dict[str, Any]:
    """Alternate rounds of both."""
    bench.becomes(customers, seconds)
    pairs = [(bench.sync(), bench.bare()) for _ in range(ROUNDS)]
    ours, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "figure": f"first sync of {customers:,} customers, {name}: speed, a bare loop being 1",
        "ratio": round(statistics.median(bare / ours for ours, bare in pairs), 2),
        "ours_s": round(ours, 1),
        "bare_s": round(bare, 1),
        "rounds": ROUNDS,
    }


def waits(bench: Bench, wanted: Callable[[list[float]], bool]) -> list[float]:
    """How long installs take, in ms, one every so often while they are ``wanted``."""
    taken: list[float] = []
    while wanted(taken):
        time.sleep(INSTALL_EVERY)
        taken.append(bench.install()[1] * 1000)
    return taken


def p99(taken: list[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.99)]


def big(bench: Bench) -> list[dict[str, Any]]:
    """The big shop, far away, with other shops being installed meanwhile and the worker's memory watched."""
    idle = waits(bench, lambda taken: len(taken) < INSTALLS)
    bench.becomes(BIG, FAR_SECONDS)
    seconds: list[float] = []
    held = [bench.memory()]
    syncing = threading.Thread(target=lambda: seconds.append(bench.sync()))
    syncing.start()

    def going_on(taken: list[float]) -> bool:
        held.append(bench.memory())
        return syncing.is_alive()

    busy = waits(bench, going_on)
    syncing.join()
    quarter = held[len(held) // 4]
    bare = bench.bare()
    return [
        {
            "figure": f"first sync of {BIG:,} customers with installs going on: speed, a bare loop alone being 1",
            "ratio": round(bare / seconds[0], 2),
            "ours_s": round(seconds[0], 1),
            "bare_s": round(bare, 1),
        },
        {
            "figure": f"installs during the first sync of {BIG:,}: p99, that of an idle host being 1",
            "ratio": round(p99(busy) / p99(idle), 2),
            "busy_ms": f"{statistics.median(busy):.1f} / {p99(busy):.1f}",
            "idle_ms": f"{statistics.median(idle):.1f} / {p99(idle):.1f}",
            "installs": len(busy),
        },
        {
            "figure": "the worker's memory during it: the most, that after a quarter of it being 1",
            "ratio": round(max(held) / quarter, 2),
            "before_MB": round(held[0]),
            "quarter_MB": round(quarter),
            "most_MB": round(max(held)),
        },
    ]


def measure() -> list[dict[str, Any]]:
    """Every figure."""
    with tempfile.TemporaryDirectory(prefix="sync-") as name, ExitStack() as stack:
        bench = Bench(Path(name), stack)
        rows = [
            compare(bench, "the shop answers at once", NEAR, 0.0),
            compare(bench, f"the shop answers in {FAR_SECONDS * 1000:.0f} ms", FAR, FAR_SECONDS),
        ]
        return [*rows, *big(bench)]


if __name__ == "__main__":
    for row in measure():
        sys.stdout.write("  ".join(f"{name} {value}" for name, value in row.items()) + "\n")
