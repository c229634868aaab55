"""What requests left behind: every row that matters and every call to a marketplace, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenants import Host

from app.kit.ledger import rows

Effects = Mapping[str, Sequence[Any]]


def effects(host: Host) -> Effects:
    """Every row by table, and every call that a marketplace received."""
    with host.app.app_context():
        seen: dict[str, Sequence[Any]] = dict(rows())
    seen["calls"] = [f"{call.method} {call.path}" for simulator in host.simulators for call in simulator.calls]
    return seen


def changed(before: Effects, after: Effects) -> dict[str, int]:
    """How many rows of each table are new or different; empty when nothing happened."""
    differing = {name: len(set(after[name]) ^ set(before[name])) for name in after}
    differing["calls"] = len(after["calls"]) - len(before["calls"])
    return {name: count for name, count in differing.items() if count}
