"""Whatever a shop calls its people, its orders and itself: no page runs it, even where no policy would stop it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page

from app.core.database import writing
from app.core.models import WorkspaceRow
from app.sdk import Message, Order, Person
from tests.browser.internet import HOST
from tests.browser.market import ADMINS, Market, admin, framing, ours
from tests.browser.payloads import payloads
from tests.pages.shop import Crowd, add_installation

ALL, FEW, CUSTOMERS = 500, 12, 10
NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)
# Shows each fragment in the least careful way there is, in which a script would run, and tells what it should not hold.
SHOW = """async paths => {
  const faults = [], place = document.body.appendChild(document.createElement("div"));
  const safe = ["https:", "http:", "mailto:", "tel:"];
  const installation = document.getElementById("main").dataset.installation;
  const headers = {"X-Stallholder": "1", "X-Installation": installation, "HX-Request": "true"};
  const ask = path => fetch(path, {headers});
  const ahead = paths.slice(0, 4).map(ask);
  for (const [number, path] of paths.entries()) {
    const answer = await ahead.shift();
    if (number + 4 < paths.length) ahead.push(ask(paths[number + 4]));
    if (!answer.ok) faults.push(`${answer.status} ${path}`);
    place.replaceChildren(document.createRange().createContextualFragment(await answer.text()));
    for (const element of place.querySelectorAll("*")) {
      const handlers = element.getAttributeNames().filter(name => /^(on|hx-on|style$|srcdoc$|formaction$)/.test(name));
      if (handlers.length) faults.push(`${element.localName} ${handlers}`);
      if (element.matches("script, iframe, object, embed, base, meta, style, link")) faults.push(element.localName);
      if (element.href && !safe.includes(element.protocol)) faults.push(String(element.href));
    }
    await new Promise(done => setTimeout(done));
  }
  await new Promise(done => setTimeout(done, 300));
  return faults;
}"""
# Tells the test of every breach of the policy, from the first moment of every document.
LISTEN = (
    "addEventListener('securitypolicyviolation', event => breached(`${event.violatedDirective} ${event.blockedURI}`))"
)


def hostile(id: str, text: str) -> Person:
    """A person who says the same in every field, and writes it."""
    order = Order(text, text, text, text, text, text)
    told = {"text": text, "url": text, "author": text, "failure": text, "kind": text}
    messages = [
        Message(f"{id}-{outgoing}", NOW, text, outgoing=outgoing, status="error", **told) for outgoing in (True, False)
    ]
    return Person(id, text, text, text, text, text, text, text, (order,), messages=messages)


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """The corpus."""
    return payloads(ALL)


@pytest.fixture(scope="session")
def shops(market: Market, texts: list[str]) -> list[str]:
    """Customers with many shops that are called like that, by either name; an installation of each to come through."""
    app = market.host.app
    for number, text in enumerate(texts):
        named = {"label": text[:100]} if number % 2 else {}
        workspace = f"hostile{number % CUSTOMERS}"
        add_installation(app, f"shop{number}", workspace, tenant=f"shop{number}", title=text, alarm=text, **named)
    with app.app_context(), writing() as session:
        for number in range(CUSTOMERS):
            session.get_one(WorkspaceRow, f"hostile{number}").name = texts[number * 5]
    return [f"shop{number}" for number in range(CUSTOMERS)]


@pytest.fixture
def raw(market: Market, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A directory that hands out what it was told, as none of ours does; the ids of its people."""
    crowd = Crowd([hostile(str(number), text) for number, text in enumerate(texts)])
    monkeypatch.setattr(market.host.services, "directory", lambda workspace: crowd)
    return list(crowd.people)


