"""What must be true of the index at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select

from app.core.database import reading
from app.people import index
from app.people.index import Entry
from app.people.models import PersonRow, TermRow
from app.people.ranking import rank, scope_of
from app.people.search import score
from app.people.terms import Word, query_words, spelled, terms
from app.people.text import fold
from app.sdk import Person

COLUMNS = (TermRow.scope, TermRow.term, TermRow.rank, TermRow.person_id, TermRow.signature, TermRow.letters)


def check_terms_are_true() -> None:
    """The index holds what its people say now, in their workspaces, and nothing else."""
    with reading() as session:
        people = list(session.scalars(select(PersonRow)))
        kept = [tuple(row) for row in session.execute(select(*COLUMNS))]
    said = []
    for row in people:
        found = terms(Person("", row.name, row.email, row.phone, row.company))
        assert row.words == spelled(found)
        assert row.rank == rank(row.has_orders, row.last_order, fold(row.name))
        said += list(index.rows(scope_of(row.workspace_id), row.id, Entry(row.words, row.rank)))
    assert sorted(kept) == sorted(said)


def finds(query: str, person: Person, rule: Callable[[str], Sequence[Word]] = query_words) -> bool:
    """Whether the query, taken apart by the rule, asks for something, and the person has all of it."""
    words = rule(query)
    return bool(words) and score(spelled(terms(person)), words) is not None
