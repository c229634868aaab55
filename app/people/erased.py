"""Who was erased at a person's request: the same told again by the platform is not stored, something new is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import ErasedRow
from app.core.seal import Ring, SealBroken
from app.core.services import services
from app.people.rows import iso_day, to_storable, to_storable_id
from app.sdk import Batch, Order, Person

# What a platform says of somebody; when it last touched the record says nothing of a person.
CONTENT = ("name", "email", "phone", "company", "url", "note")


# In place of the content where only orders told of the person: its own record may say more, and be old.
UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Erased:
    """One who was erased: blind indexes of the ``external_id`` and of the content, and when."""

    digest: str
    content: str
    at: datetime


def remember(
    session: Session, ring: Ring, installation_id: str, person: Person, now: datetime, *, is_record: bool = True
) -> None:
    """Note that this person of an installation is erased; nothing where its key is destroyed, since then nothing is
    pulled from it any more."""
    try:
        who, content = blind(session, ring, installation_id, person)
    except SealBroken:
        return
    content = content if is_record else UNKNOWN
    session.merge(ErasedRow(installation_id=installation_id, digest=who, content=content, erased_at=now))


def known(installation_id: str) -> frozenset[Erased]:
    """Those of an installation who were erased; of an import there are none."""
    with reading() as session:
        rows = session.scalars(select(ErasedRow).where(ErasedRow.installation_id == installation_id))
        return frozenset(Erased(row.digest, row.content, row.erased_at) for row in rows)


def without(installation_id: str, batch: Batch, erased: frozenset[Erased]) -> Batch:
    """The page without those who were erased and of whom it says nothing new, and without their orders.

    New is a record with another content (not what an order tells of its buyer, which is another record), and an order
    that was placed since. It brings the person back, with the orders that are told from then on. The first record of
    somebody who was erased as a buyer is not new, whatever it says.
    """
    if not erased or not (batch.people or batch.buyers):
        return batch
    page = _Page({one.digest: one for one in erased}, [(to_storable_id(id), order) for id, order in batch.orders])
    with reading() as session:
        for is_record, people in ((True, batch.people), (False, batch.buyers)):
            for person in map(to_storable, people):
                who, content = blind(session, services().ring, installation_id, person)
                page.look(person.external_id, who, content if is_record else UNKNOWN)
    settle(installation_id, page)
    people, buyers = ([one for one in some if page.lets_in(one.external_id)] for some in (batch.people, batch.buyers))
    return replace(batch, people=people, buyers=buyers, orders=[one for one in page.orders if page.lets_in(one[0])])


@dataclass(slots=True)
class _Page:
    """What a page says of the erased, by their digests: who is back, and the first record of who was a buyer."""

    erased: dict[str, Erased]
    orders: list[tuple[str, Order]]
    back: set[str] = field(default_factory=set)
    first: dict[str, str] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)

    def look(self, external_id: str, who: str, content: str) -> None:
        """Take in one of its people; of a buyer the content is unknown."""
        one = self.erased.get(who)
        if one is None:
            return
        self.away[external_id] = who
        is_news = UNKNOWN not in (content, one.content) and content != one.content
        if is_news or self.is_customer_again(external_id, one.at):
            self.back.add(who)
        elif one.content == UNKNOWN and content != UNKNOWN:
            self.first[who] = content

    def is_customer_again(self, external_id: str, since: datetime) -> bool:
        """Whether the person placed an order after the erasure, by the day."""
        return any(iso_day(order.date) > since.date().isoformat() for id, order in self.orders if id == external_id)

    def lets_in(self, external_id: str) -> bool:
        """Whether the page's person is none of the erased, or is back."""
        who = self.away.get(to_storable_id(external_id))
        return who is None or who in self.back


def settle(installation_id: str, page: _Page) -> None:
    """Who is back is known anew; of who was a buyer the record is known from now on."""
    if not (page.back or page.first):
        return
    mine = ErasedRow.installation_id == installation_id
    with writing() as session:
        session.execute(delete(ErasedRow).where(mine, ErasedRow.digest.in_(page.back)))
        for who, content in sorted(page.first.items()):
            session.execute(update(ErasedRow).where(mine, ErasedRow.digest == who).values(content=content))


def blind(session: Session, ring: Ring, installation_id: str, person: Person) -> tuple[str, str]:
    """Blind indexes of who the person is and of what is said of them."""
    told = json.dumps([getattr(person, name) for name in CONTENT], ensure_ascii=False)
    spelled = (("erased", person.external_id), ("content", told))
    who, content = (ring.blind(session, installation_id, purpose, value) for purpose, value in spelled)
    return who, content
