"""Listens to every statement and finds those that touch a tenant's table without saying whose rows they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Delete, Engine, Select, Table, Update, event
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BooleanClauseList,
    ClauseList,
    ColumnClause,
    Grouping,
    TextClause,
    Tuple,
)
from sqlalchemy.sql.selectable import Join

# What names a tenant's rows: the tenant, the row itself, or the digest of a secret that only the tenant was given.
NAMED_BY: dict[str, tuple[frozenset[str], ...]] = {
    "workspace": (frozenset({"id"}),),
    "installation": (frozenset({"id"}), frozenset({"workspace_id"}), frozenset({"connector", "tenant"})),
    "data_key": (frozenset({"id"}), frozenset({"installation_id"})),
    "credential": (frozenset({"installation_id"}),),
    "event": (frozenset({"installation_id"}),),
    "erased": (frozenset({"installation_id"}),),
    "message": (frozenset({"installation_id"}),),
    "message_contact": (frozenset({"installation_id"}),),
    "link": (frozenset({"digest"}), frozenset({"installation_id"})),
    "ticket": (frozenset({"digest"}), frozenset({"proof"}), frozenset({"installation_id"})),
    "session": (frozenset({"bearer"}), frozenset({"cookie"}), frozenset({"installation_id"})),
    "journal": (frozenset({"digest"}), frozenset({"installation_id"})),
    "consent": (frozenset({"digest"}),),
    "pairing": (frozenset({"digest"}), frozenset({"workspace_id"})),
    "person": (frozenset({"id"}), frozenset({"workspace_id"})),
    "departed": (frozenset({"workspace_id"}),),
    "early_order": (frozenset({"workspace_id"}),),
    "person_order": (frozenset({"person_id"}),),
    "term": (frozenset({"scope"}), frozenset({"person_id"})),
}
# The host's own errands, which are nobody's: the verb, the table, what the condition looks at, what is learnt.
# What is over is over for everybody; the worker asks whose turn it is; the operator counts.
ERRANDS = {
    ("Delete", "consent", frozenset({"expires_at"}), frozenset[str]()),
    ("Delete", "ticket", frozenset({"expires_at"}), frozenset[str]()),
    ("Delete", "journal", frozenset({"expires_at"}), frozenset[str]()),
    ("Delete", "event", frozenset({"received_at"}), frozenset[str]()),
    ("Delete", "message", frozenset({"received_at"}), frozenset[str]()),
    ("Delete", "session", frozenset({"seen_at"}), frozenset[str]()),
    ("Select", "consent", frozenset({"expires_at"}), frozenset[str]()),
    ("Select", "ticket", frozenset({"expires_at"}), frozenset[str]()),
    ("Select", "journal", frozenset({"expires_at"}), frozenset[str]()),
    ("Select", "event", frozenset({"received_at"}), frozenset[str]()),
    ("Select", "message", frozenset({"received_at"}), frozenset[str]()),
    ("Select", "session", frozenset({"seen_at"}), frozenset[str]()),
    ("Select", "installation", frozenset({"probe_at", "connector"}), frozenset({"id"})),
    ("Select", "installation", frozenset({"probe_at", "connector", "state"}), frozenset({"id"})),
    ("Select", "installation", frozenset({"state", "probe_at", "connector"}), frozenset({"connector", "id"})),
    ("Select", "installation", frozenset({"state", "created_at"}), frozenset({"id"})),
    ("Delete", "link", frozenset({"expires_at"}), frozenset[str]()),
    ("Delete", "event", frozenset({"kind", "received_at"}), frozenset[str]()),
    ("Select", "link", frozenset({"expires_at"}), frozenset[str]()),
    ("Select", "event", frozenset({"kind", "received_at"}), frozenset[str]()),
    ("Select", "installation", frozenset[str](), frozenset({"connector", "state"})),
}

Named = tuple[str, str]


class Guard:
    """What was heard: how many statements on tenants' tables, and which of them named no tenant."""

    def __init__(self) -> None:
        self.heard = 0
        self.loose: list[str] = []
        self.known: dict[str, tuple[bool, list[str]]] = {}

    def hear(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        """One statement on its way to the database."""
        if statement not in self.known:
            self.known[statement] = judged(statement, getattr(context, "compiled", None))
        heard, loose = self.known[statement]
        self.heard += heard
        self.loose += loose


def judged(statement: str, compiled: Any) -> tuple[bool, list[str]]:
    """Whether a statement concerns tenants' tables, and what is wrong with it; one by hand cannot be read."""
    if compiled is None or isinstance(compiled.statement, TextClause):
        concerns = any(re.search(rf"\b{table}\b", statement) for table in NAMED_BY)
        return concerns, [statement] * concerns
    concerns = bool(tables_in(compiled.statement) & set(NAMED_BY))
    return concerns, [f"{table}: {statement}" for table in unnamed(compiled.statement)]


@contextmanager
def guarding(engines: Iterable[Engine]) -> Iterator[Guard]:
    """Listen while the block runs."""
    guard, listening = Guard(), list(engines)
    for engine in listening:
        event.listen(engine, "before_cursor_execute", guard.hear)
    try:
        yield guard
    finally:
        for engine in listening:
            event.remove(engine, "before_cursor_execute", guard.hear)


def unnamed(statement: Any) -> set[str]:
    """The tenants' tables that a statement, or one inside it, touches without naming whose rows."""
    found: set[str] = set()
    for part in visitors.iterate(statement):
        if isinstance(part, Select | Update | Delete) and not is_errand(part):
            found |= (tables_of(part) & set(NAMED_BY)) - named_in(part)
    return found


def tables_in(statement: Any) -> set[str]:
    """Every table of a statement."""
    return {part.name for part in visitors.iterate(statement) if isinstance(part, Table)}


def tables_of(part: Any) -> set[str]:
    """The tables from which this part reads, or which it changes."""
    if isinstance(part, Update | Delete):
        return {part.table.name}
    return {table.name for source in part.get_final_froms() for table in flat(source) if isinstance(table, Table)}


def flat(source: Any) -> Iterator[Any]:
    """The tables of a join."""
    if isinstance(source, Join):
        yield from flat(source.left)
        yield from flat(source.right)
    else:
        yield getattr(source, "element", source)


def onclauses(source: Any) -> Iterator[Any]:
    """The conditions of a join."""
    if isinstance(source, Join):
        yield from onclauses(source.left)
        yield from onclauses(source.right)
        yield source.onclause


def conditions(part: Any) -> list[Any]:
    """All that must hold."""
    joined = (
        [] if isinstance(part, Update | Delete) else [on for one in part.get_final_froms() for on in onclauses(one)]
    )
    return [one for whole in (part.whereclause, *joined) if whole is not None for one in conjuncts(whole)]


def conjuncts(clause: Any) -> Iterator[Any]:
    """The parts of an AND."""
    if isinstance(clause, Grouping):
        yield from conjuncts(clause.element)
    elif isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for inner in clause.clauses:
            yield from conjuncts(inner)
    else:
        yield clause


def named_in(part: Any) -> set[str]:
    """The tables whose rows this part names: by a value, or through a join with a table whose rows it names."""
    clauses = conditions(part)
    named = {pair for clause in clauses for pair in pairs_of(clause)}
    tables = {table for clause in clauses for table in either_way(clause)} | enough(named)
    edges = [edge for clause in clauses if (edge := edge_of(clause))]
    while True:
        through = {one for one, other in edges if other[0] in tables} | {
            other for one, other in edges if one[0] in tables
        }
        more = enough(named | through)
        if more <= tables:
            return tables
        tables |= more


def enough(named: set[Named]) -> set[str]:
    """The tables of which enough columns are named."""
    columns = {table: {column for one, column in named if one == table} for table, _ in named}
    return {table for table, held in columns.items() if any(wanted <= held for wanted in NAMED_BY.get(table, ()))}


def pairs_of(clause: Any) -> set[Named]:
    """The columns that a comparison with a value names."""
    if not isinstance(clause, BinaryExpression) or clause.operator not in (operators.eq, operators.in_op):
        return set()
    if is_column(clause.right):
        return set()
    left = clause.left.element if isinstance(clause.left, Grouping) else clause.left
    columns = left.clauses if isinstance(left, Tuple | ClauseList) else [left]
    return {(column.table.name, column.name) for column in columns if is_column(column)}


def either_way(clause: Any) -> set[str]:
    """The tables that every branch of an OR names."""
    inner = clause.element if isinstance(clause, Grouping) else clause
    if not isinstance(inner, BooleanClauseList) or inner.operator is not operators.or_:
        return set()
    branches = [enough({pair for part in conjuncts(branch) for pair in pairs_of(part)}) for branch in inner.clauses]
    return set.intersection(*branches)


def edge_of(clause: Any) -> tuple[Named, Named] | None:
    """The two columns that a join makes equal."""
    if isinstance(clause, BinaryExpression) and clause.operator is operators.eq:
        sides = (clause.left, clause.right)
        if all(is_column(side) for side in sides):
            one, other = ((side.table.name, side.name) for side in sides)
            return one, other
    return None


def is_column(element: Any) -> bool:
    """Whether this is a column of a table."""
    return isinstance(element, ColumnClause) and isinstance(getattr(element.table, "name", None), str)


def is_errand(part: Any) -> bool:
    """Whether this is one of the host's own errands."""
    tables = tables_of(part)
    if len(tables) != 1:
        return False
    looked_at = {one.name for clause in conditions(part) for one in visitors.iterate(clause) if is_column(one)}
    selected = part.selected_columns if isinstance(part, Select) else ()
    learnt = {column.name for column in selected if is_column(column)}
    verb = next(kind.__name__ for kind in (Select, Update, Delete) if isinstance(part, kind))
    return (verb, next(iter(tables)), frozenset(looked_at), frozenset(learnt)) in ERRANDS
