"""Installations as connectors and pages may see them: values, looked up by tenant or by a link secret's digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import CredentialRow, InstallationRow, LinkRow
from app.core.seal import Ring, digest
from app.sdk import Installation, State

# Longer than any request lasts: what it changes has the time at which it began.
LATELY = timedelta(minutes=1)
# A credential's slots in the order in which a connector may use them.
SLOTS = ("current", "previous")


def to_installation(row: InstallationRow, ring: Ring, now: datetime, slots: Sequence[str] = SLOTS) -> Installation:
    """A row as the value that a connector gets; its secrets are unsealed when asked for, once in the value's life."""
    installation_id = row.id

    @cache
    def secrets(name: str) -> Sequence[str]:
        with reading() as session:
            return [value for slot in slots if (value := credential(session, ring, installation_id, name, slot, now))]

    return Installation(
        id=row.id,
        workspace=row.workspace_id or "",
        connector=row.connector,
        tenant=row.tenant,
        title=row.title,
        state=State(row.state),
        secrets=secrets,
        address=row.address,
        language=row.language,
        facts={**row.facts, **row.subscription},
    )


def credential(session: Session, ring: Ring, installation_id: str, name: str, slot: str, now: datetime) -> str:
    """One unsealed credential; empty when there is none or its time is over."""
    row = session.get(CredentialRow, (installation_id, name, slot))
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return ""
    return ring.open(session, installation_id, "credential", name, row.sealed).decode()


def changed_lately(now: datetime) -> frozenset[tuple[str, datetime, str]]:
    """The installations that were changed lately, each with the time of the last change and its state."""
    row = InstallationRow
    with reading() as session:
        found = session.execute(select(row.id, row.updated_at, row.state).where(row.updated_at > now - LATELY))
        return frozenset((id, at, state) for id, at, state in found)


def link_digest(connector: str, purpose: str, token: str) -> str:
    """What is stored of a link secret: bound to its connector and purpose."""
    return digest("link", connector, purpose, token.encode("utf-8", "surrogatepass"))


class InstallationsOf:
    """The `Installations` port: read-only and narrowed to one connector."""

    def __init__(self, connector: str, ring: Ring, now: datetime) -> None:
        self._connector = connector
        self._ring = ring
        self._now = now

    def by_link(self, purpose: str, token: str) -> Installation | None:
        """By digest, so neither time nor a stolen database tells the secret."""
        statement = (
            select(InstallationRow)
            .join(LinkRow, LinkRow.installation_id == InstallationRow.id)
            .where(
                LinkRow.digest == link_digest(self._connector, purpose, token),
                InstallationRow.connector == self._connector,
                or_(LinkRow.expires_at.is_(None), LinkRow.expires_at > self._now),
            )
        )
        with reading() as session:
            row = session.scalars(statement).first()
            return to_installation(row, self._ring, self._now) if row is not None else None

    def by_tenant(self, tenant: str) -> Installation | None:
        """By the platform's stable name."""
        statement = select(InstallationRow).where(
            InstallationRow.connector == self._connector, InstallationRow.tenant == tenant
        )
        with reading() as session:
            row = session.scalars(statement).first()
            return to_installation(row, self._ring, self._now) if row is not None else None

    def by_id(self, id: str) -> Installation | None:
        """By our own id; the host's way, not a connector's."""
        with reading() as session:
            row = session.get(InstallationRow, id)
            mine = row is not None and row.connector == self._connector
            return to_installation(row, self._ring, self._now) if row is not None and mine else None
