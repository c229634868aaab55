"""What Upgates signs and how it is checked: protocols/upgates.md 1.2 (signature), 1.3 (time) and 6 (pitfalls)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from app.sdk import (
    Claims,
    Documents,
    Inbound,
    Installations,
    PublicKey,
    Settings,
    Unknown,
    Unverified,
    UpstreamFailed,
    check_signature,
    check_window,
    iso_time,
    load_public_key,
    read_object,
)

from .schemas import is_url, key_at, language_of, read_local, signed_value, sources, version_of
from .webhooks import read_hint

# 1.2: "signed values, in this order, joined by ;", our signature_token last. Opening and deactivation sign the same
# bytes; which list the version call signs is not documented, so both plausible ones count (1.5).
SIGNED: Mapping[str, Sequence[Sequence[str]]] = {
    "install": [("token", "apiUser", "apiKey", "apiUrl", "time")],
    "open": [("token", "time")],
    "uninstall": [("token", "time")],
    "version": [("token", "time"), ("token", "version", "time")],
}
PAST, FUTURE, ANY = timedelta(minutes=5), timedelta(hours=24), timedelta.max
ZONES = ("Europe/Prague", "UTC")  # 1.3: "A naive value (no offset): try Europe/Prague and UTC"


def prove_call(request: Inbound, settings: Settings, documents: Documents) -> Claims:
    """Parse strictly, check `signature_v2` over the raw texts, only then read `time` (1.3: "parse after").

    The old `signature` is "gone" (1.1): it is never looked at. Raises `Malformed`, `Unverified`, `Expired`, and
    `UpstreamFailed` while no public key is at hand.
    """
    body, lists = read_object(request.body), SIGNED[request.action]
    version, language = version_of(body), language_of(body)
    texts = [";".join(signed_value(body, name) for name in names) for names in lists]
    proof = check_proof(body.get("signature_v2"), texts, settings, documents)
    issued_at, valid_until = check_time(body["time"], request.received_at)
    return Claims(
        fields={**{name: body[name] for name in lists[0]}, "version": version, "issued_at": issued_at},
        tenant=body["token"],
        proof=proof,
        unsigned=version.encode() if request.action in ("install", "version") else b"",
        valid_until=valid_until,
        issued_at=issued_at,
        language=language,
    )


def prove_webhook(request: Inbound, installations: Installations) -> Claims:
    """The secret in the path names the shop: "No signature on webhooks is documented" (4.10)."""
    found = installations.by_link("path", request.key) if request.key else None
    if found is None:
        raise Unknown("unknown_path")
    return Claims(installation=found.id, fields={"hints": read_hint(request.body)})


def check_proof(given: Any, texts: Sequence[str], settings: Settings, documents: Documents) -> bytes:
    """The proof for the journal; a failed check "may just mean a new key" (6.16), so the keys are fetched once more."""
    tokens = settings["signature_token"]
    try:
        return check_any(given, texts, tokens, public_keys(settings, documents))
    except (Unverified, UpstreamFailed) as refusal:
        if refusal.reason == "bad_signature_form" or not refresh(settings, documents):
            raise
    return check_any(given, texts, tokens, public_keys(settings, documents))


def check_any(given: Any, texts: Sequence[str], tokens: Sequence[str], keys: Sequence[PublicKey]) -> bytes:
    """The decoded signature and the text it covers, our token in it as a digest; an empty token is none.

    All pairs are tried, whichever fits: the time must not tell which token it was.
    """
    refusal, proof = Unverified("no_token"), b""
    for text, token in product(texts, filter(None, tokens)):
        with_token = f"{text};{token}".encode()
        try:
            signature = check_signature(given, with_token, keys)
            proof = signature + f"{text};{hashlib.sha256(token.encode()).hexdigest()}".encode()
        except Unverified as error:
            refusal = error
    if not proof:
        raise refusal
    return proof


def public_keys(settings: Settings, documents: Documents) -> Sequence[PublicKey]:
    """All keys that count now, newest first; an unreadable copy counts as none. `UpstreamFailed` without any."""
    keys: list[PublicKey] = []
    for source in sources(settings):
        copies: Sequence[bytes] = []
        with suppress(UpstreamFailed, OSError):
            copies = documents.get(key_at(source)) if is_url(source) else [read_local(source)]
        for copy in copies:
            with suppress(ValueError):
                keys.append(load_public_key(copy))
    if not keys:
        raise UpstreamFailed("no_public_key")
    return keys


def refresh(settings: Settings, documents: Documents) -> bool:
    """Have every address fetched again; whether anything changed."""
    return any([documents.refresh(key_at(source)) for source in sources(settings) if is_url(source)])


def check_time(text: str, now: datetime) -> tuple[datetime, datetime]:
    """When the call was issued, and when its proof ends; raises `Malformed` and `Expired`.

    `time` is the signature's "validity time" (1.3). A naive one may hold in either zone; its place among installs
    is always told by the first, and its proof ends with the later.
    """
    readings = [iso_time(text, zone) for zone in ZONES]
    check_window(max(readings), now, past=PAST, future=ANY)
    check_window(min(readings), now, past=ANY, future=FUTURE)
    return readings[0], max(readings) + PAST
