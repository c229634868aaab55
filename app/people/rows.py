"""A person as rows of the mirror: cut to size, with what a search orders by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from app.people import contacts, phones, terms
from app.people.ranking import scope_of
from app.people.text import fold, storable
from app.sdk import Order, Person

LONGEST_ID = 200
LENGTHS = {
    "name": 300,
    "email": 320,
    "phone": phones.LONGEST_FIELD,
    "company": 300,
    "url": 2000,
    "note": 5000,
    "updated_at": 40,
}
ORDER_LENGTHS = {
    "number": 200,
    "date": 40,
    "status": 200,
    "total": 40,
    "currency": 8,
    "url": 2000,
    "external_id": 64,
}
_WEB = re.compile(r"https?://", re.IGNORECASE)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def to_storable(person: Person) -> Person:
    """The person as any database takes it.

    Raises `ValueError` for an ``external_id`` that is empty or longer than 200 characters: cut, two could become one.
    """
    external_id = to_storable_id(person.external_id)
    texts: dict[str, Any] = {name: storable(getattr(person, name), longest) for name, longest in LENGTHS.items()}
    texts["phone"] = phones.whole(storable(person.phone, 2 * phones.LONGEST_FIELD))
    # Of the same number twice the later counts.
    orders = {order.number: order for order in map(to_storable_order, person.orders)}
    return Person(external_id=external_id, **texts | {"url": web_address(texts["url"])}, orders=tuple(orders.values()))


def to_storable_id(text: str) -> str:
    """The ``external_id`` as it is kept; raises `ValueError` like `to_storable`."""
    external_id = storable(text, LONGEST_ID + 1)
    if not 0 < len(external_id) <= LONGEST_ID:
        raise ValueError("external_id must have 1 to 200 characters")
    return external_id


def to_storable_order(order: Order) -> Order:
    """The order as any database takes it."""
    texts: dict[str, Any] = {name: storable(getattr(order, name), longest) for name, longest in ORDER_LENGTHS.items()}
    return Order(**texts | {"url": web_address(texts["url"])}, closed=bool(order.closed))


def to_storable_order_id(text: str) -> str:
    """An order's ``external_id`` as it is kept."""
    return storable(text, ORDER_LENGTHS["external_id"])


def iso_day(text: str) -> str:
    """The day that a date or time in ISO 8601 begins with; empty where that is no day."""
    day = text[:10]
    try:
        date.fromisoformat(day)
    except ValueError:
        return ""
    return day if _ISO_DAY.fullmatch(day) else ""


def web_address(url: str) -> str:
    """The address, if a link to it may be shown: ``javascript:`` and the like become empty."""
    return url if _WEB.match(url) else ""


def person_values(workspace_id: str, source: str, person: Person) -> dict[str, Any]:
    """The columns of a storable person that do not depend on its orders."""
    return {
        "workspace_id": workspace_id,
        "source": source,
        "external_id": person.external_id,
        **{name: getattr(person, name) for name in LENGTHS},
        "sort_name": fold(person.name),
        "words": terms.spelled(terms.terms(person)),
        "contacts": contacts.spelled(person.email, person.phone),
        "by_order": False,
    }


def order_values(source: str, person_id: int, orders: Sequence[Order]) -> list[dict[str, Any]]:
    """The rows of a person's storable orders, each with a number of its own."""
    whose = {"person_id": person_id, "origin": scope_of(source)}
    return [
        {**whose, "closed": order.closed, **{name: getattr(order, name) for name in ORDER_LENGTHS}} for order in orders
    ]
