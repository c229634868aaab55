"""Strict readers: what a platform sent becomes values, or a `Malformed`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

from .errors import Malformed

DEEPEST = 32
MOST_FIELDS = 50
LONGEST_INTEGER = 20

_NO_BRACKETS = re.compile(r""""[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^"\[\]{}]++""", re.DOTALL)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNFIT_FOR_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def read_json(body: bytes) -> Any:
    """The JSON value of ``body``, in which every parser would see the same.

    Raises `Malformed` for anything but UTF-8 without a BOM, for a name given twice in one object, NaN and
    infinities (also by overflow), lone surrogates, integers beyond 20 characters and nesting beyond 32.
    """
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_object_of,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
        if "\\u" in text:  # only an escape can smuggle a lone surrogate past the decoding above
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError:
        raise Malformed("bad_json") from None  # the cause would carry the body
    return value


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that ``body`` holds, read by `read_json`; raises `Malformed` for any other value."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise Malformed("no_json_object")
    return value


def read_form(body: bytes) -> dict[str, str]:
    """The fields of an ``application/x-www-form-urlencoded`` body.

    Raises `Malformed` for a name given twice or empty, bad percent escapes, text that is no UTF-8, NUL, and
    more than 50 fields.
    """
    return _read_fields(body)


def read_query(raw: bytes) -> dict[str, str]:
    """The fields of a raw query string, by the rules of `read_form`."""
    return _read_fields(raw)


def text_field(fields: Mapping[str, Any], name: str, *, longest: int = 1000, empty: bool = False) -> str:
    """The text under ``name``, at most ``longest`` characters, free of control characters.

    Raises `Malformed` with the reason ``bad_<name>``; an empty text passes only with ``empty``.
    """
    value = fields.get(name)
    if (
        not isinstance(value, str)
        or not (value or empty)
        or len(value) > longest
        or _UNFIT_FOR_TEXT.search(value) is not None
    ):
        raise Malformed(f"bad_{name}", 'The value "%(name)s" is missing or malformed.', name=name)
    return value


def whole_number(text: str, *, digits: int = 12) -> int:
    """The number that 1 to ``digits`` ASCII digits spell, without sign or space. Raises `Malformed`."""
    # ``int`` alone would also take other scripts' digits, "1_700" and " 17 ".
    if re.fullmatch(f"[0-9]{{1,{digits}}}", text) is None:
        raise Malformed("bad_number")
    return int(text)


def unix_time(text: str) -> datetime:
    """Whole seconds since 1970 as an aware UTC time. Raises `Malformed`."""
    try:
        return datetime.fromtimestamp(whole_number(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed("bad_time") from error


def iso_time(text: str, zone: str = "UTC") -> datetime:
    """An ISO 8601 date and time in the extended format, as an aware UTC time.

    Takes ``Z``, ``+01:00``, ``+0100`` and fractions of a second (kept to the microsecond); without an offset
    the time is one of ``zone``, an IANA name. Raises `Malformed`.
    """
    if _ISO_TIME.fullmatch(text) is None:
        raise Malformed("bad_time")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, KeyError, OSError) as error:
        raise Malformed("bad_time") from error


def _check_depth(text: str) -> None:
    """Count the nesting before the recursive parser meets it."""
    depth = 0
    for bracket in _NO_BRACKETS.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise Malformed("json_too_deep")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("duplicate_key")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed("not_finite")


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise Malformed("number_too_long")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Malformed("not_finite")
    return value


def _read_fields(raw: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    pieces = [piece for piece in raw.split(b"&") if piece]
    if len(pieces) > MOST_FIELDS:
        raise Malformed("too_many_fields")
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        key = _unescape(name)
        if not key:
            raise Malformed("field_without_name")
        if key in fields:
            raise Malformed("duplicate_field")
        fields[key] = _unescape(value)
    return fields


def _unescape(piece: bytes) -> str:
    if _BAD_ESCAPE.search(piece):
        raise Malformed("bad_escape")
    plain = unquote_to_bytes(piece.replace(b"+", b" "))
    if b"\0" in plain:
        raise Malformed("nul_in_field")
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not_utf8") from None
