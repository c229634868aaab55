"""Sign-in links: the way back for an account whose marketplace never opens our pages. Kept as digests, revocable."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select

from app.core.database import reading, writing
from app.core.models import InstallationRow, LinkRow
from app.core.seal import digest, new_token
from app.core.tickets import SERVED, Admission, admit
from app.sdk import Unverified

PURPOSE = "sign-in"


def issue(installation_id: str) -> str:
    """A fresh link secret, 256 random bits; the former one ends."""
    token = new_token()
    with writing() as session:
        session.execute(delete(LinkRow).where(LinkRow.installation_id == installation_id, LinkRow.purpose == PURPOSE))
        session.add(LinkRow(digest=digest(PURPOSE, token), installation_id=installation_id, purpose=PURPOSE))
    return token


def revoke(installation_id: str) -> None:
    """End the installation's link; visits that it began go on until they are ended."""
    with writing() as session:
        session.execute(delete(LinkRow).where(LinkRow.installation_id == installation_id, LinkRow.purpose == PURPOSE))


def holders(installation_ids: Collection[str]) -> set[str]:
    """Those of the installations that have a link."""
    mine = LinkRow.installation_id.in_(installation_ids), LinkRow.purpose == PURPOSE
    with reading() as session:
        return set(session.scalars(select(LinkRow.installation_id).where(*mine)))


def enter(token: str, now: datetime) -> Admission:
    """Begin a session with a link. Raises `Unverified` for one that was revoked or invented."""
    with writing() as session:
        link = session.get(LinkRow, digest(PURPOSE, token))
        row = session.get(InstallationRow, link.installation_id) if link and link.purpose == PURPOSE else None
        if row is None or row.state not in SERVED:
            raise Unverified("link_not_valid", "This sign-in link is no longer valid.")
        return admit(session, row, "", now)
