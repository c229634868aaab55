"""What no proof, body, header or query can be: wrong types, broken encodings, nested and endless values."""

from __future__ import annotations

from typing import Any

SURROGATES = ("\ud800", "\udfff\ud800", "a\ud83d")
TEXTS: tuple[str, ...] = (
    "", " ", "=", "====", "A", "AAA=", "AB==CD==", "!!!!", "é" * 344, "\0", "\n", "%", "%zz", "null", "０" * 64,
    "z" * 64, "-1", "1e9", "1_700", "99999999999999999999999", "2026-01-01", "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-01-15T12:00:00+99:99", "2026-W03-4", "A" * 1364,
    "A" * 1372, "f" * 63, "f" * 65, *SURROGATES,
)  # fmt: skip
LONG = "A" * 100_000
WRONG_TYPES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, [], {}, [[]], {"a": {}}, ["text"], [None, 1], {"": ""},
)  # fmt: skip
BODIES = (
    b"", b" ", b"null", b"true", b"0", b'"text"', b"[]", b"{", b"}", b"{}", b"[{}]", b"{,}", b'{"a"}', b'{"a":}',
    b"\xff\xfe", b"\xef\xbb\xbf{}", '{"token":"a"}'.encode("utf-16"), b'{"token":NaN}', b'{"token":Infinity}',
    b'{"token":1e999}', b'{"token":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}', b'{"a":"\\x"}', b"{'a':1}",
    b'{"a":1}{"a":1}', b'{"a":1,}', b"\x1f\x8b\x08", b"=", b"&", b"&&&=", b"a=%", b"a=%zz", b"%00=1", b"\0",
    b"register=", b"register=[]", b"register=%7B", b"clientId=%ff", b"register[token]=1", b"clientId",
    b"clientId=&activity=", b"--x\r\n\r\n--x--", b'{"a":"' + b"\xc3\x28" + b'"}',
)  # fmt: skip
DEEP = (b"[" * 100_000, b'{"a":' * 50_000, b'{"token":' + b"[" * 40 + b"]" * 40 + b"}", b"{" * 33)
HUGE = b'{"token":"' + b"a" * 300_000
BEARERS = (
    "", "Bearer", "Bearer ", "bearer", "Basic YTpi", "Bearer  a", "Bearer a b", "Bearer a,Bearer b", "Bearer é",
    "Bearer \0", "Bearer a\n", "Digest a", "Bearer " + "a" * 513, "Bearer " + "a" * 50_000, "Token a", "\0",
    "Bearer\ta",
)  # fmt: skip
TYPES = (
    "", "text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "multipart/form-data",
    ";;", "\xff",
)  # fmt: skip
LANGUAGES = ("", "xx", "cs;q=abc", ",,,;q", "*", "\xff", "a" * 5000)
QUERIES = (
    "", "&", "sig", "sig=&expires=", "sig=a&expires=b", "sig[]=1&expires[]=2", "expires=1", "sig=" + "0" * 64, "%",
    "%zz=%zz", "q=%ff&sig=%00&expires=%00", "q[a][b]=1&sig=1&expires=1", "a" * 9000, "&" * 2000,
    "q" + "[a]" * 70 + "=1", "a=1&" * 1001, "q=1&expires=1700000000&sig=" + "g" * 64,
    "expires=99999999999999&q=1&sig=" + "0" * 64, "\xff\xfe", "=", "[]=1", "q=1;sig=2",
)  # fmt: skip
STATES = (
    "", "state=", "state=%20", "state=%00", "state=%C3%A9", "state=a%20b", "state=" + "a" * 4097, "state[]=a",
    "state=a&state=b",
)  # fmt: skip
