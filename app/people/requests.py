"""A person's requests: all that is held of one human in one workspace, told or erased."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.messages import Kept
from app.core.messages import remove as remove_message
from app.core.models import EventRow, InstallationRow
from app.core.seal import SealBroken
from app.core.services import services
from app.people import erased, joining, keeping, messages, orders, phones, pile
from app.people.contacts import addresses
from app.people.directory import shown_sources, to_person
from app.people.exporting import MOST_MESSAGES, message_told, told
from app.people.models import IMPORT, PersonRow, PushedRow
from app.people.pushing import MARKS, upsert
from app.people.search import holders
from app.people.sync_state import PUSH, SyncRow

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Held:
    """One human as the workspace holds it: the records of every source, and the installations it may have."""

    workspace_id: str
    sources: Sequence[str]
    people: Sequence[PersonRow]

    def names(self) -> list[str]:
        """By what a text is about this human: the e-mails, and the full numbers in digits."""
        emails = [address for row in self.people for address in addresses(row.email)]
        numbers = [phones.number_of(key).lstrip("?") for row in self.people for key in sorted(phones.keys(row.phone))]
        chats = [json.dumps(row.external_id.partition(":")[2], ensure_ascii=False).casefold() for row in self.people]
        return [name for name in (*emails, *numbers, *chats) if len(name) >= phones.SHORTEST_KEY]


def find(workspace_id: str, id: str) -> Held | None:
    """The human of whom one record has this id, with the records of all sources, whether they are shown or not, that
    share an e-mail or a phone with one of its own; None where the workspace has no such id."""
    pile.merge()  # whoever shares something with it is found
    with reading() as session:
        row = session.get(PersonRow, int(id)) if re.fullmatch("[1-9][0-9]{0,17}", id) else None
        if row is None or row.workspace_id != workspace_id:
            return None
        installed = session.scalars(select(InstallationRow.id).where(InstallationRow.workspace_id == workspace_id))
        sources = sorted({IMPORT, row.source, *installed})
        # As it is shown, and as it would be with what is not: a shop that leaves may be who all have in common.
        ids = {row.id}
        for asked in (shown_sources(session, workspace_id), sources):
            ids.update(joining.humans_of(session, workspace_id, asked, [row.id]).get(row.id, ()))
        everything = joining.with_records(session, workspace_id, sources, ids)
        records = select(PersonRow).where(PersonRow.id.in_(everything)).order_by(PersonRow.id)
        return Held(workspace_id, sources, list(session.scalars(records)))


def export(held: Held) -> dict[str, Any]:
    """Everything that is held: the records with their orders, the messages, what else a platform told."""
    with reading() as session:
        records = [told(row, orders.of(session, [row.id])) | {"id": str(row.id)} for row in held.people]
        written = [message_told(kept.message) for kept in exchanged(session, held)]
        events = [{"kind": row.kind, "body": body} for row, body in mentioning(session, held)]
        given = PushedRow.person_id.in_([row.id for row in held.people]), PushedRow.digest != ""
        handed = sorted(set(session.scalars(select(PushedRow.installation_id).where(*given))))
    return {"records": records, "messages": written, "events": events, "handed_to": handed}


def erase(held: Held, now: datetime) -> None:
    """Delete everything that is held, and note that it was: the same told again is not stored.

    First what the main database has, so that a crash leaves something by which the human is found again. The platforms
    that were given the human are told by the worker.
    """
    with writing() as session:
        ring = services().ring
        for kept in exchanged(session, held):
            remove_message(session, kept)
        for row, _ in mentioning(session, held):
            mine = EventRow.installation_id == row.installation_id, EventRow.digest == row.digest
            session.execute(delete(EventRow).where(*mine))
        for person in held.people:
            if person.source != IMPORT:
                told = to_person(person, ())
                erased.remember(session, ring, person.source, told, now, is_record=not person.by_order)
    with writing() as session:
        brought_by_takers(session, held.people)
        for person in held.people:
            keeping.lock(session, held.workspace_id)
            there = keeping.held(session, held.workspace_id, person.source, [person.external_id])
            keeping.remove(session, held.workspace_id, {one.id: one.entry for one in there.values()})


def brought_by_takers(session: Session, people: Sequence[PersonRow]) -> None:
    """Whom a platform that takes people brought itself is taken back there, as if it had been given."""
    takers = set(session.scalars(select(SyncRow.installation_id).where(SyncRow.kind == PUSH)))
    own = [
        {"installation_id": row.source, "person_id": row.id, "leader": row.id, "digest": "brought", "orders": "{}"}
        | {"known_as": row.external_id, "mark": random.randrange(1, MARKS)}
        for row in people
        if row.source in takers
    ]
    upsert(session, own, "digest", "known_as", "mark")


def exchanged(session: Session, held: Held) -> list[Kept]:
    """All messages with the human."""
    own = {row.id for row in held.people}

    def is_anothers(phone: str) -> bool:
        ids = set(holders(session, held.workspace_id, phone)) - own
        others = session.scalars(select(PersonRow.phone).where(PersonRow.id.in_(ids)))
        return any(phone in phones.keys(other) for other in others)

    found = messages.held(session, held.sources, held.people, is_anothers, MOST_MESSAGES)
    return list({(kept.installation_id, kept.digest): kept for kept in found}.values())


def mentioning(session: Session, held: Held) -> Iterator[tuple[EventRow, Any]]:
    """The events that name an e-mail, a number or a chat of the human."""
    names = held.names()
    for row in session.scalars(select(EventRow).where(EventRow.installation_id.in_(held.sources))):
        try:
            body = services().ring.open(session, row.installation_id, "event", row.digest, row.sealed).decode()
        except SealBroken:  # its key is destroyed: nobody can read any more whom it named
            log.warning("event.unreadable", installation=row.installation_id)
            continue
        if any(name in body.casefold() for name in names):
            yield row, json.loads(body)
