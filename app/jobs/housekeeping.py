"""Housekeeping: documents stay fresh, what is over is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, select

from app.core import lifecycle, messages, tickets
from app.core.database import Base, reading, writing
from app.core.documents import DocumentStore, stale
from app.core.models import (
    ConsentRow,
    EventRow,
    InstallationRow,
    JournalRow,
    LinkRow,
    MessageRow,
    SessionRow,
    TicketRow,
)
from app.core.registry import Connector
from app.core.services import services
from app.sdk import Document, State
from app.sdk.values import HINT

log = structlog.get_logger()

DEADLINE = 10.0
# A reservation is settled within its lease; one this old belongs to a process that died.
ABANDONED = timedelta(minutes=10)
# Of a shop that cannot be read meanwhile; the daily look finds what such a hint would have told.
HINTS_KEPT = timedelta(days=2)


def refresh_documents(now: datetime) -> None:
    """Fetch what connectors verify with before it is old."""
    host = services()
    for connector in host.registry:
        if connector.serving and connector.implements("documents"):
            for document in stale(documents_of(connector), now):
                DocumentStore(host.outgate.within(DEADLINE), now).renew(document)


def documents_of(connector: Connector) -> Sequence[Document]:
    """What the connector relies on; none where its code fails, so that the others' stay fresh."""
    try:
        told = tuple(connector.call("documents", settings=connector.settings) or ())
    except Exception:
        log.exception("documents.crashed", connector=connector.name)
        return ()
    return told if all(isinstance(one, Document) for one in told) else ()


def purge(now: datetime) -> None:
    """Forget tickets, sessions, consents and proofs whose time is over, and reservations that nobody settles."""
    with reading() as session:
        abandoned = list(
            session.scalars(
                select(InstallationRow.id).where(
                    InstallationRow.state == State.PENDING, InstallationRow.created_at < now - ABANDONED
                )
            )
        )
        over = bool(abandoned) or any(session.scalar(select(1).where(*when).limit(1)) for _, when in ended(now))
    if not over:
        return
    with writing() as session:
        for table, when in ended(now):
            session.execute(delete(table).where(*when))
        for id in abandoned:
            lifecycle.remove(session, id)


def ended(now: datetime) -> list[tuple[type[Base], tuple[ColumnElement[bool], ...]]]:
    """Each table with the condition under which a row of it is over."""
    return [
        (TicketRow, (TicketRow.expires_at < now,)),
        (ConsentRow, (ConsentRow.expires_at < now,)),
        (JournalRow, (JournalRow.expires_at < now,)),
        (EventRow, (EventRow.received_at < now - messages.KEPT,)),
        (MessageRow, (MessageRow.received_at < now - messages.KEPT,)),
        (SessionRow, (SessionRow.seen_at < now - tickets.IDLE_LIFE,)),
        (LinkRow, (LinkRow.expires_at < now,)),
        (EventRow, (EventRow.kind == HINT, EventRow.received_at < now - HINTS_KEPT)),
    ]
