"""What a process that serves keeps for good, so that nobody waits while it is looked through again."""

from __future__ import annotations

import subprocess
import sys

import pytest
from stage import Stage


@pytest.mark.parametrize(("made", "kept"), [("served", True), ("create_app", False)], ids=["guarded", "control"])
def test_what_is_loaded_is_kept_out_of_the_collectors_way(stage: Stage, made: str, kept: bool) -> None:
    asked = f"import app, gc; app.{made}(); print(gc.get_freeze_count())"
    told = subprocess.run([sys.executable, "-c", asked], env=stage.environment(), capture_output=True, check=True)
    assert (int(told.stdout) > 100_000) is kept


ONE_ROUND = """
import gc, os, signal
from app import create_app
from app.core.migrate import migrate
from app.jobs import worker

def look(now):
    print(gc.get_freeze_count())
    os.kill(os.getpid(), signal.SIGTERM)

worker.DUTIES = (look,)
{before}
with create_app().app_context():
    migrate()
    worker.work()
"""


@pytest.mark.parametrize(
    ("before", "kept"), [("", True), ("gc.freeze = gc.collect", False)], ids=["guarded", "control"]
)
def test_so_it_is_for_a_worker(stage: Stage, before: str, kept: bool) -> None:
    command = [sys.executable, "-c", ONE_ROUND.format(before=before)]
    told = subprocess.run(command, env=stage.environment(), capture_output=True, check=True, timeout=60)
    assert (int(told.stdout.split()[0]) > 100_000) is kept
