"""One played marketplace on its own origin: an admin to click in, and the platform's API for the host's calls."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from flask import Flask, render_template

from app.sandbox import admin, clicks, desk, witness
from app.sandbox.places import origin_of
from app.sdk.manifest import Manifest
from app.sdk.simulation import Call, Entry, Reply, Scenario, Simulator

CSS, SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
ASSETS = {"/_admin.css": CSS, "/_admin.js": SCRIPT}
# A browser's own word on where a request comes from; a link from elsewhere leads to the admin and to nothing else.
OWN_SITE = ("same-origin", "none")
JSON = "application/json"
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
# What a person may have missed while the page was not polled.
KEPT_NEWS, KEPT_CALLS = 50, 8


class Marketplace:
    """A simulator behind a web server of its own; ``tabs`` are all marketplaces, by title."""

    def __init__(self, app: Flask, manifest: Manifest, simulator: Simulator, tabs: Mapping[str, str]) -> None:
        self.app, self.manifest, self.simulator, self.tabs = app, manifest, simulator, tabs
        self.origin = origin_of(manifest.name, simulator.home)
        self.news: deque[tuple[int, str]] = deque(maxlen=KEPT_NEWS)
        self.heard: deque[tuple[Call, int]] = deque(maxlen=KEPT_CALLS)
        self._lock, self._seen, self._told = threading.Lock(), witness.Sight(), 0
        self._ticked = datetime.now(UTC)

    @cached_property
    def routes(self) -> Mapping[tuple[str, str], Callable[[Call], Reply]]:
        """What belongs to the admin; everything else is the platform's API."""
        assets = {("GET", path): self.asset for path in ASSETS}
        return {("GET", "/"): self.admin, ("GET", "/_now"): self.now, ("GET", "/_look.css"): self.colours, **assets}

    def answer(self, call: Call) -> Reply:
        """The admin for a browser that came to its origin, or the platform's own API."""
        route = self.routes.get((call.method, call.path))
        if route is None and not call.path.startswith("/_play/"):
            reply = self.simulator.received(call)
            self.heard.append((call, reply.status))
            return reply
        if self.is_strange(call):
            return told({"problem": "this admin is for its own pages alone"}, 403)
        with self.app.app_context():
            return self.play(call) if route is None else route(call)

    def is_strange(self, call: Call) -> bool:
        """Whether another site's page asks, or a name that was bent to this machine."""
        mine = {self.origin, self.simulator.home}
        if f"http://{call.headers.get('host', '')}" not in mine or call.headers.get("origin", self.origin) not in mine:
            return True
        return call.path != "/" and call.headers.get("sec-fetch-site", OWN_SITE[0]) not in OWN_SITE

    def asset(self, call: Call) -> Reply:
        """The admin's own style and script."""
        file = Path(__file__).with_name(call.path.removeprefix("/_"))
        return Reply(200, file.read_bytes(), ASSETS[call.path], SAFE)

    def colours(self, call: Call) -> Reply:
        """The platform's colours."""
        return Reply(200, admin.colours(self.simulator.look).encode(), CSS, SAFE)

    def admin(self, call: Call) -> Reply:
        """The admin page, on its own origin only: nobody else may frame our pages."""
        if call.headers.get("host") != self.origin.removeprefix("http://"):
            return Reply(302, b"", headers={"Location": self.origin + "/"})
        page = admin.page(self.manifest, self.simulator, self.tabs, self.origin, self.present())
        headers = SAFE | {"Content-Security-Policy": admin.policy(self.simulator.host)}
        return Reply(200, page.encode(), "text/html; charset=utf-8", headers)

    def present(self) -> dict[str, Any]:
        """What the host holds now, and the platform's last calls."""
        sight = witness.look(self.manifest.name)
        return {"held": list(sight.held.values()), "calls": list(self.heard)}

    def now(self, call: Call) -> Reply:
        """What became of it since ``after``, the number of the last news that the page knows."""
        asked = parse_qs(call.query).get("after", [""])[0]
        after = int(asked) if asked.isdecimal() else 0
        # A click is under way: what it leads to is told as its own.
        if self._lock.acquire(blocking=False):
            try:
                self.observe()
            finally:
                self._lock.release()
        present = self.present()
        served = any(one.served for one in present["held"])
        fresh = [(number, text) for number, text in list(self.news) if number > after]
        return told({"news": fresh, "html": render_template("sandbox/now.html", **present), "served": served})

    def observe(self) -> None:
        """Note what happened by itself: the worker's doing, or a person's in another tab."""
        desk.gather(self.manifest.name, self.simulator.look.owner)
        sight = witness.look(self.manifest.name)
        for text in witness.differences(self._seen, sight) + witness.progress(self._seen, sight):
            self._told += 1
            self.news.append((self._told, text))
        self._seen = sight

    def play(self, call: Call) -> Reply:
        """Play an entry in a scenario: ``{"scenario", "changes"}``, both optional."""
        # A JSON body makes another site's browser ask first, and we never allow it.
        if call.method != "POST" or JSON not in call.headers.get("content-type", ""):
            return told({"problem": "play by POST with a JSON body"}, 405)
        try:
            entry = clicks.find(self.simulator, call.path.removeprefix("/_play/"))
        except LookupError as error:
            return told({"problem": f"{self.manifest.title} plays {error.args[0]}"}, 404)
        try:
            asked = json.loads(call.body or b"{}")
            scenario = Scenario(asked.get("scenario", Scenario.GENUINE))
            found = self.clicked(entry, scenario, asked.get("changes", {}))
        except Exception as error:  # noqa: BLE001 - a stranger's simulator may raise anything
            return told({"problem": f"{type(error).__name__}: {error}"}, 400)
        return told(self.report(entry, scenario, found))

    def clicked(self, entry: Entry, scenario: Scenario, changes: Mapping[str, str]) -> clicks.Told:
        """One click at a time, so that what follows it can be told as its own."""
        with self._lock:
            self.tick()
            found = clicks.click(self.manifest, self.simulator, entry, scenario, changes)
            self._seen = witness.look(self.manifest.name)
        return found

    def tick(self) -> None:
        """Let the platform's clock be a second further at each click: two in one second would send the same bytes."""
        now = datetime.now(UTC)
        self._ticked = max(now, self._ticked + timedelta(seconds=1))
        ahead = self._ticked - now
        self.simulator.clock = lambda: datetime.now(UTC) + ahead

    def report(self, entry: Entry, scenario: Scenario, found: clicks.Told) -> dict[str, Any]:
        """A click as JSON: for scripts as values, for the admin as rendered parts."""
        return {
            "exchanges": [one.as_table() for one in found.exchanges],
            "verdict": asdict(found.verdict),
            "page": found.page,
            "tab": entry.tab,
            "calls": found.calls,
            "html": admin.parts(entry, scenario, found, self.simulator.host),
        }

    def page(self) -> str:
        """An address of a page of the host's, signed as the platform signs it; empty where opening needs a POST."""
        with suppress(AttributeError, LookupError):
            outgoing = self.simulator.request("open")
            return self.simulator.host + outgoing.path if outgoing.method == "GET" else ""
        return ""


def told(value: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON reply."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode(), headers=SAFE)
