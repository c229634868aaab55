"""One served host, one played internet and one browser for all tests of a process; a fresh profile for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from demo import Demo, serving_demo
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from tests.browser.chromium import BLOCKING, launch, program
from tests.browser.market import Market, trading

# Milliseconds that something may take where several suites share two cores.
PATIENCE = 20_000


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver."""
    program()
    expect.set_options(PATIENCE)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """The host and everything around it; a test that changes the host changes it back."""
    with trading(tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A host in demo mode: its marketplaces are on other sites of this machine."""
    with serving_demo(Demo(tmp_path_factory.mktemp("demo"))) as demo:
        yield demo


@pytest.fixture(scope="session")
def chromium(playwright: Playwright, market: Market) -> Iterator[Browser]:
    """A browser that blocks third-party cookies."""
    browser = launch(playwright, *market.lines.arguments, BLOCKING)
    yield browser
    browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A profile that nobody used before."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()
