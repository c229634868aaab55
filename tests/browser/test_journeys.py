"""A first day at every marketplace, clicked through the sandbox, with third-party cookies blocked.

Each ends in our own page, in a search that finds somebody whom the worker brought from a shop.
"""

from __future__ import annotations

import time

import pytest
from demo import Demo
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect
from playwright.sync_api import TimeoutError as TooLate

from plugins.retailcrm.simulator import customer as account_customer
from plugins.upgates.simulator import customer as shop_customer

PATIENCE = 90.0
Place = Page | FrameLocator


def go(context: BrowserContext, demo: Demo, name: str) -> Page:
    """A marketplace's admin, in a tab of its own."""
    page = context.new_page()
    page.goto(f"{demo.origin(name)}/")
    return page


def click(page: Page, entry: str, scenario: str = "genuine", word: str = "accepted") -> None:
    """Press an entry of the menu; the host makes of it what was expected."""
    page.locator(f"[data-action={entry}][data-scenario={scenario}]").click()
    page.locator("body:not([aria-busy])").wait_for()
    expect(page.locator("#verdict .word")).to_have_attribute("data-word", word)


def find(place: Place, query: str, name: str) -> None:
    """Search until the person is there, as somebody does who waits for the first customers; then open the card."""
    hit = place.locator("a, button").filter(has_text=name).first
    until = time.monotonic() + PATIENCE
    while True:
        place.get_by_role("searchbox").fill("")
        place.get_by_role("searchbox").press_sequentially(query)
        place.get_by_role("searchbox").press("Enter")
        try:
            hit.click(timeout=3000)
            break
        except TooLate:
            assert time.monotonic() < until, f"nobody came from the shop: {place.locator('body').inner_text()}"
    expect(place.get_by_role("heading", name=name).first).to_be_visible()


def named(customer: dict[str, str], first: str, last: str) -> str:
    return f"{customer[first]} {customer[last]}"


def test_a_shop_activates_opens_and_finds(demo: Demo, context: BrowserContext) -> None:
    page, known = go(context, demo, "upgates"), shop_customer(17)
    click(page, "install")
    click(page, "open")
    find(page.frame_locator("#page"), "zakaznik17@", named(known, "firstname", "surname"))
    click(page, "open", "forged", "refused")
    click(page, "open", "late", "refused")
    expect(page.frame_locator("#page").get_by_role("heading").first).to_be_visible()


def test_an_account_connects_opens_and_finds(demo: Demo, context: BrowserContext) -> None:
    page, known = go(context, demo, "retailcrm"), account_customer(11)
    click(page, "install")
    click(page, "open")
    find(page.frame_locator("#page"), known["email"], named(known, "firstName", "lastName"))
    click(page, "suspend")
    click(page, "activate")


def test_an_agent_searches_and_opens_a_card(demo: Demo, context: BrowserContext) -> None:
    shop, known = go(context, demo, "upgates"), shop_customer(23)
    click(shop, "install")
    page = go(context, demo, "orlo")
    until = time.monotonic() + PATIENCE
    name = named(known, "firstname", "surname")
    hit = page.locator("#hits").get_by_text(name).first
    while not hit.is_visible():
        assert time.monotonic() < until, "nobody came from the shop"
        page.locator("#asked").fill("zakaznik23@")
        click(page, "search")
    hit.click()
    expect(page.frame_locator("#page").get_by_role("heading", name=name)).to_be_visible()


def test_a_messenger_is_agreed_to_and_its_link_opens_our_pages(demo: Demo, context: BrowserContext) -> None:
    shop, known = go(context, demo, "upgates"), shop_customer(29)
    click(shop, "install")
    page = go(context, demo, "wazzup")
    page.locator("[data-action=install][data-scenario=genuine]").click()
    with page.expect_popup() as opened:
        page.locator("#own a").click()
    consent = opened.value
    consent.get_by_role("button", name="Connect").click()
    # The stage brings the connection into the demo's workspace, which ends the visits of its own one.
    page.locator("body[data-served=True]").wait_for()
    consent.get_by_role("link", name="Open my pages").click()
    find(consent, "zakaznik29@", named(known, "firstname", "surname"))


@pytest.mark.parametrize("name", ["upgates", "retailcrm"])
def test_the_visit_is_carried_by_a_partitioned_cookie(demo: Demo, context: BrowserContext, name: str) -> None:
    page = go(context, demo, name)
    click(page, "install")
    click(page, "open")
    frame = page.frame_locator("#page")
    frame.get_by_role("searchbox").first.wait_for()
    [cookie] = [one for one in context.cookies() if "session" in one["name"]]
    assert cookie["partitionKey"] == f"http://{name}.localhost"
