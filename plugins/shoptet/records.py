"""What a customer and an order of the e-shop are as a person and an order of ours; odd values count as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.sdk import Order, Person, told_amount, told_fields, told_text

LONGEST_ID = 64


def to_person(item: object) -> Person | None:
    """A customer, from a list or from its detail; None for what has no id."""
    told = told_fields(item)
    guid = id_of(told, "guid")
    if not guid:
        return None
    billing, login = told_fields(told.get("billingAddress")), main_account(told)
    email, phone = (told_text(told.get(name)) or told_text(login.get(name)) for name in ("email", "phone"))
    company = told_text(told.get("company")) or told_text(billing.get("company"))
    names = (told_text(one.get("fullName")) for one in (told, billing, login))
    return Person(
        external_id=guid,
        name=next(filter(None, names), "") or company or email or phone or guid,
        email=email,
        phone=phone,
        company=company,
        url=told_text(told.get("adminUrl")),
        note=told_text(told.get("remark")),
        updated_at=told_text(told.get("changeTime")) or told_text(told.get("creationTime")),
    )


def is_short(item: object) -> bool:
    """Whether a list tells neither e-mail nor phone of a customer, so that its detail is needed."""
    told = told_fields(item)
    return not (told_text(told.get("email")) or told_text(told.get("phone")) or told.get("accounts"))


def main_account(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The main login of a customer, else the first."""
    accounts = told.get("accounts")
    logins = [told_fields(one) for one in accounts] if isinstance(accounts, list) else []
    return next((one for one in logins if one.get("mainAccount") is True), logins[0] if logins else {})


def to_order(item: object) -> tuple[str, Order] | None:
    """An order and its customer's id; None for a guest's: an e-mail alone may be anybody's."""
    told = told_fields(item)
    buyer, code = id_of(told, "customerGuid"), id_of(told, "code")
    if not (buyer and code):
        return None
    price = told_fields(told.get("price"))
    order = Order(
        number=code,
        date=told_text(told.get("creationTime")),
        status=told_text(told_fields(told.get("status")).get("name")),
        total=told_amount(price.get("withVat")),
        currency=told_text(price.get("currencyCode")),
        url=told_text(told.get("adminUrl")),
        external_id=code,
    )
    return buyer, order


def id_of(item: object, name: str) -> str:
    """The id under ``name``; empty for what cannot be one."""
    id = told_text(told_fields(item).get(name))
    return id if len(id) <= LONGEST_ID else ""
