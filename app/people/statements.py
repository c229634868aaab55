"""The statements of a search: made once for every combination of lists, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from app.people.models import PersonRow, TermRow
from app.people.plan import ALL, FEW, IN_NAME, Arm, Asked, Place
from app.people.ranking import halves

# No mapped classes: a search makes a dozen of these, and what is mapped costs as much again as the statement.
TERM, PERSON = TermRow.__table__.c, PersonRow.__table__.c

# Behind every term with a given beginning, in the order of bytes.
LAST = "\U0010ffff"
# Kept of those that were made: what is asked for decides how many there could be.
STATEMENTS = 256
ORDER = (TERM.rank, TERM.person_id)
# More than eight words in the worst field add up to: an exact word always comes before a prefix.
PREFIX_ONLY = 100


def number(value: int) -> ColumnElement[int]:
    """A constant, and no parameter: the driver would look at each of some dozens anew."""
    return literal_column(str(value), Integer)


NOTHING, ONE = number(0), number(1)
LINE_END = literal_column("'\n'", Text)
# Entries that a look counts.
MOST = {"list": FEW, "range": FEW, "first": 1, "all": ALL}

# A place's kind, how many spellings each word has and how it is asked for, and whether the best come first.
Shape = tuple[str, tuple[tuple[int, Asked], ...], bool]


def of_arm(arm: Arm) -> dict[str, Any]:
    """The parameters of its `reading`, but for ``scope``, ``wanted`` and ``sources``."""
    values: dict[str, Any] = of_bits(arm.bits) | {"read": arm.read, "asked": arm.asked} | _range(0, arm.place.term)
    for which, (word, _) in enumerate(arm.words):
        for spelling, form in enumerate(word):
            values |= {_name("begun", which, spelling): f" {form}", _name("whole", which, spelling): f" {form} "}
    return values


def of_places(places: Sequence[Place]) -> dict[str, Any]:
    """The parameters of `counts`, but for ``scope`` and `of_bits`."""
    return {name: value for which, place in enumerate(places) for name, value in _range(which, place.term).items()}


def shape_of(arm: Arm) -> Shape:
    """What of it makes another statement."""
    return arm.place.kind, tuple((len(word), how) for word, how in arm.words), arm.sorted


@lru_cache(STATEMENTS)
def reading(shape: Shape, dialect: str, of_sources: bool = False) -> Select[Any]:
    """The ids of people at a place who have all words that are looked for; of the ``sources`` alone where asked."""
    kind, words, ordered = shape
    maybe = _maybe(kind)
    if not words and not of_sources:
        return select(maybe.subquery().c.person_id).limit(bindparam("wanted", type_=Integer))
    # Asked of one person after the other until there are enough, and of nobody whom the signature rules out.
    some = maybe.limit(bindparam("asked", type_=Integer)).subquery()
    points = _points(words, dialect, of_sources, ordered).where(PERSON.id == some.c.person_id).scalar_subquery()
    told = (
        select(some.c.person_id, some.c.place, points.label("points"))
        .limit(bindparam("asked", type_=Integer))
        .subquery()
    )
    found = select(told.c.person_id).where(told.c.points.is_not(None)).limit(bindparam("wanted", type_=Integer))
    return found.order_by(told.c.points, told.c.place) if ordered else found


def _maybe(kind: str) -> Select[Any]:
    """Who may have the words by the signature, best first."""
    read = select(TERM.person_id, TERM.rank, TERM.signature, TERM.letters).where(_where(kind, 0))
    order = ORDER if kind == "list" else (TERM.term, *ORDER)
    some = read.order_by(*order).limit(bindparam("read", type_=Integer)).subquery()
    has = _has(some, "")
    if kind == "list":  # it comes in the order of rank
        return select(some.c.person_id, some.c.rank.label("place")).where(has)
    # A range has to be put into it, and has people twice.
    place = func.min(some.c.rank).label("place")
    return select(some.c.person_id, place).where(has).group_by(some.c.person_id).order_by(place, some.c.person_id)


def _points(words: tuple[tuple[int, Asked], ...], dialect: str, of_sources: bool, ordered: bool) -> Select[Any]:
    """The fewer, the better a person is found; NULL for who is not."""
    where = func.instr if dialect == "sqlite" else func.strpos

    def any_of(text: Any, what: str, which: int, many: int) -> ColumnElement[bool]:
        spelled = (bindparam(_name(what, which, spelling), type_=Text) for spelling in range(many))
        return or_(*(where(text, one) > NOTHING for one in spelled))

    # The first of the lines, one for each field.
    name = func.substr(PERSON.words, ONE, where(PERSON.words, LINE_END), type_=Text)
    has, points = [], []
    for which, (many, how) in enumerate(words):
        text = name if how == Asked.NAMED else PERSON.words
        has.append(any_of(text, "whole" if how == Asked.WHOLE else "begun", which, many))
        points.append(case((any_of(PERSON.words, "whole", which, many), NOTHING), else_=number(PREFIX_ONLY)))
        points.append(case((any_of(name, "begun", which, many), NOTHING), else_=ONE))
    if of_sources:
        has.append(PERSON.source.in_(bindparam("sources", expanding=True)))
    total: ColumnElement[int] = sum(points, NOTHING) if ordered else NOTHING
    return select(case((and_(*has), total)))


def _name(what: str, which: int, spelling: int) -> str:
    return f"{what}_{which}_{spelling}"


@lru_cache(STATEMENTS)
def counts(kinds: tuple[tuple[str, bool], ...]) -> CompoundSelect[Any]:
    """Of each place its number, how many of a thousand entries it has, and, where asked for, their hopes
    (`app.people.plan.Look`)."""
    looks = []
    for place, (kind, hopeful) in enumerate(kinds):
        some = select(TERM.signature, TERM.letters).where(_where(kind, place)).limit(number(MOST[kind]))
        entries = (some.order_by(*ORDER) if kind == "list" else some).subquery()
        hope = case((_has(entries, "named_"), number(IN_NAME)), (_has(entries, ""), ONE), else_=NOTHING)
        hopes = func.coalesce(func.sum(hope), NOTHING) if hopeful else NOTHING
        looks.append(select(number(place), func.count(), hopes).select_from(entries))
    return union_all(*looks)


def of_bits(bits: int, name: str = "") -> dict[str, int]:
    """The parameters of `_has`."""
    return dict(zip((f"{name}signature", f"{name}letters"), halves(bits), strict=True))


def _has(entries: Subquery, name: str) -> ColumnElement[bool]:
    signature = bindparam(f"{name}signature", type_=BigInteger)
    letters = bindparam(f"{name}letters", type_=BigInteger)
    columns = entries.c
    return and_(columns.letters.bitwise_and(letters) == letters, columns.signature.bitwise_and(signature) == signature)


def _where(kind: str, place: int) -> ColumnElement[bool]:
    mine = TERM.scope == bindparam("scope")
    term: BindParameter[str] = bindparam(f"term{place}")
    if kind in ("range", "all"):
        return and_(mine, TERM.term >= term, TERM.term < bindparam(f"last{place}"))
    return and_(mine, TERM.term == term)


def _range(place: int, term: str) -> dict[str, str]:
    """The parameters of `_where`."""
    return {f"term{place}": term, f"last{place}": term + LAST}
