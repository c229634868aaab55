"""What requests left behind: every row that matters and every call to a marketplace, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from tenants import Host

from app.core.database import MIRROR, Base, MirrorBase, db, reading

# A page that asks for consent, a copy of a public document and a sign of life are no effects of a request.
NO_EFFECT = {"consent", "document", "heartbeat"}
# When a row was last touched, and whose turn it is, say nothing about what is stored.
NO_STATE = {"updated_at", "claimed_until", "seen_at"}

Effects = Mapping[str, Sequence[Any]]


def effects(host: Host) -> Effects:
    """Every row by table, and every call that a marketplace received."""
    seen: dict[str, Sequence[Any]] = {}
    with host.app.app_context(), reading():
        for base, engine in ((Base, db.engine), (MirrorBase, db.engines[MIRROR])):
            with engine.connect() as connection:
                for table in base.metadata.sorted_tables:
                    columns = [column for column in table.columns if column.name not in NO_STATE]
                    if table.name not in NO_EFFECT:
                        seen[table.name] = sorted(map(repr, connection.execute(select(*columns))))
    seen["calls"] = [f"{call.method} {call.path}" for simulator in host.simulators for call in simulator.calls]
    return seen


def changed(before: Effects, after: Effects) -> dict[str, int]:
    """How many rows of each table are new or different; empty when nothing happened."""
    differing = {name: len(set(after[name]) ^ set(before[name])) for name in after}
    differing["calls"] = len(after["calls"]) - len(before["calls"])
    return {name: count for name, count in differing.items() if count}
