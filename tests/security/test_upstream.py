"""A platform that hangs, drips, fails or lies: it delays no install and never makes one succeed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hostile import MANNERS, Hostile
from stage import Stage, free_port, serving_gunicorn, serving_here, wait_until
from tables import asked

from plugins.retailcrm import api

TOGETHER = 6
EACH = [2, pytest.param(50, marks=pytest.mark.soak)]


class Surrounded:
    """A host that may call a server of every manner, and an address at which nobody listens; no worker runs."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stage = Stage(folder / "instance", stack)
        self.servers = {name: Hostile(manner) for name, manner in MANNERS.items()}
        for server in self.servers.values():
            stack.callback(server.close)
        self.ports = {name: server.port for name, server in self.servers.items()} | {"nobody": free_port()}
        allowed = [f"127.0.0.1:{port}" for port in self.ports.values()]
        self.stage.configure(OUTBOUND_ALLOW=[*self.stage.settings["OUTBOUND_ALLOW"], *allowed])

    def installed(self, connector: str) -> int:
        """How many installations of a connector there are."""
        return sum(row["connector"] == connector for row in self.stage.installations())


@pytest.fixture(scope="module")
def surrounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounded]:
    """It is served by gunicorn."""
    with ExitStack() as stack:
        made = Surrounded(tmp_path_factory.mktemp("upstream"), stack)
        stack.enter_context(serving_gunicorn(made.stage, "--workers", "2", "--no-worker"))
        yield made


def register(stage: Stage, port: int) -> Any:
    """Connect an account at this port, by a key of its own. The client gives up before any of the servers does."""
    key, home = secrets.token_urlsafe(24), f"http://127.0.0.1:{port}"
    outgoing = stage.simulators["retailcrm"].install(api_key=key, system_url=home)
    return stage.simulators["retailcrm"].send(outgoing)


@pytest.mark.parametrize("each", EACH)
def test_no_account_is_connected_where_none_answers(surrounded: Surrounded, each: int) -> None:
    ports = [port for port in surrounded.ports.values() for _ in range(each)]
    with ThreadPoolExecutor(TOGETHER) as threads:
        answers = list(threads.map(lambda port: register(surrounded.stage, port), ports))
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["success"] is False and answer.json()["errorMsg"] for answer in answers)
    assert [name for name, server in surrounded.servers.items() if not server.connections] == []
    assert surrounded.installed("retailcrm") == 0


def test_a_host_that_believes_a_bare_yes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        made = Surrounded(tmp_path, stack)
        monkeypatch.setattr(api, "SCOPES", ())
        stage = stack.enter_context(serving_here(made.stage))
        assert register(stage, made.ports["yes to everything"]).json()["success"] is True
        assert made.installed("retailcrm") == 1


@pytest.mark.parametrize("each", EACH)
def test_a_shop_is_connected_whatever_its_api_does(surrounded: Surrounded, each: int) -> None:
    """Upgates gives five seconds: its installation asks nobody."""
    shop, before = surrounded.stage.simulators["upgates"], surrounded.installed("upgates")
    asked = {name: server.connections for name, server in surrounded.servers.items()}
    ports = [port for port in surrounded.ports.values() for _ in range(each)]

    def activate(number: int) -> Any:
        moment = datetime.now(UTC) + timedelta(seconds=60 + number)
        return shop.send(
            shop.install(
                token=f"shop-{each}-{number}",
                api_url=f"http://127.0.0.1:{ports[number]}/api/v2",
                time=moment.isoformat(timespec="seconds"),
            )
        )

    with ThreadPoolExecutor(TOGETHER) as threads:
        answers = list(threads.map(activate, range(len(ports))))
    assert [answer.json() for answer in answers] == [{"error": False}] * len(ports)
    assert surrounded.installed("upgates") == before + len(ports)
    assert {name: server.connections for name, server in surrounded.servers.items()} == asked


def test_shops_that_hang_hold_no_other_and_never_look_synchronised(tmp_path: Path) -> None:
    with ExitStack() as stack:
        made = Surrounded(tmp_path, stack)
        shop = made.stage.simulators["upgates"]
        stack.enter_context(serving_gunicorn(made.stage))
        homes = {name: f"http://127.0.0.1:{port}" for name, port in made.ports.items()} | {"good": shop.home}
        for number, (name, home) in enumerate(homes.items()):
            moment = datetime.now(UTC) + timedelta(seconds=60 + number)
            told = shop.install(token=name, api_url=f"{home}/api/v2", time=moment.isoformat(timespec="seconds"))
            assert shop.send(told).json() == {"error": False}
        wait_until(lambda: set(tried(made.stage)) == set(homes), 120)
        assert {name for name, state in tried(made.stage).items() if state == "live"} == {"good"}


def tried(stage: Stage) -> dict[str, str]:
    """The state of every shop that was pulled, or failed to be."""
    states = "SELECT tenant, sync.state FROM installation JOIN sync ON installation_id = id AND kind = 'pull'"
    return dict(asked(stage, f"{states} WHERE live_since IS NOT NULL OR reason <> ''"))
