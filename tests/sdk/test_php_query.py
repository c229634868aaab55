"""The port of PHP's ``parse_str`` and ``http_build_query`` against PHP itself and against frozen answers of PHP."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sdk import Malformed, build_php_query, hmac_hex, parse_php_query

FROZEN = json.loads((Path(__file__).parent / "php_queries.json").read_text())["cases"]

# One process reads queries as lines of hex; it answers what it would sign and the array itself with its types.
PHP = """while (($line = fgets(STDIN)) !== false) {
    $array = [];
    parse_str(hex2bin(rtrim($line)), $array);
    echo bin2hex(http_build_query($array)), ' ', bin2hex(serialize($array)), "\\n";
}"""

PIECES = [
    *(b"a", b"b", b"q", b"=", b"=", b"=", b"&", b"&", b"&", b"[", b"]", b"[]", b"[x]", b"[0]", b"[-5]", b"[007]"),
    *(b".", b" ", b"+", b"%20", b"%5B", b"%5D", b"%5b", b"%zz", b"%", b"%4", b"%2e", b"%00", b"\x00", b"~", b"*"),
    *(b"(", b")", b"%C5%BE", b"\xc5\xbe", b"\xff", b"'", b'"', b";", b"_", b"-", b"%2B", b"%26", b"%3D", b"%25"),
    *(b"9223372036854775807", b"9223372036854775806", b"9223372036854775808", b"-9223372036854775808"),
    *(b"-9223372036854775809", b"99999999999999999999", b"18446744073709551617", b"0", b"-0", b"1", b"12", b"-1"),
    *(b"%09", b"\t", b"\n", b"\r", b"\x0b", b"\x0c", b"%85", b"\xa0", b"this", b"GLOBALS", b"expires=1500472622"),
]
NAMES = [b"a", b"b", b"a.b", b" a", b"0", b"5", b"q", b"a+b"]
INDICES = [
    *(b"[]", b"[x]", b"[0]", b"[5]", b"[-3]", b"[ ]", b"[ x]", b"[  ]", b"[\t]", b"[x", b"[b.c]", b"[x]y", b"[[]"),
    *(b"[]]", b"[9223372036854775807]", b"[9223372036854775806]", b"%5B%5D", b"%5Bx%5D"),
]
VALUES = [b"=", b"=1", b"", b"=%zz", b"=a+b", b"=~*()", b"=x=y", b"=%C5%BE"]


def hostile_queries(count: int, seed: int) -> list[bytes]:
    """Half of them loose rubble, half of them parameters with odd names."""
    draw = random.Random(seed)

    def rubble() -> bytes:
        return b"".join(draw.choices(PIECES, k=draw.randint(0, 14)))

    def parameter() -> bytes:
        return draw.choice(NAMES) + b"".join(draw.choices(INDICES, k=draw.randint(0, 3))) + draw.choice(VALUES)

    return [
        rubble() if number % 2 else b"&".join(parameter() for _ in range(draw.randint(1, 6))) for number in range(count)
    ]


def ask_php(queries: list[bytes]) -> list[tuple[bytes, bytes]]:
    php = shutil.which("php")
    if php is None:
        pytest.skip("PHP is not installed: the frozen answers are checked instead")
    lines = "".join(query.hex() + "\n" for query in queries)
    # -n: PHP's built-in defaults, whatever this machine's php.ini says
    done = subprocess.run([php, "-n", "-r", PHP], input=lines, capture_output=True, text=True, check=True)
    answers = [line.split(" ") for line in done.stdout.split("\n")[:-1]]
    return [(bytes.fromhex(built), bytes.fromhex(serialized)) for built, serialized in answers]


def serialize(value: object) -> bytes:
    """PHP's ``serialize``: shows whether a key is an integer or a string."""
    if isinstance(value, int):
        return b"i:%d;" % value
    if isinstance(value, bytes):
        return b's:%d:"%s";' % (len(value), value)
    assert isinstance(value, Mapping)
    return b"a:%d:{%s}" % (len(value), b"".join(serialize(key) + serialize(inner) for key, inner in value.items()))


def rebuild(query: bytes) -> bytes:
    return build_php_query(parse_php_query(query, unique=False))


def naive(query: bytes) -> bytes:
    return urlencode(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True)).encode()


def test_the_port_repeats_php() -> None:
    queries = hostile_queries(6000, seed=20_300_101)
    for query, (built, serialized) in zip(queries, ask_php(queries), strict=True):
        array = parse_php_query(query, unique=False)
        assert (build_php_query(array), serialize(array)) == (built, serialized), query


def test_the_frozen_answers_are_still_those_of_php() -> None:
    queries = [query.encode("latin-1") for query, _ in FROZEN]
    assert [built.decode("latin-1") for built, _ in ask_php(queries)] == [built for _, built in FROZEN]


