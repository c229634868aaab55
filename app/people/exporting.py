"""Export: all that is held of a workspace's people, in the shape that the import reads: as it was told, by whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import messages
from app.core.database import reading
from app.core.messages import Kept
from app.core.models import InstallationRow
from app.people import messages as people_messages
from app.people.models import OrderRow, PersonRow
from app.people.orders import to_order
from app.people.rows import LONGEST_ID
from app.sdk import Message, Order

BATCH = 500
MOST_MESSAGES = 1_000_000
# Of JSON in one line, but for who it is and one more order or message: an import takes no line of more than 1 MiB.
LONGEST_PART = 400_000
LISTS = ("orders", "messages")
FIELDS = ("name", "email", "phone", "company", "url", "note", "updated_at")


def people(workspace_id: str) -> Iterator[dict[str, Any]]:
    """Each person of the workspace with orders and messages, then messages with people whom it does not know.

    What is empty is left out. ``external_id`` names the source too. Who has very much gets several lines, one behind
    the other; those after the first are ``continued``.
    """
    talking, seen, last = talking_in(workspace_id), set[tuple[str, str]](), 0
    while True:
        with reading() as session:
            page = select(PersonRow).where(PersonRow.workspace_id == workspace_id, PersonRow.id > last)
            rows = session.scalars(page.order_by(PersonRow.id).limit(BATCH)).all()
            orders: dict[int, list[Order]] = {row.id: [] for row in rows}
            for order in session.scalars(select(OrderRow).where(OrderRow.person_id.in_(list(orders)))):
                orders[order.person_id].append(to_order(order))
            written = {row.id: exchanged(session, talking, row) for row in rows}
        seen |= {(kept.installation_id, kept.digest) for found in written.values() for kept in found}
        for row in rows:
            exchange = [message_told(kept.message) for kept in written[row.id]]
            yield from parts(told(row, orders[row.id]) | ({"messages": exchange} if exchange else {}))
        if len(rows) < BATCH:
            break
        last = rows[-1].id
    yield from strangers(talking, seen)


def talking_in(workspace_id: str) -> list[str]:
    """The installations of the workspace that hold messages."""
    with reading() as session:
        mine = select(InstallationRow.id).where(InstallationRow.workspace_id == workspace_id)
        return messages.talking(session, list(session.scalars(mine)))


def exchanged(session: Session, talking: list[str], row: PersonRow) -> list[Kept]:
    """All messages that may be with this person."""
    return people_messages.held(session, talking, [row], lambda phone: False, MOST_MESSAGES) if talking else []


def strangers(talking: list[str], seen: set[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """A line for each chat of which nobody is known."""
    chats: dict[str, dict[str, Any]] = {}
    with reading() as session:
        for kept in people_messages.of_workspace(session, talking):
            if (kept.installation_id, kept.digest) in seen:
                continue
            message = kept.message
            name = message.phone or message.person
            line = named(kept.installation_id, message.person or name) | {"name": name or "?"}
            line |= {"phone": message.phone} if message.phone else {}
            chats.setdefault(line["external_id"], line | {"messages": []})["messages"].append(message_told(message))
    for chat in chats.values():
        yield from parts(chat)


def message_told(message: Message) -> dict[str, Any]:
    """One message; what is empty is left out."""
    told = asdict(message) | {"at": message.at.isoformat()}
    return {key: value for key, value in told.items() if value}


def told(row: PersonRow, orders: list[Order]) -> dict[str, Any]:
    """One person as a line."""
    person = {name: getattr(row, name) for name in FIELDS}
    bought = [{key: value for key, value in asdict(order).items() if value} for order in orders]
    filled = {key: value for key, value in (person | {"orders": bought}).items() if value}
    return named(row.source, row.external_id) | filled


def named(source: str, external_id: str) -> dict[str, Any]:
    """Who it is, and who says so: a name that an import can keep, and the whole one where that is too long."""
    name = f"{source}:{external_id}"
    if len(name) <= LONGEST_ID:
        return {"external_id": name, "source": source}
    mark = f":{hashlib.sha256(name.encode()).hexdigest()}"
    return {"external_id": name[: LONGEST_ID - len(mark)] + mark, "source": source, "known_as": name}


def parts(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The line as one or more that an import takes."""
    part = {name: value for name, value in line.items() if name not in LISTS}
    length = 0
    for name in LISTS:
        for one in line.get(name, ()):
            more = len(json.dumps(one))
            if length and length + more > LONGEST_PART:
                yield part
                part, length = {name: line[name] for name in ("external_id", "source")} | {"continued": True}, 0
            part.setdefault(name, []).append(one)
            length += more
    yield part