class Watched:
    """A profile in which every script that gets to run and every breach of the policy is told."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.ran: list[str] = []
        self.breaches: list[str] = []
        self.context: BrowserContext = browser.new_context(**options)
        self.context.expose_binding("pwned", lambda source, *told: self.ran.append(source["frame"].url))
        self.context.expose_binding("breached", lambda source, told: self.breaches.append(told))
        self.context.add_init_script(LISTEN)


@pytest.fixture
def unprotected(chromium: Browser) -> Iterator[Watched]:
    """A browser that knows no policy: escaping is all there is."""
    watched = Watched(chromium, bypass_csp=True)
    yield watched
    watched.context.close()


@pytest.fixture
def protected(chromium: Browser) -> Iterator[Watched]:
    """A browser as it is."""
    watched = Watched(chromium)
    yield watched
    watched.context.close()


def entered(market: Market, watched: Watched, installation: str) -> Page:
    """A visit in a tab of its own, where the page is its own top."""
    page = watched.context.new_page()
    page.goto(market.ticket(installation))
    page.get_by_role("searchbox").wait_for()
    return page


def cards(ids: list[str], texts: list[str]) -> list[str]:
    """Where the people are shown: their cards, and hits with the query in them."""
    return [*(f"/account/people/{id}" for id in ids), *(f"/account/people?q={quote(text)}" for text in texts)]


def lists(shop: str) -> list[str]:
    """Where the shops are shown."""
    pages = ("overview", "welcome", "connections", f"connections/{shop}", "settings", "erase", "join")
    return [f"/account/{page}" for page in pages]


def test_no_text_of_a_person_runs(market: Market, unprotected: Watched, raw: list[str], texts: list[str]) -> None:
    assert len(texts) == ALL
    page = entered(market, unprotected, market.customer.ids["upgates"])
    assert page.evaluate(SHOW, cards(raw, texts)) == []
    assert unprotected.ran == []


def test_no_text_of_a_shop_runs(market: Market, unprotected: Watched, shops: list[str]) -> None:
    for shop in shops:
        page = entered(market, unprotected, shop)
        assert page.evaluate(SHOW, lists(shop)) == []
        page.close()
    assert unprotected.ran == []


def test_a_card_of_its_own_runs_nothing(market: Market, protected: Watched, raw: list[str]) -> None:
    page = protected.context.new_page()
    for id in raw[:: ALL // FEW]:
        page.goto(market.internet.put(ADMINS["orlo"], admin(framing(HOST + market.tenant.orlo.open(id=id).path))))
        ours(page)[0].wait_for_selector("h1")
    assert (protected.ran, protected.breaches) == ([], [])


def test_the_normal_flow_breaches_no_policy(market: Market, protected: Watched) -> None:
    """Opening, searching, a card, and back: the policy has nothing to report."""
    _, frame = market.enter(protected.context)
    frame.get_by_role("searchbox").fill("jana")
    frame.locator("a, button").filter(has_text="Jana Nov").first.click()
    frame.get_by_role("heading", name="Jana Nov").wait_for()
    frame.evaluate("history.back()")
    frame.get_by_role("searchbox").wait_for()
    assert (protected.ran, protected.breaches) == ([], [])


@contextmanager
def careless(app: Flask) -> Iterator[None]:
    """A build whose templates trust every text."""
    escaping = app.jinja_env.autoescape
    app.jinja_env.autoescape = False
    app.jinja_env.cache.clear()  # type: ignore[union-attr]
    try:
        yield
    finally:
        app.jinja_env.autoescape = escaping
        app.jinja_env.cache.clear()  # type: ignore[union-attr]


@pytest.mark.parametrize("watched", ["unprotected", "protected"])
def test_a_build_that_trusts_is_caught(
    market: Market, request: pytest.FixtureRequest, watched: str, raw: list[str], texts: list[str]
) -> None:
    """The control: the same check sees scripts run and strange elements; with the policy nothing runs even then."""
    browser: Watched = request.getfixturevalue(watched)
    page = entered(market, browser, market.customer.ids["upgates"])
    with careless(market.host.app):
        faults = page.evaluate(SHOW, cards(raw[:60], texts[:60]))
    assert faults
    assert bool(browser.ran) is (watched == "unprotected")
    assert bool(browser.breaches) is (watched == "protected")
