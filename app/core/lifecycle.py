"""An installation's life: reserved, registered, changed, uninstalled in two stages, removed; inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core import messages
from app.core.installations import link_digest
from app.core.models import (
    CredentialRow,
    DataKeyRow,
    ErasedRow,
    EventRow,
    InstallationRow,
    JournalRow,
    LinkRow,
    MessageRow,
    SessionRow,
    TicketRow,
    WorkspaceRow,
)
from app.core.seal import Ring, digest, new_id, new_token
from app.core.slots import GONE, destroy_keys, is_waiting, store_credentials
from app.sdk import Conflict, Outcome, Registration, State

FIRST_PROBE = timedelta(seconds=2)
# An uninstall that nobody announced leaves the customer a day to connect again before anything is destroyed.
UNANNOUNCED_PROBE = timedelta(days=1)
# A platform in full swing costs no more than one write a minute.
HEARD_EVERY = timedelta(minutes=1)
REFUSED = "The marketplace does not let the add-on in any more. Connect it again."


@dataclass(frozen=True, slots=True)
class Reservation:
    """Link secrets that are live before the platform is told of them, on an installation that waits."""

    installation_id: str
    tokens: Mapping[str, str]


def reserve(session: Session, ring: Ring, connector: str, purposes: tuple[str, ...], now: datetime) -> Reservation:
    """A pending installation with a fresh link secret for each purpose."""
    pending = create(session, ring, connector, new_id("pending"), now)
    return Reservation(pending.id, mint_links(session, connector, pending.id, purposes))


def mint_links(session: Session, connector: str, installation_id: str, purposes: tuple[str, ...]) -> Mapping[str, str]:
    """A fresh link secret for each purpose; the former ones stay."""
    tokens = {purpose: new_token() for purpose in purposes}
    for purpose, token in tokens.items():
        link = LinkRow(digest=link_digest(connector, purpose, token), installation_id=installation_id, purpose=purpose)
        session.add(link)
    session.flush()
    return tokens


def retire_links(
    session: Session, connector: str, installation_id: str, kept: Mapping[str, str], until: datetime
) -> None:
    """The platform took the ``kept`` link secrets: the others of their purposes are good ``until`` then."""
    for purpose, token in kept.items():
        session.execute(
            update(LinkRow)
            .where(
                LinkRow.installation_id == installation_id,
                LinkRow.purpose == purpose,
                LinkRow.expires_at.is_(None),
                LinkRow.digest != link_digest(connector, purpose, token),
            )
            .values(expires_at=until)
        )


def cancel(session: Session, reservation: Reservation) -> None:
    """Drop a reservation whose install was refused."""
    remove(session, reservation.installation_id)


def create(session: Session, ring: Ring, connector: str, tenant: str, now: datetime) -> InstallationRow:
    """A new installation that waits, with a data key of its own."""
    row = InstallationRow(
        id=new_id("ins"), connector=connector, tenant=tenant, state=State.PENDING, created_at=now, updated_at=now
    )
    row.facts = {}
    session.add(row)
    session.flush()
    ring.new_data_key(session, row.id, now)
    session.flush()
    return row


def register(
    session: Session,
    ring: Ring,
    connector: str,
    registration: Registration,
    reservation: Reservation | None,
    workspace_id: str | None,
    grace: timedelta,
    now: datetime,
) -> str:
    """Store an install; returns the installation's id.

    An unknown tenant is created. A known one is updated, never duplicated: an older ``issued_at`` changes nothing, the
    same credentials change no credential, new ones that are proven become current (the former stay for seven days),
    unproven ones wait for a probe. Raises `Conflict` when the tenant belongs to another workspace, `ValueError` without
    a tenant: those of two strangers would be one.
    """
    if not registration.tenant:
        raise ValueError("a registration names its tenant")
    row = find(session, connector, registration.tenant)
    if row is not None and workspace_id is not None and row.workspace_id != workspace_id:
        raise Conflict("other_workspace", "This account is already connected to another workspace.")
    if row is not None and is_stale(row, registration):
        return row.id
    if row is None:
        pending = session.get(InstallationRow, reservation.installation_id) if reservation else None
        row = pending or create(session, ring, connector, registration.tenant, now)
        row.tenant = registration.tenant
        row.workspace_id = workspace_id or new_workspace(session, registration.title, now)
    elif reservation:
        adopt(session, ring, row, reservation, grace, now)
    if store_credentials(session, ring, row, registration, now):
        revoke_sessions(session, row.id)
    describe(row, registration, now)
    if not is_waiting(session, row.id):
        row.address, row.connected_at = registration.address, now
        row.probe_at, row.probes = None, 0  # whatever was in doubt were the former credentials
    return row.id


def is_stale(row: InstallationRow, registration: Registration) -> bool:
    """Whether a newer install of this tenant was accepted already: an old one would put old credentials back.

    Equal times are two honest installs in one second; a replay never comes this far, the journal answers it.
    """
    return registration.issued_at is not None and row.issued_at is not None and registration.issued_at < row.issued_at


def describe(row: InstallationRow, registration: Registration, now: datetime) -> None:
    """Take over what the registration says of the tenant, and serve it."""
    row.title = registration.title
    row.language = registration.language or row.language
    row.facts = {**row.facts, **registration.facts}
    row.issued_at = registration.issued_at or row.issued_at
    if row.state in GONE:  # nobody asks any more whether it left, and who opens it next is greeted anew
        row.probe_at, row.probes, row.opened_at = None, 0, None
    row.state = State.ACTIVE
    row.uninstall_at = None
    row.alarm = ""
    row.updated_at = now


def adopt(
    session: Session, ring: Ring, row: InstallationRow, reservation: Reservation, grace: timedelta, now: datetime
) -> None:
    """Give a reservation's link secrets, and what came through them, to the installation it turned out to be."""
    for purpose in reservation.tokens:
        session.execute(
            update(LinkRow)
            .where(LinkRow.installation_id == row.id, LinkRow.purpose == purpose, LinkRow.expires_at.is_(None))
            .values(expires_at=now + grace)
        )
    for event in session.scalars(select(EventRow).where(EventRow.installation_id == reservation.installation_id)):
        body = ring.open(session, reservation.installation_id, "event", event.digest, event.sealed)
        keep_event(session, ring, row.id, event.digest, event.kind, body, event.received_at)
    messages.move(session, ring, reservation.installation_id, row.id)
    session.execute(
        update(LinkRow).where(LinkRow.installation_id == reservation.installation_id).values(installation_id=row.id)
    )
    session.flush()
    remove(session, reservation.installation_id)


