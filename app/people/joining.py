"""Who is one human with whom: the same answer whoever of them is asked about, so that a platform gets one contact."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.people.contacts import humans, keys
from app.people.lists import among
from app.people.models import PersonRow
from app.people.search import holders
from app.people.terms import email_term

# A phone or an e-mail of more people than this is a placeholder: it joins nobody.
MOST_SHARING = 50
# Nobody is joined over more steps than this.
MOST_STEPS = 6


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


class _Held:
    """The people who are read, and the e-mails and phones that were followed from them."""

    def __init__(self, session: Session, workspace_id: str, sources: Collection[str]) -> None:
        self.session, self.workspace_id, self.sources = session, workspace_id, sources
        self.members: dict[int, Member] = {}
        self.followed: dict[str, bool] = {}

    def load(self, ids: Iterable[int]) -> None:
        """Read the people with these ids, as many as are shown in the workspace."""
        columns = (PersonRow.id, PersonRow.source, PersonRow.contacts, PersonRow.workspace_id)
        asked = select(*columns).where(among(self.session, PersonRow.id, sorted(set(ids) - self.members.keys())))
        for id, source, contacts, workspace_id in self.session.execute(asked):
            if workspace_id == self.workspace_id and source in self.sources:
                self.members[id] = Member(id, source, contacts)

    def follow(self) -> bool:
        """Read who shares a contact with somebody who is read; false when there is nobody more."""
        fresh = {key for member in self.members.values() for key in keys(member)} - self.followed.keys()
        found: set[int] = set()
        for key in sorted(fresh):
            sharing = holders(self.session, self.workspace_id, email_term(key) if "@" in key else key)
            self.followed[key] = len(sharing) <= MOST_SHARING
            found.update(sharing if self.followed[key] else ())
        before = len(self.members)
        if found:
            self.load(found)
        return len(self.members) > before

    def joinable(self) -> list[Member]:
        """The people in the order of their coming, with the contacts that may join them."""
        told = ((one, [key for key in sorted(keys(one)) if self.followed.get(key)]) for one in self.members.values())
        members = [Member(one.id, one.source, "\n".join(joining)) for one, joining in told]
        return sorted(members, key=lambda member: member.id)
