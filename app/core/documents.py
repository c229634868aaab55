"""Public documents that connectors verify with, such as a key: kept with their last good copy, fetched sparingly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from app.core.database import reading, writing
from app.core.models import DocumentRow
from app.sdk import Document, Outbound, UpstreamFailed

log = structlog.get_logger()

# A forged request can make us fetch at most this often; the worker keeps copies fresher than the second figure.
FORCED_AT_MOST = timedelta(minutes=1)
KEPT_FRESH = timedelta(minutes=10)
OVERLAP = timedelta(days=2)
# Without any copy nothing can be verified: then it is tried more often.
MISSING_AT_MOST = timedelta(seconds=5)
LARGEST = 100_000
# How long a fetch in another process may be under way, and how patiently its end is awaited.
AT_WORK = timedelta(seconds=3)
PATIENCE, PAUSE = 20, 0.1
T = TypeVar("T")


class DocumentStore:
    """The `Documents` port."""

    def __init__(self, outbound: Outbound, now: datetime) -> None:
        self._outbound = outbound
        self._now = now

    def get(self, document: Document) -> Sequence[bytes]:
        """The newest copy, and the one before it for two days after a change."""
        copies = self._copies(document)
        if copies:
            return copies
        if self._take_turn(document, DocumentRow.tried_at, MISSING_AT_MOST):
            self._fetch(document)
            copies = self._copies(document)
        elif self._is_at_work(document, DocumentRow.tried_at):
            copies = self._awaited(lambda: self._copies(document))
        if not copies:
            raise UpstreamFailed("document_missing")
        return copies

    def refresh(self, document: Document) -> bool:
        """Fetch again unless a failed check did so within the minute. True when the document may have changed.

        Whoever comes while another process fetches waits for what that brings.
        """
        if self._take_turn(document, DocumentRow.forced_at, FORCED_AT_MOST):
            return self._fetch(document)
        at_work = self._is_at_work(document, DocumentRow.forced_at)
        return at_work and self._awaited(lambda: self._is_fetched(document))

    def renew(self, document: Document) -> bool:
        """Fetch again in the worker's own time, unless another worker just did."""
        return self._take_turn(document, DocumentRow.tried_at, KEPT_FRESH) and self._fetch(document)

    def _fetch(self, document: Document) -> bool:
        """A failed fetch, or one that brings no such document, keeps the last good copy."""
        try:
            response = self._outbound.request("GET", document.url, timeout=2.0)
        except UpstreamFailed as error:
            log.warning("document.unreachable", reason=error.reason)
            return False
        if not response.ok or len(response.body) > LARGEST or not document.is_good(response.body):
            log.warning("document.bad_answer", status=response.status)
            return False
        return self._keep(document, response.body)

    def _awaited(self, look: Callable[[], T]) -> T:
        """What ``look`` sees, as soon as it sees something: for as long as a fetch may take elsewhere."""
        for _ in range(PATIENCE):
            if seen := look():
                return seen
            time.sleep(PAUSE)
        return look()

    def _is_at_work(self, document: Document, clock: InstrumentedAttribute[datetime | None]) -> bool:
        with reading() as session:
            began = session.scalar(select(clock).where(DocumentRow.url == document.url))
        return began is not None and self._now - began < AT_WORK

    def _is_fetched(self, document: Document) -> bool:
        with reading() as session:
            row = session.get(DocumentRow, document.url)
            forced = row.forced_at if row else None
            return row is not None and row.fetched_at is not None and forced is not None and row.fetched_at >= forced

    def _copies(self, document: Document) -> list[bytes]:
        with reading() as session:
            row = session.get(DocumentRow, document.url)
            if row is None or row.body is None:
                return []
            overlapping = row.previous is not None and row.previous_until is not None and row.previous_until > self._now
            return [row.body, row.previous] if overlapping and row.previous is not None else [row.body]

    def _take_turn(self, document: Document, clock: InstrumentedAttribute[datetime | None], at_most: timedelta) -> bool:
        """Whether this process may fetch now: by each of the two clocks, one in all processes wins."""
        with writing() as session:
            if session.get(DocumentRow, document.url) is None:
                session.add(DocumentRow(url=document.url))
                session.flush()
            taken = session.execute(
                update(DocumentRow)
                .where(DocumentRow.url == document.url, or_(clock.is_(None), clock <= self._now - at_most))
                .values({clock: self._now})
                .execution_options(synchronize_session=False)
            )
            return bool(taken.rowcount)  # type: ignore[attr-defined]

    def _keep(self, document: Document, body: bytes) -> bool:
        with writing() as session:
            row = session.get(DocumentRow, document.url)
            if row is None:
                return False
            changed = row.body != body
            if changed:
                if row.body is not None:
                    log.warning("document.changed")
                row.previous, row.previous_until = row.body, self._now + OVERLAP
                row.body = body
            row.fetched_at = self._now
            return changed


def stale(documents: Sequence[Document], now: datetime) -> list[Document]:
    """Those documents whose copy the worker should renew."""
    with reading() as session:
        known = set(session.scalars(select(DocumentRow.url).where(DocumentRow.tried_at > now - KEPT_FRESH)))
    return [document for document in documents if document.url not in known]