def apply(session: Session, ring: Ring, row: InstallationRow, outcome: Outcome, now: datetime) -> None:
    """Store what a callback brought: changes of state and address, each event once."""
    if outcome.state is not None and row.state in (State.ACTIVE, State.PAUSED):
        row.state = outcome.state
    row.address = outcome.address or row.address
    if row.heard_at is None or now - row.heard_at >= HEARD_EVERY:
        row.heard_at = now
    if outcome.facts:
        row.facts = {**row.facts, **outcome.facts}
    if outcome.state or outcome.address or outcome.facts:
        row.updated_at = now
    for event in outcome.events:
        body = json.dumps(dict(event.body), ensure_ascii=False).encode()
        keep_event(session, ring, row.id, digest(event.key), event.kind, body, now)


def keep_event(
    session: Session, ring: Ring, installation_id: str, key: str, kind: str, body: bytes, now: datetime
) -> None:
    """Keep an event unless it is known."""
    if session.get(EventRow, (installation_id, key)) is None:
        sealed = ring.seal(session, installation_id, "event", key, body)
        session.add(EventRow(installation_id=installation_id, digest=key, kind=kind, sealed=sealed, received_at=now))
        session.flush()


def begin_uninstall(session: Session, row: InstallationRow, issued_at: datetime | None, now: datetime) -> None:
    """Stage one: stop serving at once. Nothing is destroyed before a probe confirms it.

    One that was issued before the newest install is doubtful, perhaps held back by somebody: the first sign of life
    takes it back.
    """
    if row.state in GONE:
        return
    row.doubtful = issued_at is not None and row.issued_at is not None and issued_at < row.issued_at
    row.state = State.UNINSTALLING
    row.uninstall_at = row.updated_at = now
    row.probe_at, row.probes = now + FIRST_PROBE, 0
    revoke_sessions(session, row.id)


