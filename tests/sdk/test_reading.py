"""The strict readers: what they take, what they refuse, and what a plain parser would have let through."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sdk import (
    Malformed,
    iso_time,
    read_form,
    read_json,
    read_object,
    read_query,
    text_field,
    unix_time,
    whole_number,
)
from app.sdk import reading as module

thorough = settings(max_examples=400, deadline=None, derandomize=True, database=None)


def reason_of(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(Malformed) as caught:
        call(*arguments, **options)
    return caught.value.reason


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}, id="all kinds"),
        pytest.param('"žluťoučký Ω 😀"'.encode(), "žluťoučký Ω 😀", id="utf-8"),
        pytest.param(b'"\\ud83d\\ude00"', "😀", id="escaped pair"),
        pytest.param(b'{"a": {"x": 1}, "b": {"x": 2}}', {"a": {"x": 1}, "b": {"x": 2}}, id="same name elsewhere"),
        pytest.param(b"[" * 32 + b"]" * 32, None, id="32 deep"),
        pytest.param(b'"[[[[\\"[[[[' + b"[" * 40 + b'\\\\"', None, id="brackets in text"),
        pytest.param(b"[" + b"[]," * 99 + b"[]]", None, id="many beside each other"),
        pytest.param(b"-9223372036854775808", -(2**63), id="64-bit integer"),
        pytest.param(b" \n1 \t", 1, id="white space around"),
    ],
)
def test_json_is_read(body: bytes, value: Any) -> None:
    assert read_json(body) == (json.loads(body) if value is None else value)


REFUSED_JSON = [
    pytest.param(b'{"a": 1, "a": 2}', "duplicate_key", id="name twice"),
    pytest.param(b'{"a": 1, "\\u0061": 2}', "duplicate_key", id="name twice, once escaped"),
    pytest.param(b'[{"x": [{"a": 1, "a": 1}]}]', "duplicate_key", id="name twice, deep inside"),
    pytest.param(b"[NaN]", "not_finite", id="NaN"),
    pytest.param(b"Infinity", "not_finite", id="infinity"),
    pytest.param(b"-Infinity", "not_finite", id="minus infinity"),
    pytest.param(b"1e999", "not_finite", id="overflow to infinity"),
    pytest.param(b'"\\ud800"', "bad_json", id="lone surrogate"),
    pytest.param(b'{"\\uDC00": 1}', "bad_json", id="lone surrogate in a name"),
    pytest.param(b"9" * 21, "number_too_long", id="21 digits"),
    pytest.param(b"[" * 33 + b"]" * 33, "json_too_deep", id="33 deep"),
    pytest.param(b'["\\\\", ' * 33 + b"1" + b"]" * 33, "json_too_deep", id="deep between texts"),
    pytest.param('{"a": 1}'.encode("utf-16"), "bad_json", id="utf-16 with BOM"),
    pytest.param('{"a": 1}'.encode("utf-16-le"), "bad_json", id="utf-16"),
]
# A plain parser refuses these as well, the deep ones by a crash.
REFUSED_BY_ALL = [
    pytest.param(b"[" * 100_000, "json_too_deep", id="100,000 deep"),
    pytest.param(b'{"a":' * 100_000, "json_too_deep", id="100,000 objects deep"),
    pytest.param(b"9" * 5000, "number_too_long", id="5,000 digits"),
    pytest.param(b'"\xed\xa0\x80"', "bad_json", id="surrogate in bytes"),
    pytest.param(b'"\xff"', "bad_json", id="no utf-8"),
    pytest.param(b'"a\x01"', "bad_json", id="raw control character"),
    pytest.param(b"", "bad_json", id="nothing"),
    pytest.param(b"{}{}", "bad_json", id="two values"),
    pytest.param(b"{'a': 1}", "bad_json", id="single quotes"),
    pytest.param(b"[1,]", "bad_json", id="trailing comma"),
    pytest.param("\uff11\uff17".encode(), "bad_json", id="full-width digits"),
    pytest.param(b'\xef\xbb\xbf{"a": 1}x', "bad_json", id="BOM and junk"),
]


@pytest.mark.parametrize(("body", "reason"), [*REFUSED_JSON, *REFUSED_BY_ALL])
def test_json_is_refused(body: bytes, reason: str) -> None:
    assert reason_of(read_json, body) == reason


def test_a_byte_order_mark_is_refused() -> None:
    assert reason_of(read_json, b'\xef\xbb\xbf{"a": 1}') == "bad_json"
    assert json.loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(("body", "reason"), REFUSED_JSON)
def test_control_a_plain_parser_takes_what_is_refused(body: bytes, reason: str) -> None:
    json.loads(body)
    assert reason


def test_control_without_the_depth_check_the_parser_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_check_depth", lambda text: None)
    with pytest.raises(RecursionError):
        read_json(b"[" * 100_000)


def test_control_without_the_duplicate_check_the_last_value_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_object_of", dict)
    assert read_json(b'{"a": 1, "a": 2}') == {"a": 2}


def test_a_refusal_carries_nothing_of_the_body() -> None:
    with pytest.raises(Malformed) as caught:
        read_json(b'{"apiKey": "very-secret"')
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "very-secret" not in repr(caught.value)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true"])
def test_an_object_is_asked_for(body: bytes) -> None:
    assert read_object(b'{"a": 1}') == {"a": 1}
    assert reason_of(read_object, body) == "no_json_object"


@pytest.mark.parametrize("read", [read_form, read_query])
@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        pytest.param(b"", {}, id="nothing"),
        pytest.param(b"a=1&b=2", {"a": "1", "b": "2"}, id="two"),
        pytest.param(b"a=x+y%2Bz", {"a": "x y+z"}, id="plus"),
        pytest.param(b"a&b=", {"a": "", "b": ""}, id="empty values"),
        pytest.param(b"a=b=c", {"a": "b=c"}, id="equals sign in the value"),
        pytest.param(b"%C5%BE=\xc5\xbe", {"ž": "ž"}, id="utf-8 escaped and raw"),
        pytest.param(b"&a=1&&", {"a": "1"}, id="empty pieces"),
        pytest.param(b"a=1;b=2", {"a": "1;b=2"}, id="semicolon separates nothing"),
        pytest.param(b"&".join(b"f%d" % i for i in range(50)), {f"f{i}": "" for i in range(50)}, id="50 fields"),
    ],
)
def test_fields_are_read(read: Callable[[bytes], dict[str, str]], raw: bytes, fields: dict[str, str]) -> None:
    assert read(raw) == fields


@pytest.mark.parametrize("read", [read_form, read_query])
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"a=1&a=1", "duplicate_field", id="twice"),
        pytest.param(b"a=1&%61=2", "duplicate_field", id="twice, once escaped"),
        pytest.param(b"a=%zz", "bad_escape", id="no hex"),
        pytest.param(b"a=%4", "bad_escape", id="cut escape"),
        pytest.param(b"a%=1", "bad_escape", id="escape in the name"),
        pytest.param(b"a=%ff", "not_utf8", id="no utf-8"),
        pytest.param(b"a=%ED%A0%80", "not_utf8", id="surrogate"),
        pytest.param(b"a=%C0%AF", "not_utf8", id="overlong"),
        pytest.param(b"a=\0", "nul_in_field", id="raw NUL"),
        pytest.param(b"a%00=1", "nul_in_field", id="escaped NUL"),
        pytest.param(b"=1", "field_without_name", id="no name"),
        pytest.param(b"&".join(b"f%d" % i for i in range(51)), "too_many_fields", id="51 fields"),
    ],
)
def test_fields_are_refused(read: Callable[[bytes], dict[str, str]], raw: bytes, reason: str) -> None:
    assert reason_of(read, raw) == reason


def test_control_a_plain_query_parser_takes_the_first_of_two() -> None:
    assert parse_qs("a=1&%61=2&b=%zz&c=%ff")["a"][0] == "1"


@pytest.mark.parametrize(
    "value",
    [None, 1, True, ["x"], {"x": 1}, "", "x" * 11, "a\nb", "a\0", "\x7f", "\x1f", "\ud800"],
    ids=repr,
)
def test_a_text_field_is_refused(value: object) -> None:
    with pytest.raises(Malformed) as caught:
        text_field({"token": value}, "token", longest=10)
    assert caught.value.reason == "bad_token"
    assert caught.value.message % caught.value.params == 'The value "token" is missing or malformed.'


def test_a_text_field_is_read() -> None:
    assert text_field({"a": "x" * 10}, "a", longest=10) == "x" * 10
    assert text_field({"a": " ž;😀"}, "a") == " ž;😀"
    assert text_field({"a": ""}, "a", empty=True) == ""
    assert reason_of(text_field, {}, "a", empty=True) == "bad_a"
    assert text_field({"a": "x" * 1000}, "a")
    assert reason_of(text_field, {"a": "x" * 1001}, "a") == "bad_a"


NO_NUMBERS = [
    "",
    "\uff11\uff17",
    "\u0661\u0667",
    "1_700",
    " 17",
    "17 ",
    "17\n",
    "+17",
    "-17",
    "1.0",
    "1e3",
    "0x1",
    "1" * 13,
]


@pytest.mark.parametrize("text", NO_NUMBERS, ids=repr)
def test_a_whole_number_is_refused(text: str) -> None:
    assert reason_of(whole_number, text) == "bad_number"
    assert reason_of(unix_time, text) == "bad_number"


def test_a_whole_number_is_read() -> None:
    assert whole_number("007") == 7
    assert whole_number("9" * 12) == 999_999_999_999
    assert reason_of(whole_number, "1234", digits=3) == "bad_number"


def test_control_int_takes_most_of_the_refused_numbers() -> None:
    assert [int(text) for text in ("\uff11\uff17", "\u0661\u0667", "17\n", "+17")] == [17] * 4
    assert int("1_700") == 1700


def test_unix_time() -> None:
    assert unix_time("1500472622") == datetime(2017, 7, 19, 13, 57, 2, tzinfo=UTC)
    assert unix_time("0") == datetime(1970, 1, 1, tzinfo=UTC)
    assert reason_of(unix_time, "9" * 12) == "bad_time"


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2030-01-01T12:00:00Z", "UTC", datetime(2030, 1, 1, 12, tzinfo=UTC)),
        ("2030-01-01T12:00:00+01:00", "UTC", datetime(2030, 1, 1, 11, tzinfo=UTC)),
        ("2030-01-01T12:00:00-0230", "UTC", datetime(2030, 1, 1, 14, 30, tzinfo=UTC)),
        ("2030-01-01T12:00:00.25Z", "UTC", datetime(2030, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("2030-01-01T12:00:00.123456789Z", "UTC", datetime(2030, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2030-01-01T12:00:00", "UTC", datetime(2030, 1, 1, 12, tzinfo=UTC)),
        ("2030-01-01T12:00:00", "Europe/Prague", datetime(2030, 1, 1, 11, tzinfo=UTC)),
        ("2030-07-01T12:00:00", "Europe/Prague", datetime(2030, 7, 1, 10, tzinfo=UTC)),
        ("2030-01-01T12:00:00Z", "Europe/Prague", datetime(2030, 1, 1, 12, tzinfo=UTC)),
    ],
)
def test_iso_time(text: str, zone: str, moment: datetime) -> None:
    read = iso_time(text, zone)
    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2030-01-01",
        "20300101T120000Z",
        "2030-01-01 12:00:00Z",
        "2030-01-01T12:00:00 01:00",
        "2030-01-01T12:00Z",
        "2030-W01-1T12:00:00Z",
        "2030-01-01T12:00:00z",
        "2030-01-01T12:00:00Z\n",
        " 2030-01-01T12:00:00Z",
        "2030-01-01T12:00:00+01",
        "2030-01-01T12:00:00.Z",
        "\uff12030-01-01T12:00:00Z",
        "2030-02-30T12:00:00Z",
        "2030-01-01T24:00:01Z",
        "2030-01-01T12:00:60Z",
        "2030-01-01T12:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1500472622",
    ],
    ids=repr,
)
def test_no_iso_time(text: str) -> None:
    assert reason_of(iso_time, text) == "bad_time"


@pytest.mark.parametrize("zone", ["Nowhere/City", "../etc/passwd", "", "Europe", "\0"], ids=repr)
def test_no_zone(zone: str) -> None:
    assert reason_of(iso_time, "2030-01-01T12:00:00", zone) == "bad_time"


def test_control_the_standard_parser_takes_half_a_time() -> None:
    assert datetime.fromisoformat("2030-01-01").tzinfo is None
    assert datetime.fromisoformat("20300101T120000Z").year == 2030


json_like = st.one_of(
    st.binary(max_size=200),
    st.text(st.sampled_from('{}[]",:\\ud80019eE.-+ntfNI \n\0ž'), max_size=60).map(lambda text: text.encode()),
    st.integers(0, 3000).map(lambda depth: b"[" * depth + b"]" * depth),
)
form_like = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"a", b"=", b"&", b"%", b"%41", b"%ff", b"+", b"\0"]), max_size=80).map(b"".join),
)
time_like = st.one_of(
    st.text(max_size=30),
    st.text(st.sampled_from("0123456789-:TZ+."), max_size=30),
    st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", fullmatch=True),
)


def only_refuses(call: Callable[..., Any], *arguments: Any) -> None:
    with suppress(Malformed):
        call(*arguments)


@thorough
@given(json_like)
def test_json_only_ever_refuses(body: bytes) -> None:
    only_refuses(read_json, body)
    only_refuses(read_object, body)


@thorough
@given(form_like)
def test_fields_only_ever_refuse(raw: bytes) -> None:
    only_refuses(read_form, raw)


@thorough
@given(time_like, st.sampled_from(["UTC", "Europe/Prague", "America/New_York", "x"]))
def test_times_only_ever_refuse(text: str, zone: str) -> None:
    only_refuses(iso_time, text, zone)
    only_refuses(unix_time, text)


@thorough
@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(), lambda inner: st.lists(inner))
)
def test_what_json_writes_is_read(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value
