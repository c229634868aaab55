"""The outbound door: what it refuses to dial, what it never sends, and that nothing holds its caller."""

from __future__ import annotations

import base64
import datetime
import gzip
import ipaddress
import json
import logging
import os
import re
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from requests_hardened.ip_filter import InvalidIPAddress, filter_host
from urllib3.util import parse_url

from app.core import addresses, outbound
from app.core.outbound import Outgate
from app.sdk import UpstreamFailed

REAL_CONNECT = socket.socket.connect
PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "151.101.1.69"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def words(text: str) -> list[str]:
    return text.split()


# The special addresses: whatever a shop's address must never lead to.
SPECIAL_V4 = words("""
0.0.0.0 0.0.0.1 10.0.0.1 10.255.255.254 100.64.0.1 100.100.100.200 127.0.0.1 127.0.0.2 127.255.255.254 169.254.0.1
169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.254 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.254 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
192.31.196.1 192.52.193.1 192.175.48.1
""")
SPECIAL_V6 = words("""
:: ::1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:0:7f00:1 ::ffff:0:a00:1 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1:: 2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%1 fec0::1 ff02::1
ff0e::1 4000::1 2620:4f:8000::1 2606:4700:4700::1111%7
""")
# What the library lets pass by itself.
LEFT_OPEN = ("168.63.129.16", "::127.0.0.1", "::10.0.0.1", "fec0::1", "::ffff:0:7f00:1")
# What libc reads as 127.0.0.1 or 0.0.0.0.
LIBC_LOOPBACK = ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "017700000001", "0x7f.1", "0")
REDIRECTS = (301, 302, 303, 307, 308)


# --- a machine without a way out ---------------------------------------------------------------------------------


