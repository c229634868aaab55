"""Requests whose proof cannot be read: wrong types, broken encodings, missing and nested values, bytes that are no text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from messages import Message

from app.sdk.simulation import Outgoing

SURROGATES = ("\ud800", "\udfff\ud800", "a\ud83d")
TEXTS: tuple[str, ...] = (
    "", " ", "=", "====", "A", "AAA=", "AB==CD==", "!!!!", "é" * 344, "\0", "\n", "%", "%zz", "null", "０" * 64, "z" * 64,
    "-1", "1e9", "1_700", "99999999999999999999999", "2026-01-01", "2026-13-45T99:99:99Z", "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59", "2026-01-15T12:00:00+99:99", "2026-W03-4", "A" * 1364, "A" * 1372, "f" * 63, "f" * 65,
    *SURROGATES,
)  # fmt: skip
LONG = "A" * 100_000
WRONG_TYPES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    [],
    {},
    [[]],
    {"a": {}},
    ["text"],
    [None, 1],
    {"": ""},
)
BODIES = (
    b"", b" ", b"null", b"true", b"0", b'"text"', b"[]", b"{", b"}", b"{}", b"[{}]", b"{,}", b'{"a"}', b'{"a":}', b"\xff\xfe",
    b"\xef\xbb\xbf{}", '{"token":"a"}'.encode("utf-16"), b'{"token":NaN}', b'{"token":Infinity}', b'{"token":1e999}',
    b'{"token":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}', b'{"a":"\\x"}', b"{'a':1}", b'{"a":1}{"a":1}', b'{"a":1,}', b"\x1f\x8b\x08",
    b"=", b"&", b"&&&=", b"a=%", b"a=%zz", b"%00=1", b"\0", b"register=", b"register=[]", b"register=%7B", b"clientId=%ff",
    b"register[token]=1", b"clientId", b"clientId=&activity=", b"--x\r\n\r\n--x--", b'{"a":"' + b"\xc3\x28" + b'"}',
)  # fmt: skip
DEEP = (b"[" * 100_000, b'{"a":' * 50_000, b'{"token":' + b"[" * 40 + b"]" * 40 + b"}", b"{" * 33)
HUGE = b'{"token":"' + b"a" * 300_000 + b'"}'
BEARERS = (
    "", "Bearer", "Bearer ", "bearer", "Basic YTpi", "Bearer  a", "Bearer a b", "Bearer a,Bearer b", "Bearer é", "Bearer \0",
    "Bearer a\n", "Digest a", "Bearer " + "a" * 513, "Bearer " + "a" * 50_000, "Token a", "\0", "Bearer\ta",
)  # fmt: skip
TYPES = (
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    ";;",
    "\xff",
)
LANGUAGES = ("", "xx", "cs;q=abc", ",,,;q", "*", "\xff", "a" * 5000)
QUERIES = (
    "", "&", "sig", "sig=&expires=", "sig=a&expires=b", "sig[]=1&expires[]=2", "expires=1", "sig=" + "0" * 64, "%", "%zz=%zz",
    "q=%ff&sig=%00&expires=%00", "q[a][b]=1&sig=1&expires=1", "a" * 9000, "&" * 2000, "q" + "[a]" * 70 + "=1", "a=1&" * 1001,
    "q=1&expires=1700000000&sig=" + "g" * 64, "expires=99999999999999&q=1&sig=" + "0" * 64, "\xff\xfe", "=", "[]=1", "q=1;sig=2",
)  # fmt: skip
STATES = (
    "",
    "state=",
    "state=%20",
    "state=%00",
    "state=%C3%A9",
    "state=a%20b",
    "state=" + "a" * 4097,
    "state[]=a",
    "state=a&state=b",
)


def malformed(messages: Sequence[Message], count: int, seed: int) -> Iterator[tuple[Message, str, Outgoing]]:
    """``count`` malformed requests, each with the genuine message that it was made of and a label."""
    rng = random.Random(seed)
    for number in range(count):
        message = messages[number % len(messages)]
        # What only the platform can check, nothing but its form can be wrong for us.
        yield (
            message,
            *(raw(message, rng) if message.spelling == "free" or rng.random() < 0.35 else fields(message, rng)),
        )


def fields(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """The proof, and perhaps more, replaced by what it can never be."""
    names = [message.proof, *(name for name in message.signed if rng.random() < 0.3)]
    values = {name: value_for(message, name, rng) for name in names}
    outgoing = message.changed(**values).outgoing()
    if values[message.proof] is None and message.proof == "key":
        outgoing = message.changed(key="none").outgoing()
    headers = {**outgoing.headers, **dressed(message, values, rng)}
    return f"{message.endpoint} {repr(values)[:100]}", Outgoing(outgoing.method, outgoing.path, headers, outgoing.body)


def value_for(message: Message, name: str, rng: random.Random) -> Any:
    """Text of the wrong shape anywhere; where a type can be wrong, that too; None takes the field away."""
    apart = name in ("key", "bearer") or message.endpoint.startswith("orlo/") or message.proof == "clientId"
    if rng.random() < 0.02:
        return LONG[: 5_000 if apart else None]
    if not apart and rng.random() < 0.5:
        return rng.choice(WRONG_TYPES)
    text = rng.choice((*TEXTS, str(message.fields[name])[:-1], str(message.fields[name]) + "\n", None))
    return text if text is None or name != "key" else text.replace("/", "") or "none"


def dressed(message: Message, values: dict[str, Any], rng: random.Random) -> dict[str, str]:
    """Odd headers; where the proof is one, a broken one."""
    headers = {"Accept-Language": rng.choice(LANGUAGES)} if rng.random() < 0.1 else {}
    if rng.random() < 0.1:
        headers["Content-Type"] = rng.choice(TYPES)
    if "bearer" in values:
        headers["Authorization"] = rng.choice(BEARERS)
    return headers


def raw(message: Message, rng: random.Random) -> tuple[str, Outgoing]:
    """A body or a query of bytes that mean nothing, at the genuine address."""
    genuine = message.outgoing()
    path = genuine.path.partition("?")[0]
    if genuine.method == "GET":
        query = rng.choice(STATES if message.endpoint == "wazzup/install" else QUERIES)
        return f"{message.endpoint}?{query[:60]}", Outgoing("GET", f"{path}?{query}", genuine.headers)
    body = rng.choice(BODIES) if rng.random() < 0.97 else rng.choice((*DEEP, HUGE))
    if rng.random() < 0.3:
        body = genuine.body[: rng.randrange(len(genuine.body) // 3)]
    return f"{message.endpoint} {body[:60]!r}", Outgoing("POST", path, genuine.headers, body)


def right_shape(message: Message, status: int, told: Any, media_type: str) -> bool:
    """Whether a refusal looks as this platform wants it."""
    text = told.get("message") or told.get("errorMsg") or told.get("error") if isinstance(told, dict) else ""
    page = media_type.startswith("text/html")
    said = isinstance(text, str) and text != ""
    match message.endpoint:
        case "retailcrm/install":
            return status == 200 and said and told == {"success": False, "errorMsg": text}
        case "retailcrm/activity":
            return status in (400, 403) and said and told == {"success": False, "errorMsg": text}
        case "retailcrm/open" | "wazzup/install" | "orlo/open":
            return status in (400, 403, 404) and page
        case "wazzup/webhook":
            return status in (400, 401, 404) and said and told == {"error": text}
        case "orlo/search":
            return (
                status in (400, 403, 404)
                and told == {"status": "error", "error": told.get("error")}
                and bool(told["error"])
            )
    return status in (400, 403) and told == {"error": True, "message": told.get("message")} and bool(told["message"])
