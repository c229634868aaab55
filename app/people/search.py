"""The search: who may be found by every word, the best first, at a cost that does not follow the number of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from app.people.models import LONGEST_TERM, PersonRow, TermRow
from app.people.ranking import mask, scope_of
from app.people.terms import GRAM, LONGEST_GRAM, SHORTEST_PHONE_GRAM, Field, Word

# Behind every term with a given beginning, in the order of bytes.
LAST = "\U0010ffff"
# A word that finds fewer is followed to its end; the beginning of a longer one is read so far in the order of letters.
FEW = 1000
# So much of a list is read, best first, for those who have the other words too: of the last list, and of those before.
MOST_READ = 1500
FIRST_READ = 1000
# Kept of those that were made: what is asked for decides how many there could be.
STATEMENTS = 256
# More than eight words in the worst field add up to: an exact word always comes before a prefix.
PREFIX_ONLY = 100

_ORDER = (TermRow.rank, TermRow.person_id)
_BIND = {"mapper": TermRow}


class Arm(NamedTuple):
    """A list to read: ``read`` rows of it at most, of those that have the ``bits``, and of them who has the words."""

    kind: str
    term: str
    bits: int
    read: int
    words: tuple[Word, ...]

    @property
    def spellings(self) -> tuple[int, ...]:
        """How many each of the words has."""
        return tuple(map(len, self.words))


def found(session: Session, workspace_id: str, words: Sequence[Word], wanted: int) -> list[int]:
    """The ids of people who may be found by every word, about ``wanted`` from each list that may hold the best.

    A signature may promise too much: `score` has the last word.
    """
    scope = scope_of(workspace_id)
    sizes = _sizes(session, scope, words)
    driver = min(words, key=lambda word: _commonness(word, sizes))
    arms = list(dict.fromkeys(_arms(driver, [word for word in words if word != driver], sizes)))
    # Whom a whole word finds its beginning finds again; of several words the second list is rarely needed.
    most = wanted * 2 if len(words) == 1 else wanted * 3 // 2
    values: dict[str, Any] = {"scope": scope, "wanted": wanted, "most": max(most, wanted * len(driver))}
    for place, arm in enumerate(arms):
        term, last = arm.term, arm.term + LAST
        values |= {f"term{place}": term, f"last{place}": last, f"bits{place}": arm.bits, f"read{place}": arm.read}
        for names, word in zip(_names(place, arm.spellings), arm.words, strict=True):
            values |= zip(names, map(like, word), strict=True)
    statement = _lists(tuple((arm.kind, arm.spellings) for arm in arms))
    return list(dict.fromkeys(session.scalars(statement, values, bind_arguments=_BIND)))


def holders(session: Session, workspace_id: str, term: str) -> list[int]:
    """The ids of the best thousand who have this whole term."""
    read = select(TermRow.person_id).where(TermRow.scope == scope_of(workspace_id), TermRow.term == term[:LONGEST_TERM])
    return list(session.scalars(read.order_by(*_ORDER).limit(FEW)))


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


def _sizes(session: Session, scope: int, words: Sequence[Word]) -> dict[str, int]:
    """How many entries each spelling has up to a thousand; under ``" spelling"`` how many as a whole word; not asked
    where nothing depends on it."""
    forms = list(dict.fromkeys(form for word in words for form in word))
    if len(words) == 1 and all(len(form) <= LONGEST_GRAM for form in forms):
        return {}
    asked = [(form, _kind(form), GRAM + form if _kind(form) == "list" else form) for form in forms]
    if len(words) > 1:
        asked += [(f" {form}", "list", form) for form in forms]
    values: dict[str, Any] = {"scope": scope}
    for place, (_, _, term) in enumerate(asked):
        values |= {f"term{place}": term, f"last{place}": term + LAST}
    row = session.execute(_counts(tuple(kind for _, kind, _ in asked)), values, bind_arguments=_BIND).one()
    return dict(zip((name for name, _, _ in asked), row, strict=True))


def _commonness(word: Word, sizes: Mapping[str, int]) -> tuple[float, int, int]:
    """The lower, the rarer: by all that begins with it; where that is too much to count by the whole word, which is
    what a surname of a few hundred people is, and where nobody has that by what was typed of it."""
    begun = [sizes.get(form, FEW) for form in word]
    whole = sum(sizes.get(f" {form}", 0) or FEW for form in word)
    return sum(begun) if max(begun) < FEW else inf, whole, -max(map(len, word))


def _kind(form: str) -> str:
    return "list" if len(form) <= LONGEST_GRAM else "range"


def _arms(driver: Word, others: Sequence[Word], sizes: Mapping[str, int]) -> Iterator[Arm]:
    """The lists to read: whole words first, so that who is found by them is never crowded out by who is not."""
    whole = [word for word in others if any(sizes[f" {form}"] for form in word)]
    begun = mask(others, whole=False)
    best = begun | mask(whole, whole=True)
    words = tuple(others)
    yield from (Arm("list", form, best, FIRST_READ, words) for form in driver)
    for bits, read in ((best, FIRST_READ), (begun, MOST_READ)):
        if bits == begun and read == FIRST_READ:
            continue
        for form in driver:
            if len(form) <= LONGEST_GRAM:
                yield Arm("list", GRAM + form, bits, read, words)
                continue
            yield Arm("range", form, bits, FEW, words)
            if sizes[form] >= FEW:
                yield Arm("list", GRAM + form[:LONGEST_GRAM], bits, read, (*words, driver))


def like(form: str) -> str:
    """The pattern of the words among which there is one that begins so."""
    return f"% {form.replace('/', '//').replace('%', '/%').replace('_', '/_')}%"


def _names(place: int, spellings: tuple[int, ...]) -> list[list[str]]:
    """The parameters of a list's words, one for each spelling."""
    return [[f"like{place}_{which}_{spelling}" for spelling in range(many)] for which, many in enumerate(spellings)]


