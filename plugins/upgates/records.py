"""What a customer and an order of the shop are as a person and an order of ours; odd values count as absent."""

from __future__ import annotations

from app.sdk import Malformed, Order, Person, iso_time, told_amount, told_fields, told_id, told_text

OLDEST = 2000  # no shop is older: an earlier year stands for no time at all


def to_person(item: object) -> Person | None:
    """A customer (4.7: "the e-mail is in login.email"); None for what has no id."""
    told = told_fields(item)
    id = told_id(told.get("customer_id"))
    if not id:
        return None
    email, phone = (
        told_text(told_fields(told.get("login")).get("email")),
        told_text(told_fields(told.get("communication")).get("phone")),
    )
    company = told_text(told_fields(told.get("company")).get("name"))
    name = " ".join(filter(None, (told_text(told.get("firstname")), told_text(told.get("surname")))))
    return Person(
        external_id=str(id),
        name=name or told_text(told.get("nickname")) or company or email or phone or f"#{id}",
        email=email,
        phone=phone,
        company=company,
        url=told_text(told.get("admin_url")),
        note=told_text(told.get("note")),
        updated_at=told_text(told.get("last_update_time")),
    )


def to_order(item: object) -> tuple[str, Order] | None:
    """An order and its customer's id; None without either: an e-mail alone may be anybody's."""
    told = told_fields(item)
    buyer = told_id(told_fields(told.get("customer")).get("customer_id"))
    name = number_of(told)
    if not (buyer and name):
        return None
    order = Order(
        number=name,
        date=told_text(told.get("creation_time")),
        status=told_text(told.get("status")),
        total=told_amount(told.get("order_total")),
        currency=told_text(told.get("currency_id")),
        url=told_text(told.get("admin_url")),
        closed=told.get("resolved_yn") is True,
        external_id=name[:64],
    )
    return str(buyer), order


def number_of(item: object) -> str:
    """An order's number; empty for none."""
    number = told_fields(item).get("order_number")
    return told_text(number) or str(told_id(number) or "")


def moment_of(item: object) -> str:
    """The record's ``last_update_time`` in UTC, in one spelling, so that the later is the greater; empty for none."""
    try:
        # One without an offset would be the earlier in Prague, and to begin too early loses nothing.
        moment = iso_time(told_text(told_fields(item).get("last_update_time")), "Europe/Prague")
    except Malformed:
        return ""
    return moment.isoformat(timespec="microseconds") if moment.year >= OLDEST else ""
