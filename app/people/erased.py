"""Who was erased at a person's request: the same told again by the platform is not stored, something new is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import ErasedRow
from app.core.seal import Ring
from app.core.services import services
from app.people.rows import to_storable
from app.sdk import Batch, Person

# What a platform says of somebody; when it last touched the record says nothing of a person.
CONTENT = ("name", "email", "phone", "company", "url", "note")


@dataclass(frozen=True, slots=True)
class Erased:
    """One who was erased: blind indexes of the ``external_id`` and of the content, and when."""

    digest: str
    content: str
    at: datetime


def remember(session: Session, ring: Ring, installation_id: str, people: Sequence[Person], now: datetime) -> None:
    """Note that these people of an installation are erased."""
    for person in people:
        who, content = blind(session, ring, installation_id, person)
        row = ErasedRow(installation_id=installation_id, digest=who, content=content, erased_at=now)
        session.merge(row)


def known(installation_id: str) -> frozenset[Erased]:
    """Those of an installation who were erased; of an import there are none."""
    with reading() as session:
        rows = session.scalars(select(ErasedRow).where(ErasedRow.installation_id == installation_id))
        return frozenset(Erased(row.digest, row.content, row.erased_at) for row in rows)


def without(installation_id: str, batch: Batch, erased: frozenset[Erased]) -> Batch:
    """The page without those who were erased and of whom it says nothing new, and without their orders.

    New is a record with another content (not what an order tells of its buyer, which is another record), and an order
    that was placed since. It brings the person back, with the orders that are told from then on.
    """
    if not erased or not (batch.people or batch.buyers):
        return batch
    known = {one.digest: one for one in erased}
    away, back = set[str](), set[str]()
    told = [(person, True) for person in batch.people] + [(person, False) for person in batch.buyers]
    with reading() as session:
        for person, is_record in ((to_storable(person), is_record) for person, is_record in told):
            who, content = blind(session, services().ring, installation_id, person)
            one = known.get(who)
            if one is None:
                continue
            if (is_record and one.content != content) or is_customer_again(batch, person.external_id, one.at):
                back.add(who)
            elif who not in back:
                away.add(person.external_id)
    forget(installation_id, back)
    people, buyers = (
        [person for person in some if person.external_id.strip() not in away] for some in (batch.people, batch.buyers)
    )
    orders = [(id, order) for id, order in batch.orders if id not in away]
    return replace(batch, people=people, buyers=buyers, orders=orders)


def is_customer_again(batch: Batch, external_id: str, since: datetime) -> bool:
    """Whether the person placed an order after the erasure, by the day."""
    return any(order.date[:10] > since.date().isoformat() for id, order in batch.orders if id == external_id)


def forget(installation_id: str, digests: set[str]) -> None:
    """They are known anew."""
    if digests:
        with writing() as session:
            mine = ErasedRow.installation_id == installation_id, ErasedRow.digest.in_(digests)
            session.execute(delete(ErasedRow).where(*mine))


def blind(session: Session, ring: Ring, installation_id: str, person: Person) -> tuple[str, str]:
    """Blind indexes of who the person is and of what is said of them."""
    told = json.dumps([getattr(person, name) for name in CONTENT], ensure_ascii=False)
    spelled = (("erased", person.external_id), ("content", told))
    who, content = (ring.blind(session, installation_id, purpose, value) for purpose, value in spelled)
    return who, content
