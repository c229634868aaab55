"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from stage import Stage, serving_here


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A host served from a thread, with its four marketplaces."""
    with ExitStack() as stack:
        yield stack.enter_context(serving_here(Stage(tmp_path / "instance", stack)))
