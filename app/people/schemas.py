"""The form of one line of an import."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from app.people.rows import LENGTHS, LONGEST_ID, MOST_ORDERS, ORDER_LENGTHS

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_WEB = validate.Regexp(r"(?i)(https?://\S+)?\Z", error="Must begin with http:// or https://.")
_CURRENCY = validate.Regexp(r"([A-Z]{3})?\Z", error="Must be three capital letters, as in ISO 4217.")


def check_iso_time(text: str) -> None:
    """Raises `ValidationError` unless the text is an ISO 8601 date or time, or empty."""
    try:
        datetime.fromisoformat(text or "2000-01-01")
    except ValueError:
        raise ValidationError("Must be a date or a time in ISO 8601.") from None
    if text and text[4] != "-":
        raise ValidationError("Must be written as YYYY-MM-DD.")


def check_filled(text: str) -> None:
    """Raises `ValidationError` for a blank text."""
    if not text.strip() or "\0" in text:
        raise ValidationError("Must not be blank.")


class Amount(fields.Field[str]):
    """A decimal as text, or as a JSON number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else "?"
        if text and not _AMOUNT.fullmatch(text):
            raise ValidationError("Must be a decimal such as 1290.50.")
        return text


def text(longest: int, *checks: Any, required: bool = False) -> fields.String:
    """A field of text."""
    return fields.String(required=required, validate=[validate.Length(max=longest), *checks])


class LineOrderSchema(Schema):
    """One order in a line."""

    number = text(ORDER_LENGTHS["number"], check_filled, required=True)
    date = text(ORDER_LENGTHS["date"], check_iso_time)
    status = text(ORDER_LENGTHS["status"])
    total = Amount()
    currency = text(ORDER_LENGTHS["currency"], _CURRENCY)
    url = text(ORDER_LENGTHS["url"], _WEB)
    external_id = text(ORDER_LENGTHS["external_id"])
    closed = fields.Boolean(truthy={True}, falsy={False})


class LineSchema(Schema):
    """One person; unknown keys are refused. ``messages``, which an export has, are not imported."""

    external_id = text(LONGEST_ID, check_filled, required=True)
    name = text(LENGTHS["name"], check_filled, required=True)
    email = text(LENGTHS["email"])
    phone = text(LENGTHS["phone"])
    company = text(LENGTHS["company"])
    url = text(LENGTHS["url"], _WEB)
    note = text(LENGTHS["note"])
    updated_at = text(LENGTHS["updated_at"], check_iso_time)
    orders = fields.List(fields.Nested(LineOrderSchema), validate=validate.Length(max=MOST_ORDERS))
    messages = fields.List(fields.Raw())
