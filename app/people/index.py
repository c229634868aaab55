"""The index is kept in step: of every person the rows that its words and its rank ask for, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, delete
from sqlalchemy.orm import Session

from app.people import pile
from app.people.models import TermRow
from app.people.ranking import halves, in_field, scope_of, signature
from app.people.terms import Field, entries, read

# Those of a term, and the sums that two of them can have.
FIELDS = 2 * max(Field) + 1

# scope, term, rank, person_id, signature, letters
Row = tuple[int, str, int, int, int, int]

# SQLite: rows of one statement. Between two statements whoever stores waits for each thread that reckons just then.
PORTIONS = (500, 20, 1)

_PUT = {
    "sqlite": "INSERT INTO term (scope, term, rank, person_id, signature, letters) VALUES {rows}",
    # One statement whatever the number of rows.
    "postgresql": "INSERT INTO term (scope, term, rank, person_id, signature, letters) SELECT * FROM unnest"
    "(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])",
}
# The whole key: by a part of it SQLite first looks for all rows that it may mean, and then for each of them again.
_TAKE = {
    "sqlite": "DELETE FROM term"
    " WHERE scope = ? AND term = ? AND rank = ? AND person_id = ? AND signature = ? AND letters = ?",
    "postgresql": "DELETE FROM term USING unnest"
    "(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
    " AS gone (scope, term, rank, person_id, signature, letters)"
    " WHERE (term.scope, term.term, term.rank, term.person_id, term.signature, term.letters)"
    " = (gone.scope, gone.term, gone.rank, gone.person_id, gone.signature, gone.letters)",
}
# In place: of a rare word the row that goes and the one that comes are neighbours.
_MOVE = {
    "sqlite": "WITH moved (place, scope, term, rank, person_id, signature, letters) AS (VALUES {rows})"
    " UPDATE term SET rank = place FROM moved"
    " WHERE (term.scope, term.term, term.rank, term.person_id, term.signature, term.letters)"
    " = (moved.scope, moved.term, moved.rank, moved.person_id, moved.signature, moved.letters)",
    "postgresql": "UPDATE term SET rank = place FROM unnest"
    "(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
    " AS moved (place, scope, term, rank, person_id, signature, letters)"
    " WHERE (term.scope, term.term, term.rank, term.person_id, term.signature, term.letters)"
    " = (moved.scope, moved.term, moved.rank, moved.person_id, moved.signature, moved.letters)",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """All that a person's rows are made from; the person's own row keeps it, so that they are found again."""

    words: str
    rank: int


def update(
    session: Session,
    workspace_id: str,
    before: Mapping[int, Entry],
    after: Mapping[int, Entry],
    *,
    later: bool = False,
) -> None:
    """Write what changed between two states of people, by their ids; most people of a sync come as they were.

    ``later``: what is new may wait on the `app.people.pile`, where there is one.
    """
    scope = scope_of(workspace_id)
    connection = session.connection(bind_arguments={"mapper": TermRow})
    changed = [id for id in before.keys() | after.keys() if before.get(id) != after.get(id)]
    waiting = pile.without(connection, [id for id in changed if id in before])
    gone: list[Row] = []
    moved: list[tuple[int, *Row]] = []
    come: list[Row] = []
    for id in changed:
        was, now = before.get(id), after.get(id)
        old, new = (rows(scope, id, one) if one else [] for one in (was, now))
        # Of those who waited some rows are in the index, if a merge was under way, and some are not.
        if was and now and id not in waiting and was.words == now.words:
            moved += [(there[2], *here) for here, there in zip(old, new, strict=True)]
            continue
        if was and now and id not in waiting and was.rank == now.rank:
            both = {*old} & {*new}
            old, new = ([row for row in some if row not in both] for some in (old, new))
        gone += old
        come += new
    _run(connection, _TAKE, gone)
    _run(connection, _MOVE, moved, term=2)
    if later and connection.dialect.name == "sqlite":
        _add(connection, pile.ADD, come)
    else:
        _run(connection, _PUT, come)


def forget(session: Session, workspace_id: str) -> None:
    """Delete all that the index holds of a workspace."""
    session.execute(delete(TermRow).where(TermRow.scope == bindparam("mine")), {"mine": scope_of(workspace_id)})


def rows(scope: int, id: int, entry: Entry) -> list[Row]:
    """A person's rows."""
    held, bits = _spread(entry.words)
    ranks = [in_field(field, entry.rank) for field in range(FIELDS)]
    return [(scope, term, ranks[field], id, *bits) for term, field in held]


# Of one person's two states the words are most often the same: an order changes the rank alone.
@lru_cache(maxsize=1)
def _spread(words: str) -> tuple[tuple[tuple[str, int], ...], tuple[int, int]]:
    """The terms that the index holds for these words, each with its field, and the signature's halves."""
    found = read(words)
    return (*entries(found).items(),), halves(signature(found))


def _run(connection: Connection, statements: dict[str, str], wanted: Sequence[tuple[Any, ...]], term: int = 1) -> None:
    """Term by term, so that neighbours are written together; ``term`` is where it stands."""
    ordered = sorted(wanted, key=itemgetter(term))
    if not ordered:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(statements["postgresql"], tuple(map(list, zip(*ordered, strict=True))))
    elif "{rows}" not in statements["sqlite"]:
        connection.exec_driver_sql(statements["sqlite"], ordered)
    else:
        _add(connection, statements["sqlite"], ordered)


def _add(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for some in _portions(rows):
        filled = _filled(statement, len(some), len(some[0]))
        connection.exec_driver_sql(filled, tuple(chain.from_iterable(some)))


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """As many together as there may be."""
    place = 0
    while place < len(rows):
        size = next(size for size in PORTIONS if size <= len(rows) - place)
        yield rows[place : place + size]
        place += size


@lru_cache(maxsize=3 * len(PORTIONS))
def _filled(statement: str, rows: int, columns: int) -> str:
    """The statement with a mark for each value."""
    row = f"({', '.join('?' * columns)})"
    return statement.format(rows=", ".join([row] * rows))
