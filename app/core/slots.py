"""Credentials in their slots: current, previous for a while, next until they are seen to work; inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core.installations import credential
from app.core.models import CredentialRow, DataKeyRow, InstallationRow
from app.core.seal import Ring
from app.sdk import Registration, State

PREVIOUS_KEPT = timedelta(days=7)
GONE = (State.UNINSTALLING, State.UNINSTALLED)
# Under this name the address at which waiting credentials are to be tried stands beside them.
ADDRESS = "address"


def store_credentials(
    session: Session, ring: Ring, row: InstallationRow, registration: Registration, now: datetime
) -> bool:
    """Seal the credentials into the slot that they have earned; True when they took the place of working ones."""
    held = {name: credential(session, ring, row.id, name, "current", now) for name in registration.credentials}
    if held == dict(registration.credentials):
        drop_next(session, row)
        return False
    replaces_working = any(held.values()) and row.state not in GONE
    if replaces_working and not registration.proven:
        # The new address waits with them: the former credentials stay in use where they work.
        put(session, ring, row.id, "next", {**registration.credentials, ADDRESS: registration.address})
        row.probe_at = now
        return False
    if row.state in GONE:
        destroy_keys(session, row.id)
        ring.new_data_key(session, row.id, now)
    elif replaces_working:
        promote(session, row.id, "current", "previous", now + PREVIOUS_KEPT)
    put(session, ring, row.id, "current", registration.credentials)
    return replaces_working


def drop_next(session: Session, row: InstallationRow) -> None:
    """Credentials that wait are passed over: a newer install tells the ones in use."""
    waiting = (CredentialRow.installation_id == row.id, CredentialRow.slot == "next")
    if row.state not in GONE and session.execute(delete(CredentialRow).where(*waiting)).rowcount:  # type: ignore[attr-defined]
        row.probe_at, row.probes = None, 0


def put(session: Session, ring: Ring, installation_id: str, slot: str, credentials: Mapping[str, str]) -> None:
    """Seal every credential into a slot."""
    for name, value in credentials.items():
        sealed = ring.seal(session, installation_id, "credential", name, value.encode())
        session.merge(CredentialRow(installation_id=installation_id, name=name, slot=slot, sealed=sealed))
    session.flush()


def promote(session: Session, installation_id: str, source: str, target: str, expires_at: datetime | None) -> None:
    """Move credentials from one slot to another, over what stood there."""
    of_installation = CredentialRow.installation_id == installation_id
    session.execute(delete(CredentialRow).where(of_installation, CredentialRow.slot == target))
    session.execute(
        update(CredentialRow)
        .where(of_installation, CredentialRow.slot == source)
        .values(slot=target, expires_at=expires_at)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()


def is_waiting(session: Session, installation_id: str) -> bool:
    """Whether credentials wait for their place."""
    waiting = CredentialRow.installation_id == installation_id, CredentialRow.slot == "next"
    return session.scalar(select(CredentialRow.name).where(*waiting).limit(1)) is not None


def take_over(session: Session, ring: Ring, row: InstallationRow, now: datetime) -> None:
    """Credentials that waited were seen to work: they and their address come into use, the former are kept a while."""
    row.address = credential(session, ring, row.id, ADDRESS, "next", now) or row.address
    waited = CredentialRow.installation_id == row.id, CredentialRow.slot == "next", CredentialRow.name == ADDRESS
    session.execute(delete(CredentialRow).where(*waited))
    session.flush()
    promote(session, row.id, "current", "previous", now + PREVIOUS_KEPT)
    promote(session, row.id, "next", "current", None)


def destroy_keys(session: Session, installation_id: str) -> None:
    """Destroy the tenant's data keys and what they sealed."""
    for table in (CredentialRow, DataKeyRow):
        session.execute(delete(table).where(table.installation_id == installation_id))
    session.flush()
