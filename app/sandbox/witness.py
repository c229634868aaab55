"""What the host holds of one connector, seen before and after a click, and the difference in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import CredentialRow, EventRow, InstallationRow, JournalRow, TicketRow, WorkspaceRow
from app.core.registry import Connector
from app.core.services import services
from app.people import mirror, sync_state
from app.sdk import State

MEANS = {
    State.ACTIVE: "it is served.",
    State.PAUSED: "its people stay, and nothing is synchronised meanwhile.",
    State.UNINSTALLING: "it is served no more. Nothing is destroyed before the platform refuses its credentials.",
    State.UNINSTALLED: "its data key is destroyed, and with it every credential and event.",
}


@dataclass(frozen=True, slots=True)
class Held:
    """One installation as the host holds it. ``credentials`` are the sealed ones by name and slot, to be compared."""

    id: str
    title: str
    state: str
    workspace: str = ""
    alarm: str = ""
    sync: str = ""
    people: int = 0
    tickets: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[tuple[str, str], str] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)

    @property
    def served(self) -> bool:
        """Whether it is connected at all."""
        return self.state in (State.ACTIVE, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Sight:
    """All installations of a connector, oldest first, and how many proofs the journal holds."""

    held: Mapping[str, Held] = field(default_factory=dict)
    proofs: int = 0


def look(name: str) -> Sight:
    """What the host holds of the connector ``name`` now."""
    connector = services().registry.find(name)
    if connector is None:
        return Sight()
    rows = select(InstallationRow).where(InstallationRow.connector == name, InstallationRow.state != State.PENDING)
    with reading() as session:
        found = session.scalars(rows.order_by(InstallationRow.created_at, InstallationRow.id)).all()
        held = [to_held(session, row, connector) for row in found]
        proofs = session.scalar(select(func.count()).select_from(JournalRow).where(JournalRow.connector == name))
    return Sight({one.id: one for one in held}, proofs or 0)


def to_held(session: Session, row: InstallationRow, connector: Connector) -> Held:
    """One row with what belongs to it."""
    mine = CredentialRow.installation_id == row.id
    credentials = {(one.name, one.slot): one.sealed for one in session.scalars(select(CredentialRow).where(mine))}
    kinds = session.scalars(select(EventRow.kind).where(EventRow.installation_id == row.id))
    tickets = select(func.count()).select_from(TicketRow).where(TicketRow.installation_id == row.id)
    workspace = session.get(WorkspaceRow, row.workspace_id) if row.workspace_id else None
    return Held(
        row.id,
        row.title or row.tenant,
        row.state,
        workspace=workspace.name if workspace else "",
        alarm=row.alarm,
        sync=sync_of(row.id, connector),
        people=mirror.count(row.workspace_id, row.id) if row.workspace_id else 0,
        tickets=session.scalar(tickets) or 0,
        facts=dict(row.facts),
        credentials=credentials,
        events=Counter(kinds),
    )


def sync_of(id: str, connector: Connector) -> str:
    """How far its people are, where the connector brings or takes any."""
    kinds = {"pull": sync_state.PULL, "push": sync_state.PUSH}
    told = [sync_state.progress(id, kind=kind).text for hook, kind in kinds.items() if connector.implements(hook)]
    return ", ".join(told)


def differences(before: Sight, after: Sight) -> list[str]:
    """What changed, one sentence each; empty when nothing did."""
    told = []
    for id, now in after.held.items():
        then = before.held.get(id)
        told += [arrived(now)] if then is None else list(changes(then, now))
    told += [f"“{then.title}” is forgotten wholly." for id, then in before.held.items() if id not in after.held]
    if after.proofs > before.proofs:
        told.append("The proof is in the journal: whoever sends these bytes again gets the same answer, and no effect.")
    return told


def progress(before: Sight, after: Sight) -> list[str]:
    """How far the worker has come meanwhile, one sentence each installation that it went on with."""
    moved = [now for id, now in after.held.items() if id in before.held and before.held[id].sync != now.sync]
    return [f"“{now.title}” is synchronised: {now.sync}; {now.people} people." for now in moved if now.sync]


def arrived(now: Held) -> str:
    """A new installation."""
    return f"A new installation, “{now.title}”, is {now.state}; its credentials are sealed under a key of its own."


def changes(then: Held, now: Held) -> Iterator[str]:
    """What changed of one installation."""
    name = f"“{now.title}”"
    if then.state != now.state:
        yield f"{name} went from {then.state} to {now.state}: {MEANS.get(State(now.state), '')}"
    if now.alarm and then.alarm != now.alarm:
        yield f"{name} raises an alarm: {now.alarm}"
    yield from (f"{name}: {told}" for told in renewed(then, now))
    yield from (
        f"{name} is noted with {key}: {value}." for key, value in now.facts.items() if then.facts.get(key) != value
    )
    if now.tickets > then.tickets:
        yield "A ticket was made that opens the page once, within 60 seconds."
    new = Counter(now.events) - Counter(then.events)
    yield from (f"An event is kept, sealed: {kind}." for kind in new)
    if then.workspace != now.workspace:
        yield f"{name} joined the workspace “{now.workspace}”."


def renewed(then: Held, now: Held) -> Iterator[str]:
    """What became of its credentials."""
    fresh = {slot for key, sealed in now.credentials.items() if then.credentials.get(key) != sealed for slot in key[1:]}
    if "next" in fresh:
        yield "new credentials wait until the platform shows that they work; the former ones stay in use."
    elif "current" in fresh and then.credentials:
        yield "new credentials are in use; the former ones are kept for seven days."
    if then.credentials and not now.credentials:
        yield "its credentials are gone."
