"""Which addresses the host may call: the spelling of a URL, every IP address behind its name, and the one dialled."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import idna
import requests
from requests_hardened.ip_filter import EXTRA_BLOCKED_NET_RANGES
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from app.sdk import UpstreamFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[..., Sequence[tuple[Any, ...]]]

# ASCII: without it, IGNORECASE would let the Kelvin sign pass for a k and the long s for an s.
_FLAGS = re.IGNORECASE | re.ASCII
_PORT = "[1-9][0-9]{0,4}"
# An authority of letters, digits, dots and hyphens leaves nothing for two parsers to read differently.
_URL = re.compile(rf"(https?)://([a-z0-9.-]+)(?::({_PORT}))?(/[!\"$-\[\]-~]*)?", _FLAGS)
_ENTRY = re.compile(rf"[a-z0-9.-]+:{_PORT}", _FLAGS)
# A last label of letters keeps out everything that libc reads as a number: 127.1, 0x7f000001, 0177.0.0.1.
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{0,58}}[a-z0-9])", _FLAGS)
_NAME_CAP = 253

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Everything else in IPv6 is special: mapped, compatible and translated IPv4, NAT64, site-local, link-local, multicast.
_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
_SPECIAL = (
    *EXTRA_BLOCKED_NET_RANGES,
    ipaddress.ip_network("168.63.129.16/32"),  # a cloud's host agent on a public-looking address
    ipaddress.ip_network("192.31.196.0/24"),  # AS112
    ipaddress.ip_network("192.52.193.0/24"),  # multicast tunnels
    ipaddress.ip_network("192.175.48.0/24"),  # AS112
    ipaddress.ip_network("2001::/23"),  # Teredo, benchmarking, ORCHID, AS112
    ipaddress.ip_network("2002::/16"),  # 6to4: an IPv4 address inside
    ipaddress.ip_network("2620:4f:8000::/48"),  # AS112
)
# Addresses kept for documentation: no machine has them.
_NOBODYS: dict[int, Address] = {4: ipaddress.IPv4Address("192.0.2.1"), 6: ipaddress.IPv6Address("2001:db8::1")}


@dataclass(frozen=True, slots=True)
class Destination:
    """An address that may be looked up: read once, by the only parser that decides."""

    scheme: str
    host: str
    port: int
    path: str
    exempt: bool

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header writes them."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address in one canonical spelling."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def url_at(self, address: Address) -> str:
        """The same origin with the name replaced by a checked address."""
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"{self.scheme}://{host}:{self.port}/"


def read_allowed(entries: Sequence[str]) -> frozenset[str]:
    """The operator's ``host:port`` entries in lower case; raises `ValueError` for one that could never match."""
    for entry in entries:
        if not _ENTRY.fullmatch(entry):
            raise ValueError(f"OUTBOUND_ALLOW takes host:port, not {entry!r}")
    return frozenset(entry.lower() for entry in entries)


def read_destination(url: str, allowed: frozenset[str]) -> Destination:
    """Read an address; raises `UpstreamFailed` when its spelling, scheme or port is not one we call."""
    match = _URL.fullmatch(url)
    if match is None:
        raise UpstreamFailed("address_refused")
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3] or _DEFAULT_PORTS[scheme])
    exempt = f"{host}:{port}" in allowed
    if not exempt and (scheme != "https" or port != 443 or not _is_public_host(host)):
        raise UpstreamFailed("address_refused")
    return Destination(scheme, host, port, match[4] or "/", exempt)


def pin(destination: Destination, resolver: Resolver) -> Address:
    """Look the name up once and choose the address to dial.

    Raises `UpstreamFailed` unless *every* address is acceptable or the operator exempted the destination.
    """
    addresses = [literal] if (literal := _quad(destination.host)) else _look_up(destination, resolver)
    if destination.exempt:
        return min(addresses, key=lambda address: address.version)  # "localhost" mostly means 127.0.0.1
    if not all(is_acceptable(address) and not is_own(address) for address in addresses):
        raise UpstreamFailed("address_refused")
    return addresses[0]


class PinningAdapter(IPFilterAdapter):  # type: ignore[misc]  # the library ships without annotations
    """Looks a name up once and dials the checked address; the name stays in ``Host``, SNI and certificate check."""

    def __init__(self, scheme: str, allowed: frozenset[str], resolver: Resolver) -> None:
        super().__init__(is_https_proto=scheme == "https")
        self._allowed = allowed
        self._resolver = resolver

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Decide on the very URL that will be sent, whatever was done to it since it was first read."""
        destination = read_destination(str(request.url), self._allowed)
        pinned = request.copy()
        pinned.url = destination.url_at(pin(destination, self._resolver))
        # The library's own filter looks at the pinned address too, unless the operator exempted it.
        parent: Any = super(IPFilterAdapter, self) if destination.exempt else super()
        origin, pool = parent.build_connection_pool_key_attributes(pinned, verify, cert)
        request.headers["Host"] = destination.authority
        if destination.scheme == "https":
            pool["assert_hostname"] = pool["server_hostname"] = destination.host
        return origin, pool


def is_acceptable(address: Address) -> bool:
    """Whether an address is an ordinary public one: global unicast and in none of the special ranges."""
    if isinstance(address, ipaddress.IPv6Address) and (address not in _IPV6_UNICAST or address.scope_id):
        return False
    ordinary = address.is_global and not (address.is_multicast or address.is_reserved)
    return ordinary and not any(address in network for network in _SPECIAL)


def is_own(address: Address) -> bool:
    """Whether an interface of this machine has the address: only then can it be bound.

    Says no where the machine may bind any address (``ip_nonlocal_bind``), since binding then tells nothing.
    """
    return _can_bind(address) and not _can_bind(_NOBODYS[address.version])


def _can_bind(address: Address) -> bool:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False


def _is_public_host(host: str) -> bool:
    """Whether a host is a plain dotted quad, or a full name whose international labels can be decoded."""
    if literal := _quad(host):
        return is_acceptable(literal)
    if len(host) > _NAME_CAP or not _NAME.fullmatch(host):
        return False
    try:
        for label in host.split("."):
            if label.startswith("xn--"):
                idna.ulabel(label)
    except UnicodeError:
        return False
    return True


def _quad(host: str) -> ipaddress.IPv4Address | None:
    """An address in the one spelling that all parsers agree on: four decimals without leading zeros."""
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None


def _look_up(destination: Destination, resolver: Resolver) -> list[Address]:
    reason = "unreachable"
    try:
        found = resolver(destination.host, destination.port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    except OSError:
        addresses = []
    except ValueError:
        addresses, reason = [], "address_refused"
    if not addresses:
        raise UpstreamFailed(reason)
    return addresses
