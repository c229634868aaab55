"""The benches find what they measure: nobody runs them daily, and what they import moves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(file.stem for file in HERE.glob("*.py") if not file.stem.startswith("test_")))
def test_a_bench_can_begin(name: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    subprocess.run([sys.executable, "-c", f"import {name}"], cwd=HERE, env=environment, check=True, timeout=120)