def presume_uninstall(session: Session, row: InstallationRow, now: datetime) -> None:
    """Stage one without an announcement: the credentials are dead, so the platform's notice may have been lost."""
    begin_uninstall(session, row, None, now)
    row.doubtful, row.probe_at = True, now + UNANNOUNCED_PROBE
    row.alarm = REFUSED


def confirm_uninstall(session: Session, row: InstallationRow, now: datetime) -> None:
    """Stage two: destroy the data key and with it every credential, event and message of the tenant."""
    destroy_keys(session, row.id)
    for table in (ErasedRow, EventRow, LinkRow, MessageRow):
        session.execute(delete(table).where(table.installation_id == row.id))
    row.state, row.probe_at, row.updated_at = State.UNINSTALLED, None, now
    row.alarm = ""


def restore(row: InstallationRow, now: datetime) -> None:
    """The tenant is alive after all: serve it again and raise an alarm."""
    row.state, row.probe_at, row.uninstall_at, row.updated_at = State.ACTIVE, None, None, now
    row.connected_at, row.probes = now, 0
    row.alarm = "" if row.alarm == REFUSED else "An uninstall was announced, but the shop's credentials still work."


def revoke_sessions(session: Session, installation_id: str) -> None:
    """End every session and unused ticket of the installation."""
    for table in (SessionRow, TicketRow):
        session.execute(delete(table).where(table.installation_id == installation_id))


def remove(session: Session, installation_id: str) -> None:
    """Forget an installation wholly; of its proofs remember only that they were used."""
    session.execute(
        update(JournalRow)
        .where(JournalRow.installation_id == installation_id)
        .values(installation_id=None, action="", result=None)
        .execution_options(synchronize_session=False)
    )
    for table in (CredentialRow, DataKeyRow, ErasedRow, EventRow, LinkRow, MessageRow, SessionRow, TicketRow):
        session.execute(delete(table).where(table.installation_id == installation_id))
    session.execute(delete(InstallationRow).where(InstallationRow.id == installation_id))


def find(session: Session, connector: str, tenant: str) -> InstallationRow | None:
    """The installation of a tenant."""
    statement = select(InstallationRow).where(InstallationRow.connector == connector, InstallationRow.tenant == tenant)
    return session.scalars(statement.with_for_update()).first()


def new_workspace(session: Session, name: str, now: datetime) -> str:
    """A workspace of its own; returns its id."""
    row = WorkspaceRow(id=new_id("ws"), name=name, created_at=now)
    session.add(row)
    session.flush()
    return row.id


def merge(session: Session, source: str, target: str) -> None:
    """Move a workspace's installations into another. Sessions end: they showed the old one."""
    moved = session.scalars(select(InstallationRow).where(InstallationRow.workspace_id == source)).all()
    for row in moved:
        row.workspace_id = target
        revoke_sessions(session, row.id)


def close(session: Session, workspace_id: str) -> None:
    """Close a workspace that nothing belongs to any more."""
    session.execute(delete(WorkspaceRow).where(WorkspaceRow.id == workspace_id))


def settled(session: Session, installation_id: str, now: datetime) -> None:
    """Nothing is in doubt any more."""
    row = session.get(InstallationRow, installation_id)
    if row is not None:
        row.probe_at, row.probes, row.alarm, row.updated_at, row.connected_at = None, 0, "", now, now
