"""A ticket, a signature, a client's id, a bearer: no other site, no log and no history of the browser sees one."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from flask import Response
from playwright.sync_api import BrowserContext, Frame, Page

from tests.browser.internet import HOST, Hit
from tests.browser.market import ADMINS, CRM, Market, admin, ours
from tests.pages.shop import JANA

# What a page keeps, and what the pages around it and after it can read of it.
READ = """() => JSON.stringify([
  () => name, () => document.referrer, () => document.cookie, () => location.href, () => history.state,
  () => navigation.entries().map(entry => entry.url), () => performance.getEntries().map(entry => entry.name),
  () => ({...localStorage}), () => ({...sessionStorage}),
].map(read => { try { return read(); } catch (refused) { return String(refused); } }))"""
# The admin hears everything that its frame says to it.
HEAR = "addEventListener('message', event => console.info('heard', JSON.stringify(event.data)))"


@dataclass
class Trail:
    """Where a visit could leave traces, and the secrets to be looked for."""

    market: Market
    context: BrowserContext
    said: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.since = len(self.market.internet.hits)
        self.context.add_init_script(HEAR)
        self.context.on("console", lambda message: self.said.append(message.text))
        self.context.on("weberror", lambda error: self.said.append(str(error.error)))

    def traces(self, log: str) -> list[str]:
        """Every place in which a secret stands, and which one."""
        places = dict(self.places()) | {"the host's log": log, "the console": "\n".join(self.said)}
        secrets = self.secrets | self.admitted()
        return [f"{name} in {place}" for place, text in places.items() for name in secrets if secrets[name] in text]

    def places(self) -> Iterator[tuple[str, str]]:
        """What servers were sent, and what the documents know. Only our own host may get a cookie or a bearer."""
        for number, hit in enumerate(self.market.internet.hits[self.since :]):
            yield f"{number} {hit.method} {urlsplit(hit.url).path}: the address", address(hit)
            own = ("Cookie", "Authorization") if hit.origin == HOST else ()
            headers = "\n".join(value for name, value in hit.headers.items() if name not in own)
            yield f"{number} {hit.method} {urlsplit(hit.url).path}: the headers", headers
        for page in self.context.pages:
            for frame in filter(tells, page.frames):
                yield f"the document of {frame.url}", frame.evaluate(READ)

    def admitted(self) -> dict[str, str]:
        """The secrets that the visit itself was given."""
        hits = self.market.internet.to_host(self.since)
        bearers = {hit.headers.get("Authorization", "").removeprefix("Bearer ") for hit in hits} - {""}
        given = [*sorted(bearers), *(str(cookie["value"]) for cookie in self.context.cookies())]
        return {f"session secret {number}": text for number, text in enumerate(given)}


def tells(frame: Frame) -> bool:
    """Whether a document could give something away: the admin knows what it opened, and Orlo's address is signed."""
    return frame.url not in ADMINS.values() and "/orlo/open/" not in frame.url


def address(hit: Hit) -> str:
    """An address as a log would have it. Orlo signs the address itself: there the signature must be, and only there."""
    return hit.url.partition("?")[0] if "/orlo/open/" in hit.url else hit.url


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The host's log."""
    written, known = io.StringIO(), structlog.get_config()
    structlog.configure(**known | {"logger_factory": structlog.PrintLoggerFactory(written)})
    yield written
    structlog.configure(**known)


@pytest.fixture
def trail(market: Market, context: BrowserContext) -> Trail:
    """A visit that is watched."""
    return Trail(market, context)


def through_the_shop(trail: Trail) -> None:
    """Opening, searching, a card, the link to the shop, a reload."""
    page, frame = trail.market.enter(trail.context)
    source = page.frames[0].locator("iframe").get_attribute("src") or ""
    trail.secrets["ticket"] = source.partition("t=")[2]
    frame.get_by_role("searchbox").fill("jana")
    frame.locator("a, button").filter(has_text=JANA.name).first.click()
    follow(page)
    with frame.expect_navigation():
        frame.evaluate("location.reload()")
    frame.wait_for_selector("h1")


def through_the_account(trail: Trail) -> None:
    """RetailCRM sends the browser itself, by a form."""
    sent = trail.market.tenant.retailcrm.open()
    client = parse_qs(sent.body.decode())["clientId"][0]
    trail.secrets["client id"] = client
    button = f'<form method="post" action="{HOST}{sent.path}"><button name="clientId" value="{html.escape(client)}">'
    page = trail.context.new_page()
    page.goto(trail.market.internet.put(f"{CRM}/admin/integration", admin(button)))
    page.get_by_role("button").click()
    page.get_by_role("searchbox").wait_for()
    page.get_by_role("searchbox").fill("jana")
    page.locator("a, button").filter(has_text=JANA.name).first.click()
    follow(page)


def through_the_inbox(trail: Trail) -> None:
    """Orlo signs the frame's address."""
    page, _ = trail.market.enter(trail.context, "orlo")
    source = page.frames[0].locator("iframe").get_attribute("src") or ""
    trail.secrets["signature"] = parse_qs(urlsplit(source).query)["sig"][0]
    follow(page)


def follow(page: Page) -> None:
    """Go to the shop by the card's link, in a tab of its own."""
    [frame] = ours(page)
    with page.expect_popup() as opened:
        frame.get_by_role("link", name="Open in").first.click()
    opened.value.wait_for_load_state()
    assert opened.value.url == JANA.url


WAYS = (through_the_shop, through_the_account, through_the_inbox)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_nothing_leaks(trail: Trail, log: io.StringIO, way: object) -> None:
    way(trail)  # type: ignore[operator]
    assert trail.secrets
    assert "request.served" in log.getvalue()
    assert trail.traces(log.getvalue()) == []


def test_a_talkative_build_is_caught(market: Market, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: were the referrer not withheld, the next request would carry Orlo's signature."""

    def tell(response: Response) -> Response:
        response.headers["Referrer-Policy"] = "unsafe-url"
        return response

    functions = market.host.app.after_request_funcs
    monkeypatch.setitem(functions, None, [tell, *functions[None]])
    through_the_inbox(trail)
    assert any("signature in" in trace and "the headers" in trace for trace in trail.traces(""))


def test_a_build_that_keeps_the_ticket_is_caught(trail: Trail) -> None:
    """The control: were the ticket not wiped from the address, the browser's history would hold it."""
    trail.context.add_init_script("history.replaceState = () => {}")
    through_the_shop(trail)
    assert any("ticket in the document" in trace for trace in trail.traces(""))
