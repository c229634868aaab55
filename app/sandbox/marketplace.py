"""One played marketplace: its API for the host's calls, and an admin page with a button for each of its actions."""

from __future__ import annotations

import html
import json
from pathlib import Path
from string import Template
from typing import Any

import requests

from app.sdk.simulation import Call, Outgoing, Reply, Simulator

PAGE = Template(Path(__file__).with_name("admin.html").read_text("utf-8"))


class Marketplace:
    """A simulator behind a web server of its own."""

    def __init__(self, title: str, simulator: Simulator) -> None:
        self.title = title
        self.simulator = simulator

    def answer(self, call: Call) -> Reply:
        """The admin page, a played action, or the platform's own API."""
        if call.path == "/" and call.method == "GET":
            return Reply(200, self.admin().encode(), "text/html; charset=utf-8")
        if call.path.startswith("/_play/"):
            return self.played(call)
        return self.simulator.received(call)

    def admin(self) -> str:
        """The admin page."""
        buttons = "".join(
            f'<button type="button" data-action="{action}">{action.replace("_", " ")}</button>'
            for action in map(html.escape, self.simulator.actions)
        )
        return PAGE.substitute(title=html.escape(self.title), host=html.escape(self.simulator.host), buttons=buttons)

    def played(self, call: Call) -> Reply:
        """Send a genuine request to the host and tell the exchange."""
        action = call.path.removeprefix("/_play/")
        # Another site must not play here: a JSON body makes its browser ask first, and we never allow it.
        if call.method != "POST" or "json" not in call.headers.get("content-type", ""):
            return told({"problem": "play by POST with a JSON body"}, 405)
        if action not in self.simulator.actions:
            return told({"problem": f"{self.title} plays {', '.join(self.simulator.actions)}"}, 404)
        before = len(self.simulator.calls)
        try:
            sent, got = self.simulator.play(action, **json.loads(call.body or b"{}"))
        except (TypeError, ValueError, requests.RequestException) as error:
            return told({"problem": f"{type(error).__name__}: {error}"}, 400)
        calls = [f"{one.method} {one.path}" for one in self.simulator.calls[before:]]
        return told(exchange(sent, got, self.simulator.host) | {"calls": calls})

    def page(self) -> str:
        """An address of a page of the host's, signed as the platform signs it; empty where opening needs a POST."""
        if "open" not in self.simulator.actions:
            return ""
        outgoing = self.simulator.request("open")
        return self.simulator.host + outgoing.path if outgoing.method == "GET" else ""


def exchange(sent: Outgoing, got: requests.Response, host: str) -> dict[str, Any]:
    """Both sides of one request, and the page to show where the answer is or names one."""
    request = {"method": sent.method, "path": sent.path, "headers": dict(sent.headers), "body": sent.body.decode()}
    response = {"status": got.status_code, "headers": dict(got.headers), "body": got.text}
    return {"request": request, "response": response, "page": page_of(sent, got, host)}


def page_of(sent: Outgoing, got: requests.Response, host: str) -> str:
    """What a browser would show next."""
    if got.headers.get("Location"):
        return str(got.headers["Location"])
    if "html" in got.headers.get("Content-Type", "") and sent.method == "GET":
        return host + sent.path
    try:
        body = got.json()
    except requests.JSONDecodeError:
        return ""
    return str(body.get("url", "")) if isinstance(body, dict) else ""


def told(value: dict[str, Any], status: int = 200) -> Reply:
    """A JSON reply."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode())
