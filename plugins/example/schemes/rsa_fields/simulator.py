"""Signs the fields of a call with a key pair of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.sdk import simulation
from app.sdk.simulation import Outgoing


class Simulator(simulation.Simulator):
    signing = ("private_key",)

    @classmethod
    def make_proof_keys(cls) -> dict[str, Any]:
        """What proves a call, on both sides."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return {"private_key": key.private_bytes(serialization.Encoding.PEM, *form).decode()}

    def settings(self) -> dict[str, Any]:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public = private_key(self.keys["private_key"]).public_key().public_bytes(serialization.Encoding.PEM, form)
        return {"public_key": public.decode()}

    def signed(self, action: str, fields: Mapping[str, str], changes: Mapping[str, str]) -> Outgoing:
        """A genuine call; the fields are signed in the order in which they are told."""
        told = self.told(action, {**fields, **changes})
        text = ";".join(told.values()).encode()
        signature = private_key(self.keys["private_key"]).sign(text, padding.PKCS1v15(), hashes.SHA256())
        body = {**told, "signature": base64.b64encode(signature).decode()}
        headers = {"Content-Type": "application/json"}
        return Outgoing("POST", f"/{self.connector}/{action}", headers, json.dumps(body).encode())


@cache
def private_key(pem: str) -> rsa.RSAPrivateKey:
    """The marketplace's private key; to read it takes longer than to sign with it."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - of our own making
    return key
