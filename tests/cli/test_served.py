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
