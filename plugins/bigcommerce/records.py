"""What a customer and an order of the store are as a person and an order of ours; odd values count as absent."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from app.sdk import Order, Person, told_amount, told_fields, told_id, told_text

CLOSED = {"Completed", "Refunded", "Cancelled", "Declined"}


def id_of(item: object) -> str:
    """The record's id; empty for none."""
    return str(told_id(told_fields(item).get("id")) or "")


def to_person(item: object, admin: str) -> Person | None:
    """A customer; None for what has no id."""
    told, id = told_fields(item), id_of(item)
    if not id:
        return None
    email, phone, company = (told_text(told.get(name)) for name in ("email", "phone", "company"))
    name = " ".join(filter(None, (told_text(told.get("first_name")), told_text(told.get("last_name")))))
    return Person(
        external_id=id,
        name=name or company or email or phone or f"#{id}",
        email=email,
        phone=phone,
        company=company,
        url=f"{admin}/customers/{id}/edit",
        note=told_text(told.get("notes")),
        updated_at=told_text(told.get("date_modified")),
    )


def to_order(item: object, admin: str) -> tuple[str, Order] | None:
    """An order and its customer's id; None for a guest's ("customer_id 0"): an e-mail alone may be anybody's."""
    told, id = told_fields(item), id_of(item)
    buyer = told_id(told.get("customer_id"))
    if not (id and buyer):
        return None
    status = told_text(told.get("status"))
    order = Order(
        number=id,
        date=iso_of(told_text(told.get("date_created"))),
        status=status,
        total=told_amount(told.get("total_inc_tax")),
        currency=told_text(told.get("currency_code")),
        url=f"{admin}/orders/{id}",
        closed=status in CLOSED,
        external_id=id,
    )
    return str(buyer), order


def is_gone(item: object) -> bool:
    """Whether an order was archived, which the platform calls deleted."""
    return told_fields(item).get("is_deleted") is True


def iso_of(date: str) -> str:
    """A date as mail writes it, in ISO 8601; empty for none."""
    try:
        return parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
