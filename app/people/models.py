"""The tables of the mirror: people and orders that can be pulled again, and the words they are found by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import MirrorBase

LONGEST_TERM = 64
# The source of people who came from a file.
IMPORT = "import"


def in_bytes(length: int | None = None) -> Any:
    """Text that is ordered by its bytes on every database, so that a prefix is one range of an index."""
    kind = String(length) if length else Text()
    ordered = String(length, collation="C") if length else Text(collation="C")
    return kind.with_variant(ordered, "postgresql")


def row_id() -> Any:
    """64 bits; on SQLite the type that a row id must have."""
    return BigInteger().with_variant(Integer, "sqlite")


class PersonRow(MirrorBase):
    """A customer of a connected shop. ``source`` is the installation that brought it, or ``import``.

    ``sort_name``, ``has_orders`` and ``last_order`` (ISO 8601) are derived: they order what a search finds. ``words``
    (`app.people.terms.spelled`) and ``rank`` (`app.people.ranking.rank`) are what the person's terms were made from;
    ``contacts`` is what two people must share to be shown as one (`app.people.contacts.spelled`). ``by_order``: nothing
    but an order told of the person, the one of ``updated_at``.
    """

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("workspace_id", "source", "external_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(row_id(), primary_key=True, autoincrement=True)
    workspace_id: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text)
    company: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[str] = mapped_column(String(40))
    sort_name: Mapped[str] = mapped_column(in_bytes())
    has_orders: Mapped[bool]
    last_order: Mapped[str] = mapped_column(in_bytes(40))
    words: Mapped[str] = mapped_column(Text, default="")
    contacts: Mapped[str] = mapped_column(Text, default="")
    rank: Mapped[int] = mapped_column(BigInteger, default=0)
    by_order: Mapped[bool] = mapped_column(default=False)


class DepartedRow(MirrorBase):
    """A customer whom its shop deleted, by the shop's own id: see `app.people.departed`."""

    __tablename__ = "departed"
    __table_args__ = ({"sqlite_with_rowid": False},)

    workspace_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(200), primary_key=True)


class EarlyOrderRow(MirrorBase):
    """An order whose person, ``owner`` by the shop's own id, was not told yet: see `app.people.early`.

    ``name`` is what makes it one order of its source, ``told`` the order as JSON.
    """

    __tablename__ = "early_order"
    __table_args__ = (
        Index("ix_early_order_workspace_id_source_name", "workspace_id", "source", "name"),
        {"sqlite_with_rowid": False},
    )

    workspace_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    name: Mapped[str] = mapped_column(String(420), primary_key=True)
    told: Mapped[str] = mapped_column(Text)


class OrderRow(MirrorBase):
    """One order of a person, known by its number; by ``external_id`` to its source, where that has one.

    ``origin`` stands for that source (`app.people.ranking.scope_of`): two sources give the same ``external_id``.
    """

    __tablename__ = "person_order"
    __table_args__ = (
        Index("ix_person_order_origin_external_id", "origin", "external_id"),
        {"sqlite_with_rowid": False},
    )

    person_id: Mapped[int] = mapped_column(row_id(), primary_key=True, autoincrement=False)
    number: Mapped[str] = mapped_column(Text, primary_key=True)
    date: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(Text)
    total: Mapped[str] = mapped_column(String(40))
    currency: Mapped[str] = mapped_column(String(8))
    url: Mapped[str] = mapped_column(Text)
    closed: Mapped[bool] = mapped_column(default=False)
    origin: Mapped[int] = mapped_column(BigInteger)
    external_id: Mapped[str] = mapped_column(String(64), default="")


class PushedRow(MirrorBase):
    """One person as an installation's platform knows it: what was pushed of it.

    ``leader`` is the first of the people who are one human: its row stands for the human, and has the ``digest`` of
    what was pushed and the platform's own name for it, ``known_as``, where it has one. ``orders`` are JSON: the number
    of each pushed order with a digest. ``mark`` is not 0 while the person waits to be looked at; each time another,
    lest a change during a push is lost.
    """

    __tablename__ = "pushed"
    __table_args__ = (
        Index("ix_pushed_installation_id_mark", "installation_id", "mark"),
        Index("ix_pushed_installation_id_leader", "installation_id", "leader"),
        Index("ix_pushed_person_id", "person_id"),
    )

    installation_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[int] = mapped_column(row_id(), primary_key=True, autoincrement=False)
    leader: Mapped[int] = mapped_column(row_id(), default=0)
    digest: Mapped[str] = mapped_column(String(64), default="")
    known_as: Mapped[str] = mapped_column(String(200), default="")
    orders: Mapped[str] = mapped_column(Text, default="{}")
    mark: Mapped[int] = mapped_column(BigInteger, default=0)


class TermRow(MirrorBase):
    """A word, a beginning or two that find one person: best first, inside one workspace, in the order of the key.

    ``scope`` stands for the workspace (`app.people.ranking.scope_of`); ``signature`` and ``letters`` say which other
    words the person may have (`app.people.ranking.signature`), so that a search of several words reads on without
    looking at every person. All columns are the key: a search never leaves the index.
    """

    __tablename__ = "term"
    __table_args__ = ({"sqlite_with_rowid": False},)

    scope: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    term: Mapped[str] = mapped_column(in_bytes(LONGEST_TERM), primary_key=True)
    rank: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(row_id(), primary_key=True, autoincrement=False)
    signature: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    letters: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class PileRow(MirrorBase):
    """A row that the index gets soon, the later one with the higher ``id``: see `app.people.pile`."""

    __tablename__ = "pile"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(row_id(), primary_key=True, autoincrement=True)
    scope: Mapped[int] = mapped_column(BigInteger)
    term: Mapped[str] = mapped_column(in_bytes(LONGEST_TERM))
    rank: Mapped[int] = mapped_column(BigInteger)
    person_id: Mapped[int] = mapped_column(row_id())
    signature: Mapped[int] = mapped_column(BigInteger)
    letters: Mapped[int] = mapped_column(BigInteger)
