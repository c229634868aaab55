"""What proves a request of Wazzup: a `state` that only Wazzup can check, and link secrets of our own.

Wazzup signs nothing we could verify: the `state` is "generated and signed by Wazzup" with a key of its own
(protocols/wazzup.md 1.6), so redeeming it at `POST /v3/connect` is the check; webhooks have "no HMAC/signature" (3.1).
"""

from __future__ import annotations

import re

from app.sdk import Claims, Inbound, Installations, Malformed, Unknown, Unverified, bearer_token, read_query

from .schemas import account_of, is_test, read_callback


def check_state(state: object) -> str:
    """The `state`: 1 to 4096 visible ASCII characters, "treat as opaque" (1.6). Raises `Malformed`."""
    if not isinstance(state, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", state):
        raise Malformed("bad_state", "The link is incomplete. Press Connect in Wazzup again.")
    return state


def prove_install(request: Inbound) -> Claims:
    """Read the redirect: "only `state` is documented" (1.5). As the proof, it is good for one install.

    The account is decoded UNVERIFIED, to be named on the consent page.
    """
    state = check_state(read_query(request.query).get("state"))
    return Claims(fields={"state": state, "account": account_of(state)}, proof=state.encode())


def prove_webhook(request: Inbound, installations: Installations) -> Claims:
    """The path names the installation and "Bearer {crmKey}" must name the same (1.8, 3.1); looked up by digest.

    Only `{"test": true}` needs no bearer: "accept with 200 and no side effect whatever the header". Raises
    `Unknown` for the path, `Unverified` for the bearer, and for a body only then `Malformed`.
    """
    installation = installations.by_link("path", request.key) if request.key else None
    if installation is None:
        raise Unknown("unknown_path")
    if not is_test(request.body):
        named = installations.by_link("crm_key", bearer_token(request.header("authorization")))
        if named is None or named.id != installation.id:
            raise Unverified("wrong_bearer")
    return Claims(installation=installation.id, fields=read_callback(request.body))