class Lan:
    """Every connection of the process passes here: only loopback is real, the rest goes where the test says."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.routes: dict[str, int] = {}
        self.everything_to: int | None = None

    def port_for(self, host: str, port: int) -> int:
        if self.everything_to is not None:
            return self.everything_to
        if host in self.routes:
            return self.routes[host]
        if host == "127.0.0.1":
            return port
        raise OSError("the tests never leave the machine")


@pytest.fixture(autouse=True)
def lan(monkeypatch: pytest.MonkeyPatch) -> Lan:
    lan = Lan()

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        lan.dialled.append(address[:2])
        REAL_CONNECT(self, ("127.0.0.1", lan.port_for(*address[:2])))

    monkeypatch.setattr(socket.socket, "connect", connect)
    return lan


def answers(*found: str) -> Callable[..., list[tuple[object, ...]]]:
    """A resolver that knows one answer."""

    def resolver(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port)) for ip in found]

    return resolver


class Flipping:
    """A rebinding name: each look-up gives the next answer."""

    def __init__(self, *turns: str) -> None:
        self.turns = turns
        self.lookups = 0

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host[0].isdigit():
            return answers(host)(host, port)
        turn = self.turns[self.lookups % len(self.turns)]
        self.lookups += 1
        return answers(turn)(host, port)


def read_request(connection: socket.socket) -> bytes:
    """One request with its body, which may arrive in a piece of its own."""
    request = connection.recv(65536)
    length = re.search(rb"Content-Length: (\d+)", request)
    end = request.find(b"\r\n\r\n") + 4 + int(length[1] if length else 0)
    while request and len(request) < end and (more := connection.recv(65536)):
        request += more
    return request


class Server:
    """A listener on loopback; ``serve`` gets each connection and what the client sent first."""

    def __init__(self, serve: Callable[[socket.socket, bytes], None], tls: ssl.SSLContext | None = None) -> None:
        self.serve, self.tls = serve, tls
        self.requests: list[bytes] = []
        self.accepted = 0
        self.stop = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.allow = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.accepted += 1
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                self.requests.append(request := read_request(connection))
                self.serve(connection, request)

    def close(self) -> None:
        self.stop.set()
        self.listener.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(serve: Callable[[socket.socket, bytes], None] | bytes = OK, tls: ssl.SSLContext | None = None) -> Server:
        made.append(Server((lambda s, _: s.sendall(serve)) if isinstance(serve, bytes) else serve, tls))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def canary(server: Callable[..., Server]) -> Server:
    return server(OK)


@contextmanager
def gate(*allow: str, resolver: Callable[..., object] | None = None) -> Iterator[Outgate]:
    made = Outgate(allow, resolver=resolver or answers("127.0.0.1"))  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def outcome(made: Outgate, url: str, seconds: float = 5.0) -> str:
    """The reason of the failure, or the status."""
    try:
        return str(made.within(None).request("GET", url, timeout=seconds).status)
    except UpstreamFailed as failure:
        return failure.reason


# --- E1: special addresses in every spelling ---------------------------------------------------------------------


def spelled(quad: str) -> Iterator[str]:
    """An IPv4 address as it may be written in an authority."""
    number = int(ipaddress.IPv4Address(quad))
    a, b, c, d = quad.split(".")
    octets = [int(part) for part in (a, b, c, d)]
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    yield from (quad, f"{quad}.", str(number), hex(number), hex(number).upper(), f"0{number:o}", f"0x0{number:x}")
    yield from (".".join(hex(o) for o in octets), ".".join(f"0{o:o}" for o in octets), f"{a.zfill(4)}.{b}.{c}.{d}")
    yield from (f"{a}.{b}.{octets[2] * 256 + octets[3]}", f"{a}.{number & 0xFFFFFF}", f"{hex(octets[0])}.{b}.{c}.{d}")
    yield from (f"{a}.{b}.{c}.0x{octets[3]:x}", f"{a}%2e{b}%2e{c}%2e{d}", f"{a}。{b}。{c}。{d}", f"{a}.{b}.{c}.{d}%20")
    yield from (f"[::ffff:{quad}]", f"[::{quad}]", f"[::ffff:0:{high}:{low}]", f"[64:ff9b::{quad}]", f"[{quad}]")
    yield from (f"[2002:{high}:{low}::1]", f"[2001:0:{high}:{low}::]", f"[fe80::1%25eth0:{quad}]", f"[::ffff:{quad}%1]")
    yield from ("".join(chr(0xFF10 + int(ch)) if ch.isdigit() else ch for ch in quad), f"user@{quad}")


def special_urls(port: int) -> list[str]:
    hosts = [spelling for quad in SPECIAL_V4 for spelling in spelled(quad)]
    hosts += [f"[{address}]" for address in SPECIAL_V6] + list(LIBC_LOOPBACK) + ["localhost", "metadata", "[::1%25lo]"]
    origins = ("https://{}/", "https://{}:443/x", f"https://{{}}:{port}/", f"http://{{}}:{port}/", "http://{}/")
    return [origin.format(host) for host in hosts for origin in origins]


def test_no_spelling_of_a_special_address_is_ever_dialled(canary: Server, lan: Lan) -> None:
    lan.everything_to = canary.port
    urls = special_urls(canary.port)
    with gate() as made:
        assert {url: seen for url in urls if (seen := outcome(made, url)) != "address_refused"} == {}
    assert len(urls) >= 1000
    assert (lan.dialled, canary.accepted) == ([], 0)


@pytest.mark.parametrize("address", SPECIAL_V4 + SPECIAL_V6)
def test_a_special_address_is_not_acceptable(address: str) -> None:
    assert not addresses.is_acceptable(ipaddress.ip_address(address))


@pytest.mark.parametrize("place", ["alone", "first", "last"])
def test_no_name_leads_to_a_special_address(canary: Server, lan: Lan, place: str) -> None:
    lan.everything_to = canary.port
    for special in SPECIAL_V4 + SPECIAL_V6:
        found = {"alone": [special], "first": [special, PUBLIC], "last": [PUBLIC, special]}[place]
        with gate(resolver=answers(*found)) as made:
            assert outcome(made, "https://shop.example/") == "address_refused", special
    assert (lan.dialled, canary.accepted) == ([], 0)


def test_without_the_address_rules_the_canary_sings(canary: Server, lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    lan.everything_to = canary.port
    monkeypatch.setattr(addresses, "is_acceptable", lambda address: True)
    monkeypatch.setattr(addresses, "is_own", lambda address: False)
    with gate(resolver=answers("168.63.129.16")) as made:  # the library's own filter lets this one pass
        outcome(made, "https://shop.example/")
    assert canary.accepted == 1


@pytest.mark.parametrize("host", LIBC_LOOPBACK)
def test_a_bare_client_reaches_loopback_by_numbers(canary: Server, lan: Lan, host: str) -> None:
    lan.routes["0.0.0.0"] = canary.port  # libc's reading of "0"; nothing binds it
    assert requests.get(f"http://{host}:{canary.port}/", timeout=5).status_code == 200
    assert canary.accepted == 1


@pytest.mark.parametrize("address", LEFT_OPEN)
def test_the_library_alone_lets_it_pass(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(address))
    assert filter_host("shop.example", 443, allow_loopback=False)
    assert not addresses.is_acceptable(ipaddress.ip_address(address))


def test_the_librarys_filter_stands_behind_ours(lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_acceptable", lambda address: True)
    monkeypatch.setattr(addresses, "is_own", lambda address: False)
    with gate(resolver=answers("10.0.0.1")) as made:
        assert outcome(made, "https://shop.example/") == "address_refused"
    assert lan.dialled == []
    with pytest.raises(InvalidIPAddress):
        filter_host("10.0.0.1", 443, allow_loopback=False)


@pytest.mark.parametrize("address", [PUBLIC, OTHER_PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_an_ordinary_address_is_acceptable(address: str) -> None:
    assert addresses.is_acceptable(ipaddress.ip_address(address))


def test_the_machines_own_addresses_are_known() -> None:
    assert addresses.is_own(ipaddress.ip_address("127.0.0.1"))
    assert not addresses.is_own(ipaddress.ip_address(PUBLIC))


def test_a_name_for_the_machines_own_public_address_is_refused(lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_can_bind", lambda address: str(address) == PUBLIC)
    with gate(resolver=answers(OTHER_PUBLIC, PUBLIC)) as made:
        assert outcome(made, "https://shop.example/") == "address_refused"
    assert lan.dialled == []
    with gate(resolver=answers(OTHER_PUBLIC)) as made:  # the control: another public address is dialled
        assert outcome(made, "https://shop.example/") == "unreachable"
    assert lan.dialled == [(OTHER_PUBLIC, 443)]


# --- E2: two parsers, two hosts ----------------------------------------------------------------------------------

INNER = ("127.0.0.1", "169.254.169.254", "localhost", "[::1]", "10.0.0.1:8080", "2130706433")
SEPARATORS = (
    "\\",
    "\\\\",
    "@",
    "#",
    "?",
    "%",
    "%00",
    "%0a",
    "%23",
    "%2f",
    "%40",
    "%5c",
    "\t",
    "\n",
    "\r",
    "\0",
    " ",
    "\x7f",
)
ODD_SEPARATORS = (
    "\u2044",
    "\uff0f",
    "\uff20",
    "\uff03",
    "\u3002",
    "\u200b",
    "\xad",
    ";",
    ",",
    "&",
    "|",
    "^",
    "'",
    '"',
    "*",
)

AROUND = words("""
https://good.example:443@127.0.0.1/ https:///127.0.0.1/ https:127.0.0.1 //127.0.0.1/ 127.0.0.1
https://good.example:/ https://good.example:0443/ https://good.example:443:443/ https://good.example#@x/
https://good.example?@127.0.0.1/ https://good.example/a#b ftp://good.example/ https://good.example./
https://.good.example/ https://good..example/ https://-good.example/ https://good_.example/
https://xn--localhost-.example/ https://xn--a.example/ https://good.0x7f/ https://good.example:65536/
https://good.example:443x/ https://good.127/ file:///etc/passwd https://good.example-/ https://example/
""")
ODD = (
    "https:/\\127.0.0.1/",
    "https://127.0.0.1\\@good.example/",
    "https://good.example\\.127.0.0.1/",
    "",
    "http\u017f://good.example/",
    "https://goo\u212a.example/",
    " https://good.example/",
    "https://good.example/\n",
    "https://good.example/\\x",
)


def differentials() -> list[str]:
    """Addresses whose authority reads as one host here and another there."""
    separators = SEPARATORS + ODD_SEPARATORS
    joined = [
        f"https://{a}{by}{b}/"
        for by in separators
        for i in INNER
        for a, b in ((i, "good.example"), ("good.example", i))
    ]
    crossed = [f"https://{i}{by}@good.example/" for by in separators for i in INNER]
    long = [f"https://{'a' * 64}.example/", f"https://{'a.' * 130}example/"]
    return [*joined, *crossed, *AROUND, *ODD, *long]


def test_no_parser_differential_is_dialled(canary: Server, lan: Lan) -> None:
    lan.everything_to = canary.port
    urls = differentials()
    with gate(resolver=answers(PUBLIC)) as made:
        assert {url: seen for url in urls if (seen := outcome(made, url)) != "address_refused"} == {}
    assert len(urls) >= 200
    assert (lan.dialled, canary.accepted) == ([], 0)


def test_the_list_holds_real_differentials() -> None:
    def reading(parse: Callable[[str], object], url: str) -> object:
        with suppress(ValueError):
            return parse(url)
        return None

    readings = [
        (reading(lambda u: urlsplit(u).hostname, u), reading(lambda u: parse_url(u).host, u)) for u in differentials()
    ]
    assert sum(1 for one, other in readings if one and other and one != other) >= 10


def test_an_odd_character_let_into_an_authority_is_dialled(
    canary: Server, lan: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    lan.everything_to = canary.port
    monkeypatch.setattr(addresses, "_URL", re.compile(r"(https?)://(?:[^/]*@)?([a-z0-9.-]+)(?::(\d+))?(/.*)?"))
    with gate(resolver=answers(PUBLIC)) as made:
        outcome(made, "https://127.0.0.1\\@good.example/")
    assert canary.accepted == 1


@pytest.mark.parametrize(
    ("url", "allow", "expected"),
    [
        ("http://shop.example/", (), "address_refused"),
        ("https://shop.example:8443/", (), "address_refused"),
        ("https://shop.example:80/", (), "address_refused"),
        ("https://shop.example/", (), "unreachable"),
        ("HTTPS://SHOP.Example:443/", (), "unreachable"),
        ("https://shop.example/a/b?c=d&e=%20@", (), "unreachable"),
        ("https://xn--mnchen-3ya.example/", (), "unreachable"),
        ("https://8.8.8.8/", (), "unreachable"),
        ("https://10.0.0.1/", (), "address_refused"),
        ("http://CRM.lan:8080/", ("crm.LAN:8080",), "unreachable"),
        ("http://crm.lan/", ("crm.lan:80",), "unreachable"),
        ("https://crm/", ("crm:443",), "unreachable"),
        ("http://crm.lan:8081/", ("crm.lan:8080",), "address_refused"),
        ("http://a.crm.lan:8080/", ("crm.lan:8080",), "address_refused"),
        ("http://user@crm.lan:8080/", ("crm.lan:8080",), "address_refused"),
        ("http://crm.lan:8080/#x", ("crm.lan:8080",), "address_refused"),
        ("ftp://crm.lan:8080/", ("crm.lan:8080",), "address_refused"),
    ],
)
def test_scheme_port_and_spelling(lan: Lan, url: str, allow: tuple[str, ...], expected: str) -> None:
    with gate(*allow, resolver=answers(PUBLIC)) as made:  # nothing is routed: "unreachable" means it was dialled
        assert outcome(made, url) == expected
    assert bool(lan.dialled) == (expected == "unreachable")


@pytest.mark.parametrize("entry", ["crm.lan", "http://crm.lan:80", "crm.lan:", "crm.lan:0", "crm.lan:80/x", "*:80", ""])
def test_an_entry_that_could_never_match_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Outgate([entry])


def test_the_view_tells_exempt_addresses() -> None:
    with gate("crm.lan:8080", "crm.lan:443") as made:
        view = made.within(None)
        assert view.exempts("http://CRM.lan:8080/x")
        assert view.exempts("https://crm.lan/")
        assert not view.exempts("http://crm.lan/")
        assert not view.exempts("https://shop.example/")
        assert not view.exempts("http://a@crm.lan:8080/")
        assert not view.exempts("nonsense")


# --- E3, E8: pinning and TLS -------------------------------------------------------------------------------------


class Certificate:
    """A self-signed certificate for one name; its file doubles as a bundle that trusts it."""

    def __init__(self, folder: Path, name: str, days: int = 1) -> None:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=9))
        builder = builder.not_valid_after(now + datetime.timedelta(days=days))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        self.path = folder / f"{name}{days}.pem"
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        self.path.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(pem))

    def context(self, names: list[str | None] | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        if names is not None:
            context.sni_callback = lambda _, name, __: names.append(name)
        return context

    def trust(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(self.path))


def test_a_trusted_name_is_served_from_the_pinned_address(
    server: Callable[..., Server], lan: Lan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, names = Certificate(tmp_path, "shop.example"), list[str | None]()
    certificate.trust(monkeypatch)
    shop = server(OK, certificate.context(names))
    lan.routes[PUBLIC] = shop.port
    with gate(resolver=answers(PUBLIC)) as made:
        assert made.within(5).request("GET", "https://shop.example/a").body == b"ok"
    assert names == ["shop.example"]
    assert lan.dialled == [(PUBLIC, 443)]
    assert b"\r\nHost: shop.example\r\n" in shop.requests[0]


def test_a_rebinding_name_is_looked_up_once_a_call_and_dialled_where_checked(
    canary: Server, server: Callable[..., Server], lan: Lan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Certificate(tmp_path, "shop.example")
    certificate.trust(monkeypatch)
    shop = server(OK, certificate.context())
    lan.routes |= {PUBLIC: shop.port, "127.0.0.1": canary.port, "169.254.169.254": canary.port}
    flipping = Flipping(PUBLIC, "127.0.0.1", PUBLIC, "169.254.169.254")
    with gate(resolver=flipping) as made:
        seen = [outcome(made, "https://shop.example/") for _ in range(100)]
    assert seen == ["200", "address_refused"] * 50
    assert flipping.lookups == 100
    assert lan.dialled == [(PUBLIC, 443)] * 50  # every allowed look-up led to one connection, to what was checked
    assert canary.accepted == 0


def test_a_client_that_checks_and_then_looks_up_again_is_caught(
    canary: Server, lan: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    flipping = Flipping(PUBLIC, "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", flipping)
    assert filter_host("shop.example", canary.port, allow_loopback=False) == PUBLIC
    assert requests.get(f"http://shop.example:{canary.port}/", timeout=5).status_code == 200
    assert (flipping.lookups, canary.accepted) == (2, 1)


@pytest.mark.parametrize(
    ("name", "days", "trusted", "expected"),
    [
        pytest.param("shop.example", 1, True, "200", id="control"),
        pytest.param("shop.example", 1, False, "tls", id="self-signed"),
        pytest.param("other.example", 1, True, "tls", id="wrong-name"),
        pytest.param("shop.example", -1, True, "tls", id="expired"),
    ],
)
def test_a_certificate_must_be_trusted_current_and_for_the_name(
    server: Callable[..., Server],
    lan: Lan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    days: int,
    trusted: bool,
    expected: str,
) -> None:
    certificate = Certificate(tmp_path, name, days)
    if trusted:
        certificate.trust(monkeypatch)
    lan.routes[PUBLIC] = server(OK, certificate.context()).port
    with gate(resolver=answers(PUBLIC)) as made:
        assert outcome(made, "https://shop.example/") == expected


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_client_without_verification_would_take_it(server: Callable[..., Server], tmp_path: Path) -> None:
    shop = server(OK, Certificate(tmp_path, "other.example").context())
    assert requests.get(f"https://127.0.0.1:{shop.port}/", verify=False, timeout=5).status_code == 200  # noqa: S501


def test_two_names_on_one_address_share_no_connection(
    server: Callable[..., Server], lan: Lan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Certificate(tmp_path, "shop.example")
    certificate.trust(monkeypatch)
    lan.routes[PUBLIC] = server(keeping_alive, certificate.context()).port
    with gate(resolver=answers(PUBLIC)) as made:
        assert [outcome(made, f"https://{name}.example/") for name in ("shop", "evil", "shop")] == ["200", "tls", "200"]


# --- E4: redirects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{}/", "http://localhost:{}/", "//127.0.0.1:{}/", "https://127.0.0.1:{}/"]
)
def test_a_redirect_is_an_answer(canary: Server, server: Callable[..., Server], status: int, target: str) -> None:
    location = target.format(canary.port)
    shop = server(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    with gate(shop.allow, canary.allow) as made:
        response = made.within(None).request("POST", shop.url, form={"secret": "x"})
    assert (response.status, response.headers["location"], response.ok) == (status, location, False)
    assert canary.accepted == 0


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_bare_client_follows(canary: Server, server: Callable[..., Server], status: int) -> None:
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {canary.url}\r\nContent-Length: 0\r\n\r\n"
    assert requests.get(server(head.encode()).url, timeout=5).status_code == 200
    assert canary.accepted == 1


# --- E9: what lies about in the environment ----------------------------------------------------------------------


@pytest.fixture
def planted(server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A .netrc and proxies in the environment; gives the proxy."""
    proxy = server(OK)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login leak password leak\ndefault login leak password leak\n")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.lower(), proxy.url)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return proxy


