"""Messages at rest: sealed under their tenant's data key, found by blind indexes of whom they were exchanged with."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.models import MessageContactRow, MessageRow
from app.core.seal import Ring, SealBroken, digest
from app.sdk import Delivery, Message, Outcome

# How long messages and events are kept after they came.
KEPT = timedelta(days=90)
LONGEST_TEXT = 10_000
# News may come in any order: a later place in the life of a message is never taken back.
STEPS = ("", "sent", "error", "delivered", "read")
EDITED = "edited"

ContactsOf = Callable[[Message], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it is kept: by whom it is found, and under which digest it stands."""

    installation_id: str
    digest: str
    message: Message
    contacts: tuple[str, ...]


def keep(
    session: Session, ring: Ring, installation_id: str, outcome: Outcome, contacts_of: ContactsOf, now: datetime
) -> None:
    """Store messages and the news of their delivery, in whatever order and however often they come."""
    news: list[tuple[str, Message | Delivery]] = [(digest(one.id), one) for one in outcome.messages]
    news += [(digest(one.message), one) for one in outcome.deliveries]
    # In one order, so that two callbacks at once never wait crosswise.
    for key, one in sorted(news, key=itemgetter(0)):
        if isinstance(one, Message):
            put(session, ring, installation_id, one, tuple(contacts_of(one)), now)
        else:
            advance(opened(session, installation_id, key, now), one)
    session.flush()


def put(
    session: Session, ring: Ring, installation_id: str, message: Message, contacts: tuple[str, ...], now: datetime
) -> None:
    """Seal a message, over what was known of it unless that is newer."""
    row = opened(session, installation_id, digest(message.id), now)
    known = unsealed(session, ring, row)
    advance(row, Delivery(message.id, message.status, message.failure))
    if known is not None and is_newer(known.message, message):
        return
    told = asdict(replace(message, text=message.text[:LONGEST_TEXT])) | {"at": message.at.isoformat()}
    body = json.dumps({"message": told, "contacts": contacts}).encode()
    if row.sealed and ring.open(session, installation_id, "message", row.digest, row.sealed) == body:
        return  # delivered once more
    row.sealed = ring.seal(session, installation_id, "message", row.digest, body)
    mine = MessageContactRow.installation_id == installation_id, MessageContactRow.digest == row.digest
    session.execute(delete(MessageContactRow).where(*mine))
    for blind in {ring.blind(session, installation_id, "message", contact) for contact in contacts if contact}:
        session.add(MessageContactRow(installation_id=installation_id, contact=blind, at=message.at, digest=row.digest))
    session.flush()


def is_newer(known: Message, told: Message) -> bool:
    """Whether what is known is a later state of the message: a deletion is final, an edit beats the first text."""
    return known.deleted or (known.edited and not (told.edited or told.deleted))


def opened(session: Session, installation_id: str, key: str, now: datetime) -> MessageRow:
    """The message's row, made where there is none, and held until the transaction ends."""
    row = session.get(MessageRow, (installation_id, key), with_for_update=True)
    if row is None:
        row = MessageRow(installation_id=installation_id, digest=key, sealed="", status="", failure="", edited=False)
        row.received_at = now
        session.add(row)
        session.flush()
    return row


def advance(row: MessageRow, delivery: Delivery) -> None:
    """Take a message a step further, never back."""
    if delivery.status == EDITED:
        row.edited = True
    elif delivery.status in STEPS and STEPS.index(delivery.status) > STEPS.index(row.status):
        row.status, row.failure = delivery.status, delivery.failure[:64]


def unsealed(session: Session, ring: Ring, row: MessageRow) -> Kept | None:
    """The message with the last news of it; None while only news came. Raises `SealBroken`."""
    if not row.sealed:
        return None
    told = json.loads(ring.open(session, row.installation_id, "message", row.digest, row.sealed))
    at, edited = datetime.fromisoformat(told["message"]["at"]), told["message"]["edited"] or row.edited
    news = {"at": at, "status": row.status, "failure": row.failure, "edited": edited}
    return Kept(row.installation_id, row.digest, Message(**told["message"] | news), tuple(told["contacts"]))


def find(session: Session, ring: Ring, installation_id: str, contacts: Collection[str], most: int) -> list[Kept]:
    """The newest messages of an installation with any of these contacts, newest first."""
    try:
        blind = [ring.blind(session, installation_id, "message", contact) for contact in sorted(contacts)]
    except SealBroken:  # its key is destroyed, and with it all that it sealed
        return []
    mine = MessageContactRow.installation_id == installation_id, MessageContactRow.contact.in_(blind)
    newest = select(MessageContactRow.digest, MessageContactRow.at).where(*mine).distinct()
    found = session.execute(newest.order_by(MessageContactRow.at.desc(), MessageContactRow.digest).limit(most))
    rows = (session.get(MessageRow, (installation_id, key)) for key, _ in found)
    return [kept for row in rows if row is not None and (kept := unsealed(session, ring, row)) is not None]


def every(session: Session, ring: Ring, installation_id: str) -> Iterator[Kept]:
    """All messages of an installation."""
    for row in session.scalars(select(MessageRow).where(MessageRow.installation_id == installation_id)):
        if (kept := unsealed(session, ring, row)) is not None:
            yield kept


def remove(session: Session, kept: Kept) -> None:
    """Delete one message."""
    mine = MessageRow.installation_id == kept.installation_id, MessageRow.digest == kept.digest
    session.execute(delete(MessageRow).where(*mine))


def talking(session: Session, installation_ids: Collection[str]) -> list[str]:
    """Those of the installations that hold messages."""
    some = {id: select(MessageRow.digest).where(MessageRow.installation_id == id).limit(1) for id in installation_ids}
    return [id for id, first in some.items() if session.scalar(first) is not None]


def move(session: Session, ring: Ring, source: str, target: str) -> None:
    """Give an installation's messages to another, sealed under that one's key."""
    for row in list(session.scalars(select(MessageRow).where(MessageRow.installation_id == source))):
        kept = unsealed(session, ring, row)
        if kept is not None:
            put(session, ring, target, kept.message, kept.contacts, row.received_at)
        id = kept.message.id if kept else ""
        advance(opened(session, target, row.digest, row.received_at), Delivery(id, row.status, row.failure))
