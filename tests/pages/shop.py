"""What the tests of the pages share: a customer with an order, a directory held in memory, installations to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from app.core.database import writing
from app.core.models import InstallationRow, WorkspaceRow
from app.sdk import Hit, Order, Person, State

PUBLIC_URL = "https://addon.example.com"
ORLO = "https://app.orlo.example"
OWN = {"X-Stallholder": "1", "Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}

JANA = Person(
    external_id="1",
    name="Jana Nováková",
    email="jana+shop@example.cz",
    phone="+420 777 123 456, +420 602 111 222",
    company="Pekárna Nováková",
    url="https://shop.example.cz/admin/customers/1?tab=a&b",
    note="Prefers\nmornings",
    orders=(
        Order(
            "2025-118", "2025-03-07T10:15:00+01:00", "Shipped", "1234.5", "CZK", "https://shop.example.cz/admin/o/118"
        ),
        Order("2025-090", "2025-02-01", "Paid", "89", "EUR"),
    ),
)


class Crowd:
    """A `Directory` of a few people."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = {person.external_id: person for person in people}

    def search(self, query: str, limit: int = 20) -> list[Hit]:
        found = [person for person in self.people.values() if query.casefold() in person.name.casefold()]
        return [Hit(person.external_id, person.name) for person in found][:limit]

    def person(self, id: str) -> Person | None:
        return self.people.get(id)

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        return None


@contextmanager
def storing(app: Flask) -> Iterator[Session]:
    """A transaction in a context of its own: one that stayed open would lend its ``g`` to every request."""
    with app.app_context(), writing() as session:
        yield session


def add_installation(app: Flask, id: str, workspace: str, **values: Any) -> None:
    """An installation on 2 May 2025, and its workspace where it is new."""
    day = datetime(2025, 5, 2, tzinfo=UTC)
    with storing(app) as session:
        if session.get(WorkspaceRow, workspace) is None:
            session.add(WorkspaceRow(id=workspace, name=f"Customer {workspace}", created_at=day))
            session.flush()
        filled = {"connector": "upgates", "tenant": id, "state": State.ACTIVE, "language": "cs", **values}
        session.add(InstallationRow(id=id, workspace_id=workspace, facts={}, created_at=day, updated_at=day, **filled))
