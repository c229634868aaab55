"""JSON Web Tokens: the genuine one counts within its time, every near-miss is refused, a weakened check is noticed."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.sdk import Expired, Malformed, Refused, Token, Unverified, check_jwt, jwt

SECRET = "a-client-secret-of-the-app"
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
CLAIMS = {"iss": "them", "aud": "us", "iat": AT, "nbf": AT - 5, "exp": AT + 600, "sub": "stores/abc"}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def made(claims: object = None, secret: str = SECRET, head: object = None, digest: str = "sha256") -> str:
    """A token of any content, signed with ``secret``."""
    parts = (head or {"alg": "HS256", "typ": "JWT"}, CLAIMS if claims is None else claims)
    signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{base64url(hmac.digest(secret.encode(), signed.encode(), digest))}"


def checked(token: Any, secrets: Sequence[str] = (SECRET,), now: datetime = NOW) -> Token:
    return check_jwt(token, secrets, issuer="them", audience="us", now=now, lead=timedelta(seconds=60))


def test_a_genuine_token_tells_its_claims_and_its_time() -> None:
    token = checked(made())
    assert token.claims == CLAIMS
    assert (token.issued_at, token.valid_until) == (NOW, NOW + timedelta(seconds=600))


def test_the_previous_secret_counts_and_an_empty_one_never_does() -> None:
    assert checked(made(), ("new", SECRET)).claims == CLAIMS
    for secrets in ((), ("",)):
        with pytest.raises(Unverified, match="no_secret"):
            checked(made(secret=""), secrets)


def test_the_example_of_the_standard_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7515, A.1 has line breaks in its header, and a key that is no text: what is signed is bytes."""
    key = base64.urlsafe_b64decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
    )
    token = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    monkeypatch.setattr(jwt, "hmac_matches", lambda tag, message, keys: hmac.digest(key, message, "sha256") == tag)
    with pytest.raises(Unverified, match="other_issuer"):  # it got that far: the signature holds
        checked(token)


REFUSED = {
    "nothing": "",
    "no text": 7,
    "two parts": made().rpartition(".")[0],
    "four parts": made() + ".e30",
    "no signature": made().rpartition(".")[0] + ".",
    "padding": made() + "=",
    "a space": made() + " ",
    "the other alphabet": made().replace("_", "/").replace("-", "+") + "+",
    "unused bits": made()[:-1] + chr(ord(made()[-1]) + 1),
    "another secret": made(secret="another"),
    "a longer digest": made(digest="sha512"),
    "no algorithm": made(head={"alg": "none"}),
    "no algorithm, unsigned": base64url(b'{"alg":"none"}') + "." + base64url(json.dumps(CLAIMS).encode()) + ".",
    "another algorithm": made(head={"alg": "HS512", "typ": "JWT"}),
    "a public key's": made(head={"alg": "RS256", "typ": "JWT"}),
    "a critical header": made(head={"alg": "HS256", "crit": ["b64"], "b64": False}),
    "a key of its own": made(head={"alg": "HS256", "jwk": {"kty": "oct"}}),
    "another issuer": made(CLAIMS | {"iss": "others"}),
    "another audience": made(CLAIMS | {"aud": "others"}),
    "several audiences": made(CLAIMS | {"aud": ["us", "others"]}),
    "no audience": made({name: one for name, one in CLAIMS.items() if name != "aud"}),
    "no end": made({name: one for name, one in CLAIMS.items() if name != "exp"}),
    "no beginning": made({name: one for name, one in CLAIMS.items() if name != "iat"}),
    "an end in text": made(CLAIMS | {"exp": str(AT + 600)}),
    "an end that is true": made(CLAIMS | {"exp": True}),
    "an end beyond all": made(CLAIMS | {"exp": 10**18}),
    "claims that are a list": made([CLAIMS]),
    "endless": made(CLAIMS | {"more": "x" * 9000}),
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(token: Any) -> None:
    with pytest.raises((Unverified, Malformed)):
        checked(token)


def test_every_changed_letter_is_refused() -> None:
    token = made()
    for at, letter in enumerate(token):
        for other in ("A", "b", "_", ".", "é"):
            if other != letter:
                with pytest.raises(Refused):
                    checked(token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize(("seconds", "counts"), [(-61, False), (-60, True), (0, True), (599, True), (600, False)])
def test_it_counts_from_its_lead_until_the_second_before_its_end(seconds: int, counts: bool) -> None:
    moment = NOW + timedelta(seconds=seconds)
    if counts:
        assert checked(made(), now=moment)
    else:
        with pytest.raises(Expired):
            checked(made(), now=moment)


def test_what_is_not_to_be_used_before_a_later_moment_is_not() -> None:
    with pytest.raises(Expired, match="too_far_ahead"):
        checked(made(CLAIMS | {"nbf": AT + 61}))


@pytest.mark.parametrize(
    ("name", "weak", "passes"),
    [
        ("HEADERS", ({"alg": "none"}, *jwt.HEADERS), made(head={"alg": "none"})),
        ("hmac_matches", lambda *given: True, made(secret="another")),
    ],
)
def test_a_weakened_check_would_be_noticed(monkeypatch: pytest.MonkeyPatch, name: str, weak: Any, passes: str) -> None:
    monkeypatch.setattr(jwt, name, weak)
    assert checked(passes)
