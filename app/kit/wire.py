"""Requests straight into the app's WSGI door, byte for byte as a server would hand them over."""

from __future__ import annotations

import io
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask

from app.sdk.simulation import Outgoing

Answered = tuple[int, dict[str, str], bytes]


def environ_of(outgoing: Outgoing) -> dict[str, Any]:
    """A request as a WSGI environment."""
    path, _, query = outgoing.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": outgoing.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": as_latin(query),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(outgoing.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(outgoing.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in outgoing.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = as_latin(value)
    return environ


def as_latin(text: str) -> str:
    """Text as WSGI carries it."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def answered(app: Flask, environ: dict[str, Any]) -> Answered:
    """Status, headers and body of the app's answer to one environment."""
    begun: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        begun.append((status, headers))
        return begun.append

    chunks = app.wsgi_app(environ, start)
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    status, headers = begun[0]
    return int(status.split()[0]), dict(headers), body
