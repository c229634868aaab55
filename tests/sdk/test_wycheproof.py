"""All 1,208 Wycheproof vectors for HMAC-SHA256 and RSA with SHA-256, through the project's own primitives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.sdk import PublicKey, Unverified, check_signature, load_public_key
from app.sdk.proofs import hmac_matches

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "wycheproof"
HMAC_FILE = "hmac_sha256_test.json"
RSA_FILES = [f"rsa_signature_{bits}_sha256_test.json" for bits in (2048, 3072, 4096, 8192)]

HmacCheck = Callable[[bytes, bytes, bytes], bool]
RsaCheck = Callable[[bytes, bytes, PublicKey], bool]


def cases(file: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    path = FOLDER / file
    if not path.exists():
        pytest.skip("the Wycheproof vectors are not beside the project")
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def count_hmac(check: HmacCheck) -> Counter[tuple[str, bool]]:
    """(what the vector is, whether it was accepted) → how many."""
    counts: Counter[tuple[str, bool]] = Counter()
    for group, case in cases(HMAC_FILE):
        kind = "truncated" if case["result"] == "valid" and group["tagSize"] < 256 else case["result"]
        key, message, tag = (bytes.fromhex(case[name]) for name in ("key", "msg", "tag"))
        counts[kind, check(tag, message, key)] += 1
    return counts


def count_rsa(check: RsaCheck) -> Counter[tuple[str, bool]]:
    counts: Counter[tuple[str, bool]] = Counter()
    for file in RSA_FILES:
        for group, case in cases(file):
            key = load_public_key(group["publicKeyPem"].encode())
            accepted = check(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]), key)
            counts[case["result"], accepted] += 1
    return counts


def ours(signature: bytes, message: bytes, key: PublicKey) -> bool:
    try:
        return check_signature(base64.b64encode(signature).decode(), message, [key]) == signature
    except Unverified:
        return False


def prefix_only(tag: bytes, message: bytes, key: bytes) -> bool:
    """The weakened verifier: it compares only as many bytes as it was given."""
    return hmac.compare_digest(hmac.digest(key, message, "sha256")[: len(tag)], tag)


def digest_only(signature: bytes, message: bytes, key: PublicKey) -> bool:
    """The weakened verifier: it looks at the digest and not at the padding before it."""
    assert isinstance(key, RSAPublicKey)
    numbers = key.public_numbers()
    opened = pow(int.from_bytes(signature), numbers.e, numbers.n).to_bytes(key.key_size // 8)
    return opened.endswith(hashlib.sha256(message).digest())


def test_hmac() -> None:
    counts = count_hmac(lambda tag, message, key: hmac_matches(tag, message, [key]))
    assert counts == {("valid", True): 33, ("invalid", False): 108, ("truncated", False): 33}


def test_control_a_verifier_of_prefixes_accepts_33_more() -> None:
    assert count_hmac(prefix_only) == {("valid", True): 33, ("invalid", False): 108, ("truncated", True): 33}


def test_rsa() -> None:
    assert count_rsa(ours) == {("valid", True): 31, ("invalid", False): 999, ("acceptable", False): 4}


def test_control_a_verifier_that_skips_the_padding_accepts_forgeries() -> None:
    counts = count_rsa(digest_only)
    assert counts["valid", True] == 31
    assert counts["invalid", True] > 100
    assert counts["acceptable", True] == 4
