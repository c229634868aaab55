"""Requests straight into the app's WSGI door, and the reading of what came back."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask

from app.sdk.simulation import Outgoing


@dataclass(frozen=True, slots=True)
class Got:
    """An answer of the host."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def accepted(self) -> bool:
        """Whether the sender reads this as a yes: a platform that wants refusals with 200 looks into the body."""
        told = self.json if self.status == 200 else None
        refused = isinstance(told, dict) and (told.get("success") is False or told.get("error") is True)
        return self.status < 400 and not refused


@dataclass(slots=True)
class Verdict:
    """What came of many requests: how many there were, which were accepted, and which crashed."""

    sent: int = 0
    accepted: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing was accepted, nothing crashed."""
        return not self.accepted and not self.crashed

    def __str__(self) -> str:
        return f"{self.sent} sent; accepted {self.accepted[:10]}; crashed {self.crashed[:10]}"


def ask(app: Flask, outgoing: Outgoing) -> Got:
    """Send one request as a WSGI server would hand it over, byte for byte."""
    path, _, query = outgoing.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": outgoing.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.encode("utf-8", "surrogatepass").decode("latin-1"),
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
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.encode("utf-8", "surrogatepass").decode(
            "latin-1"
        )
    return answered(app, environ)


def answered(app: Flask, environ: dict[str, Any]) -> Got:
    """The app's answer to one WSGI environment."""
    begun: list[Any] = []
    chunks = app.wsgi_app(
        environ, lambda status, headers, exc_info=None: begun.append((status, headers)) or begun.append
    )
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    status, headers = begun[0]
    return Got(int(status.split()[0]), dict(headers), body)


def judge(app: Flask, requests: Iterable[tuple[str, Outgoing]]) -> Verdict:
    """Send requests of which none may be accepted; each comes with a label that tells how it was made."""
    verdict = Verdict()
    for label, outgoing in requests:
        got = ask(app, outgoing)
        verdict.sent += 1
        if got.accepted:
            verdict.accepted.append(label)
        if got.status >= 500:
            verdict.crashed.append(f"{got.status} {label}")
    return verdict
