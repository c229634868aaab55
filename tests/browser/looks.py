"""Every page there is, by name, and what can be seen to be wrong with the look of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from demo import Demo
from flask import Flask
from playwright.sync_api import Page

from app.sdk import Order, Person
from tests.browser.internet import HOST
from tests.browser.market import Market

PICTURES = Path(__file__).with_name("pictures")
WIDTHS = (320, 768, 1280)
SCHEMES = ("light", "dark")
# A person whose every word is as long as a shop may make it.
LONG = Person(
    "long",
    "Maximiliána Wilhelmína Podhorská-Štěpánková z Rožmberka a na Krumlově",
    "maximiliana.wilhelmina.podhorska-stepankova@nejdelsi-mozna-domena-obchodu.example.cz",
    "+420 777 123 456",
    "Nejneobhospodařovávatelnější zemědělské družstvo Horní Dolní, společnost s ručením omezeným",
    "https://shop.example.cz/admin/customers/2",
    "Nejkulaťoulinkatější" * 12,
    orders=tuple(
        Order(
            f"2025-{number:03}-WHOLESALE-CONTRACT",
            "2025-03-07",
            "Waiting for the payment to arrive",
            "1234567.5",
            "CZK",
        )
        for number in range(3)
    ),
)
# What stands out of the page, or is cut off without a sign of it.
OVERFLOWS = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  const name = element => `${element.localName}.${element.className} "${element.textContent.trim().slice(0, 40)}"`;
  const moves = element => /(auto|scroll)/.test(getComputedStyle(element).overflowX);
  const scrolls = element => element && (moves(element) || scrolls(element.parentElement));
  const whole = document.documentElement.scrollWidth;
  if (whole > wide) found.push(`the page is ${whole} wide`);
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    const words = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim().length > 6);
    const tall = element.scrollHeight > 4 * parseFloat(style.fontSize);
    if (words && tall && box.width < 40) found.push(`squeezed: ${name(element)}`);
    if (box.width <= 1 || box.height <= 1 || !element.checkVisibility({visibilityProperty: true})) continue;
    if (words && box.top + scrollY + parseFloat(style.paddingTop) < 4) found.push(`at the very top: ${name(element)}`);
    if ((box.right > wide + 1 || box.left < -1) && !scrolls(element.parentElement)) found.push(`out: ${name(element)}`);
    const hides = /(hidden|clip)/.test(style.overflowX) && style.textOverflow !== "ellipsis";
    if (hides && element.scrollWidth > element.clientWidth + 1) found.push(`cut: ${name(element)}`);
  }
  return found;
}"""
# The sum of what moved by itself since the document began.
SHIFTS = """(() => {
  window.shifted = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
  }).observe({type: "layout-shift", buffered: true});
})()"""
SETTLED = """() => document.querySelector("h1") && !document.querySelector("[aria-busy=true]")"""


def inside(market: Market, connector: str = "upgates") -> dict[str, str]:
    """The addresses of a visitor's own pages, by name: one for each fragment that the host has."""
    shell = f"{HOST}/account/open/{connector}/{market.customer.ids[connector]}"
    values = {
        "/account/people/<id>": market.jana,
        "/account/connections/<id>": market.customer.ids["orlo"],
        "/account/connect/<connector>": "wazzup",
    }
    return {
        name_of(rule): shell + re.sub("<.+>", values.get(rule, ""), rule).removeprefix("/account")
        for rule in sorted(fragments(market.host.app))
    }


def fragments(app: Flask) -> Iterator[str]:
    """The routes that a visitor's script reads."""
    for rule in app.url_map.iter_rules():
        whole = rule.endpoint in ("account.home", "account.shell", "account.closed", "account.open_shell")
        if rule.rule.startswith("/account/") and "GET" in (rule.methods or ()) and not whole:
            yield rule.rule


def name_of(rule: str) -> str:
    """A route as part of a file's name."""
    return rule.removeprefix("/account/").replace("/<", "-").replace(">", "").replace("/", "-")


def outside(market: Market) -> Mapping[str, str]:
    """The addresses of pages that stand alone."""
    card, consent = market.tenant.orlo.open(id=market.jana), market.tenant.wazzup.install()
    return {
        "home": f"{HOST}/account/",
        "closed": f"{HOST}/account/closed/upgates",
        "nothing": f"{HOST}/account/open/nobody/x",
        "over": f"{HOST}/account/open/upgates/{market.customer.ids['upgates']}#t=spent",
        "refused": f"{HOST}{card.path}0",
        "card": HOST + card.path,
        "consent": HOST + consent.path,
    }


def sandbox(demo: Demo) -> Mapping[str, str]:
    """The sandbox's own pages; each admin with something opened in it."""
    opened = {"upgates": "install,open", "retailcrm": "install,open:forged", "orlo": "search,open", "wazzup": "install"}
    admins = {f"admin-{name}": f"{demo.origin(name)}/#{played}" for name, played in opened.items()}
    return {"sandbox": f"{demo.url}/sandbox/", **admins}


def show(page: Page, url: str) -> None:
    """Go to a page and wait until it shows what it has."""
    page.goto(url)
    page.wait_for_function(SETTLED)


def overflows(page: Page, width: int) -> list[str]:
    """What does not fit at a width."""
    page.set_viewport_size({"width": width, "height": 800})
    found: list[str] = page.evaluate(OVERFLOWS)
    return [f"{width} px: {one}" for one in found]


def complaints(page: Page) -> list[str]:
    """What axe calls serious or worse."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {', '.join(' '.join(node['target']) for node in one['nodes'][:3])}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def picture(page: Page, name: str) -> None:
    """Keep how it looks."""
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
