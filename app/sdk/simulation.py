"""The platform's side, played for real: a `Simulator` signs and sends as its platform does and answers our calls.

One simulator per connector serves the tests, the sandbox and ``stallholder simulate``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import requests


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that the platform sends to the host; ``path`` carries the query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the host to the platform, as it arrived; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """The platform's answer to such a call."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Scenario(StrEnum):
    """The kinds of request that every host must tell apart; `app.sdk.scenarios` makes them of a genuine one."""

    GENUINE = "genuine"
    DUPLICATE = "duplicate"  # the same bytes twice
    LATE = "late"  # signed long ago
    FORGED = "forged"  # one byte changed on the way


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the played admin's menu: ``label`` in the platform's words, ``tells`` what then happens.

    It plays ``action``, any method that gives a request (``name`` when empty), with ``changes``; ``calls`` names the
    host's action where it is another. ``asks`` names an argument that a person types, filled with its value among
    ``changes``. ``scenarios`` are offered as far as the action's proof in the manifest has them. A ``silent`` one
    happens on the platform alone: its method is called, and nothing is sent. A page that comes back is shown in the
    admin's frame, or where ``tab`` says so in a tab of its own. ``step`` is its place on the guided path, from 1.
    """

    name: str
    label: str
    tells: str = ""
    action: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)
    asks: str = ""
    calls: str = ""
    scenarios: Sequence[Scenario] = tuple(Scenario)
    silent: bool = False
    tab: bool = False
    step: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that the admin shows for a search's answer; a click on it plays ``entry`` with ``changes``."""

    text: str
    entry: str = "open"
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """How the played admin resembles the platform's: CSS colours and words; no logo, no trademark art.

    ``bar`` and ``ink`` are the colours of the menu, ``accent`` of what is to be pressed; ``menu`` the words around
    ours, ``place`` the section we stand in, ``owner`` who is signed in, ``told`` what this platform is, in a sentence.
    """

    bar: str = "#22313f"
    ink: str = "#f4f7f9"
    accent: str = "#0f766e"
    menu: Sequence[str] = ("Orders", "Customers", "Products")
    place: str = "Add-ons"
    owner: str = "Demo shop"
    told: str = ""


class Simulator:
    """A platform in a box.

    ``host`` is the base URL of the Stallholder under test, ``home`` the base URL at which this
    simulator's own API is reached, ``keys`` what `make_keys` once made. A subclass offers one method per name in
    ``actions``: it takes text keyword arguments and returns the genuine signed `Outgoing`. What it signs with is read
    from ``keys``, and the time from ``clock`` (aware), for each request anew. ``menu`` and ``look`` shape
    the admin that the sandbox shows, which has plain ones without them.
    """

    connector: ClassVar[str]
    actions: ClassVar[Sequence[str]] = ()
    menu: ClassVar[Sequence[Entry]] = ()
    look: ClassVar[Look] = Look()
    # Keys that a platform hands out anew for each connection; the sandbox renews them at every start.
    renewed: ClassVar[Sequence[str]] = ()
    # Keys that belong to one customer; the others are the platform's own.
    customer: ClassVar[Sequence[str]] = ()
    # Keys with which requests are signed: with any of them wrong, a request is a forgery.
    signing: ClassVar[Sequence[str]] = ()

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.host = host.rstrip("/")
        self.home = home.rstrip("/")
        self.keys = keys
        self.calls: list[Call] = []

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        """Fresh secrets for one sandbox, as JSON values."""
        return {}

    def beside(self, keys: Mapping[str, Any]) -> Simulator:
        """Another customer of the same platform, with ``keys`` of its own; override it where they share a state."""
        return type(self)(self.host, {**self.keys, **keys}, self.home)

    def settings(self) -> dict[str, Any]:
        """What ``CONNECTORS.<name>`` must hold for a host to trust this simulator."""
        return {}

    def operator_fields(self) -> dict[str, str] | None:
        """What an operator hands to ``installations add``; None where the platform installs itself."""
        return None

    def connected(self, installation: Mapping[str, str]) -> None:
        """Take what ``installations add`` printed; the kit also hands over link secrets, by their purpose."""

    def answer(self, call: Call) -> Reply:
        """Answer a call of the host as the platform would."""
        return Reply(404, b"{}")

    @classmethod
    def entries(cls) -> Sequence[Entry]:
        """The menu; one entry an action where none is declared."""
        return cls.menu or [Entry(action, action.replace("_", " ").capitalize()) for action in cls.actions]

    def hits(self, answer: requests.Response) -> Sequence[Hit]:
        """What the platform's own page lists when ``answer`` came to a search."""
        return ()

    def wave(self, action: str, **changes: str) -> Sequence[Mapping[str, str]]:
        """With which arguments one click plays ``action``: once, or once for every tenant that it concerns."""
        return [changes]

    def play(self, action: str, **changes: str) -> tuple[Outgoing, requests.Response]:
        """Send the genuine request for ``action`` to the host over real HTTP; redirects are not followed."""
        outgoing = self.request(action, **changes)
        return outgoing, self.send(outgoing)

    def request(self, action: str, **changes: str) -> Outgoing:
        """The genuine request for ``action``, not sent yet."""
        outgoing: Outgoing = getattr(self, action)(**changes)
        return outgoing

    def send(self, outgoing: Outgoing) -> requests.Response:
        """Send any request, a tampered one too, byte for byte."""
        return requests.request(
            outgoing.method,
            self.host + outgoing.path,
            data=outgoing.body,
            headers=dict(outgoing.headers),
            allow_redirects=False,
            timeout=30,
        )

    def received(self, call: Call) -> Reply:
        """Note a call of the host and answer it."""
        self.calls.append(call)
        return self.answer(call)


def handler(answer: Callable[[Call], Reply]) -> type[BaseHTTPRequestHandler]:
    """A request handler that hands every call to ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body go out in two writes: without this each answer on a kept connection waits 40 ms for an ACK.
        disable_nagle_algorithm = True

        def handle_call(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(Call(self.command, path, query, headers, body))
            with suppress(ConnectionError):  # a host that waited long enough has hung up
                self.write(reply)

        def write(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", reply.media_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_call  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent: the caller sees every call anyway."""

    return Handler


@contextmanager
def serving(answer: Callable[[Call], Reply], port: int = 0) -> Iterator[str]:
    """Serve ``answer`` on loopback while the block runs; yields the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(answer))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