def test_the_port_repeats_the_frozen_answers() -> None:
    assert len(FROZEN) >= 300
    for query, built in FROZEN:
        assert rebuild(query.encode("latin-1")).decode("latin-1") == built, query


def test_control_a_naive_port_fails() -> None:
    wrong = [query for query, built in FROZEN if naive(query.encode("latin-1")) != built.encode("latin-1")]
    assert len(wrong) > 150
    assert naive(b"q=~x") != rebuild(b"q=~x") == b"q=%7Ex"


@pytest.mark.parametrize(
    ("query", "array"),
    [
        (b"", {}),
        (b"q=red&expires=1500472622", {b"q": b"red", b"expires": b"1500472622"}),
        (b"a[]=1&a[]=2", {b"a": {0: b"1", 1: b"2"}}),
        (b"a[x][y]=1&a[x][z]=2", {b"a": {b"x": {b"y": b"1", b"z": b"2"}}}),
        (b"b.c=1&d%20e=2&++f=3&X=4", {b"b_c": b"1", b"d_e": b"2", b"f": b"3", b"X": b"4"}),
        (b"a[b=1&c]=2", {b"a_b": b"1", b"c]": b"2"}),
        (b"5=1&05=2&a[-1]=3", {5: b"1", b"05": b"2", b"a": {-1: b"3"}}),
        (b"q&r=&=x&[y]=1", {b"q": b"", b"r": b""}),
        (b"q=%zz%4&s=\xff%fe", {b"q": b"%zz%4", b"s": b"\xff\xfe"}),
    ],
    ids=repr,
)
def test_arrays(query: bytes, array: object) -> None:
    assert parse_php_query(query) == array


@pytest.mark.parametrize(
    "query",
    [
        b"q=1&q=2",
        b"q=1&q=1",
        b"q=1&%71=2",
        b"b.c=1&b_c=2",
        b"q=1&+q=2",
        b"q=1&q%00x=2",
        b"a[x]=1&a[x]=2",
        b"a=1&a[x]=2",
        b"a[x]=1&a=2",
        b"a[5]=1&a[%35]=2",
    ],
)
def test_nothing_is_replaced_unless_asked_for(query: bytes) -> None:
    with pytest.raises(Malformed, match="duplicate_parameter"):
        parse_php_query(query)
    parse_php_query(query, unique=False)


def test_the_last_one_stands_where_asked_for() -> None:
    assert parse_php_query(b"q=1&r=2&q=3", unique=False) == {b"q": b"3", b"r": b"2"}


@pytest.mark.parametrize(
    ("fits", "too_much", "reason"),
    [
        (b"a" + b"[x]" * 64, b"a" + b"[x]" * 65, "too_many_levels"),
        (b"a" + b"[x]" * 63 + b"[", b"a" + b"[x]" * 64 + b"[", "too_many_levels"),
        (
            b"&".join(b"k%d" % i for i in range(1000)),
            b"&".join(b"k%d" % i for i in range(1001)),
            "too_many_parameters",
        ),
    ],
    ids=["levels", "levels, the last unclosed", "variables"],
)
def test_what_php_would_drop_is_refused(fits: bytes, too_much: bytes, reason: str) -> None:
    assert rebuild(fits)
    with pytest.raises(Malformed, match=reason):
        parse_php_query(too_much)


def test_what_php_drops_at_these_limits() -> None:
    (fits, _), (dropped, _) = ask_php([b"a" + b"[x]" * 64, b"a" + b"[x]" * 65])
    assert fits == rebuild(b"a" + b"[x]" * 64)
    assert dropped == b""


def test_values_of_ours_are_built() -> None:
    values = {"q": "~ *()ž", "n": 5, 7: b"\xff", "a": {"x": {0: "1"}, "ž": "2"}, "none": {}}
    assert build_php_query(values) == b"q=%7E+%2A%28%29%C5%BE&n=5&7=%FF&a%5Bx%5D%5B0%5D=1&a%5B%C5%BE%5D=2"


def test_the_worked_example_of_orlo() -> None:
    signature = "7c9a0a55dc2d1542ec736b8021f048da114fcba11ca1fb0219c122dfd789e48c"
    array = parse_php_query(b"q=red&expires=1500472622&sig=" + signature.encode())
    assert array.pop(b"sig") == signature.encode()
    assert hmac_hex("changeme!", build_php_query(array)) == signature


query_like = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(PIECES), max_size=200).map(b"".join),
    st.integers(0, 100).map(lambda depth: b"a" + b"[x]" * depth),
)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(query_like, st.booleans())
def test_queries_only_ever_refuse(raw: bytes, unique: bool) -> None:
    try:
        array = parse_php_query(raw, unique=unique)
    except Malformed:
        return
    assert rebuild(build_php_query(array)) == build_php_query(array)