def test_neither_netrc_nor_proxies_are_used(canary: Server, planted: Server, lan: Lan) -> None:
    with gate(canary.allow, resolver=answers(PUBLIC)) as made:
        assert outcome(made, canary.url) == "200"
        assert outcome(made, "https://shop.example/") == "unreachable"
    assert b"authorization" not in canary.requests[0].lower()
    assert planted.accepted == 0


def test_a_bare_client_uses_both(canary: Server, planted: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    requests.get("http://shop.example/", timeout=5)
    assert planted.accepted == 1
    assert b"Authorization: Basic " in planted.requests[0]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_planted_bundle_is_not_trusted(
    server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    certificate = Certificate(tmp_path, "localhost")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(certificate.path))
    shop = server(OK, certificate.context())
    with gate(f"localhost:{shop.port}") as made:
        assert outcome(made, f"https://localhost:{shop.port}/") == "tls"
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1"))
    assert requests.get(f"https://localhost:{shop.port}/", timeout=5).status_code == 200  # the control: trusted


# --- what is sent and what comes back ----------------------------------------------------------------------------


def keeping_alive(connection: socket.socket, request: bytes) -> None:
    while request:
        connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=leak\r\nContent-Length: 2\r\nX-Odd-Case: Yes\r\n\r\nok")
        request = connection.recv(65536)
        if b"cookie" in request.lower():
            connection.sendall(b"HTTP/1.1 599 Leaked\r\nContent-Length: 0\r\n\r\n")


def sent(server: Server, *arguments: str, **parts: object) -> bytes:
    with gate(server.allow) as made:
        made.within(None).request(*arguments, **parts)  # type: ignore[arg-type]
    return server.requests[0]


def test_connections_are_kept_and_cookies_are_not(server: Callable[..., Server]) -> None:
    shop = server(keeping_alive)
    with gate(shop.allow) as made:
        seen = [made.within(None).request("GET", shop.url) for _ in range(3)]
    assert [each.status for each in seen] == [200, 200, 200]
    assert seen[0].headers["x-odd-case"] == "Yes"
    assert shop.accepted == 1


def test_json_form_params_and_password_are_written_as_promised(server: Callable[..., Server]) -> None:
    head, _, body = sent(
        canary := server(), "POST", f"{canary.url}/p?a=1", json={"č": 1}, params={"b": "č &"}
    ).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /p?a=1&b=%C4%8D+%26 HTTP/1.1\r\n")
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert json.loads(body) == {"č": 1}
    assert b"\r\nAccept-Encoding: identity\r\n" in head
    assert b"\r\nUser-Agent: Stallholder\r\n" in head
    head, _, body = sent(
        canary := server(), "POST", canary.url, form={"a": "č&"}, auth=("uživatel", "ključ")
    ).partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in head
    assert body == b"a=%C4%8D%26"
    assert b"Basic " + base64.b64encode("uživatel:ključ".encode()) in head


def test_a_connectors_headers_cannot_move_the_host(server: Callable[..., Server]) -> None:
    shop = server()
    request = sent(shop, "GET", shop.url, headers={"Host": "evil.example", "accept-encoding": "br", "X-API-KEY": "k"})
    assert f"Host: {shop.allow}".encode() in request
    assert b"evil" not in request
    assert b"br\r\n" not in request
    assert b"X-API-KEY: k\r\n" in request


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "č"])
def test_a_header_that_cannot_be_sent_is_a_refusal(canary: Server, value: str) -> None:
    with gate(canary.allow) as made, pytest.raises(UpstreamFailed) as caught:
        made.within(None).request("GET", canary.url, headers={"X-Key": value})
    assert caught.value.reason == "bad_request"
    assert canary.requests in ([], [b""])


