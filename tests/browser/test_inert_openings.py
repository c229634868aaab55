"""Reading an opening's address changes nothing: no scanner, no prefetching browser, no hostile page burns a ticket."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from effects import changed, effects
from flask import Response, request
from playwright.sync_api import BrowserContext
from wire import ask

from app.core import tickets
from app.sdk.simulation import Outgoing
from tests.browser.internet import HOST
from tests.browser.market import Market

EVIL = "https://evil.example"
SCANNED, BROWSED = 900, 100
# What link scanners, mail gateways, chat previews and prefetching browsers send.
METHODS = ("GET", "HEAD", "OPTIONS")
READERS: tuple[dict[str, str], ...] = (
    {"User-Agent": "Mozilla/5.0 (compatible; LinkPreview/1.0)"},
    {"User-Agent": "curl/8.5.0", "Accept": "*/*"},
    {"Purpose": "prefetch", "Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"},
    {"X-Moz": "prefetch", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "X-Stallholder": "1", "Origin": HOST},
    {"Accept": "application/json", "Content-Type": "application/json"},
)


def spellings(opening: str, ticket: str) -> tuple[str, ...]:
    """Addresses that carry a ticket where a server can read it, and where it cannot."""
    session = "/account/session"
    return (
        f"{opening}?t={ticket}",
        f"{opening}?ticket={ticket}",
        f"{opening}/?t={ticket}",
        f"{session}?ticket={ticket}",
    )


def scans(opening: str, ticket: str, count: int) -> Iterator[Outgoing]:
    """Requests of those who follow every link; a body makes no difference."""
    ways = itertools.product(spellings(opening, ticket), METHODS, READERS)
    for path, method, headers in itertools.islice(itertools.cycle(ways), count):
        yield Outgoing(method, path, headers, f'{{"ticket": "{ticket}"}}'.encode())


def traps(url: str) -> str:
    """Every element by which a page makes a browser read an address without its reader doing anything."""
    safe = html.escape(url)
    elements = [
        f'<iframe src="{safe}"></iframe>',
        f'<iframe src="{safe}" sandbox="allow-scripts allow-same-origin allow-forms"></iframe>',
        f'<object data="{safe}"></object><embed src="{safe}">',
        f'<img src="{safe}" alt=""><video src="{safe}"></video>',
        f'<script src="{safe}"></script><link rel="stylesheet" href="{safe}">',
        f'<link rel="prefetch" href="{safe}"><link rel="preload" as="document" href="{safe}">',
        f'<script type="speculationrules">{{"prefetch": [{{"urls": ["{safe}"]}}]}}</script>',
        f"<script>fetch('{safe}', {{mode: 'no-cors', credentials: 'include'}}).catch(() => 0)</script>",
        f"<script>new EventSource('{safe}'); new Image().src = '{safe}'</script>",
    ]
    return "<!doctype html>" + "".join(elements)


def burn(market: Market, context: BrowserContext) -> int:
    """Read a fresh ticket's address a thousand times; returns how many requests came."""
    url = market.opening("upgates")
    address, _, ticket = url.replace("?", "#").partition("#t=")
    for outgoing in scans(address.removeprefix(HOST), ticket, SCANNED):
        assert ask(market.host.app, outgoing).status < 500
    before = len(market.internet.hits)
    page = context.new_page()
    number = itertools.count()
    while len(market.internet.to_host(before)) < BROWSED:
        aimed = f"{address}?t={ticket}&n={next(number)}#t={ticket}"
        page.goto(market.internet.put(f"{EVIL}/trap", traps(aimed)))
    return SCANNED + len(market.internet.to_host(before))


def test_a_thousand_hostile_readings_leave_the_ticket_unused(market: Market, context: BrowserContext) -> None:
    before, stored = market.unspent(), effects(market.host)
    assert burn(market, context) >= SCANNED + BROWSED
    assert market.unspent() == before + 1
    difference = changed(stored, effects(market.host))
    assert set(difference) <= {"ticket", "journal"}, "the opening itself is all that is left"


def test_a_build_that_spends_on_reading_is_caught(
    market: Market, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: were the address itself enough, the first scanner would have the visit."""

    def spend() -> Response | None:
        if request.endpoint == "account.open_shell" and "t" in request.args:
            tickets.exchange(request.args["t"], datetime.now(UTC))
        return None

    monkeypatch.setitem(market.host.app.before_request_funcs, None, [spend])
    before = market.unspent()
    opening, _, ticket = market.opening("upgates").partition("#t=")
    ask(market.host.app, next(scans(opening.removeprefix(HOST), ticket, 1)))
    assert market.unspent() == before
