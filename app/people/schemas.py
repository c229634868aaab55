"""The form of one line of an import: one that somebody wrote, or one that an export wrote of what a shop told."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from app.people.rows import LENGTHS, LONGEST_ID, ORDER_LENGTHS

MOST_ORDERS = 1000
LONGEST_SOURCE = 32

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


def as_told(longest: int, **more: Any) -> fields.String:
    """A field of text that a shop told, whatever it says."""
    return fields.String(validate=validate.Length(max=longest), **more)


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
    """One person as somebody wrote it; unknown keys are refused. ``messages`` are not imported."""

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


class ToldOrderSchema(Schema):
    """One order as an export wrote it."""

    number = as_told(ORDER_LENGTHS["number"], load_default="")
    date = as_told(ORDER_LENGTHS["date"])
    status = as_told(ORDER_LENGTHS["status"])
    total = as_told(ORDER_LENGTHS["total"])
    currency = as_told(ORDER_LENGTHS["currency"])
    url = as_told(ORDER_LENGTHS["url"])
    external_id = as_told(ORDER_LENGTHS["external_id"])
    closed = fields.Boolean(truthy={True}, falsy={False})


class ToldSchema(Schema):
    """One person as an export wrote it, or more of the person on the line before."""

    external_id = text(LONGEST_ID, check_filled, required=True)
    source = text(LONGEST_SOURCE, check_filled, required=True)
    known_as = fields.String()
    continued = fields.Boolean(truthy={True}, falsy={False})
    name = as_told(LENGTHS["name"], load_default="")
    email = as_told(LENGTHS["email"])
    phone = as_told(LENGTHS["phone"])
    company = as_told(LENGTHS["company"])
    url = as_told(LENGTHS["url"])
    note = as_told(LENGTHS["note"])
    updated_at = as_told(LENGTHS["updated_at"])
    orders = fields.List(fields.Nested(ToldOrderSchema))
    messages = fields.List(fields.Raw())