# --- L6, I1: nothing holds the caller ----------------------------------------------------------------------------


def drip(first: bytes, piece: bytes, pause: float = 0.05) -> Callable[[socket.socket, bytes], None]:
    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(first)
        while True:  # until the client hangs up
            connection.sendall(piece)
            time.sleep(pause)

    return serve


def silent(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(64 * 1024 * 1024))
GZIPPED = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
SMALL = gzip.compress(b"small")
HOSTILE = [
    pytest.param(silent, "timeout", id="silent"),
    pytest.param(drip(HEAD + b"Content-Length: 999999\r\n\r\n", b"x"), "timeout", id="drip-body"),
    pytest.param(drip(HEAD, b"x"), "timeout", id="drip-header"),
    pytest.param(drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout", id="endless-continue"),
    pytest.param(drip(CHUNKED, b"1\r\nx\r\n"), "timeout", id="drip-chunks"),
    pytest.param(drip(CHUNKED, b"1"), "timeout", id="drip-chunk-size"),
    pytest.param(drip(CHUNKED + b"0\r\n", b"A: b\r\n"), "timeout", id="endless-trailers"),
    pytest.param(drip(HEAD + b"\r\n", bytes(1 << 20), 0), "too_large", id="endless-body"),
    pytest.param(drip(CHUNKED, b"100000\r\n" + bytes(1 << 20) + b"\r\n", 0), "too_large", id="endless-chunks"),
    pytest.param(drip(HEAD, b"A: b\r\n", 0), "bad_answer", id="endless-headers"),
    pytest.param(drip(HEAD, b"A" * 4096, 0), "bad_answer", id="endless-header-line"),
    pytest.param(GZIPPED % len(BOMB) + BOMB, "too_large", id="gzip-bomb"),
    pytest.param(GZIPPED % 9 + b"not gzip!", "bad_answer", id="not-gzip"),
    pytest.param(GZIPPED.replace(b"gzip", b"gzip, gzip") % 2 + b"ok", "bad_answer", id="stacked-encodings"),
    pytest.param(GZIPPED.replace(b"gzip", b"br") % 2 + b"ok", "bad_answer", id="unasked-encoding"),
    pytest.param(HEAD + b"Content-Length: 9\r\n\r\nshort", "bad_answer", id="cut-short"),
    pytest.param(HEAD + b"Content-Length: 2, 3\r\n\r\nok", "bad_answer", id="two-lengths"),
    pytest.param(CHUNKED + b"zz\r\n", "bad_answer", id="odd-chunk"),
    pytest.param(b"220 mail.example ESMTP\r\n", "bad_answer", id="not-http"),
    pytest.param(b"", "unreachable", id="hangs-up"),
    pytest.param(OK, "200", id="control"),
    pytest.param(GZIPPED % len(SMALL) + SMALL, "200", id="control-gzip"),
]


@pytest.mark.parametrize(("serve", "expected"), HOSTILE)
def test_a_hostile_server_ends_in_a_failure_and_frees_the_thread(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, serve: Callable[..., None] | bytes, expected: str
) -> None:
    monkeypatch.setattr(outbound, "THREADS", 1)
    hostile, honest = server(serve), server(OK)
    seconds = 0.4 if expected == "timeout" else 10.0
    with gate(hostile.allow, honest.allow) as made:
        began = time.monotonic()
        assert outcome(made, hostile.url, seconds) == expected
        assert time.monotonic() - began < 10 * seconds
        assert outcome(made, honest.url) == "200"  # with one thread in all: the one above has ended


@pytest.mark.parametrize(("largest", "told"), [(2**20, "200"), (2**20 - 1, "too_large")])
def test_a_view_says_how_large_an_answer_may_be(server: Callable[..., Server], largest: int, told: str) -> None:
    served = server(HEAD + b"Content-Length: %d\r\n\r\n" % 2**20 + bytes(2**20))
    with gate(served.allow) as made:
        try:
            found = str(made.within(5, largest=largest).request("GET", served.url).status)
        except UpstreamFailed as failure:
            found = failure.reason
    assert found == told


def test_a_thread_that_is_not_cut_off_stays(server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "THREADS", 1)
    cut, cuttable = outbound._Call.cut, list[outbound._Call]()
    monkeypatch.setattr(outbound._Call, "cut", lambda call: cuttable.append(call))
    hostile, honest = server(drip(HEAD, b"x")), server(OK)
    with gate(hostile.allow, honest.allow) as made:
        assert outcome(made, hostile.url, 0.4) == "timeout"
        assert outcome(made, honest.url, 0.4) == "timeout"
        cut(cuttable[0])
        assert outcome(made, honest.url) == "200"


def test_a_dripping_body_ends_its_thread_even_uncut(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "THREADS", 1)
    monkeypatch.setattr(outbound._Call, "cut", lambda call: None)
    hostile, honest = server(drip(HEAD + b"Content-Length: 999999\r\n\r\n", b"x")), server(OK)
    with gate(hostile.allow, honest.allow) as made:
        assert outcome(made, hostile.url, 0.4) == "timeout"
        assert outcome(made, honest.url) == "200"


def test_a_bare_client_waits_for_a_drip_beyond_its_timeout(server: Callable[..., Server]) -> None:
    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(HEAD + b"Content-Length: 12\r\n\r\n")
        for _each in range(12):
            time.sleep(0.1)
            connection.sendall(b"x")

    slow = server(serve)
    assert requests.get(slow.url, timeout=(0.5, 0.5)).status_code == 200
    with gate(slow.allow) as made:
        assert outcome(made, slow.url, 0.5) == "timeout"


def test_a_stalled_look_up_does_not_hold_the_caller() -> None:
    release = threading.Event()

    def stalled(*_: object, **__: object) -> list[tuple[object, ...]]:
        release.wait(30)
        raise socket.gaierror

    with gate(resolver=stalled) as made:
        began = time.monotonic()
        assert outcome(made, "https://shop.example/", 0.3) == "timeout"
        assert time.monotonic() - began < 3
        release.set()
        assert outcome(made, "https://shop.example/") == "unreachable"


def test_a_stalled_handshake_does_not_hold_the_caller(server: Callable[..., Server]) -> None:
    stalled = server(silent)
    with gate(stalled.allow) as made:
        began = time.monotonic()
        assert outcome(made, f"https://{stalled.allow}/", 0.3) == "timeout"
        assert time.monotonic() - began < 3


def test_more_stalled_calls_than_threads_all_end(server: Callable[..., Server]) -> None:
    stalled = server(silent)
    with gate(stalled.allow) as made, ThreadPoolExecutor(40) as callers:
        began = time.monotonic()
        seen = list(callers.map(lambda _: outcome(made, stalled.url, 0.4), range(40)))
        assert seen == ["timeout"] * 40
        assert time.monotonic() - began < 4


@contextmanager
def hanging(made: Outgate, url: str, number: int, *, apart: bool) -> Iterator[list[str]]:
    """So many calls under way to a server that says nothing; what became of those that ended at once."""
    ended = list[str]()

    def call() -> None:
        try:
            made.within(2.0, apart=apart).request("GET", url)
        except UpstreamFailed as failure:
            ended.append(failure.reason)

    with ThreadPoolExecutor(number) as callers:
        for _ in range(number):
            callers.submit(call)
        yield ended


@pytest.mark.parametrize(("apart", "expected"), [(True, "200"), (False, "timeout")], ids=["guarded", "control"])
def test_calls_apart_that_hang_keep_no_other_call_waiting(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, apart: bool, expected: str
) -> None:
    monkeypatch.setattr(outbound, "THREADS", 4)
    monkeypatch.setattr(outbound, "APART", 4)
    stalled, honest = server(silent), server(OK)
    with gate(stalled.allow, honest.allow) as made, hanging(made, stalled.url, 4, apart=apart):
        until(lambda: stalled.accepted == 4)
        assert outcome(made, honest.url, 0.5 if expected == "timeout" else 5.0) == expected


def test_a_call_apart_that_finds_no_thread_is_refused_until_one_is_free(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "APART", 2)
    stalled, honest = server(silent), server(OK)
    with gate(stalled.allow, honest.allow) as made:
        with hanging(made, stalled.url, 5, apart=True) as ended:
            until(lambda: (stalled.accepted, ended) == (2, ["busy"] * 3))
        assert sorted(ended) == ["busy"] * 3 + ["timeout"] * 2
        until(lambda: made._apart._free._value == 2)
        assert made.within(5.0, apart=True).request("GET", honest.url).status == 200


@pytest.mark.parametrize(("threads", "expected"), [(6, "200"), (4, "timeout")], ids=["guarded", "control"])
def test_with_room_for_all_no_platform_that_hangs_keeps_another_waiting(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, threads: int, expected: str
) -> None:
    monkeypatch.setattr(outbound, "THREADS", 4)
    stalled, honest = server(silent), server(OK)
    with gate(stalled.allow, honest.allow) as made:
        made.make_room(threads)
        with hanging(made, stalled.url, 5 if expected == "200" else 4, apart=False):
            until(lambda: stalled.accepted >= 4)
            assert outcome(made, honest.url, 0.5 if expected == "timeout" else 5.0) == expected


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until it holds; the bound is for a test that would hang, never a measure."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


def test_the_calls_of_a_view_share_one_deadline(canary: Server) -> None:
    now = [100.0]
    with gate(canary.allow) as made:
        view = made.within(2.5, clock=lambda: now[0])
        assert view.request("GET", canary.url).status == 200
        now[0] = 102.5
        with pytest.raises(UpstreamFailed, match="timeout"):
            view.request("GET", canary.url)
        assert made.within(None, clock=lambda: now[0]).request("GET", canary.url).status == 200
    assert canary.accepted == 2


def test_a_view_shortens_the_calls_own_timeout(server: Callable[..., Server]) -> None:
    stalled = server(silent)
    with gate(stalled.allow) as made, pytest.raises(UpstreamFailed, match="timeout"):
        made.within(0.3).request("GET", stalled.url, timeout=600)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), None])
