"""Demo mode, as a stranger meets it: a fresh instance, served, with addresses that work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from stage import free_port, wait_until


class Demo:
    """``stallholder init`` and ``serve`` in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        mine = {key: value for key, value in os.environ.items() if not key.startswith("STALLHOLDER_")}
        self.environment = mine | {"STALLHOLDER_INSTANCE": str(folder / "instance")}

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def serve(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app.cli", "serve", "--bind", f"127.0.0.1:{self.port}"]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
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


def test_every_printed_address_answers(demo: Demo) -> None:
    printed = re.findall(r"http://\S+", demo.log.read_text())
    assert len(printed) >= 6
    for address in printed:
        assert requests.get(address, timeout=10).status_code == 200, address


def test_the_embedded_page_shows_a_person_and_may_be_framed_by_the_sandbox(demo: Demo) -> None:
    [address] = re.findall(r"an embedded page\s+(\S+)", demo.log.read_text())
    card = requests.get(address, timeout=10)
    assert "Anna" in card.text
    assert f"http://127.0.0.1:{demo.port + 1}" in card.headers["Content-Security-Policy"]


def test_the_host_is_ready_with_its_worker(demo: Demo) -> None:
    wait_until(lambda: requests.get(f"{demo.url}/readyz", timeout=5).status_code == 200)


@pytest.mark.parametrize(
    ("connector", "action", "status"),
    [("upgates", "open", "200"), ("retailcrm", "open", "303"), ("orlo", "search", "200"), ("wazzup", "install", "200")],
)
def test_simulate_prints_the_exchange(demo: Demo, connector: str, action: str, status: str) -> None:
    shown = demo.cli("simulate", connector, action)
    assert shown.returncode == 0, shown.stderr
    assert f"/{connector}/{action}" in shown.stdout.splitlines()[0]
    assert f"\n< {status}\n" in shown.stdout


def test_simulate_tells_what_there_is(demo: Demo) -> None:
    refused = demo.cli("simulate", "upgates", "dance")
    assert refused.returncode == 1
    assert "Upgates plays install, open" in refused.stderr


def test_people_are_there_and_found(demo: Demo) -> None:
    [workspace] = re.findall(r"demo workspace\s+(\S+)", demo.log.read_text())
    assert "Nováková" in demo.cli("people", "search", "nov", "--workspace", workspace).stdout


def test_another_site_cannot_play(demo: Demo) -> None:
    home = f"http://127.0.0.1:{demo.port + 1}"
    plain = requests.post(f"{home}/_play/search", data="{}", headers={"Content-Type": "text/plain"}, timeout=10)
    assert plain.status_code == 405


def test_the_sandbox_is_not_there_for_a_configured_host(stage: object) -> None:
    assert requests.get(f"{stage.url}/sandbox/", timeout=10).status_code == 404  # type: ignore[attr-defined]


def test_demo_mode_is_for_loopback_alone(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.cli("init")
    refused = demo.cli("serve", "--bind", "0.0.0.0:1")
    assert refused.returncode == 1
    assert "demo mode serves loopback only" in refused.stderr
