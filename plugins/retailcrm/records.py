"""What a customer and an order of the account are as a person and an order of ours; odd values count as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.sdk import Order, Person


def to_person(entry: object, crm: str) -> Person | None:
    """A customer (sheet, section 5), with its page in the CRM at ``crm``; None for what has no id."""
    told = fields(entry)
    id = number(told.get("id"))
    if not id:
        return None
    phones = told.get("phones")
    phone = text(fields(phones[0]).get("number")) if isinstance(phones, list) and phones else ""
    email, company = text(told.get("email")), text(fields(told.get("contragent")).get("legalName"))
    return Person(
        external_id=str(id),
        name=name_of(told) or company or email or phone or f"#{id}",
        email=email,
        phone=phone,
        company=company,
        url=f"{crm}/customers/{id}",
        note=text(told.get("commentary")),
    )


def buyer_of(entry: object, crm: str) -> Person | None:
    """Who placed an order, as far as the order itself tells; None without a customer's id.

    A company's order belongs to its contact where there is one: the list of customers holds people only.
    """
    told = fields(entry)
    buyer, contact = fields(told.get("customer")), fields(told.get("contact"))
    if buyer.get("type") == "customer_corporate" and number(contact.get("id")):
        buyer = contact
    own = {"contragent": told.get("contragent"), "email": text(told.get("email"))}
    own["phones"] = [{"number": text(told.get("phone"))}]
    names = {name: told.get(name) for name in ("firstName", "patronymic", "lastName")}
    return to_person({"id": buyer.get("id"), **names, **own}, crm)


def to_order(entry: object, crm: str) -> Order | None:
    """An order; None for what has no id."""
    told = fields(entry)
    id = number(told.get("id"))
    if not id:
        return None
    return Order(
        number=text(told.get("number")) or str(id),
        date=date(told.get("createdAt")),
        status=text(told.get("status")),
        total=amount(told.get("totalSumm")),
        currency=text(told.get("currency")),
        url=f"{crm}/orders/{id}/edit",
    )


def name_of(told: Mapping[str, Any]) -> str:
    """First name, patronymic and family name, as many as there are."""
    return " ".join(" ".join(text(told.get(name)) for name in ("firstName", "patronymic", "lastName")).split())


def fields(value: object) -> Mapping[str, Any]:
    """An object's fields; none for ``[]``, as an empty one may arrive (sheet, section 8.4), and for anything else."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> int:
    """An id; 0 for what cannot be one."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return value if type(value) is int and 0 < value < 10**18 else 0


def text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def date(value: object) -> str:
    """``Y-m-d H:i:s`` as ISO 8601, in the account's own time, whose zone is not told."""
    found = re.match("([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}:[0-9]{2}:[0-9]{2}))?", text(value))
    return "T".join(filter(None, found.groups())) if found else ""


def amount(value: object) -> str:
    """A sum of money with two decimals; empty for what is none."""
    plain = "" if isinstance(value, bool) else str(value) if isinstance(value, int | float | str) else ""
    return f"{Decimal(plain):.2f}" if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", plain) else ""
