"""A platform for the tests of durable work: pages of people over real HTTP, every call written down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 10
Trouble = Callable[[str, str], "tuple[int, dict[str, str]] | None"]


@dataclass(frozen=True)
class Call:
    """One call: of which shop, what for, from when to when."""

    shop: str
    action: str
    cursor: str
    began: float
    ended: float


@dataclass
class Platform:
    """Every shop has ``people`` people. ``trouble(shop, action)`` may answer instead, with a status and headers."""

    people: int = 50
    delay: float = 0.0
    trouble: Trouble = lambda shop, action: None
    calls: list[Call] = field(default_factory=list)
    pushed: list[tuple[str, list[dict[str, str]]]] = field(default_factory=list)
    address: str = ""

    def of(self, shop: str, action: str = "page") -> list[Call]:
        """The calls of one shop."""
        return [call for call in self.calls if call.shop == shop and call.action == action]

    def answer(self, shop: str, action: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        """Status, headers, JSON."""
        time.sleep(self.delay)
        trouble = self.trouble(shop, action)
        if trouble is not None:
            return (*trouble, {})
        if action == "push":
            self.pushed.append((shop, json.loads(body)))
            return 200, {}, {}
        if action == "lookup":
            return 200, {}, [{"external_id": "900", "name": f"Looked Up {query['q']}"}]
        return 200, {}, self.page(int(query.get("cursor") or 0))

    def page(self, start: int) -> dict[str, Any]:
        """The people after ``start``; the last page, and every later one, says that it is live."""
        end = min(start + PAGE, self.people)
        people = [{"external_id": str(number), "name": f"Person {number}"} for number in range(start, end)]
        over = end >= self.people
        return {
            "people": people,
            "cursor": str(end),
            "more": not over,
            "done": end,
            "total": self.people,
            "live": over,
        }


@contextmanager
def serving_platform(platform: Platform) -> Iterator[Platform]:
    """Serve it on a port of loopback; each shop below its own path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            began = time.time()
            parts = urlsplit(self.path)
            _, shop, action = parts.path.split("/")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, told = platform.answer(shop, action, query, body)
            platform.calls.append(Call(shop, action, query.get("cursor", ""), began, time.time()))
            text = json.dumps(told).encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(text))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - http.server looks for it

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    platform.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def most_in(times: list[float], window: float) -> int:
    """The most of these moments that lie in one window of time."""
    moments = sorted(times)
    most = start = 0
    for end, moment in enumerate(moments):
        while moment - moments[start] >= window:
            start += 1
        most = max(most, end - start + 1)
    return most


def most_together(calls: list[Call]) -> int:
    """The most of these calls that were under way at one moment."""
    edges = sorted([(call.began, 1) for call in calls] + [(call.ended, -1) for call in calls])
    most = now = 0
    for _, edge in edges:
        now += edge
        most = max(most, now)
    return most
