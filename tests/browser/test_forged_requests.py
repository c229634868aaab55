"""No other site acts through our visitors: every address that changes something, by every way a page can send to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from effects import changed, effects
from flask import Flask
from playwright.sync_api import BrowserContext, Frame
from werkzeug.routing import Rule

from app.core.registry import Registry
from app.pages import sessions
from tests.browser.internet import HOST, Hit
from tests.browser.market import SHOP, Market, admin, framing

Way = Callable[[Market, BrowserContext, str], Frame]
EVIL = "https://evil.example"
# What a visitor's own page might send, all in one body: whichever field an address looks for, it is there.
BODY = {"name": "Hijacked", "title": "Hijacked", "language": "ru", "consent": "x", "confirm": "yes", "q": "jana"}
ENCODINGS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
# A page of the attacker's: sends to each address in each way, and says when it is done.
ATTACK = """<!doctype html><title>Attack</title><body><script>
const targets = %(targets)s, fields = %(fields)s, encodings = %(encodings)s;
const text = JSON.stringify(fields), plan = new URLSearchParams(fields);
const quiet = promise => promise.catch(() => 0);
function form(url, enctype, target) {
  const made = document.createElement("form");
  Object.assign(made, {method: "post", action: url, enctype, target});
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    Object.assign(input, {type: "hidden", name, value});
    made.append(input);
  }
  document.body.append(made);
  return made;
}
function framed(url, enctype) {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.name = "f" + Math.random();
    document.body.append(frame);
    frame.onload = done;
    form(url, enctype, frame.name).submit();
  });
}
function sent(url, method, more) {
  return quiet(fetch(url, {method, credentials: "include", ...more}));
}
async function attack(url, method) {
  const types = encodings.map(type => new Blob([text], {type}));
  await Promise.all([
    ...(method === "POST" ? encodings.map(type => framed(url, type)) : []),
    ...types.map(body => sent(url, "POST", {mode: "no-cors", body})),
    ...types.map(body => sent(url, "POST", {mode: "cors", body})),
    sent(url, "POST", {mode: "no-cors", body: plan}),
    sent(url, "POST", {mode: "no-cors", referrerPolicy: "no-referrer", body: plan}),
    sent(url, method, {body: text, headers: {"Content-Type": "application/json", "X-Stallholder": "1"}}),
    sent(url, method, {body: text, headers: {"Content-Type": "application/json", "HX-Request": "true"}}),
  ]);
  types.forEach(body => navigator.sendBeacon(url, body));
}
async function run() {
  for (const [method, url] of targets) await attack(url, method);
}
</script>"""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that changes something."""

    method: str
    path: str


def targets(app: Flask, registry: Registry, values: dict[str, str]) -> Iterator[Target]:
    """Every route of the host that takes more than reading, and every action of every connector."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "marketplaces.edge":
            continue
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}):
            yield Target(method, filled(rule, values))
    for connector in registry:
        for action in connector.manifest.actions.values() if connector.manifest else ():
            if "POST" in action.methods:
                yield Target("POST", f"/{connector.name}/{action.name}" + ("/key" if action.keyed else ""))


def filled(rule: Rule, values: dict[str, str]) -> str:
    """A route with something real in its places."""
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", values.get(name, "x")).replace(f"<path:{name}>", values.get(name, "x"))
    return path


@pytest.fixture
def aims(market: Market) -> list[Target]:
    """What there is to attack here."""
    values = {"id": market.customer.ids["upgates"], "connector": "orlo", "installation": market.customer.ids["orlo"]}
    found = list(targets(market.host.app, market.host.services.registry, values))
    assert len({aim.path for aim in found}) >= 9
    return found


def attack(market: Market, aims: list[Target]) -> str:
    """The attacker's page; it brings a ticket of the attacker's own, to sign the visitor in where they look."""
    ticket = market.opening("upgates").partition("#t=")[2]
    page = ATTACK % {
        "targets": json.dumps([[aim.method, HOST + aim.path] for aim in aims]),
        "fields": json.dumps(BODY | {"ticket": ticket}),
        "encodings": json.dumps(ENCODINGS),
    }
    return market.internet.put(f"{EVIL}/attack", page)


def from_another_tab(market: Market, context: BrowserContext, url: str) -> Frame:
    """The attacker's page in a tab of its own."""
    page = context.new_page()
    page.goto(url)
    return page.main_frame


def from_the_same_admin(market: Market, context: BrowserContext, url: str) -> Frame:
    """Another add-on in the same admin: a neighbour whose requests carry the visitor's own cookie."""
    page = context.new_page()
    page.goto(market.internet.put(f"{SHOP}/two", admin(framing(url))))
    return next(frame for frame in page.frames if frame.url == url)


WAYS = {"another-tab": from_another_tab, "the-same-admin": from_the_same_admin}


def forge(market: Market, context: BrowserContext, aims: list[Target], way: Way) -> tuple[list[Hit], dict[str, int]]:
    """Attack while a visitor is in; what our host was asked to change, and what changed."""
    market.enter(context)
    frame = way(market, context, attack(market, aims))
    before, stored = len(market.internet.hits), effects(market.host)
    frame.evaluate("run()")
    for aim in aims:
        if way is from_another_tab and aim.method == "POST":
            on_top(frame, aim)
    frame.page.wait_for_load_state("networkidle")
    hits = [hit for hit in market.internet.to_host(before) if hit.method not in ("GET", "HEAD", "OPTIONS")]
    return hits, changed(stored, effects(market.host))


def on_top(frame: Frame, aim: Target) -> None:
    """A form that takes the whole tab along, as a click on a link would."""
    url = frame.url
    with frame.page.expect_navigation():
        frame.evaluate("url => form(url, encodings[0], '_top').submit()", HOST + aim.path)
    frame.page.goto(url)


def accepted(hits: list[Hit]) -> list[str]:
    """What of our own said yes. A platform's address has its own shape of a no: there the effects are what counts."""
    return [f"{hit.method} {hit.url}" for hit in hits if "/account/" in hit.url and hit.status < 400]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_nothing_is_accepted_from_another_site(
    market: Market, context: BrowserContext, aims: list[Target], way: Way
) -> None:
    hits, difference = forge(market, context, aims, way)
    assert {HOST + aim.path for aim in aims if aim.method == "POST"} <= {hit.url.partition("?")[0] for hit in hits}
    assert any("__Host-session" in hit.headers.get("Cookie", "") for hit in hits) is (way is from_the_same_admin)
    assert (accepted(hits), difference) == ([], {})


def test_a_build_without_the_guard_is_caught(
    market: Market, context: BrowserContext, aims: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the guard, and with a cookie that counts from anywhere, the same attack ends the visit."""
    monkeypatch.setitem(market.host.app.before_request_funcs, "account", [])
    monkeypatch.setattr(sessions, "from_own_site", lambda: True)
    hits, difference = forge(market, context, aims, from_the_same_admin)
    assert accepted(hits)
    assert "session" in difference
