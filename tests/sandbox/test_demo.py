"""Demo mode, as a stranger meets it: a fresh instance, served, with addresses that work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from demo import Demo
from stage import wait_until


def test_every_printed_address_answers(demo: Demo) -> None:
    printed = re.findall(r"http://\S+", demo.log.read_text())
    assert len(printed) >= 6
    for address in printed:
        name = re.match(r"http://([\w-]+)\.localhost", address)
        # A browser resolves such a name by itself; this machine's resolver need not.
        answer = demo.ask(name[1].replace("-", "_")) if name else requests.get(address, timeout=10)
        assert answer.status_code == 200, address


def test_the_embedded_page_shows_a_person_and_may_be_framed_by_the_sandbox(demo: Demo) -> None:
    [address] = re.findall(r"an embedded page\s+(\S+)", demo.log.read_text())
    card = requests.get(address, timeout=10)
    assert "Anna" in card.text
    assert card.headers["Content-Security-Policy"].endswith(f"frame-ancestors {demo.origin('orlo')}")


def test_the_host_is_ready_with_its_worker(demo: Demo) -> None:
    wait_until(lambda: requests.get(f"{demo.url}/readyz", timeout=5).status_code == 200)


@pytest.mark.parametrize(
    ("connector", "action", "status"),
    [
        ("upgates", "open", "200"),
        ("retailcrm", "install", "200"),
        ("retailcrm", "open", "303"),
        ("orlo", "search", "200"),
        ("wazzup", "install", "200"),
    ],
)
def test_simulate_prints_the_exchange(demo: Demo, connector: str, action: str, status: str) -> None:
    shown = demo.cli("simulate", connector, action)
    assert shown.returncode == 0, shown.stderr
    assert f"/{connector}/{action}" in shown.stdout.splitlines()[0]
    assert f"\n< {status}\n" in shown.stdout
    assert "\n= accepted: " in shown.stdout


def test_simulate_sends_what_is_forged(demo: Demo) -> None:
    shown = demo.cli("simulate", "upgates", "open", "--scenario", "forged")
    assert "\n< 403\n" in shown.stdout
    assert "(unverified: " in shown.stdout


def test_simulate_tells_what_there_is(demo: Demo) -> None:
    refused = demo.cli("simulate", "upgates", "dance")
    assert refused.returncode == 1
    assert "Upgates plays install, open" in refused.stderr


def test_people_are_there_and_found(demo: Demo) -> None:
    [workspace] = re.findall(r"demo workspace\s+(\S+)", demo.log.read_text())
    assert "Nováková" in demo.cli("people", "search", "nov", "--workspace", workspace).stdout


def test_the_sandbox_is_not_there_for_a_configured_host(stage: object) -> None:
    assert requests.get(f"{stage.url}/sandbox/", timeout=10).status_code == 404  # type: ignore[attr-defined]


def test_demo_mode_is_for_loopback_alone(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.cli("init")
    refused = demo.cli("serve", "--bind", "0.0.0.0:1")
    assert refused.returncode == 1
    assert "demo mode serves loopback only" in refused.stderr
