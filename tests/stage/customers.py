"""Customers to keep apart: A is the one whom all others would like to be."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, select, update
from tenants import Host, Tenant

from app.core import tickets
from app.core.database import MIRROR, Base, MirrorBase, db, reading, writing
from app.core.installations import link_digest
from app.core.models import InstallationRow, LinkRow, SessionRow, WorkspaceRow
from app.core.seal import new_token
from app.people.merging import merge as merge_workspaces
from app.sdk import Person, State


class Customer:
    """A customer with all installations in one workspace, and a person whom nobody else may see."""

    def __init__(self, host: Host, tenant: Tenant, name: str) -> None:
        self.host, self.tenant, self.name = host, tenant, name
        self.canary = f"Kanárek-{name}-{secrets.token_hex(4)}"
        keys = (tenant.upgates.keys["token"], tenant.retailcrm.home, str(tenant.wazzup.keys["account_id"]))
        names = (*keys, hashlib.sha256(tenant.orlo.link.encode()).hexdigest())
        with reading() as session:
            rows = session.scalars(select(InstallationRow).where(InstallationRow.tenant.in_(names))).all()
        self.ids = {row.connector: row.id for row in rows}
        spaces = sorted({row.workspace_id or "" for row in rows})
        self.workspace = spaces[0]
        for space in spaces[1:]:
            merge_workspaces(space, self.workspace)
        with writing() as session:
            session.execute(update(WorkspaceRow).where(WorkspaceRow.id == self.workspace).values(name=self.canary))
        host.services.store_people(
            self.workspace, self.ids["upgates"], [Person("canary", self.canary, note=self.canary)]
        )
        self.person = host.services.directory(self.workspace).search(self.canary)[0].id

    def enter(self, connector: str = "upgates") -> tickets.Admission:
        """A visit that came through one of the marketplaces."""
        return tickets.exchange(self.ticket(connector), datetime.now(UTC))

    def ticket(self, connector: str = "upgates") -> str:
        with writing() as session:
            return tickets.mint(session, self.ids[connector], "en", datetime.now(UTC))

    def link(self, connector: str, purpose: str, life: timedelta) -> str:
        """A link secret that was given to a platform and ends ``life`` from now."""
        token = new_token()
        with writing() as session:
            row = LinkRow(digest=link_digest(connector, purpose, token), installation_id=self.ids[connector])
            row.purpose, row.expires_at = purpose, datetime.now(UTC) + life
            session.add(row)
        return token

    def stored(self) -> dict[str, list[str]]:
        """Everything that is stored of the customer, but for visits and what the journal keeps."""
        found: dict[str, list[str]] = {}
        for key, metadata in ((None, Base.metadata), (MIRROR, MirrorBase.metadata)):
            with reading(), db.engines[key].connect() as connection:
                for name in metadata.tables.keys() - {"ticket", "session", "journal", "consent"}:
                    table = metadata.tables[name]
                    mine = self.mine(table)
                    if mine is not None:
                        found[name] = sorted(repr(tuple(row)) for row in connection.execute(select(table).where(mine)))
        return found

    def mine(self, table: Table) -> Any:
        columns = {
            "installation_id": self.ids.values(),
            "workspace_id": [self.workspace],
            "person_id": [int(self.person)],
        }
        for name, values in columns.items():
            if name in table.c:
                return table.c[name].in_(list(values))
        return table.c.id.in_([self.workspace]) if table.name == "workspace" else None

    def visits(self) -> set[str]:
        """The digests of the visits that live."""
        with reading() as session:
            mine = SessionRow.installation_id.in_(list(self.ids.values()))
            return set(session.scalars(select(SessionRow.bearer).where(mine)))


class Newcomer:
    """A customer with one installation in a workspace of its own, to be used up."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.name = f"Newcomer {secrets.token_hex(4)}"
        self.ids = {"orlo": str(host.add("orlo", {})["id"])}
        with writing() as session:
            self.workspace = session.get_one(InstallationRow, self.ids["orlo"]).workspace_id or ""
            session.execute(update(WorkspaceRow).where(WorkspaceRow.id == self.workspace).values(name=self.name))

    def enter(self) -> tickets.Admission:
        with writing() as session:
            ticket = tickets.mint(session, self.ids["orlo"], "en", datetime.now(UTC))
        return tickets.exchange(ticket, datetime.now(UTC))


@dataclass
class World:
    """The host with its customers; ``c`` has left every marketplace, ``d`` is there to be used up."""

    host: Host
    a: Customer
    b: Customer
    c: Customer
    d: Customer


def leave(customer: Customer) -> None:
    """The customer is uninstalled everywhere, as after the second stage but with links that are still known."""
    with writing() as session:
        mine = InstallationRow.id.in_(list(customer.ids.values()))
        session.execute(update(InstallationRow).where(mine).values(state=State.UNINSTALLED))
