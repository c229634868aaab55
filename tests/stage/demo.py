"""A served demo, as a stranger meets it: the host, its worker, and every marketplace on its own port."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from stage import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
STRANGER = "souk_stall"
INSTALLING = {"bigcommerce": "auth"}  # what a marketplace calls it, where that is not "install"


# Everything that a request of a connector could have an effect on, each row with the moment when it is over.
HELD = (
    "SELECT id, tenant, state, address, facts, issued_at, NULL FROM installation WHERE connector = ?",
    "SELECT digest, action, expires_at FROM journal WHERE connector = ?",
    "SELECT name, slot, sealed, expires_at FROM credential JOIN installation i ON i.id = installation_id "
    "WHERE connector = ?",
    "SELECT digest, NULL FROM event JOIN installation i ON i.id = installation_id WHERE connector = ?",
    "SELECT digest, expires_at FROM ticket JOIN installation i ON i.id = installation_id WHERE connector = ?",
)


class Demo:
    """``stallholder init`` and ``serve`` in a folder of their own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        self.instance = folder / "instance"
        mine = {key: value for key, value in os.environ.items() if not key.startswith("STALLHOLDER_")}
        self.environment = mine | {"STALLHOLDER_INSTANCE": str(self.instance)} | environment

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def serve(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app.cli", "serve", "--bind", f"127.0.0.1:{self.port}"]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def origin(self, name: str) -> str:
        """The origin of a connector's admin, as it was printed."""
        found = re.search(rf"http://{name.replace('_', '-')}\.localhost:\d+", self.log.read_text())
        assert found, f"no marketplace is printed for {name}"
        return found[0]

    def ask(self, name: str, path: str = "/", method: str = "GET", **given: Any) -> requests.Response:
        """What a browser on the admin's origin asks; the name is resolved here, as browsers do it."""
        origin = self.origin(name)
        headers = {"Host": origin.removeprefix("http://")} | given.pop("headers", {})
        home = f"http://127.0.0.1:{origin.rpartition(':')[2]}"
        return requests.request(method, home + path, headers=headers, allow_redirects=False, timeout=60, **given)

    def play(self, name: str, entry: str, scenario: str = "genuine", **changes: str) -> dict[str, Any]:
        """Click an entry; fails when it could not be played."""
        told = self.ask(name, f"/_play/{entry}", "POST", json={"scenario": scenario, "changes": changes}).json()
        assert "problem" not in told, told
        answer: dict[str, Any] = told
        return answer

    def connect(self, name: str) -> None:
        """See to it that the marketplace's tenant is connected and served."""
        if name == "wazzup":
            if not self.ask(name, "/_now").json()["served"]:
                self.agree()
        else:
            assert self.play(name, INSTALLING.get(name, "install"))["verdict"]["word"] in ("accepted", "silent")

    def agree(self) -> requests.Response:
        """A person follows Wazzup's Connect to our page and agrees there."""
        page = self.play("wazzup", "install")["page"]
        with requests.Session() as browser:
            shown = browser.get(page, timeout=30)
            token = re.search(r'name="consent" value="([^"]+)"', shown.text)
            assert token, shown.text
            headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
            return browser.post(page.partition("?")[0], data={"consent": token[1]}, headers=headers, timeout=30)

    def rows(self, statement: str, *given: str) -> list[tuple[Any, ...]]:
        """Rows of the main database, read past the host."""
        connection = sqlite3.connect(f"file:{self.instance / 'stallholder.db'}?mode=ro", uri=True)
        try:
            return connection.execute(statement, given).fetchall()
        finally:
            connection.close()

    @contextmanager
    def untouched(self, name: str) -> Iterator[None]:
        """Nothing that the connector holds changes while the block runs, but for what the housekeeping may forget."""
        before = self.held(name)
        yield
        after, now = self.held(name), datetime.now(UTC).isoformat(" ")
        assert [row for row in after if not is_over(row, now)] == [row for row in before if not is_over(row, now)]

    def held(self, name: str) -> list[tuple[Any, ...]]:
        return [row for statement in HELD for row in sorted(self.rows(statement, name), key=repr)]


def is_over(row: tuple[Any, ...], now: str) -> bool:
    return row[-1] is not None and row[-1] < now


@contextmanager
def serving_demo(demo: Demo) -> Iterator[Demo]:
    """The demo while the block runs, furnished; it leaves no process behind."""
    assert demo.cli("init").returncode == 0
    process = demo.serve()
    try:
        wait_until(lambda: "demo workspace" in demo.log.read_text() or process.poll() is not None)
        yield demo
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        left = subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True, text=True, check=False).stdout
        assert left == "", "no process outlives the one that was told to stop"


def stranger(folder: Path) -> Path:
    """A connector that the project does not know, in a folder of its own: the template under another name."""
    made = folder / STRANGER
    shutil.copytree(ROOT / "plugins" / "example", made, ignore=shutil.ignore_patterns("__pycache__", "translations"))
    for file in (made / "connector.toml", made / "simulator.py", made / "schemas.py", made / "__init__.py"):
        text = file.read_text("utf-8").replace('"example"', f'"{STRANGER}"').replace('"Bazaar"', '"Souk"')
        file.write_text(re.sub(r"^enabled = false.*\n", "", text, flags=re.M), "utf-8")
    return folder
