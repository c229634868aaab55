"""The search: who may be found by every word, the best first, at a cost that does not follow the number of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.people import plan, statements
from app.people.models import LONGEST_TERM, TermRow
from app.people.plan import FEW, Arm, Driver, Look, Place
from app.people.ranking import mask, scope_of
from app.people.statements import ORDER, PREFIX_ONLY
from app.people.terms import SHORTEST_PHONE_GRAM, Field, Word

_BIND = {"mapper": TermRow}


class Found(NamedTuple):
    """The ids of people, and whether all who may be found were among those who were read."""

    ids: list[int]
    ended: bool


class Search:
    """People of a workspace who may be found by every word; a signature may promise too much: `score` has the last
    word."""

    def __init__(self, session: Session, workspace_id: str, words: Sequence[Word]) -> None:
        self._connection = session.connection(bind_arguments=_BIND)
        self._scope = scope_of(workspace_id)
        self._words = words
        self._drivers = plan.drivers(words)
        self._looks = _Looks(self._connection, self._scope, words, self._drivers)
        self._ids: dict[int, None] = {}

    @cached_property
    def _driver(self) -> Driver:
        return plan.best(self._drivers, self._looks)

    @cached_property
    def _behind(self) -> Driver:
        return plan.behind(self._drivers, self._driver, self._looks)

    def first(self, wanted: int) -> Found:
        """At least ``wanted`` where there are so many, hardly ever not the best."""
        for stage in plan.stages(self._driver, self._words, self._looks):
            for arm in stage:
                self._ids |= dict.fromkeys(self._read(arm, wanted))
            # Who is not in the first part of two words' place is found sooner in another.
            if len(self._ids) >= wanted or (stage and self._behind is not self._driver):
                return Found([*self._ids], False)
        return Found([*self._ids], plan.is_short(self._driver, self._looks))

    def further(self, wanted: int, depth: int, sources: Sequence[str] = ()) -> Iterator[list[int]]:
        """Others, the better ones first: ``depth`` times as many are read; with ``sources`` only their people count."""
        for stage in plan.deeper(self._behind, self._words, self._looks, depth):
            before = len(self._ids)
            for arm in stage:
                self._ids |= dict.fromkeys(self._read(arm, wanted * depth, sources))
            if len(self._ids) > before:
                yield [*islice(self._ids, before, None)]

    def _read(self, arm: Arm, wanted: int, sources: Sequence[str] = ()) -> Iterable[int]:
        values = statements.of_arm(arm) | {"scope": self._scope, "wanted": wanted}
        values |= {"sources": [*sources]} if sources else {}
        dialect = self._connection.dialect.name
        statement = statements.reading(statements.shape_of(arm), dialect, bool(sources))
        return self._connection.scalars(statement, values)


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
    """A look at each place that is looked at, taken when the first is asked for, and at others when they are."""

    def __init__(self, connection: Connection, scope: int, words: Sequence[Word], drivers: Sequence[Driver]) -> None:
        self._connection = connection
        self._values = {"scope": scope} | statements.of_bits(mask(words))
        self._values |= statements.of_bits(mask(words, named=True), "named_")
        self._first = plan.looked_at(drivers)

    def __missing__(self, place: Place) -> Look:
        asked = self._first if place in self._first else {place: False}
        places = [*asked]
        statement = statements.counts(tuple((place.kind, hopeful) for place, hopeful in asked.items()))
        values = self._values | statements.of_places(places)
        for number, entries, hopes in self._connection.execute(statement, values):
            self[places[number]] = Look(entries, hopes)
        return self[place]
