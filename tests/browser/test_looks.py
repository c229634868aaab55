"""Every page in every language, narrow and wide, light and dark: nothing overflows or jumps, axe has no complaint.

A picture of each is kept in ``pictures``, to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from demo import Demo
from playwright.sync_api import Browser, BrowserContext, Page

from app.pages.language import LANGUAGES
from tests.browser.looks import (
    LONG,
    SCHEMES,
    SHIFTS,
    WIDTHS,
    complaints,
    inside,
    outside,
    overflows,
    picture,
    sandbox,
    show,
)
from tests.browser.market import Market

# More than this a reader would notice; Chromium calls a tenth of it good.
LARGEST_SHIFT = 0.01
WHOLE, THEMES = "whole pages", ("retailcrm", "wazzup", "orlo")
Pages = Mapping[str, str]


@pytest.fixture(scope="session")
def long(market: Market) -> str:
    """The id of the person with the longest words."""
    return market.store(LONG)


@contextmanager
def reader(chromium: Browser, market: Market, language: str, connector: str = "upgates") -> Iterator[Page]:
    """A visit in a language, in a tab of its own."""
    context = chromium.new_context(locale=language)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    show(page, market.ticket(market.customer.ids[connector], language, connector))
    yield page
    context.close()


def all_pages(market: Market, long: str) -> Pages:
    """Every page of a visit and every page that stands alone."""
    own = inside(market)
    return {**own, "people-id-long": own["people-id"].removesuffix(market.jana) + long, **outside(market)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_overflows_or_jumps(chromium: Browser, market: Market, long: str, language: str) -> None:
    faults = {}
    with reader(chromium, market, language) as page:
        for name, url in all_pages(market, long).items():
            page.set_viewport_size({"width": WIDTHS[-1], "height": 800})
            show(page, url)
            shifted = page.evaluate("window.shifted")
            found = [fault for width in WIDTHS for fault in overflows(page, width)]
            faults[name] = found + [f"jumps by {shifted}"] * (shifted >= LARGEST_SHIFT)
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_has_no_complaint(chromium: Browser, market: Market, long: str, scheme: str) -> None:
    faults = {}
    with reader(chromium, market, "en") as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for name, url in all_pages(market, long).items():
            show(page, url)
            faults[name] = complaints(page)
            for width in (WIDTHS[0], WIDTHS[-1]):
                page.set_viewport_size({"width": width, "height": 800})
                picture(page, f"{name}-{width}-{scheme}")
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize("connector", THEMES)
def test_every_host_has_a_readable_theme(chromium: Browser, market: Market, connector: str) -> None:
    faults = {}
    with reader(chromium, market, "en", connector) as page:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for name in ("overview", "people-id", "connections"):
                show(page, inside(market, connector)[name])
                faults[f"{name}, {scheme}"] = complaints(page)
                picture(page, f"theme-{connector}-{name}-{scheme}")
    assert {name: found for name, found in faults.items() if found} == {}


WRONG = {
    "overflow": ("main, #main { min-width: 700px }", lambda page: overflows(page, 320)),
    "cut-words": ("h1 { width: 20px; overflow: hidden; white-space: nowrap }", lambda page: overflows(page, 1280)),
    "squeezed-words": ("h1 { width: 12px; overflow-wrap: anywhere }", lambda page: overflows(page, 1280)),
    "pale-text": ("* { color: #bbb !important; background: #fff !important }", complaints),
}


@pytest.mark.parametrize(("style", "look"), WRONG.values(), ids=WRONG.keys())
def test_a_bad_look_is_caught(
    market: Market, context: BrowserContext, style: str, look: Callable[[Page], list[str]]
) -> None:
    """The control: each check sees what it is for."""
    page = context.new_page()
    show(page, outside(market)["home"])
    assert look(page) == []
    page.evaluate(PLANT, style)
    assert look(page)


PLANT = """text => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  document.adoptedStyleSheets.push(sheet);
}"""


def test_the_sandbox_looks_good(demo: Demo, context: BrowserContext) -> None:
    """Its own pages are English; each admin is looked at with our page in it."""
    faults, page = {}, context.new_page()
    for name, url in sandbox(demo).items():
        page.goto(url)
        page.locator("body:not([aria-busy])").wait_for()
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            faults[f"{name}, {scheme}"] = complaints(page)
            for width in WIDTHS:
                faults[f"{name}, {scheme}"] += overflows(page, width)
                picture(page, f"{name}-{width}-{scheme}")
    assert {name: found for name, found in faults.items() if found} == {}


def test_a_jump_is_caught(market: Market, context: BrowserContext) -> None:
    """The control: something that pushes the page down is counted."""
    context.add_init_script(SHIFTS)
    page = context.new_page()
    show(page, outside(market)["home"])
    page.evaluate(
        "new Promise(done => { const late = document.createElement('p'); late.style.height = '300px';"
        " document.body.prepend(late); requestAnimationFrame(() => setTimeout(done, 100)); })"
    )
    assert page.evaluate("window.shifted") >= LARGEST_SHIFT
