"""Public documents that connectors verify with, such as a key: kept with their last good copy, fetched sparingly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update

from app.core.database import reading, writing
from app.core.models import DocumentRow
from app.sdk import Outbound, UpstreamFailed

log = structlog.get_logger()

# A forged request can make us fetch at most this often; the worker keeps copies fresher than the second figure.
FORCED_AT_MOST = timedelta(minutes=1)
KEPT_FRESH = timedelta(minutes=10)
OVERLAP = timedelta(days=2)
LARGEST = 100_000


class DocumentStore:
    """The `Documents` port."""

    def __init__(self, outbound: Outbound, now: datetime) -> None:
        self._outbound = outbound
        self._now = now

    def get(self, url: str) -> Sequence[bytes]:
        """The newest copy, and the one before it for two days after a change."""
        copies = self._copies(url)
        if not copies and self.refresh(url):
            copies = self._copies(url)
        if not copies:
            raise UpstreamFailed("document_missing")
        return copies

    def refresh(self, url: str, at_most: timedelta = FORCED_AT_MOST) -> bool:
        """Fetch again unless somebody just did; a failed fetch keeps the last good copy. True when it changed."""
        if not self._take_turn(url, at_most):
            return False
        try:
            response = self._outbound.request("GET", url, timeout=2.0)
        except UpstreamFailed as error:
            log.warning("document.unreachable", reason=error.reason)
            return False
        if not response.ok or not response.body or len(response.body) > LARGEST:
            log.warning("document.bad_answer", status=response.status)
            return False
        return self._keep(url, response.body)

    def _copies(self, url: str) -> list[bytes]:
        with reading() as session:
            row = session.get(DocumentRow, url)
            if row is None or row.body is None:
                return []
            overlapping = row.previous is not None and row.previous_until is not None and row.previous_until > self._now
            return [row.body, row.previous] if overlapping and row.previous is not None else [row.body]

    def _take_turn(self, url: str, at_most: timedelta) -> bool:
        """Whether this process may fetch now: one in all processes wins."""
        with writing() as session:
            row = session.get(DocumentRow, url)
            if row is None:
                session.add(DocumentRow(url=url, tried_at=self._now))
                return True
            taken = session.execute(
                update(DocumentRow)
                .where(DocumentRow.url == url, DocumentRow.tried_at <= self._now - at_most)
                .values(tried_at=self._now)
                .execution_options(synchronize_session=False)
            )
            return bool(taken.rowcount)  # type: ignore[attr-defined]

    def _keep(self, url: str, body: bytes) -> bool:
        with writing() as session:
            row = session.get(DocumentRow, url)
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


def stale(urls: Sequence[str], now: datetime) -> list[str]:
    """Those documents whose copy the worker should renew."""
    with reading() as session:
        fresh = session.scalars(
            select(DocumentRow.url).where(
                DocumentRow.url.in_(urls),
                or_(DocumentRow.tried_at > now - KEPT_FRESH, DocumentRow.fetched_at > now - KEPT_FRESH),
            )
        )
        known = set(fresh)
    return [url for url in urls if url not in known]
