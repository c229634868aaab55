"""PHP's ``parse_str`` and ``http_build_query``, byte for byte, for platforms that sign what the two make of a query.

Measured against PHP 8.2 with its default settings; everything works on bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote_plus, unquote_to_bytes

from .errors import Malformed

PhpKey: TypeAlias = int | bytes
PhpArray: TypeAlias = "dict[PhpKey, bytes | PhpArray]"

MOST_VARIABLES = 1000  # max_input_vars
DEEPEST = 64  # max_input_nesting_level
LARGEST_INTEGER = 2**63 - 1

_INTEGER_KEY = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_OPENING = re.compile(rb"\[[ \t\n\v\f\r]?(\])?")
_NAME_TO_UNDERSCORE = bytes.maketrans(b" .[", b"___")


def parse_php_query(raw: bytes, *, unique: bool = True) -> PhpArray:
    """The array that PHP's ``parse_str`` makes of a raw query: names and values as bytes, integer-like names as int.

    With ``unique`` a value that would replace another is refused (``duplicate_parameter``); without, the
    last one stands, as in PHP. Raises `Malformed` also where PHP would silently drop input: above 1,000
    variables or 64 levels.
    """
    result: PhpArray = {}
    pieces = [piece for piece in raw.partition(b"\0")[0].split(b"&") if piece]
    if len(pieces) > MOST_VARIABLES:
        raise Malformed("too_many_parameters")
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        path = _path(_unescape(name))
        if path:
            _store(result, path, _unescape(value), unique)
    return result


def build_php_query(values: Mapping[Any, Any]) -> bytes:
    """What PHP's ``http_build_query`` writes for ``values``: bytes, text (as UTF-8), integers and nested mappings."""
    return b"&".join(_pairs(values))


def _path(name: bytes) -> list[bytes | None]:
    """The keys that a decoded name leads through; None stands for the next free index, no key for a name to drop."""
    name = name.partition(b"\0")[0].lstrip(b" ")
    head = name.partition(b"[")[0]
    if not head:
        return []
    path: list[bytes | None] = [head.translate(_NAME_TO_UNDERSCORE)]
    position = len(head)
    while opening := _OPENING.match(name, position):
        if len(path) > DEEPEST:
            raise Malformed("too_many_levels")
        # One white space after the bracket is looked over, but belongs to the key where there is one.
        end = name.find(b"]", opening.end() - len(opening[1] or b""))
        if end < 0:
            # An unclosed first bracket is part of the name; a later one ends the name.
            return path if len(path) > 1 else [name.translate(_NAME_TO_UNDERSCORE)]
        path.append(None if opening[1] else name[position + 1 : end])
        position = end + 1
    return path


def _store(array: PhpArray, path: Sequence[bytes | None], value: bytes, unique: bool) -> None:
    """Put ``value`` where ``path`` leads, making the arrays on the way."""
    for step in path[:-1]:
        key = _key(array, step)
        if key is None:
            return
        inner = array.get(key)
        if not isinstance(inner, dict):
            _check_free(array, key, unique)
            inner = array[key] = {}
        array = inner
    key = _key(array, path[-1])
    if key is not None:
        _check_free(array, key, unique)
        array[key] = value


def _key(array: PhpArray, step: bytes | None) -> PhpKey | None:
    """The key as PHP keeps it; None when the array has no free index any more."""
    if step is None:
        following = max((key for key in array if isinstance(key, int)), default=-1) + 1
        return following if following <= LARGEST_INTEGER else None
    if _INTEGER_KEY.fullmatch(step) and -LARGEST_INTEGER - 1 <= int(step) <= LARGEST_INTEGER:
        return int(step)
    return step


def _check_free(array: PhpArray, key: PhpKey, unique: bool) -> None:
    if unique and key in array:
        raise Malformed("duplicate_parameter")


def _unescape(piece: bytes) -> bytes:
    """Decode like PHP: ``+`` is a space, an invalid escape stays as it is."""
    return unquote_to_bytes(piece.replace(b"+", b" "))


def _pairs(values: Mapping[Any, Any], before: bytes = b"", after: bytes = b"") -> Iterator[bytes]:
    """The ``name=value`` pieces of one array, each key put between ``before`` and ``after``."""
    for key, value in values.items():
        name = before + _escape(key) + after
        if isinstance(value, Mapping):
            yield from _pairs(value, name + b"%5B", b"%5D")
        else:
            yield name + b"=" + _escape(value)


def _escape(value: bytes | str | int) -> bytes:
    plain = value if isinstance(value, bytes) else str(value).encode("utf-8")
    return quote_plus(plain, safe="").replace("~", "%7E").encode("ascii")
