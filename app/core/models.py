"""The tables of the main database: what must never be lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, UtcDateTime

DIGEST = String(64)


def to_installation_fk() -> Any:
    """A reference that goes with its installation."""
    return ForeignKey("installation.id", ondelete="CASCADE")


class WorkspaceRow(Base):
    """One customer of the vendor; joins installations whose people belong together.

    ``time_zone`` (IANA, empty: the reader's own) and ``badges`` are what its people chose.
    """

    __tablename__ = "workspace"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    time_zone: Mapped[str] = mapped_column(String(64), default="")
    badges: Mapped[bool] = mapped_column(default=True)


class InstallationRow(Base):
    """One connection to one tenant of one platform. ``tenant`` is unique within its connector.

    ``facts`` came with the platform's requests, ``subscription`` with the worker's calls to be told of changes.
    ``connected_at``: when it last came to be served, anew or again; ``heard_at``: its platform's last callback, to the
    minute; ``probe_at``: when its credentials are looked at next, ``probed_at`` and ``health`` the last look.
    ``label`` and ``chosen_language`` are its people's own choice, and outlive what the platform tells anew in
    ``title`` and ``language``. ``opened_at`` is its first visit since it was installed.
    """

    __tablename__ = "installation"
    __table_args__ = (UniqueConstraint("connector", "tenant"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspace.id"), index=True)
    connector: Mapped[str] = mapped_column(String(32))
    tenant: Mapped[str] = mapped_column(String(1000))
    title: Mapped[str] = mapped_column(String(300), default="")
    label: Mapped[str] = mapped_column(String(100), default="")
    state: Mapped[str] = mapped_column(String(16), index=True)
    address: Mapped[str] = mapped_column(String(1000), default="")
    language: Mapped[str] = mapped_column(String(8), default="")
    chosen_language: Mapped[str] = mapped_column(String(8), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    subscription: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    uninstall_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    connected_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    heard_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    probes: Mapped[int] = mapped_column(default=0)
    probed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    health: Mapped[str] = mapped_column(String(16), default="")
    doubtful: Mapped[bool] = mapped_column(default=False)
    alarm: Mapped[str] = mapped_column(String(300), default="")


class DataKeyRow(Base):
    """A tenant's data key, wrapped by the master ring. Destroying the row makes what it sealed unreadable."""

    __tablename__ = "data_key"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    installation_id: Mapped[str] = mapped_column(to_installation_fk(), index=True)
    wrapped: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CredentialRow(Base):
    """One sealed credential. ``slot``: current, previous (until ``expires_at``), next (until a probe likes it)."""

    __tablename__ = "credential"

    installation_id: Mapped[str] = mapped_column(to_installation_fk(), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    slot: Mapped[str] = mapped_column(String(16), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LinkRow(Base):
    """The digest of a link secret that we gave to a platform."""

    __tablename__ = "link"

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    installation_id: Mapped[str] = mapped_column(to_installation_fk(), index=True)
    purpose: Mapped[str] = mapped_column(String(32))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class JournalRow(Base):
    """A proof's digest, bound to its first action and that action's result."""

    __tablename__ = "journal"

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    connector: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32))
    unsigned: Mapped[str] = mapped_column(DIGEST)
    installation_id: Mapped[str | None] = mapped_column(ForeignKey("installation.id", ondelete="SET NULL"), index=True)
    result: Mapped[str | None] = mapped_column(Text)
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class EventRow(Base):
    """One event of a platform, kept once."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_received_at", "received_at"),
        Index("ix_event_kind_installation_id", "kind", "installation_id"),
    )

    installation_id: Mapped[str] = mapped_column(to_installation_fk(), primary_key=True)
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    sealed: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MessageRow(Base):
    """One message of a messenger, sealed; ``digest`` is that of its id.

    ``sealed`` is empty while only the news of its delivery came.
    """

    __tablename__ = "message"
    __table_args__ = (Index("ix_message_received_at", "received_at"),)

    installation_id: Mapped[str] = mapped_column(to_installation_fk(), primary_key=True)
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    sealed: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(16), default="")
    failure: Mapped[str] = mapped_column(String(64), default="")
    edited: Mapped[bool] = mapped_column(default=False)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MessageContactRow(Base):
    """With whom a message was exchanged: ``contact`` is a blind index, in the order in which a card asks."""

    __tablename__ = "message_contact"
    __table_args__ = (
        ForeignKeyConstraint(
            ["installation_id", "digest"], ["message.installation_id", "message.digest"], ondelete="CASCADE"
        ),
        Index("ix_message_contact_installation_id_digest", "installation_id", "digest"),
    )

    installation_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    contact: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)


class ErasedRow(Base):
    """Somebody was erased at a person's request: ``digest`` tells who, ``content`` what the platform said of them.

    Both are blind indexes. What is said anew is no longer erased; the same said again is.
    """

    __tablename__ = "erased"

    installation_id: Mapped[str] = mapped_column(to_installation_fk(), primary_key=True)
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    content: Mapped[str] = mapped_column(DIGEST)
    erased_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TicketRow(Base):
    """A single-use ticket into the customer's pages; ``proof`` is the digest of the opening that it answers."""

    __tablename__ = "ticket"

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    installation_id: Mapped[str] = mapped_column(to_installation_fk(), index=True)
    language: Mapped[str] = mapped_column(String(8), default="")
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    proof: Mapped[str] = mapped_column(DIGEST, default="", index=True)


class SessionRow(Base):
    """A customer's session; the bearer lives in the page's memory, the cookie survives a reload."""

    __tablename__ = "session"

    bearer: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    cookie: Mapped[str] = mapped_column(DIGEST, unique=True)
    installation_id: Mapped[str] = mapped_column(to_installation_fk(), index=True)
    language: Mapped[str] = mapped_column(String(8), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class PairingRow(Base):
    """How a workspace joins another: the digest of its code while one is out, and its own wrong tries at others' codes.

    ``joining`` is the workspace into which it is being merged; ``until`` is when the code, the tries or the merge are
    over.
    """

    __tablename__ = "pairing"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str | None] = mapped_column(DIGEST, unique=True)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tries: Mapped[int] = mapped_column(default=0)
    tries_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    joining: Mapped[str] = mapped_column(String(32), default="")


class ConsentRow(Base):
    """A request that waits for a person's consent: kept here, never sent back through the browser."""

    __tablename__ = "consent"

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    browser: Mapped[str] = mapped_column(DIGEST)
    connector: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32))
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    sealed: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class DocumentRow(Base):
    """A public document with its last good copy and the one before."""

    __tablename__ = "document"

    url: Mapped[str] = mapped_column(String(500), primary_key=True)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    forced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class HeartbeatRow(Base):
    """When a worker was last seen alive."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class NodeRow(Base):
    """One process that serves, and the connectors that it has: ``connectors`` is JSON, name to version and state."""

    __tablename__ = "node"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    connectors: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
