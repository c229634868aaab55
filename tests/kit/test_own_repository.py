"""A stranger's repository: a folder, one class and pytest are enough, and a failure says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.mutants import MUTANTS, Mutant, made

ROOT = Path(__file__).resolve().parents[2]
TEST = """\
from app.sdk.testing import ConnectorContract


class TestMine(ConnectorContract):
    connector = "./mutant"
"""
HONEST = Mutant("honest", "", "proof.py", "PAST", "PAST")


def run(folder: Path, mutant: Mutant, *chosen: str) -> subprocess.CompletedProcess[str]:
    """What pytest says in a repository of its own."""
    made(mutant, folder)
    (folder / "test_mine.py").write_text(TEST, "utf-8")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-p", "app.kit.pytest_plugin", "-q", "-rs", "-c", os.devnull, *chosen]
    return subprocess.run(
        [*command, f"--rootdir={folder}", "test_mine.py"],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_one_class_is_enough(tmp_path: Path) -> None:
    done = run(tmp_path, HONEST, "-k", "search or told_of_leaving")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_a_failure_says_what_to_do(tmp_path: Path) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.id == "no-expiry")
    done = run(tmp_path, mutant, "-k", "expires-open")
    assert done.returncode == 1
    assert "test_silver[expires-open]" in done.stdout
    for part in (
        "sent  POST /mutant/open, more than 300 s after its sent_at",
        "came  accepted with 200",
        "mend  Check the",
    ):
        assert part in done.stdout


def test_above_the_claimed_level_it_is_no_failure(tmp_path: Path) -> None:
    weak = next(mutant for mutant in MUTANTS if mutant.id == "anybody-may-frame")
    claimed = Mutant(
        weak.id, weak.rule, weak.file, weak.old, weak.new, more=(("connector.toml", '"gold"', '"silver"'),)
    )
    done = run(tmp_path, claimed, "-k", "framed")
    assert done.returncode == 0
    assert "above the claimed level silver: framed (gold)" in done.stdout


@pytest.mark.parametrize("text", ["nowhere", "./nowhere"])
def test_a_connector_that_is_not_there_is_told(tmp_path: Path, text: str) -> None:
    done = run(tmp_path, HONEST, "--collect-only")
    assert done.returncode == 0
    (tmp_path / "test_mine.py").write_text(TEST.replace("./mutant", text), "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "app.kit.pytest_plugin", "-q", "-c", os.devnull, "test_mine.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert f"there is no connector {text!r}" in done.stdout
