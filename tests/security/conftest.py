"""Hosts with connected customers, shared by a module or made for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from databases import own_database
from tenants import Host, hosting


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One customer at every marketplace."""
    with hosting(tmp_path_factory.mktemp("host") / "instance") as host:
        yield host


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Host]:
    """The same for one test alone, which may break it."""
    with hosting(tmp_path / "instance") as host:
        yield host


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Makes a host for one test alone, with as many customers as asked for, on each database."""
    with ExitStack() as stack:
        settings: dict[str, Any] = {}
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_url")
            settings["SQLALCHEMY_DATABASE_URI"] = stack.enter_context(own_database(server))
        yield lambda tenants=1: stack.enter_context(hosting(tmp_path / "instance", tenants, **settings))
