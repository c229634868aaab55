"""The tables of a host that is running elsewhere, read from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from stage import Stage


def asked(stage: Stage, query: str, *values: str) -> list[Any]:
    """Rows of the main database, with the mirror's tables beside its own."""
    with closing(sqlite3.connect(f"file:{stage.folder}/stallholder.db?mode=ro", uri=True, timeout=10)) as store:
        store.execute("ATTACH ? AS mirror", (f"file:{stage.folder}/stallholder-mirror.db?mode=ro",))
        return store.execute(query, values).fetchall()
