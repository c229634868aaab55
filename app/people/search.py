"""The search as one statement: every word by prefix, best first, within one workspace."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import CompoundSelect, Select, Subquery, case, func, literal, select, union_all

from app.people.models import PersonRow, TermRow
from app.people.terms import Word

# Behind every term with a given beginning, in the order of bytes.
LAST = "\U0010ffff"
# More than eight words in the worst field add up to: an exact word always comes before a prefix.
PREFIX_ONLY = 100

BEST_FIRST = (
    PersonRow.has_orders.desc(),
    PersonRow.last_order.desc(),
    PersonRow.sort_name,
    PersonRow.id,
)


def found(workspace_id: str, words: Sequence[Word]) -> Subquery:
    """The ids of the people whom every word finds, each with a ``score``: the lower, the better."""
    hits = _hits(workspace_id, words).subquery()
    best = (
        select(hits.c.person_id, func.min(hits.c.score).label("score"))
        .group_by(hits.c.person_id, hits.c.word)
        .subquery()
    )
    return (
        select(best.c.person_id, func.sum(best.c.score).label("score"))
        .group_by(best.c.person_id)
        .having(func.count() == len(words))
        .subquery()
    )


def _hits(workspace_id: str, words: Sequence[Word]) -> CompoundSelect[int, int, int]:
    # One range of the primary key for each spelling: an OR of ranges would read the whole workspace.
    return union_all(
        *(_range(workspace_id, index, form) for index, word in enumerate(words) for form in word),
    )


def _range(workspace_id: str, word: int, form: str) -> Select[int, int, int]:
    score = case((TermRow.term == form, TermRow.field), else_=TermRow.field + PREFIX_ONLY)
    return select(literal(word).label("word"), TermRow.person_id, score.label("score")).where(
        TermRow.workspace_id == workspace_id, TermRow.term >= form, TermRow.term < form + LAST
    )
