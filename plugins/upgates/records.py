"""What a customer and an order of the shop are as a person and an order of ours; odd values count as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.sdk import Malformed, Order, Person, iso_time

OLDEST = 2000  # no shop is older: an earlier year stands for no time at all


def to_person(item: object) -> Person | None:
    """A customer (4.7: "the e-mail is in login.email"); None for what has no id."""
    told = fields(item)
    id = number(told.get("customer_id"))
    if not id:
        return None
    email, phone = text(fields(told.get("login")).get("email")), text(fields(told.get("communication")).get("phone"))
    company = text(fields(told.get("company")).get("name"))
    name = " ".join(filter(None, (text(told.get("firstname")), text(told.get("surname")))))
    return Person(
        external_id=str(id),
        name=name or text(told.get("nickname")) or company or email or phone or f"#{id}",
        email=email,
        phone=phone,
        company=company,
        url=text(told.get("admin_url")),
        note=text(told.get("note")),
        updated_at=text(told.get("last_update_time")),
    )


def to_order(item: object) -> tuple[str, Order] | None:
    """An order and its customer's id; None without either: an e-mail alone may be anybody's."""
    told = fields(item)
    buyer = number(fields(told.get("customer")).get("customer_id"))
    name = text(told.get("order_number")) or str(number(told.get("order_number")) or "")
    if not (buyer and name):
        return None
    order = Order(
        number=name,
        date=text(told.get("creation_time")),
        status=text(told.get("status")),
        total=amount(told.get("order_total")),
        currency=text(told.get("currency_id")),
        url=text(told.get("admin_url")),
    )
    return str(buyer), order


def moment_of(item: object) -> str:
    """The record's ``last_update_time`` in UTC, in one spelling, so that the later is the greater; empty for none."""
    try:
        # One without an offset would be the earlier in Prague, and to begin too early loses nothing.
        moment = iso_time(text(fields(item).get("last_update_time")), "Europe/Prague")
    except Malformed:
        return ""
    return moment.isoformat(timespec="microseconds") if moment.year >= OLDEST else ""


def fields(value: object) -> Mapping[str, Any]:
    """An object's fields; none for null, for ``[]``, as an empty one may arrive (6.12), and for anything else."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> int:
    """An id; 0 for what cannot be one."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return value if type(value) is int and 0 < value < 10**18 else 0


def text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def amount(value: object) -> str:
    """A sum of money with two decimals; empty for what is none."""
    plain = "" if isinstance(value, bool) else str(value) if isinstance(value, int | float | str) else ""
    return f"{Decimal(plain):.2f}" if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", plain) else ""
