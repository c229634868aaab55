"""Who is one human with whom: one answer, whoever of them is asked about, for a card, a list, a request, a platform."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import ARRAY, JSON, Integer, Select, Text, bindparam, func, select
from sqlalchemy.orm import Session

from app.people import contacts, phones
from app.people.contacts import humans, keys
from app.people.lists import listed
from app.people.models import LONGEST_TERM, PersonRow, TermRow
from app.people.ranking import scope_of
from app.people.terms import email_term

# A phone or an e-mail of more people than this is a placeholder: it joins nobody.
MOST_SHARING = 50
# Nobody is joined over more steps than this.
MOST_STEPS = 6


class Listed(contacts.Contact, Protocol):
    """Somebody who stands in a list."""

    @property
    def id(self) -> int:
        """Its id in the mirror."""


L = TypeVar("L", bound=Listed)
# Tells of people by their ids who is one human with whom.
HumansOf = Callable[[Collection[int]], Mapping[int, Collection[int]]]


@dataclass(frozen=True, slots=True)
class Member:
    """One person as far as it tells who it is."""

    id: int
    source: str
    contacts: str


def humans_of(
    session: Session, workspace_id: str, sources: Collection[str], ids: Iterable[int]
) -> dict[int, tuple[int, ...]]:
    """For each of the people who are shown, and for everybody who is one with them: the human's people, first first.

    The human stays itself while the first, who came before the others, is there.
    """
    held = _Held(session, workspace_id, sources)
    held.load(ids)
    for _ in range(MOST_STEPS):
        if not held.follow():
            break
    found: dict[int, tuple[int, ...]] = {}
    for human in humans(held.joinable()):
        members = tuple(member.id for member in human.people)
        found |= dict.fromkeys(members, members)
    return found


def first_of_each(people: Sequence[L], humans_of: HumansOf) -> Iterator[L]:
    """Of each human the first of these people; whoever shares something with another of them is asked for."""
    sharing: dict[str, set[str]] = defaultdict(set)
    for person in people:
        for key in keys(person):
            sharing[key].add(person.source)
    shared = {key for key, theirs in sharing.items() if len(theirs) > 1}
    several = [person.id for person in people if not shared.isdisjoint(keys(person))]
    known = humans_of(several) if several else {}
    seen: set[int] = set()
    for person in people:
        human = known.get(person.id, (person.id,))
        if seen.isdisjoint(human):
            seen.add(person.id)
            yield person


def with_records(session: Session, workspace_id: str, sources: Collection[str], ids: Collection[int]) -> list[int]:
    """A human's people, and every record of a source that is none of theirs with an e-mail or a phone of one of them:
    it may be shown as somebody's own, or as another's with whom it shares something, too."""
    held = _Held(session, workspace_id, sources)
    held.load(ids)
    theirs = {member.source for member in held.members.values()}
    held.follow()
    joining = {one.id: keys(one) for one in held.joinable()}
    said = set[str]().union(*(joining[id] for id in ids if id in joining))
    more = (one.id for one in held.members.values() if one.source not in theirs and said & joining[one.id])
    return sorted({*ids, *more})


class _Held:
    """The people who are read, and the e-mails and phones that were followed from them."""

    def __init__(self, session: Session, workspace_id: str, sources: Collection[str]) -> None:
        self.session, self.workspace_id, self.sources = session, workspace_id, set(sources)
        self.members: dict[int, Member] = {}
        self.followed: dict[str, bool] = {}

    def load(self, ids: Iterable[int]) -> None:
        """Read the people with these ids, as many as are shown in the workspace."""
        asked = _members(self.session.get_bind(PersonRow).dialect.name)
        unread = {"ids": sorted(set(ids) - self.members.keys())}
        for id, source, told, workspace_id in self.session.execute(asked, unread, bind_arguments={"mapper": PersonRow}):
            if workspace_id == self.workspace_id and source in self.sources:
                self.members[id] = Member(id, source, told)

    def follow(self) -> bool:
        """Read who shares a contact with somebody who is read; false when there is nobody more."""
        fresh = {key for member in self.members.values() for key in keys(member)} - self.followed.keys()
        sharing = _few_with(self.session, self.workspace_id, {key: _term(key) for key in fresh})
        self.followed |= {key: len(sharing[key]) <= MOST_SHARING for key in fresh}
        found = {id for key in fresh if self.followed[key] for id in sharing[key]}
        before = len(self.members)
        if not found <= self.members.keys():
            self.load(found)
        return len(self.members) > before

    def joinable(self) -> list[Member]:
        """The people in the order of their coming, with the contacts that may join them."""
        told = ((one, [key for key in sorted(keys(one)) if self.followed.get(key)]) for one in self.members.values())
        members = [Member(one.id, one.source, "\n".join(joining)) for one, joining in told]
        return sorted(members, key=lambda member: member.id)


@cache
def _members(dialect: str) -> Select[Any]:
    """The people whose ids are in ``ids``; made once, as a search is what waits for it."""
    columns = PersonRow.__table__.c
    read = select(columns.id, columns.source, columns.contacts, columns.workspace_id)
    return read.where(listed(dialect, PersonRow.id, "ids"))


def _term(key: str) -> str:
    """By what the index finds those who have an e-mail or a phone."""
    return (email_term(key) if "@" in key else phones.number_of(key))[:LONGEST_TERM]


def _few_with(session: Session, workspace_id: str, terms: dict[str, str]) -> dict[str, list[int]]:
    """For each key the ids of some who have its term: of all, unless they are more than may share it."""
    if not terms:
        return {}
    asked = {"scope": scope_of(workspace_id), "terms": sorted({*terms.values()}), "most": MOST_SHARING + 1}
    read = _few(session.get_bind(TermRow).dialect.name)
    found = {term: ids or [] for term, ids in session.execute(read, asked, bind_arguments={"mapper": TermRow})}
    return {key: found[term] for key, term in terms.items()}


@cache
def _few(dialect: str) -> Select[Any]:
    """For each of ``terms`` the first who have it as one list; one statement for any number of them."""
    if dialect == "postgresql":
        terms = func.unnest(bindparam("terms", type_=ARRAY(Text))).table_valued("value").render_derived()
    else:
        terms = func.json_each(bindparam("terms", type_=JSON)).table_valued("value")
    together = func.json_agg if dialect == "postgresql" else func.json_group_array
    mine = TermRow.scope == bindparam("scope"), TermRow.term == terms.c.value
    some = select(TermRow.person_id).where(*mine).limit(bindparam("most", type_=Integer)).correlate(terms).subquery()
    return select(terms.c.value, select(together(some.c.person_id, type_=JSON)).scalar_subquery())
