"""The search: who may be found by every word, the best first, at a cost that does not follow the number of people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.people import plan, statements
from app.people.models import LONGEST_TERM, PersonRow, TermRow
from app.people.plan import FEW, Arm, Driver, Look, Place
from app.people.ranking import mask, scope_of
from app.people.statements import ORDER, PREFIX_ONLY
from app.people.terms import SHORTEST_PHONE_GRAM, Field, Word

_BIND = {"mapper": TermRow}


class Found(NamedTuple):
    """The ids of people, and whether all who may be found were among those who were read."""

    ids: list[int]
    ended: bool


def found(
    session: Session, workspace_id: str, words: Sequence[Word], wanted: int, depth: int = 1, sources: Sequence[str] = ()
) -> Found:
    """People who may be found by every word: at least ``wanted`` where there are so many, hardly ever not the best.

    With a ``depth`` of more than 1 so many times as many are read, and with ``sources`` only their people count. A
    signature may promise too much: `score` has the last word.
    """
    scope = scope_of(workspace_id)
    drivers = plan.drivers(words)
    looks = _Looks(session, scope, words, drivers)
    driver = plan.best(drivers, looks)
    ids: dict[int, None] = {}
    for stage in plan.stages(driver, words, looks) if depth == 1 else plan.deeper(driver, words, looks, depth):
        for arm in stage:
            ids |= dict.fromkeys(_read(session, scope, arm, wanted * depth, sources))
        if len(ids) >= wanted:
            return Found([*ids], False)
    return Found([*ids], plan.is_short(driver, looks))


def _read(session: Session, scope: int, arm: Arm, wanted: int, sources: Sequence[str]) -> Iterable[int]:
    values = statements.of_arm(arm) | {"scope": scope, "wanted": wanted}
    values |= {"sources": [*sources]} if sources else {}
    dialect = session.get_bind(PersonRow).dialect.name
    statement = statements.reading(statements.shape_of(arm), dialect, bool(sources))
    return session.scalars(statement, values, bind_arguments=_BIND)


def holders(session: Session, workspace_id: str, term: str) -> list[int]:
    """The ids of the best thousand who have this whole term."""
    read = select(TermRow.person_id).where(TermRow.scope == scope_of(workspace_id), TermRow.term == term[:LONGEST_TERM])
    return list(session.scalars(read.order_by(*ORDER).limit(FEW)))


def score(words: str, query: Sequence[Word]) -> int | None:
    """How well a person with these words is found by every word of the query: the lower the better; None if not."""
    total = 0
    for word in query:
        best = min((points for form in word if (points := _points(words, form)) is not None), default=None)
        if best is None:
            return None
        total += best
    return total


def _points(words: str, form: str) -> int | None:
    place = words.find(f" {form} ")
    if place >= 0 and not (len(form) < SHORTEST_PHONE_GRAM and words.count("\n", 0, place) == Field.PHONE):
        return words.count("\n", 0, place)
    place = words.find(f" {form}")
    if place >= 0 and len(form) < SHORTEST_PHONE_GRAM and words.count("\n", 0, place) == Field.PHONE:
        place = words.find(f" {form}", words.rindex("\n"))
    return words.count("\n", 0, place) + PREFIX_ONLY if place >= 0 else None


class _Looks(dict[Place, Look]):
    """A look at each place of the drivers, taken when the first is asked for."""

    def __init__(self, session: Session, scope: int, words: Sequence[Word], drivers: Sequence[Driver]) -> None:
        self._session = session
        self._values = {"scope": scope} | statements.of_bits(mask(words))
        self._values |= statements.of_bits(mask(words, named=True), "named_")
        every = ((*one.places, *one.begun, *one.whole) for one in drivers)
        self._asked = list(dict.fromkeys(chain.from_iterable(every)))

    def __missing__(self, place: Place) -> Look:
        statement = statements.counts(tuple(place.kind for place in self._asked))
        values = self._values | statements.of_places(self._asked)
        for number, entries, hopes in self._session.execute(statement, values, bind_arguments=_BIND):
            self[self._asked[number]] = Look(entries, hopes)
        return self[place]
