"""Requests straight into the app's WSGI door, and the reading of what came back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flask import Flask

from app.kit.wire import answered, environ_of
from app.sdk.simulation import Outgoing
from app.sdk.testing import host


@dataclass(frozen=True, slots=True)
class Got(host.Got):
    """An answer of the host; header names as they came."""

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
    return Got(*answered(app, environ_of(outgoing)))


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
