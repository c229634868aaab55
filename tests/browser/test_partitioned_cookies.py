"""The visit lasts in a browser that blocks third-party cookies as in one that does not; one cookie carries it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Response
from playwright.sync_api import BrowserContext, Frame, Playwright

from tests.browser.chromium import BLOCKING, FLAGS, program
from tests.browser.market import SHOP, Market, admin, framing
from tests.pages.shop import JANA

OTHER = "https://other-addon.example"
COOKIES = {"plain": "SameSite=None; Secure", "kept": "SameSite=None; Secure; Partitioned"}


@pytest.fixture(params=["default", "blocking", "lenient"])
def profile(
    request: pytest.FixtureRequest, playwright: Playwright, market: Market, tmp_path: Path
) -> Iterator[BrowserContext]:
    """An ordinary profile, not an incognito one, which would block by itself; Debian's blocks by itself, too."""
    flags = [*FLAGS, *market.lines.arguments, *([BLOCKING] if request.param == "blocking" else [])]
    if request.param == "lenient":
        (tmp_path / "Default").mkdir()
        (tmp_path / "Default" / "Preferences").write_text('{"profile": {"cookie_controls_mode": 0}}')
    context = playwright.chromium.launch_persistent_context(tmp_path, executable_path=program(), args=flags)
    yield context
    context.close()


@pytest.fixture
def lenient(request: pytest.FixtureRequest, profile: BrowserContext) -> bool:
    """Whether the profile lets third-party cookies through."""
    return bool(request.node.callspec.params["profile"] == "lenient")


def find(frame: Frame, name: str) -> None:
    """Search as you type, and open the card of the person."""
    frame.get_by_role("searchbox").fill(name.split()[0].lower())
    frame.locator("a, button").filter(has_text=name).first.click()
    frame.get_by_role("heading", name=name).wait_for()


def reload(frame: Frame) -> None:
    """Load the frame anew, as its menu does; it shows something again."""
    with frame.expect_navigation():
        frame.evaluate("location.reload()")
    frame.wait_for_selector("h1")


def visit(market: Market, profile: BrowserContext) -> list[str]:
    """Open, search, reload, search again; the names of the cookies that our host was sent meanwhile."""
    profile.clear_cookies()
    before = len(market.internet.hits)
    page, frame = market.enter(profile)
    find(frame, JANA.name)
    reload(frame)
    frame.get_by_role("heading", name=JANA.name).wait_for()  # each page has an address of its own
    frame.get_by_role("navigation").get_by_role("link", name="People").click()
    find(frame, JANA.name)
    page.close()
    sent = [hit.headers.get("Cookie", "") for hit in market.internet.to_host(before)]
    return sorted({pair.partition("=")[0].strip() for cookie in sent if cookie for pair in cookie.split(";")})


def check_visits(market: Market, profile: BrowserContext, times: int) -> None:
    """Each visit works, and what carries it is ours alone, bound to us and to the admin around it."""
    for _ in range(times):
        assert visit(market, profile) == ["__Host-session"]
        [cookie] = profile.cookies()
        assert (cookie["name"], cookie["path"], cookie["sameSite"]) == ("__Host-session", "/", "None")
        assert cookie["secure"]
        assert cookie["httpOnly"]
        assert cookie["partitionKey"] == "https://upgates.com"


def test_the_visit_works(market: Market, profile: BrowserContext) -> None:
    check_visits(market, profile, 1)


@pytest.mark.soak
def test_the_visit_works_every_time(market: Market, profile: BrowserContext) -> None:
    check_visits(market, profile, 50)


def test_a_build_without_partitions_is_caught(
    market: Market, profile: BrowserContext, monkeypatch: pytest.MonkeyPatch, lenient: bool
) -> None:
    """The control: a cookie that is not partitioned is lost with the blocking, and the reloaded page has no visit."""
    set_cookie = Response.set_cookie
    monkeypatch.setattr(
        Response, "set_cookie", lambda self, *args, **kinds: set_cookie(self, *args, **kinds | {"partitioned": False})
    )
    _, frame = market.enter(profile)
    reload(frame)
    assert frame.get_by_role("searchbox").count() == int(lenient)


def test_a_plain_cookie_does_not_survive_blocking(market: Market, profile: BrowserContext, lenient: bool) -> None:
    """The control: the browser blocks what it says, so a visit carried by a plain cookie would have been lost."""
    script = "".join(f"document.cookie = '{name}=1; {how}; Path=/';" for name, how in COOKIES.items())
    market.internet.put(f"{OTHER}/", f"<script>{script} document.title = document.cookie</script>")
    page = profile.new_page()
    page.goto(market.internet.put(f"{SHOP}/other", admin(framing(f"{OTHER}/"))))
    assert page.frames[1].title() == ("plain=1; kept=1" if lenient else "kept=1")
