"""Our pages are framed by the admin that opened them and by nobody else; a stranger's frame spends no ticket."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page

from app.core.registry import Connector
from tests.browser.internet import HOST
from tests.browser.market import CRM, INBOX, SHOP, Market, admin, framing, ours

EVIL = "https://evil.example"


@dataclass(frozen=True, slots=True)
class Parent:
    """A page at ``url`` around a page of ours; ``wrap`` makes what is in it of the address to be framed."""

    url: str
    wrap: Callable[[Market, str], str] = lambda market, url: framing(url)
    headers: tuple[tuple[str, str], ...] = ()


def nested(origin: str, attributes: str = "") -> Callable[[Market, str], str]:
    """A frame of another origin between the top and ours."""

    def wrap(market: Market, url: str) -> str:
        return framing(market.internet.put(f"{origin}/between", admin(framing(url))), attributes)

    return wrap


def as_data(market: Market, url: str) -> str:
    """A document without an origin between the top and ours."""
    return framing(f"data:text/html,{quote(admin(framing(url)))}")


def as_source(attributes: str) -> Callable[[Market, str], str]:
    """A document that the page wrote itself between the top and ours."""
    return lambda market, url: f'<iframe srcdoc="{html.escape(admin(framing(url)))}" {attributes}></iframe>'


def as_element(name: str, attribute: str) -> Callable[[Market, str], str]:
    """Not a frame by name, but by nature."""
    return lambda market, url: f'<{name} {attribute}="{html.escape(url)}" type="text/html"></{name}>'


GOOD = {
    "the-shop": ("upgates", Parent(f"{SHOP}/addon")),
    "a-shop-on-a-numbered-server": ("upgates", Parent("https://beershop.admin.s24.upgates.com/addon")),
    "the-shop-within-the-shop": ("upgates", Parent(f"{SHOP}/addon", nested("https://s24.upgates.com"))),
    "the-inbox": ("orlo", Parent(f"{INBOX}/inbox")),
}
BAD = {
    "a-stranger": Parent(f"{EVIL}/"),
    "plain-http": Parent("http://shop.admin.upgates.com/"),
    "another-port": Parent("https://shop.admin.upgates.com:8443/"),
    "the-bare-domain": Parent("https://upgates.com/"),
    "a-name-that-ends-alike": Parent("https://evilupgates.com/"),
    "a-name-that-begins-alike": Parent("https://shop.admin.upgates.com.evil.example/"),
    "another-marketplace": Parent(f"{CRM}/"),
    "another-marketplace-that-frames": Parent(f"{INBOX}/"),
    "a-name-that-begins-like-ours": Parent(f"{HOST}.evil.example/"),
    "a-stranger-in-the-shop": Parent(f"{SHOP}/", nested(EVIL)),
    "the-shop-in-a-stranger": Parent(f"{EVIL}/", nested(SHOP)),
    "a-sandboxed-shop-in-the-shop": Parent(f"{SHOP}/", nested(SHOP, 'sandbox="allow-scripts"')),
    "a-shop-sandboxed-by-its-own-header": Parent(f"{SHOP}/", headers=(("Content-Security-Policy", "sandbox"),)),
    "data-in-the-shop": Parent(f"{SHOP}/", as_data),
    "srcdoc-of-a-stranger": Parent(f"{EVIL}/", as_source("")),
    "sandboxed-srcdoc-of-the-shop": Parent(f"{SHOP}/", as_source('sandbox="allow-scripts allow-forms"')),
    "an-object-of-a-stranger": Parent(f"{EVIL}/", as_element("object", "data")),
    "an-embed-of-a-stranger": Parent(f"{EVIL}/", as_element("embed", "src")),
}
# Pages that belong into no frame, not even into that of an admin.
ALONE = (
    "/account/",
    "/account/open/retailcrm/x",
    "/account/open/wazzup/x",
    "/healthz",
    "/static/stall.svg",
    "/nowhere",
)


def put(market: Market, parent: Parent, url: str) -> str:
    """The address of a page that frames ``url``."""
    return market.internet.put(parent.url, admin(parent.wrap(market, url)), **dict(parent.headers))


def shown(page: Page, market: Market, parent: Parent, url: str) -> bool:
    """Whether a browser that goes to the parent shows our page; that it asked for it is made sure."""
    before = len(market.internet.hits)
    page.goto(put(market, parent, url))
    assert page.evaluate("location.href") == parent.url
    asked = [hit for hit in market.internet.to_host(before) if hit.method == "GET"]
    assert asked, "the browser did not even ask for our page"
    assert asked[0].status < 500, "an error is shown by nobody, and would prove nothing"
    return bool(ours(page))


@pytest.mark.parametrize(("connector", "parent"), GOOD.values(), ids=GOOD.keys())
def test_the_admin_shows_our_page(market: Market, context: BrowserContext, connector: str, parent: Parent) -> None:
    page = context.new_page()
    assert shown(page, market, parent, market.opening(connector))
    ours(page)[0].wait_for_selector("h1")


@pytest.mark.parametrize("parent", BAD.values(), ids=BAD.keys())
def test_nobody_else_shows_it_or_spends_its_ticket(market: Market, context: BrowserContext, parent: Parent) -> None:
    url, before = market.opening("upgates"), market.unspent()
    assert not shown(context.new_page(), market, parent, url)
    assert market.unspent() == before


def test_another_shop_of_the_platform_shows_it_neither(market: Market, context: BrowserContext) -> None:
    with market.settled_at(f"{SHOP}/api/v2"):
        url, before = market.opening("upgates"), market.unspent()
        assert not shown(context.new_page(), market, GOOD["a-shop-on-a-numbered-server"][1], url)
        assert market.unspent() == before
        assert shown(context.new_page(), market, GOOD["the-shop"][1], url)


@pytest.mark.parametrize("parent", [BAD["a-stranger"], GOOD["the-shop"][1]], ids=["a-stranger", "another-admin"])
def test_a_person_is_shown_in_their_own_admin_alone(market: Market, context: BrowserContext, parent: Parent) -> None:
    assert not shown(context.new_page(), market, parent, market.opening("orlo"))


@pytest.mark.parametrize("path", ALONE)
def test_everything_else_is_framed_by_nobody(market: Market, context: BrowserContext, path: str) -> None:
    for parent in (GOOD["the-shop"][1], GOOD["the-inbox"][1], Parent(f"{CRM}/")):
        assert not shown(context.new_page(), market, parent, HOST + path)


@pytest.mark.parametrize("name", ["a-stranger", "another-port", "a-name-that-begins-alike", "an-object-of-a-stranger"])
def test_a_careless_build_is_caught(
    market: Market, context: BrowserContext, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The control: with any origin among the ancestors the same browser shows our page to the same strangers."""
    monkeypatch.setattr(Connector, "ancestors", lambda connector, address="": ("https:", "https://*:*"))
    assert shown(context.new_page(), market, BAD[name], market.opening("upgates"))
