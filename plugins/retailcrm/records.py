"""What a customer and an order of the account are as a person and an order of ours; odd values count as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.sdk import Order, Person, told_amount, told_fields, told_id, told_text

MOST_PHONES = 5
# The statuses that every account begins with, at the end of an order's way; one's own are not known by their names.
CLOSED = re.compile(
    "complete|cancel-.*|no-call|no-product|already-buyed|delyvery-did-not-suit|prices-did-not-suit|return"
)


def to_person(entry: object, crm: str) -> Person | None:
    """A customer (sheet, section 5), with its page in the CRM at ``crm``; None for what has no id."""
    told = told_fields(entry)
    id = told_id(told.get("id"))
    if not id:
        return None
    phones = phones_of(told)
    email, company = told_text(told.get("email")), told_text(told_fields(told.get("contragent")).get("legalName"))
    return Person(
        external_id=str(id),
        name=name_of(told) or company or email or next(iter(phones), f"#{id}"),
        email=email,
        phone=", ".join(phones),
        company=company,
        url=f"{crm}/customers/{id}",
        note=told_text(told.get("commentary")),
    )


def buyer_of(entry: object, crm: str) -> Person | None:
    """Who placed an order, as far as the order itself tells, and when it was placed; None without a customer's id.

    A company's order belongs to its contact where there is one: the list of customers holds people only.
    """
    told = told_fields(entry)
    buyer, contact = told_fields(told.get("customer")), told_fields(told.get("contact"))
    if buyer.get("type") == "customer_corporate" and told_id(contact.get("id")):
        buyer = contact
    own = {"contragent": told.get("contragent"), "email": told_text(told.get("email"))}
    own["phones"] = [{"number": told_text(told.get("phone"))}]
    names = {name: told.get(name) for name in ("firstName", "patronymic", "lastName")}
    person = to_person({"id": buyer.get("id"), **names, **own}, crm)
    return replace(person, updated_at=date(told.get("createdAt"))) if person else None


def to_order(entry: object, crm: str) -> Order | None:
    """An order; None for what has no id."""
    told = told_fields(entry)
    id = told_id(told.get("id"))
    if not id:
        return None
    return Order(
        number=told_text(told.get("number")) or str(id),
        date=date(told.get("createdAt")),
        status=told_text(told.get("status")),
        total=told_amount(told.get("totalSumm")),
        currency=told_text(told.get("currency")),
        url=f"{crm}/orders/{id}/edit",
        closed=CLOSED.fullmatch(told_text(told.get("status"))) is not None,
        external_id=str(id),
    )


def name_of(told: Mapping[str, Any]) -> str:
    """First name, patronymic and family name, as many as there are."""
    return " ".join(" ".join(told_text(told.get(name)) for name in ("firstName", "patronymic", "lastName")).split())


def phones_of(told: Mapping[str, Any]) -> list[str]:
    """The first numbers of a customer, each once."""
    listed = told.get("phones")
    numbers = (told_text(told_fields(item).get("number")) for item in (listed if isinstance(listed, list) else ()))
    return list(dict.fromkeys(filter(None, numbers)))[:MOST_PHONES]


def date(value: object) -> str:
    """``Y-m-d H:i:s`` as ISO 8601, in the account's own time, whose zone is not told."""
    found = re.match("([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}:[0-9]{2}:[0-9]{2}))?", told_text(value))
    return "T".join(filter(None, found.groups())) if found else ""