def _where(kind: str, place: int) -> ColumnElement[bool]:
    mine = TermRow.scope == bindparam("scope")
    term: BindParameter[str] = bindparam(f"term{place}")
    if kind == "list":
        return and_(mine, TermRow.term == term)
    return and_(mine, TermRow.term >= term, TermRow.term < bindparam(f"last{place}"))


@lru_cache(STATEMENTS)
def _lists(kinds: tuple[tuple[str, tuple[int, ...]], ...]) -> Select[Any]:
    """One statement for all lists of a search, by their kinds and how many spellings each word has that is looked for;
    made once for every combination."""
    arms = [select(_list(kind, place, spellings).subquery()) for place, (kind, spellings) in enumerate(kinds)]
    # Read one after the other: when there are enough the rest is never begun.
    return select(union_all(*arms).subquery().c.person_id).limit(bindparam("most", type_=Integer))


def _list(kind: str, place: int, spellings: tuple[int, ...]) -> Select[Any]:
    read = select(TermRow.person_id, TermRow.rank, TermRow.signature).where(_where(kind, place))
    order = _ORDER if kind == "list" else (TermRow.term, *_ORDER)
    some = read.order_by(*order).limit(bindparam(f"read{place}", type_=Integer)).subquery()
    bits = bindparam(f"bits{place}", type_=TermRow.signature.type)
    maybe = select(some.c.person_id).where(some.c.signature.bitwise_and(bits) == bits)
    if kind == "range":  # a list comes in the order of rank; a range has to be put into it
        maybe = maybe.order_by(some.c.rank)
        if spellings:  # before they are asked, so that those behind the last who is wanted are not
            maybe = select(maybe.limit(bindparam(f"read{place}", type_=Integer)).subquery())
    person_id = maybe.selected_columns.person_id
    # Asked of one person after the other until there are enough, and of nobody whom the signature rules out.
    told = select(PersonRow.words).where(PersonRow.id == person_id).scalar_subquery()
    has = [or_(*(told.like(bindparam(name), escape="/") for name in names)) for names in _names(place, spellings)]
    return maybe.where(*has).limit(bindparam("wanted", type_=Integer))


@lru_cache(STATEMENTS)
def _counts(kinds: tuple[str, ...]) -> Select[Any]:
    some = [select(literal(1)).where(_where(kind, place)).limit(FEW) for place, kind in enumerate(kinds)]
    return select(*(select(func.count()).select_from(one.subquery()).scalar_subquery() for one in some))
