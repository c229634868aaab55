"""The pile: index rows of a first pass, in the order in which they came, until they are put into the index in its own.

Each person's rows lie all over the index, and for one of them a database writes a whole page: those of many people, in
the index's order, meet each page once. Only SQLite has a pile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from itertools import pairwise
from json import dumps
from typing import Any

from sqlalchemy import Connection

from app.core.database import MIRROR, fold, reading, writing
from app.people.models import PileRow

# What nobody has merged for so many seconds was left by a worker that died.
LEFT = 60.0
# Rows that one transaction puts into the index, for those who wait for it.
SLICE = 10_000
# Behind every term, in the order of bytes.
LAST = "\U0010ffff"
ADD = "INSERT INTO pile (scope, term, rank, person_id, signature, letters) VALUES {rows}"
NEWEST = "SELECT max(id) FROM pile"
WAITING = "SELECT DISTINCT person_id FROM pile WHERE person_id IN (SELECT value FROM json_each(?))"
TAKE = "DELETE FROM pile WHERE person_id IN (SELECT value FROM json_each(?))"
# Every so many rows tell where to part them.
SAMPLE = 50
SOME = "SELECT term FROM pile WHERE id <= ? AND id % ? = 0"
# What another put in, or one who died before it could take it off the pile, is there already.
PUT = (
    "INSERT OR IGNORE INTO term (scope, term, rank, person_id, signature, letters)"
    " SELECT scope, term, rank, person_id, signature, letters FROM pile WHERE id <= ? AND term >= ? AND term < ?"
    " ORDER BY scope, term, rank, person_id"
)

# One thread of this process merges, and when one last began to.
_merging = threading.Lock()
_merged = [time.monotonic()]


def without(connection: Connection, ids: Collection[int]) -> set[int]:
    """Take the rows of these people off the pile; returns whose there were, of which some may be in the index too."""
    if not ids or newest(connection) is None:
        return set()
    these = (dumps([*ids]),)
    waiting = {id for (id,) in connection.exec_driver_sql(WAITING, these)}
    if waiting:
        connection.exec_driver_sql(TAKE, these)
    return waiting


def move(connection: Connection, scope: int, into: int) -> None:
    """Give a workspace's rows to another."""
    if newest(connection) is not None:
        connection.exec_driver_sql("UPDATE pile SET scope = ? WHERE scope = ?", (into, scope))


def merge() -> None:
    """Put all of it into the index, part by part; who changes one of its people meanwhile takes its rows off first."""
    with _merging:
        _merged[0] = time.monotonic()
        with reading() as session:
            connection = session.connection(bind_arguments={"mapper": PileRow})
            last = newest(connection)
            terms = sorted(connection.exec_driver_sql(SOME, (last, SAMPLE)).scalars()) if last else ()
        if last is None:
            return
        bounds = dict.fromkeys(["", *terms[SLICE // SAMPLE :: SLICE // SAMPLE], LAST])
        for first, behind in pairwise(bounds):
            _do(PUT, (last, first, behind))
            fold(MIRROR)
        _do("DELETE FROM pile WHERE id <= ?", (last,))


def merge_what_is_left() -> None:
    """The same where nobody did for a while: a worker that died may have left it."""
    if time.monotonic() - _merged[0] > LEFT:
        merge()


def newest(connection: Connection) -> int | None:
    """The number of the row that came last; None where there is no row. No number comes twice."""
    if connection.dialect.name != "sqlite":
        return None
    found: int | None = connection.exec_driver_sql(NEWEST).scalar()
    return found


def _do(statement: str, values: Sequence[Any]) -> None:
    with writing() as session:
        session.connection(bind_arguments={"mapper": PileRow}).exec_driver_sql(statement, tuple(values))
