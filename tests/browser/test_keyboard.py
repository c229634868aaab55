"""Without a mouse: everything is reached in the order in which it is read, shows that it is, and answers to Enter."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.looks import inside, show
from tests.browser.market import Market
from tests.pages.shop import JANA

MOST = 60
# What is focused, where it stands in the document, and whether a reader would see that it is.
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const looks = () => ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderColor", "backgroundColor"]
    .map(name => getComputedStyle(element)[name]).join();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const focused = looks();
  element.blur();
  const visible = ring || focused !== looks();
  element.focus({focusVisible: true, preventScroll: true});
  return {
    place: [...document.querySelectorAll("*")].indexOf(element),
    name: `${element.localName} ${element.textContent.trim().slice(0, 30) || element.name || element.id}`,
    visible,
    seen: element.checkVisibility({visibilityProperty: true, opacityProperty: true}),
  };
}"""
# The pages put the focus on their heading, so that a reader is told it; the walk begins before everything.
START = """() => {
  const mark = document.createElement("span");
  mark.tabIndex = -1;
  document.body.prepend(mark);
  mark.focus();
}"""
REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter(element => element.checkVisibility({visibilityProperty: true}) && !element.disabled && element.tabIndex >= 0)
  .filter(element => element.type !== "radio").length"""


def stops(page: Page) -> list[dict[str, Any]]:
    """Where the Tab key stops, from the top of the page to its end."""
    page.evaluate(START)
    found: list[dict[str, Any]] = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None or (found and stop["place"] == found[0]["place"]):
            break
        found.append(stop)
    return found


def faults(page: Page) -> list[str]:
    """What is wrong with the way through a page."""
    way = stops(page)
    places = [stop["place"] for stop in way]
    unseen = [f"no sign of focus: {stop['name']}" for stop in way if not stop["visible"] or not stop["seen"]]
    skipped = page.evaluate(REACHABLE) - len(way)
    return (
        unseen
        + ["the order is not that of the document"] * (places != sorted(places))
        + [f"{skipped} not reached"] * (skipped > 0)
    )


def test_every_page_is_walked_through_with_the_tab_key(market: Market, context: BrowserContext) -> None:
    page, found = context.new_page(), {}
    show(page, market.ticket(market.customer.ids["upgates"]))
    for name, url in inside(market).items():
        show(page, url)
        found[name] = faults(page)
    assert {name: some for name, some in found.items() if some} == {}


def test_a_person_is_found_and_opened_with_the_keyboard_alone(market: Market, context: BrowserContext) -> None:
    page = context.new_page()
    show(page, market.ticket(market.customer.ids["upgates"]))
    while page.evaluate("document.activeElement.type") != "search":
        page.keyboard.press("Tab")
    page.keyboard.type("jana nov")
    hit = page.locator("a, button").filter(has_text=JANA.name).first
    expect(hit).to_be_visible()
    while not hit.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name=JANA.name)
    expect(heading).to_be_visible()
    expect(heading).to_be_focused()
    page.go_back(wait_until="commit")
    expect(page.get_by_role("searchbox")).to_be_visible()


WRONG = {
    "no-sign": "* { outline: none !important; box-shadow: none !important; transition: none !important }",
    "unreachable": None,
}


@pytest.mark.parametrize("style", WRONG.values(), ids=WRONG.keys())
def test_a_page_for_mice_alone_is_caught(market: Market, context: BrowserContext, style: str | None) -> None:
    """The control: a hidden focus and a button that the key passes by are both noticed."""
    page = context.new_page()
    show(page, market.ticket(market.customer.ids["upgates"]))
    if style:
        page.evaluate(
            "text => { const sheet = new CSSStyleSheet(); sheet.replaceSync(text);"
            " document.adoptedStyleSheets.push(sheet); }",
            style,
        )
    else:
        page.evaluate("document.querySelectorAll('a')[1].addEventListener('focus', event => event.target.blur())")
    assert faults(page)
