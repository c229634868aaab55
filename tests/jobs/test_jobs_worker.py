"""Workers as processes: killed, doubled, told to stop; what the platform counted is what is checked."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.database import reading
from app.core.models import HeartbeatRow
from app.core.services import services
from app.jobs import heartbeats as heartbeats_of
from app.jobs.engine import AT_ONCE
from app.jobs.worker import Jobs
from app.people import mirror
from app.people.ahead import MOST_LOST
from app.people.sync_state import progress
from app.sdk import State
from tests.jobs.fake_platform import Platform, most_in, most_together
from tests.jobs.host import ROOT, install, row_of, state_of, wait_for, working

RATE, TOGETHER = 40, 2


def heartbeats() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(HeartbeatRow.name)))


CREATED, COMMANDS = "import app; app.create_app(Path(sys.argv[1]))", "import app.cli, app.people.sync, app.jobs.worker"


@pytest.mark.parametrize(
    ("lines", "imported"),
    [
        pytest.param(CREATED, [], id="create_app"),
        pytest.param(COMMANDS, [], id="the-command-line"),
        pytest.param("import app.jobs.engine", ["dbos"], id="a-worker"),
        pytest.param("import app.jobs.engine, alembic", ["dbos", "alembic"], id="control"),
    ],
)
def test_only_workers_import_the_engine_and_only_a_migration_its_library(
    host: Flask, tmp_path: Path, lines: str, imported: list[str]
) -> None:
    asked = "[name for name in ('dbos', 'alembic') if name in sys.modules]"
    code = f"import sys; from pathlib import Path; {lines}; print({asked})"
    command = [sys.executable, "-c", code, str(tmp_path / "instance")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(imported)


def test_a_worker_has_a_thread_for_every_call_that_may_hang(host: Flask) -> None:
    gate = services().outgate
    gate._most = 1
    jobs = Jobs(host, heartbeats_of.new_name())
    jobs.start()
    try:
        assert gate._threads._max_workers >= (AT_ONCE + 1) * len([*services().registry])
    finally:
        jobs.stop()


def test_every_shop_becomes_live(platform: Platform, any_host: Flask, tmp_path: Path) -> None:
    shops = [f"shop{number}" for number in range(4)]
    install(platform, *shops)
    with working(tmp_path / "instance"):
        wait_for(lambda: all(state_of(shop) == "live" for shop in shops))
    assert [mirror.count("ws", shop) for shop in shops] == [50] * 4
    assert heartbeats() == []


def test_killed_in_the_middle_another_goes_on_where_it_was(platform: Platform, host: Flask, tmp_path: Path) -> None:
    platform.people, platform.delay = 400, 0.05
    install(platform, "shop")
    with working(tmp_path / "instance") as (first,):
        wait_for(lambda: len(platform.of("shop")) > 20)
        first.send_signal(signal.SIGKILL)
        first.wait()
        with working(tmp_path / "instance"):
            wait_for(lambda: state_of("shop") == "live", 45)
    assert mirror.count("ws", "shop") == 400
    cursors = [call.cursor for call in platform.of("shop")]
    assert cursors.count("") == 1
    # Only pages that were read and not stored yet may have been asked for twice.
    assert len(cursors) - len(set(cursors)) <= MOST_LOST


def test_told_to_stop_it_ends_after_its_step_and_is_gone_on_with_at_once(
    platform: Platform, host: Flask, tmp_path: Path
) -> None:
    platform.people, platform.delay = 300, 0.3
    install(platform, "shop")
    with working(tmp_path / "instance"):
        wait_for(lambda: len(platform.of("shop")) > 10)
    assert heartbeats() == []
    assert state_of("shop") == "first"
    assert progress("shop").text.startswith("first sync ")
    with working(tmp_path / "instance"):
        wait_for(lambda: state_of("shop") == "live")
    cursors = [call.cursor for call in platform.of("shop")]
    assert len(cursors) == len(set(cursors)) == 30


def test_two_workers_keep_to_the_limits(platform: Platform, host: Flask, tmp_path: Path) -> None:
    platform.people, platform.delay = 500, 0.02
    shops = [f"shop{number}" for number in range(3)]
    install(platform, *shops)
    with working(tmp_path / "instance", 2):
        wait_for(lambda: all(state_of(shop) == "live" for shop in shops), 45)
    for shop in shops:
        calls = [call for call in platform.calls if call.shop == shop]
        assert len(calls) >= 50
        assert most_in([call.began for call in calls], 1.0) <= RATE
        assert most_together(calls) <= TOGETHER


def test_what_stops_stops_and_the_others_go_on(platform: Platform, host: Flask, tmp_path: Path) -> None:
    troubles = {"blocked": (403, {}), "dead": (401, {}), "later": (429, {"Retry-After": "3600"})}
    platform.trouble = lambda shop, action: troubles.get(shop)
    install(platform, "blocked", "later", "good")
    with working(tmp_path / "instance"):
        wait_for(lambda: state_of("blocked") == "stopped" and state_of("good") == "live" and platform.of("later"))
        wait_for(lambda: (row_of("later") or pytest.fail("no row")).failures)
    assert len(platform.of("blocked")) == len(platform.of("later")) == 1
    assert "(blocked)" in progress("blocked").text
    late = row_of("later")
    assert late is not None
    assert late.next_at is not None
    assert late.state == "waiting"
    assert (late.next_at - late.since).total_seconds() > 3500


def test_uninstalled_people_go(platform: Platform, host: Flask, tmp_path: Path) -> None:
    install(platform, "shop", "other")
    with working(tmp_path / "instance"):
        wait_for(lambda: state_of("shop") == state_of("other") == "live")
        install(platform, "shop", state=State.UNINSTALLED)
        wait_for(lambda: state_of("shop", "forget") == "gone")
    assert (mirror.count("ws", "shop"), mirror.count("ws", "other")) == (0, 50)
    assert row_of("shop") is None
