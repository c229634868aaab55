"""What a check raises: which request broke a rule, and what came of it."""

from __future__ import annotations

from .host import Got


class Broken(AssertionError):
    """A rule is broken: what was ``sent`` or looked at, what ``came``."""

    def __init__(self, sent: str, came: str) -> None:
        super().__init__(f"{sent}: {came}")
        self.sent = sent
        self.came = came


class Weaker(Broken):
    """The rule is not kept in the one way that a platform may cause and a connector may declare."""


def told(got: Got) -> str:
    """An answer in a line."""
    return f"{got.status} {got.media_type} {got.body[:160].decode('utf-8', 'replace')!r}"
