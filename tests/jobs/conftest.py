"""A platform and a host for the tests of durable work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.jobs.fake_platform import Platform, serving_platform
from tests.jobs.host import host_in
from tests.postgres import new_database


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A platform whose shops have 50 people each."""
    with serving_platform(Platform()) as served:
        yield served


@pytest.fixture
def host(platform: Platform, tmp_path: Path) -> Iterator[Flask]:
    """The host on SQLite, inside its app context."""
    with host_in(tmp_path / "instance", platform) as app:
        yield app


@pytest.fixture(params=["sqlite", "postgresql"])
def any_host(request: pytest.FixtureRequest, platform: Platform, tmp_path: Path) -> Iterator[Flask]:
    """The same on each database."""
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    with host_in(tmp_path / "instance", platform, database) as app:
        yield app


@pytest.fixture(scope="module", autouse=True)
def no_loop() -> Iterator[None]:
    """The engine refuses to work beside an event loop, which the tests in a browser leave in this thread."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)
