"""Back, reload, a second tab, a visit that is over: whatever somebody does, a page says how to go on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Frame, Page, expect
from sqlalchemy import delete, update

from app.core.database import writing
from app.core.models import InstallationRow, SessionRow, TicketRow
from app.sdk import State
from tests.browser.internet import HOST
from tests.browser.market import SHOP, Market, admin, framing, ours
from tests.pages.shop import JANA, add_installation

# What a page says that cannot go on by itself.
WAY_ON = re.compile(r"\bopen .{0,40}\bagain\b|\btry again\b", re.IGNORECASE)
Act = Callable[[Market, Page, Frame], Frame]


@pytest.fixture
def shop(market: Market) -> Iterator[str]:
    """A shop of its own, which a test may remove."""
    add_installation(market.host.app, "passing", "passing", tenant="passing")
    yield "passing"
    with market.host.app.app_context(), writing() as session:
        for table in (SessionRow, TicketRow):
            session.execute(delete(table).where(table.installation_id == "passing"))
        session.execute(delete(InstallationRow).where(InstallationRow.id == "passing"))


@pytest.fixture
def visit(market: Market, context: BrowserContext, shop: str) -> tuple[Page, Frame]:
    """The shop's admin with our page in it."""
    page = context.new_page()
    page.goto(market.internet.put(f"{SHOP}/passing", admin(framing(market.ticket(shop)))))
    [frame] = ours(page)
    frame.get_by_role("searchbox").wait_for()
    return page, frame


def change(market: Market, table: type, **values: object) -> None:
    """What time or an uninstall does to the shop's rows."""
    mine = table.id if table is InstallationRow else table.installation_id  # type: ignore[attr-defined]
    with market.host.app.app_context(), writing() as session:
        session.execute(update(table).where(mine == "passing").values(**values))


def reloaded(frame: Frame) -> Frame:
    """The frame after it was loaded anew."""
    with frame.expect_navigation():
        frame.evaluate("location.reload()")
    return frame


def reload_the_frame(market: Market, page: Page, frame: Frame) -> Frame:
    return reloaded(frame)


def reload_the_admin(market: Market, page: Page, frame: Frame) -> Frame:
    page.reload()
    return ours(page)[0]


def go_back_and_forth(market: Market, page: Page, frame: Frame) -> Frame:
    page.goto(market.internet.put(f"{SHOP}/elsewhere", admin("<h1>Orders</h1>")))
    page.go_back()
    return ours(page)[0]


def come_late(market: Market, page: Page, frame: Frame) -> Frame:
    """The link of a mail or a bookmark, in a tab of its own, a minute and more after."""
    url = market.ticket("passing")
    change(market, TicketRow, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    return opened(page, url)


def take_the_address_along(market: Market, page: Page, frame: Frame) -> Frame:
    """The frame's own address in a second tab: there is no visit there."""
    return opened(page, frame.url)


def opened(page: Page, url: str) -> Frame:
    second = page.context.new_page()
    second.goto(url)
    return second.main_frame


def stay_away(market: Market, page: Page, frame: Frame) -> Frame:
    change(market, SessionRow, seen_at=datetime.now(UTC) - timedelta(minutes=16))
    frame.get_by_role("searchbox").fill("jana")
    return frame


def stay_away_and_reload(market: Market, page: Page, frame: Frame) -> Frame:
    change(market, SessionRow, seen_at=datetime.now(UTC) - timedelta(minutes=16))
    return reloaded(frame)


def stay_all_day(market: Market, page: Page, frame: Frame) -> Frame:
    change(market, SessionRow, created_at=datetime.now(UTC) - timedelta(hours=9))
    frame.get_by_role("searchbox").fill("jana")
    return frame


def uninstall_meanwhile(market: Market, page: Page, frame: Frame) -> Frame:
    change(market, InstallationRow, state=State.UNINSTALLING)
    frame.get_by_role("searchbox").fill("jana")
    return frame


def uninstall_and_reload(market: Market, page: Page, frame: Frame) -> Frame:
    change(market, InstallationRow, state=State.UNINSTALLED)
    return reloaded(frame)


def lose_the_connection(market: Market, page: Page, frame: Frame) -> Frame:
    page.context.set_offline(True)
    frame.get_by_role("searchbox").fill("jana")
    return frame


LASTING = (reload_the_frame, go_back_and_forth)
ENDING = (
    reload_the_admin,
    come_late,
    take_the_address_along,
    stay_away,
    stay_away_and_reload,
    stay_all_day,
    uninstall_meanwhile,
    uninstall_and_reload,
    lose_the_connection,
)


@pytest.mark.parametrize("act", LASTING, ids=lambda act: act.__name__)
def test_the_visit_goes_on(market: Market, visit: tuple[Page, Frame], act: Act) -> None:
    expect(act(market, *visit).get_by_role("searchbox")).to_be_visible()


@pytest.mark.parametrize("act", ENDING, ids=lambda act: act.__name__)
def test_the_page_says_how_to_go_on(market: Market, visit: tuple[Page, Frame], act: Act) -> None:
    frame = act(market, *visit)
    expect(frame.get_by_text(WAY_ON).first).to_be_visible()
    expect(frame.get_by_role("heading").first).to_be_visible()


def test_with_the_connection_back_trying_again_goes_on(market: Market, visit: tuple[Page, Frame]) -> None:
    frame = lose_the_connection(market, *visit)
    again = frame.get_by_role("button", name="Try again")
    again.wait_for()
    visit[0].context.set_offline(False)
    again.click()
    expect(frame.get_by_role("searchbox")).to_be_visible()


def test_back_from_a_card_is_where_one_came_from(market: Market, context: BrowserContext) -> None:
    page, frame = market.enter(context)
    for _ in range(2):
        frame.get_by_role("searchbox").fill("jana")
        frame.locator("a, button").filter(has_text=JANA.name).first.click()
        frame.get_by_role("heading", name=JANA.name).wait_for()
        frame.evaluate("history.back()")
        expect(frame.get_by_role("searchbox")).to_be_visible()
    assert page.url.startswith(SHOP)
    assert frame.url.startswith(HOST)


def test_two_shops_of_one_admin_do_not_mix(market: Market, context: BrowserContext, shop: str) -> None:
    """Both share the cookie; a page keeps to the visit that it began."""
    _, first = market.enter(context)
    second = context.new_page()
    second.goto(market.internet.put(f"{SHOP}/passing", admin(framing(market.ticket(shop)))))
    ours(second)[0].get_by_role("searchbox").wait_for()
    first.get_by_role("searchbox").fill("jana")
    expect(first.locator("a, button").filter(has_text=JANA.name).first).to_be_visible()


def test_without_scripts_the_page_says_so(market: Market, context: BrowserContext) -> None:
    assert context.browser is not None
    bare = context.browser.new_context(java_script_enabled=False)
    page = bare.new_page()
    page.goto(market.opening("upgates"))
    expect(page.locator("noscript h1")).to_contain_text("JavaScript")
    expect(page.locator("noscript h1")).to_be_visible()
    bare.close()


def test_a_dead_end_is_caught(market: Market, visit: tuple[Page, Frame]) -> None:
    """The control: a page that says nothing is not taken for one that does."""
    page, _ = visit
    page.goto(market.internet.put(f"{SHOP}/silent", admin("<h1>Sorry</h1><p>This did not work.</p>")))
    assert page.get_by_text(WAY_ON).count() == 0
