"""Long runs wait until they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip this folder's long runs unless ``-m`` names them."""
    if "soak" in config.getoption("markexpr", ""):
        return
    for item in items:
        if item.get_closest_marker("soak") and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="a long run: make soak"))
