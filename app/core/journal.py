"""The journal: a proof's digest bound to its first action and result, in the effect's own transaction.

The same request again gets the same result; the same proof on another action, or with other content that the proof does
not cover, is refused. Some actions sign the very same bytes, so without it one would pass for the other.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.core.models import JournalRow
from app.core.seal import Ring, digest
from app.sdk import Answer, Busy, Claims, Page, Replayed

KEPT_AFTER_VALIDITY = timedelta(hours=24)


def proof_digest(connector: str, claims: Claims) -> str:
    """The journal's key of a proof: over decoded bytes, so that spellings of one signature are one."""
    return digest(connector, claims.proof)


def claim(
    session: Session, ring: Ring, connector: str, action: str, claims: Claims, now: datetime, lease: timedelta
) -> Answer | Page | None:
    """Bind the proof to this action; the stored result when it was done before.

    Raises `Replayed` for another action or other content, `Busy` while somebody else is at it.
    """
    key = proof_digest(connector, claims)
    row = session.get(JournalRow, key, with_for_update=True)
    unsigned = digest(claims.unsigned)
    if row is None:
        row = JournalRow(digest=key, connector=connector, action=action, unsigned=unsigned, created_at=now)
        row.expires_at = claims.valid_until + KEPT_AFTER_VALIDITY if claims.valid_until else None
        session.add(row)
    elif (row.action, row.unsigned) != (action, unsigned):
        raise Replayed("proof_of_another_request")
    elif row.result is not None:
        return to_result(ring.unwrap(row.result))
    elif row.claimed_until is not None and row.claimed_until > now:
        raise Busy("in_progress")
    row.claimed_until = now + lease
    session.flush()
    return None


def settle(
    session: Session, ring: Ring, connector: str, claims: Claims, result: Answer | Page, installation_id: str | None
) -> None:
    """Store the result of a claimed proof."""
    row = session.get(JournalRow, proof_digest(connector, claims))
    if row is not None:
        row.result = ring.wrap(from_result(result))
        row.installation_id = installation_id
        row.claimed_until = None


def release(session: Session, connector: str, claims: Claims) -> None:
    """Give a claimed proof back: its action was refused and left nothing behind."""
    session.execute(
        delete(JournalRow).where(JournalRow.digest == proof_digest(connector, claims), JournalRow.result.is_(None))
    )


def from_result(result: Answer | Page) -> bytes:
    """A result as bytes to keep."""
    if isinstance(result, Page):
        return json.dumps({"view": result.view, "params": dict(result.params), "status": result.status}).encode()
    body = base64.b64encode(result.body).decode()
    table = {"status": result.status, "body": body, "media_type": result.media_type, "headers": dict(result.headers)}
    return json.dumps(table).encode()


def to_result(data: bytes) -> Answer | Page:
    """The result that was kept."""
    table = json.loads(data)
    if "view" in table:
        return Page(**table)
    return Answer(table["status"], base64.b64decode(table["body"]), table["media_type"], table["headers"])
