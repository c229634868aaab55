"""kill -9 of workers and web processes while shops are installed, pulled and pushed: nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from stage import Stage, wait_until
from tables import asked

from app.people.ahead import MOST_LOST
from tests.jobs.host import ROOT, WORKER

SMALL = 40
PAGE = BATCH = 100
KILLS = [
    pytest.param(4, marks=pytest.mark.timeout(900)),
    pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
]


class Host:
    """``serve`` without its worker and two workers, each of which is started again when it is killed."""

    def __init__(self, stage: Stage, *, takes_over: bool = True) -> None:
        self.stage = stage
        serve = [sys.executable, "-m", "app.cli", "serve", "--bind", f"127.0.0.1:{stage.port}", "--workers", "2"]
        self._commands = {"web": [*serve, "--no-worker"], "worker": [sys.executable, str(WORKER)]}
        self._commands["other worker"] = self._commands["worker"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = stage.environment() | {"PYTHONPATH": str(ROOT)}
        self._log = (stage.folder / "kills.log").open("ab")

    def start(self, name: str) -> None:
        """Start a program, as whatever looks after it would."""
        command = self._commands[name]
        process = subprocess.Popen(command, env=self._environment, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT)
        self._running[name] = process

    def kill(self, name: str) -> None:
        """SIGKILL a worker, the whole web, or one of gunicorn's processes, which gunicorn starts again itself."""
        if name == "gunicorn":
            wait_until(lambda: len(descendants(self._running["web"].pid)) > 1)
            os.kill(random.choice(descendants(self._running["web"].pid)[1:]), signal.SIGKILL)
            return
        process = self._running[name]
        process.kill()
        process.wait()
        if name == "web":
            wait_until(lambda: not answers(self.stage.url))  # gunicorn ends with its parent
        self.start(name)

    def stop(self) -> None:
        """End all gracefully."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(60)
        self._log.close()


def descendants(pid: int) -> list[int]:
    """The children of a process and theirs, the nearest first."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


@contextmanager
def hosting(folder: Path) -> Iterator[Host]:
    """Everything running; an account of many customers, shops of a few, and a messenger that takes its time."""
    with ExitStack() as stack:
        stage = Stage(folder / "instance", stack)
        host = Host(stage)
        stage.simulators["upgates"].size = SMALL
        stage.simulators["wazzup"].behaviour["POST contacts"] = lambda call: time.sleep(0.2)
        stack.callback(host.stop)
        for name in ("web", "worker", "other worker"):
            host.start(name)
        wait_until(lambda: answers(stage.url))
        yield host


class Installing(threading.Thread):
    """Shops that activate the add-on one after the other; whoever gets no answer asks again, as the platform does."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.over = threading.Event()
        self._shop = stage.simulators["upgates"]

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.2):
            number += 1
            moment = datetime.now(UTC) + timedelta(seconds=120 + number)
            outgoing = self._shop.install(token=f"shop-{number}", time=moment.isoformat(timespec="seconds"))
            for _ in range(2):
                with suppress(requests.RequestException):
                    answer = self._shop.send(outgoing)
                    told = self.acknowledged if answer.json() == {"error": False} else self.refused
                    told.append(f"shop-{number}")
                    break


INSTALLED = """
    SELECT tenant, sync.state, (SELECT count(*) FROM person WHERE source = installation.id) FROM installation
    LEFT JOIN sync ON installation_id = installation.id AND kind = 'pull'
    WHERE installation.connector = ? AND installation.state = 'active'
