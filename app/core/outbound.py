"""The one door through which the host calls out: checked addresses, one total deadline, a size cap."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import requests
import urllib3
from requests.auth import HTTPBasicAuth
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.connection import HTTPConnection, HTTPSConnection

from app.core.addresses import PinningAdapter, Resolver, read_allowed, read_destination
from app.sdk import Outbound, Response, UpstreamFailed

# Of a process that answers requests, sixteen at once: a call that was given up may hang in a name server for a while.
THREADS = 32
# For calls that must not make others wait.
APART = 16
# Connections kept to one host.
_KEPT = 16
CONNECT_SECONDS = 1.0
BODY_CAP = 5 * 1024 * 1024
_CHUNK = 64 * 1024
_KEPT_HOSTS = 64
# They write whole addresses, query and all: at debug for every call, as a warning when an answer's header is odd.
_TALKATIVE = ("urllib3.connection", "urllib3.connectionpool")
_ENCODINGS = ("", "identity", "gzip", "deflate")
Clock = Callable[[], float]


class Outgate:
    """The process-wide guard of all calls out; safe between threads and across a fork.

    ``allow`` holds the operator's ``host:port`` entries that may be private or plain http; raises
    `ValueError` for one that could never match. ``resolver`` has the signature of `socket.getaddrinfo`.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        user_agent: str = "Stallholder",
        resolver: Resolver = socket.getaddrinfo,
    ) -> None:
        self._allowed = read_allowed(allow)
        self._user_agent = user_agent
        self._resolver = resolver
        self._most = THREADS
        self._open()
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_silent)

    def within(
        self, seconds: float | None, clock: Clock = time.monotonic, *, apart: bool = False, largest: int = BODY_CAP
    ) -> Outbound:
        """A view whose calls share ``seconds`` of wall-clock time, counted from now; None for no shared limit.

        ``apart``: in threads of their own, so that nobody else waits for these; where none is free they are refused. An
        answer of more than ``largest`` bytes is refused.
        """
        until = None if seconds is None else clock() + seconds
        return _Outgoing(self, until, clock, apart=apart, largest=largest)

    def make_room(self, threads: int) -> None:
        """Have at least so many calls under way at once, before the first is made; a thread begins with its need."""
        if threads > self._most:
            self._most = threads
            self._open()

    def close(self) -> None:
        """Let kept connections and idle threads go; calls under way end by their own deadlines."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._apart.shutdown()
        for adapter in self._adapters.values():
            adapter.close()

    def _prepare(
        self, method: str, url: str, headers: Mapping[str, str] | None, **parts: Any
    ) -> requests.PreparedRequest:
        """Write the request down without a session: no cookies, no .netrc, nothing from the environment."""
        destination = read_destination(url, self._allowed)
        own = {"User-Agent": self._user_agent, "Accept": "*/*"}
        merged = {**own, **(headers or {}), "Accept-Encoding": "identity"}
        with suppress(ValueError, requests.RequestException):  # its text would quote the header's value or the address
            return requests.Request(method, destination.url, headers=merged, **parts).prepare()
        raise UpstreamFailed("bad_request")

    def _perform(self, prepared: requests.PreparedRequest, seconds: float, view: _Outgoing) -> Response:
        """Run a call in a thread of its own, so that neither DNS, TLS nor a slow answer can hold the caller."""
        if self._process != os.getpid():
            self._open()
        call = _Call(time.monotonic() + seconds, view.largest)
        future = (self._apart if view.apart else self._threads).submit(self._run, prepared, call)
        with suppress(TimeoutError):
            return future.result(seconds)
        future.cancel()
        call.cut()
        raise UpstreamFailed("timeout")

    def _run(self, prepared: requests.PreparedRequest, call: _Call) -> Response:
        _here.call = call
        try:
            return self._exchange(prepared, call)
        except UpstreamFailed as failure:
            reason = failure.reason
        except (OSError, ValueError, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            reason = _reason(error)
        finally:
            call.watch(None)
        # Raised out here, so that it carries no context: those errors quote the whole address.
        raise UpstreamFailed(reason)

    def _exchange(self, prepared: requests.PreparedRequest, call: _Call) -> Response:
        left = call.left()
        adapter = self._adapters[str(prepared.url).partition(":")[0]]
        timeouts = (min(CONNECT_SECONDS, left), left)
        with closing(adapter.send(prepared, stream=True, timeout=timeouts, verify=True, proxies={})) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, _read_body(answer, headers, call), headers)

    def _open(self) -> None:
        """Fresh threads and connections: neither survives a fork."""
        self._process = os.getpid()
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="outbound")
        self._apart = _Few(APART)
        self._adapters = {name: PinningAdapter(name, self._allowed, self._resolver) for name in ("http", "https")}
        for adapter in self._adapters.values():
            adapter.init_poolmanager(_KEPT_HOSTS, _KEPT)
            adapter.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Outgoing:
    """What the rest of the host sees: the `Outbound` of one action."""

    def __init__(self, gate: Outgate, until: float | None, clock: Clock, *, apart: bool, largest: int) -> None:
        self._gate = gate
        self.apart, self.largest = apart, largest
        self._until = until
        self._clock = clock

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: object = None,
        auth: tuple[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Response:
        """See `Outbound.request`.

        Reasons: address_refused, bad_request, unreachable, tls, timeout, too_large, bad_answer, busy.
        """
        basic = HTTPBasicAuth(*(part.encode() for part in auth)) if auth else None
        prepared = self._gate._prepare(method, url, headers, params=params, data=form, json=json, auth=basic)
        seconds = timeout if self._until is None else min(timeout, self._until - self._clock())
        if seconds <= 0:
            raise UpstreamFailed("timeout")
        return self._gate._perform(prepared, seconds, self)

    def exempts(self, url: str) -> bool:
        """See `Outbound.exempts`."""
        try:
            return read_destination(url, self._gate._allowed).exempt
        except UpstreamFailed:
            return False


class _Few:
    """Threads for which nothing waits: what finds none free is refused."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="outbound-apart")

    def submit(self, work: Callable[..., Response], *arguments: object) -> Future[Response]:
        """Begin; raises `UpstreamFailed` when all are at work."""
        if not self._free.acquire(blocking=False):
            raise UpstreamFailed("busy")
        future = self._threads.submit(work, *arguments)
        future.add_done_callback(lambda done: self._free.release())
        return future

    def shutdown(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Call:
    """One call under way: its deadline, the most it may bring, and the socket to cut when nobody waits any more."""

    def __init__(self, deadline: float, largest: int) -> None:
        self._deadline = deadline
        self.largest = largest
        self._socket: socket.socket | None = None
        self._over = False

    def left(self) -> float:
        """Seconds left; raises `UpstreamFailed` when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise UpstreamFailed("timeout")
        return left

    def watch(self, sock: socket.socket | None) -> None:
        """Take note of the socket in use."""
        self._socket = sock
        if self._over:
            self.cut()

    def cut(self) -> None:
        """End the call's thread: a drip of header bytes would otherwise hold it for good."""
        self._over = True
        if isinstance(sock := self._socket, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


_here = threading.local()


class _Connection(HTTPConnection):
    """Shows its socket to the call at hand."""

    def connect(self) -> None:
        super().connect()
        _here.call.watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _here.call.watch(self.sock)
        super().request(*args, **kwargs)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _read_body(answer: requests.Response, headers: Mapping[str, str], call: _Call) -> bytes:
    """The whole body, decompressed, with the clock and the size checked at every piece that arrives."""
    if headers.get("content-encoding", "").lower() not in _ENCODINGS:
        raise UpstreamFailed("bad_answer")
    body = bytearray()
    while piece := answer.raw.read1(_CHUNK, decode_content=True):
        call.left()
        body += piece
        if len(body) > call.largest:
            raise UpstreamFailed("too_large")
    return bytes(body)


def _reason(error: Exception) -> str:
    """One stable word for what went wrong below."""
    if isinstance(error, InvalidIPAddress):
        return "address_refused"
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError | ssl.SSLError):
        return "tls"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "timeout"
    if isinstance(error, requests.ConnectionError):
        return "bad_answer" if _is_gibberish(error) else "unreachable"
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
        return "bad_answer"
    # What is left was raised while the request was written: a header or a method that HTTP cannot carry.
    return "unreachable" if isinstance(error, OSError) else "bad_request"


def _is_gibberish(error: requests.ConnectionError) -> bool:
    """Whether something answered that is not HTTP, as against a connection that broke."""
    inner = error.args[0] if error.args else None
    cause = inner.args[-1] if isinstance(inner, urllib3.exceptions.ProtocolError) else None
    return isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError)


def _silent(record: logging.LogRecord) -> bool:
    return False
