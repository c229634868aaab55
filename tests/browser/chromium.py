"""The browser of the tests: the system's own Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest
from playwright.sync_api import Browser, Playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BLOCKING = "--test-third-party-cookie-phaseout"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """Where this machine's Chromium is; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: tests/setup.sh installs it where it may")
    return found


def launch(playwright: Playwright, *arguments: str, flags: Sequence[str] = FLAGS) -> Browser:
    """Start a browser of its own."""
    return playwright.chromium.launch(executable_path=program(), args=[*flags, *arguments])
