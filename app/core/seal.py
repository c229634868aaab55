"""Sealing: AES-256-GCM under a data key per tenant, bound to its place; data keys wrapped by the master ring."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.models import DataKeyRow

NONCE = 12


class SealBroken(Exception):
    """A sealed value cannot be opened: its key is gone, or it stands where it was not sealed."""


def digest(*parts: str | bytes) -> str:
    """SHA-256 in hex over parts that cannot run into each other."""
    running = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        running.update(len(data).to_bytes(8, "big") + data)
    return running.hexdigest()


def new_id(prefix: str) -> str:
    """A fresh public identifier: 80 random bits, lower case."""
    return f"{prefix}_{base64.b32encode(os.urandom(10)).decode().lower()}"


def new_token() -> str:
    """A fresh link secret: 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


class Ring:
    """The master keys, newest first: what they wrap stays readable while any of them is kept."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def wrap(self, value: bytes) -> str:
        """Encrypt under the newest master key."""
        return self._fernet.encrypt(value).decode()

    def unwrap(self, wrapped: str) -> bytes:
        """Decrypt under any master key; raises `SealBroken`."""
        try:
            return self._fernet.decrypt(wrapped)
        except (InvalidToken, ValueError) as error:
            raise SealBroken("no master key opens this") from error

    def new_data_key(self, session: Session, installation_id: str, now: datetime) -> None:
        """Give an installation a data key of its own."""
        wrapped = self.wrap(AESGCM.generate_key(256))
        session.add(
            DataKeyRow(id=new_id("key"), installation_id=installation_id, wrapped=wrapped, created_at=now),
        )

    def seal(self, session: Session, installation_id: str, table: str, column: str, value: bytes) -> str:
        """Seal a value for one place of one tenant."""
        key = self._newest_key(session, installation_id)
        nonce = os.urandom(NONCE)
        place = _place(installation_id, table, column, key.id)
        sealed = AESGCM(self.unwrap(key.wrapped)).encrypt(nonce, value, place)
        return f"{key.id}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, session: Session, installation_id: str, table: str, column: str, sealed: str) -> bytes:
        """Open a value sealed for this very place; raises `SealBroken`."""
        key_id, _, encoded = sealed.partition(".")
        key = session.get(DataKeyRow, key_id)
        if key is None or key.installation_id != installation_id:
            raise SealBroken("the data key is gone or another tenant's")
        place = _place(installation_id, table, column, key_id)
        try:
            data = base64.b64decode(encoded, validate=True)
            return AESGCM(self.unwrap(key.wrapped)).decrypt(data[:NONCE], data[NONCE:], place)
        except (InvalidTag, ValueError) as error:  # a value that was never sealed is not even read
            raise SealBroken("the value was not sealed for this place") from error

    def blind(self, session: Session, installation_id: str, purpose: str, value: str) -> str:
        """A keyed digest by which a sealed value is found again: worth nothing once the tenant's data key is gone."""
        key = self.unwrap(self._newest_key(session, installation_id).wrapped)
        derived = hmac.digest(key, f"blind index: {purpose}".encode(), "sha256")
        return hmac.digest(derived, value.encode("utf-8", "surrogatepass"), "sha256").hex()

    def _newest_key(self, session: Session, installation_id: str) -> DataKeyRow:
        statement = (
            select(DataKeyRow)
            .where(DataKeyRow.installation_id == installation_id)
            .order_by(DataKeyRow.created_at.desc(), DataKeyRow.id)
        )
        key = session.scalars(statement).first()
        if key is None:
            raise SealBroken("the installation has no data key")
        return key


def _place(installation_id: str, table: str, column: str, key_id: str) -> bytes:
    return "\x1f".join((installation_id, table, column, key_id)).encode()