"""


def kill(host: Host, kills: int, chance: random.Random) -> None:
    """So many kills at moments of chance."""
    for turn in range(kills):
        time.sleep(chance.uniform(0.3, 1.2))
        host.kill(("worker", "gunicorn", "other worker", "web")[turn % 4])


def taken_over(stage: Stage, kind: str) -> int:
    """How often a run was taken over from a worker that was dead, or on a busy machine silent for too long."""
    lines = (stage.folder / "kills.log").read_text().splitlines()
    told = [json.loads(line) for line in lines if "run.taken_over" in line]
    return sum(line["kind"] == kind for line in told)


@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_any_moment_nothing_is_lost_and_everything_ends(kills: int, tmp_path: Path) -> None:
    chance = random.Random(kills)
    with hosting(tmp_path) as host:
        stage = host.stage
        shop, messenger = stage.simulators["retailcrm"], stage.simulators["wazzup"]
        shop.size = 150 * kills
        installing = Installing(stage)
        assert shop.play("install")[1].json()["success"]
        installing.start()
        kill(host, kills - kills // 3, chance)
        wait_until(lambda: big_is_live(stage), 600)
        connect(stage)
        wait_until(lambda: messenger.connections and messenger.connection.batches, 120)
        kill(host, kills // 3, chance)
        installing.over.set()
        installing.join()
        wait_until(lambda: len(set(messenger.connection.ids("contacts"))) == shop.size, 600)
        wait_until(lambda: all_are_live(stage, installing.acknowledged), 600)
    check_installs(stage, installing)
    check_pulls(stage, taken_over(stage, "pull"))
    check_pushes(messenger, shop.size, taken_over(stage, "push"))
    for file in ("stallholder", "stallholder-mirror", "stallholder-jobs"):
        with closing(sqlite3.connect(stage.folder / f"{file}.db")) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def big_is_live(stage: Stage) -> bool:
    return [state for _, state, _ in asked(stage, INSTALLED, "retailcrm")] == ["live"]


def all_are_live(stage: Stage, tokens: list[str]) -> bool:
    states = {tenant: state for tenant, state, _ in asked(stage, INSTALLED, "upgates")}
    return all(states.get(token) in ("live", None) for token in tokens)


def connect(stage: Stage) -> None:
    """The messenger joins the account's workspace."""
    [row] = [row for row in stage.installations() if row["connector"] == "retailcrm"]
    state = stage.simulators["wazzup"].state()
    stage.cli("installations", "add", "wazzup", "--workspace", row["workspace"], "--set", f"state={state}")


def check_installs(stage: Stage, installing: Installing) -> None:
    """Whoever was told yes is there once, with two credentials and all customers; nobody was refused."""
    assert len(installing.acknowledged) >= 5
    assert installing.refused == []
    found = {tenant: (state, people) for tenant, state, people in asked(stage, INSTALLED, "upgates")}
    assert {token: found.get(token) for token in installing.acknowledged} == dict.fromkeys(
        installing.acknowledged, ("live", SMALL)
    )
    twice = "SELECT tenant FROM installation GROUP BY connector, tenant HAVING count(*) > 1"
    assert asked(stage, twice) == []
    half = "SELECT count(*) FROM credential JOIN installation ON installation_id = id WHERE connector = 'upgates'"
    assert asked(stage, f"{half} GROUP BY installation_id HAVING count(*) <> 2") == []


def check_pulls(stage: Stage, overs: int) -> None:
    """The account is complete, and was gone on with, not begun again."""
    shop = stage.simulators["retailcrm"]
    [(_, state, people)] = asked(stage, INSTALLED, "retailcrm")
    assert (state, people) == ("live", shop.size)
    orders = (
        "SELECT count(*) FROM person_order JOIN person ON person.id = person_id JOIN installation AS i ON source = i.id"
    )
    assert asked(stage, f"{orders} WHERE connector = 'retailcrm'") == [(len(shop.ids("orders")),)]
    lists = (call.query for call in shop.calls if call.path.endswith("/customers"))
    pages = Counter(query for query in lists if "filter" not in query)
    assert len(pages) == -(-shop.size // PAGE)
    assert sum(pages.values()) - len(pages) <= overs * MOST_LOST
    assert shop.busiest() <= 10


def check_pushes(messenger: Any, people: int, overs: int) -> None:
    """Everybody is there, each as one contact; only a batch that was cut off may have come again, the same."""
    times = messenger.connection.times("contacts")
    assert len(times) == people == len(messenger.connection.pushed["contacts"])
    assert sum(times.values()) - people <= overs * BATCH
    told: dict[str, set[str]] = {}
    for call in messenger.calls:
        if call.method == "POST" and call.path.endswith("/contacts"):
            for contact in json.loads(call.body):
                told.setdefault(contact["id"], set()).add(json.dumps(contact, sort_keys=True))
    assert {len(versions) for versions in told.values()} == {1}