def test_a_name_that_cannot_be_looked_up(error: Exception | None) -> None:
    def resolver(*_: object, **__: object) -> list[tuple[object, ...]]:
        if error:
            raise error
        return []

    with gate(resolver=resolver) as made:
        expected = "address_refused" if isinstance(error, UnicodeError) else "unreachable"
        assert outcome(made, "https://shop.example/") == expected


# --- nothing of the request in errors and logs -------------------------------------------------------------------

SECRET = "canary-5f3a"  # a word to look for, not a credential


def exchange_with_secrets(url: str, allow: str) -> str:
    """All that a handler could print of a failed call."""
    with gate(allow) as made, pytest.raises(UpstreamFailed) as caught:
        made.within(None).request(
            "POST",
            f"{url}/?q={SECRET}",
            headers={"X-Key": SECRET},
            form={"key": SECRET},
            auth=("user", SECRET),
            timeout=0.5,
        )
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("serve", [b"", b"220 no\r\n", HEAD + b"odd header\r\n\r\n", GZIPPED % 2 + b"no", silent])
def test_an_error_and_the_log_tell_nothing_of_the_request(
    server: Callable[..., Server], caplog: pytest.LogCaptureFixture, serve: Callable[..., None] | bytes
) -> None:
    hostile = server(serve if callable(serve) else serve.replace(HEAD, HEAD + b"Content-Length: 9\r\n", 1))
    with caplog.at_level(logging.DEBUG):
        text = exchange_with_secrets(hostile.url, hostile.allow)
    assert SECRET not in text
    assert SECRET not in caplog.text


def test_without_the_filter_the_library_writes_the_query(canary: Server, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("urllib3.connectionpool")
    with caplog.at_level(logging.DEBUG, logger="urllib3.connectionpool"), gate(canary.allow) as made:
        logger.removeFilter(outbound._silent)
        outcome(made, f"{canary.url}/?q={SECRET}")
        logger.addFilter(outbound._silent)
    assert SECRET in caplog.text


def test_a_fork_gets_threads_and_connections_of_its_own(canary: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with gate(canary.allow) as made:
        assert outcome(made, canary.url) == "200"
        before = made._threads
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert outcome(made, canary.url) == "200"
        assert made._threads is not before
        before.shutdown()
