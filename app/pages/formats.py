"""How a shop's values are written on a page: dates and sums by the reader's language, links that are safe to press."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from flask import Flask, g, request

from app.pages.language import current

# Everything else, ``javascript:`` above all, is shown as text or not at all.
_WEB = re.compile(r"https?://[^\s/?#@\\\x00-\x1f\x7f]+(?:[/?#][^\s\x00-\x1f\x7f]*)?", re.IGNORECASE | re.ASCII)
_MAIL = re.compile(r"[\w.!#$'*+/=^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./\u00a0-]{2,30}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Beyond it a number is nobody's order, and would take megabytes to write out.
_LARGEST = 15
# The readers of our English are Europeans: the day stands before the month.
_WRITTEN = {"en": Locale("en", "GB")}


def written_date(value: str | date) -> str:
    """The day as the reader's language writes it; any other text as it stands.

    A moment of ours falls on the reader's day; what a shop told stays in the zone in which it was told.
    """
    if isinstance(value, datetime):
        return str(format_date(value.astimezone(told_zone() or UTC), "medium", locale=manners()))
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return str(value)
    return str(format_date(moment, "medium", locale=manners()))


def written_moment(value: datetime) -> str:
    """The day and the time where the reader is; in UTC, which it says, where nobody told us."""
    here = told_zone()
    written = format_datetime(value, "medium" if here is None else "short", tzinfo=here or UTC, locale=manners())
    return str(written) if here else f"{written} UTC"


def told_zone() -> ZoneInfo | None:
    """The time zone that the workspace chose, else the one that the reader's browser tells."""
    told = (g.visitor.zone if "visitor" in g else "") or request.headers.get("X-Time-Zone", "")
    try:
        return ZoneInfo(told) if told else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def written_number(value: int) -> str:
    """The number with the language's own marks."""
    return str(format_decimal(value, locale=manners()))


def written_sum(total: str, currency: str) -> str:
    """The sum with its currency; a text that is no number as it stands."""
    try:
        number = Decimal(total)
    except InvalidOperation:
        return f"{total} {currency}".strip()
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST:
        return f"{total} {currency}".strip()
    if _CURRENCY.fullmatch(currency):
        # Where a currency has no sign of its own, its code would stick to the number.
        return re.sub(r"(?<=[A-Z])(?=\d)", "\u00a0", format_currency(number, currency, locale=manners()))
    return f"{format_decimal(number, locale=manners())} {currency}".strip()


def manners() -> Locale:
    """The locale whose dates and numbers this answer uses."""
    return _WRITTEN.get(current().language, current())


def web_link(url: str) -> str:
    """The address when it leads to a web page and names no user; empty for every other one."""
    return url if _WEB.fullmatch(url) else ""


def mail_link(email: str) -> str:
    """A ``mailto:`` link to one plain address, without room for further headers; empty when it is none."""
    return f"mailto:{quote(email, safe='@')}" if _MAIL.fullmatch(email) else ""


def phone_link(phone: str) -> str:
    """A ``tel:`` link; empty when the text is no phone number."""
    return "tel:" + re.sub("[^0-9+]", "", phone) if _PHONE.fullmatch(phone) else ""


def initials(name: str) -> str:
    """One or two letters that stand for a name."""
    letters = [word[0] for word in name.split() if word[0].isalpha()]
    return "".join(letters[:1] + letters[1:][-1:]).upper()


def init_app(app: Flask) -> None:
    """Offers every function of this module as a filter of the templates."""
    for function in (
        written_date,
        written_moment,
        written_number,
        written_sum,
        web_link,
        mail_link,
        phone_link,
        initials,
    ):
        app.jinja_env.filters[function.__name__] = function
