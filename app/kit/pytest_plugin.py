"""The pytest plugin: hands `app.sdk.testing.ConnectorContract` a real host."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest


@pytest.fixture(scope="class")
def market(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The connector's host with two customers connected, shared by the tests of one class."""
    # pytest loads this plugin in every run on a machine that has Stallholder: the host is imported where it is used.
    from app.kit.host import Stand, find
    from app.sdk.testing.market import opened

    with Stand(find(request.cls.connector)) as stand, opened(stand) as opened_market:
        yield opened_market


def pytest_configure(config: pytest.Config) -> None:
    """Let the suite ask what a connector declares while tests are collected."""

    @cache
    def subject_of(connector: str) -> Any:
        from app.kit.host import find, subject_of  # as above

        return subject_of(find(connector))

    config.stallholder_subject = subject_of  # type: ignore[attr-defined]
