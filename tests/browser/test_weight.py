"""A page is light, and all of it comes from our own host."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import BrowserContext, Page, Response

from tests.browser.internet import HOST
from tests.browser.looks import inside, outside, show
from tests.browser.market import Market

LARGEST = 60 * 1024


class Scales:
    """Everything that a tab loads, as a proxy would compress it."""

    def __init__(self, page: Page) -> None:
        self.sizes: dict[str, int] = {}
        self.foreign: list[str] = []
        self._loaded: list[Response] = []
        page.on("response", lambda response: self._loaded.append(response))

    def weigh(self) -> int:
        """The bytes of all answers since the last time."""
        for response in self._loaded:
            if not response.url.startswith((f"{HOST}/", "data:")):
                self.foreign.append(response.url)
            elif response.ok:
                self.sizes[response.url.partition("?")[0]] = len(gzip.compress(response.body(), 6, mtime=0))
        self._loaded.clear()
        return sum(self.sizes.values())


@pytest.mark.parametrize("name", ["overview", "people-id", "connections", "settings", "welcome"])
def test_an_opened_page_is_light(market: Market, context: BrowserContext, name: str) -> None:
    page = context.new_page()
    scales = Scales(page)
    url = market.ticket(market.customer.ids["upgates"])
    show(page, inside(market)[name] + "#" + url.partition("#")[2])
    page.wait_for_load_state("networkidle")
    assert 5_000 < scales.weigh() <= LARGEST, scales.sizes
    assert scales.foreign == []


@pytest.mark.parametrize("name", ["home", "closed", "card", "consent"])
def test_a_page_that_stands_alone_is_light(market: Market, context: BrowserContext, name: str) -> None:
    page = context.new_page()
    scales = Scales(page)
    show(page, outside(market)[name])
    page.wait_for_load_state("networkidle")
    assert 2_000 < scales.weigh() <= LARGEST, scales.sizes
    assert scales.foreign == []


def test_a_heavy_build_is_caught(market: Market, context: BrowserContext) -> None:
    """The control: a style sheet that grew is felt, and a font of another house is seen."""
    heavy = "".join(f".a{number * 7919 % 10007}-{number**5 % 99991} {{ top: {number}px }}\n" for number in range(9000))
    heavy += "@import url('https://fonts.example/one.css');"
    context.route("**/stallholder.css", lambda route: route.fulfill(body=heavy, content_type="text/css"))
    page = context.new_page()
    scales = Scales(page)
    show(page, outside(market)["home"])
    page.wait_for_load_state("networkidle")
    assert scales.weigh() > LARGEST
