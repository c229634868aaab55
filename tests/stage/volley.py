"""Many at once: the same thing done by several threads that start together."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit

from app.sdk.simulation import Outgoing

T = TypeVar("T")


def together(count: int, act: Callable[[], T]) -> list[T]:
    """What ``count`` threads got that all did ``act`` at the same moment."""
    start = threading.Barrier(count)

    def one() -> T:
        start.wait(30)
        return act()

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(one) for _ in range(count)]]


def volley(host: str, outgoing: Outgoing, count: int = 16) -> list[tuple[int, bytes]]:
    """Status and body of ``count`` identical requests over real HTTP, on connections of their own that stand before."""
    start = threading.Barrier(count)

    def one() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(host).netloc, timeout=60)
        connection.connect()
        start.wait(30)
        connection.request(outgoing.method, outgoing.path, outgoing.body, dict(outgoing.headers))
        answer = connection.getresponse()
        got = answer.status, answer.read()
        connection.close()
        return got

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(one) for _ in range(count)]]
