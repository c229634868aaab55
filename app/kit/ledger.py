"""What requests leave behind: every row that says something, in both databases."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from app.core.database import MIRROR, Base, MirrorBase, db, reading

# A page that asks for consent, a copy of a public document and a sign of life are no effects of a request.
NO_EFFECT = {"consent", "document", "heartbeat", "node"}
# When a row was last touched, and whose turn it is, say nothing about what is stored.
NO_STATE = {"updated_at", "claimed_until", "seen_at"}


def rows() -> dict[str, Sequence[str]]:
    """Every row by table, in the app's context."""
    seen: dict[str, Sequence[str]] = {}
    with reading():
        for base, engine in ((Base, db.engine), (MirrorBase, db.engines[MIRROR])):
            with engine.connect() as connection:
                for table in base.metadata.sorted_tables:
                    columns = [column for column in table.columns if column.name not in NO_STATE]
                    if table.name not in NO_EFFECT:
                        seen[table.name] = sorted(map(repr, connection.execute(select(*columns))))
    return seen
