"""What a connector says of its own security, as data: what proves each action, and where its platform is weaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, validate

LEVELS = ("bronze", "silver", "gold")
SCHEMES: Mapping[str, str] = {
    "hmac-sha256": "HMAC-SHA256 under a shared secret",
    "hmac-sha1": "HMAC-SHA1 under a shared secret",
    "rsa-sha256": "RSA signature (PKCS #1 v1.5, SHA-256) by the platform's key",
    "ecdsa-sha256": "ECDSA signature (SHA-256) by the platform's key",
    "jwt-hs256": "JSON Web Token, HS256 under a shared secret",
    "bearer": "a secret shared with the platform, which it shows",
    "link": "a secret of ours that only this installation was given",
    "redeemed": "a code that the platform alone can check; it is redeemed there before anything is stored",
}
SHOWN = frozenset({"bearer", "link"})
SIGNATURES = frozenset(SCHEMES) - SHOWN - {"redeemed"}


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves the requests of one action.

    ``fields`` carry the proof, ``signed`` is what it covers and ``unsigned`` what else a request brings. A field is
    named by its place: ``token`` in the query or the body, ``register.token`` inside an object (also one that a form's
    field holds as JSON), ``header.authorization``, ``path.key``; ``query`` and ``body`` mean the whole. A JSON Web
    Token signs itself, and ``time`` may be one of its claims: ``token.iat``. A request counts from ``future`` seconds
    before the moment in the signed field ``time`` until ``past`` seconds after it.
    """

    scheme: str
    fields: tuple[str, ...]
    signed: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    time: str = ""
    past: int = 0
    future: int = 0


@dataclass(frozen=True, slots=True)
class Weakness:
    """A rule of the conformance kit that a platform does not let us keep; no ``actions`` means wherever it is."""

    rule: str
    reason: str
    actions: tuple[str, ...] = ()


class ProofSchema(Schema):
    scheme = fields.String(required=True, validate=validate.OneOf(list(SCHEMES)))
    carriers = fields.List(fields.String(), required=True, validate=validate.Length(min=1), data_key="fields")
    signed = fields.List(fields.String())
    unsigned = fields.List(fields.String())
    time = fields.String()
    past = fields.Integer(validate=validate.Range(0))
    future = fields.Integer(validate=validate.Range(0))


class WeaknessSchema(Schema):
    rule = fields.String(required=True)
    reason = fields.String(required=True, validate=validate.Length(min=20))
    actions = fields.List(fields.String())


def to_proof(table: Mapping[str, Any] | None) -> Proof | None:
    """A validated table as a `Proof`."""
    if table is None:
        return None
    return Proof(
        scheme=table["scheme"],
        fields=tuple(table["carriers"]),
        signed=tuple(table.get("signed", ())),
        unsigned=tuple(table.get("unsigned", ())),
        time=table.get("time", ""),
        past=table.get("past", 0),
        future=table.get("future", 0),
    )


def to_weakness(table: Mapping[str, Any]) -> Weakness:
    """A validated table as a `Weakness`."""
    return Weakness(table["rule"], table["reason"], tuple(table.get("actions", ())))
