"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from stage import Stage, serving_here

from tests.postgres import new_database, postgres_url

__all__ = ["postgres_url"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A host served from a thread, with its four marketplaces."""
    with ExitStack() as stack:
        yield stack.enter_context(serving_here(Stage(tmp_path / "instance", stack)))


@pytest.fixture(params=["sqlite", "postgresql"])
def any_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """The same host on each database."""
    settings = {}
    if request.param == "postgresql":
        settings["SQLALCHEMY_DATABASE_URI"] = new_database(request.getfixturevalue("postgres_url"))
    with ExitStack() as stack:
        yield stack.enter_context(serving_here(Stage(tmp_path / "instance", stack, **settings)))
