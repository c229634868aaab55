"""Pairing codes: shown in one admin and typed in another, so that what both connected becomes one workspace."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import PairingRow
from app.core.seal import digest
from app.sdk import Busy, Conflict, Refused, Unverified

LIFE = timedelta(minutes=10)
MOST_WRONG = 5
# Nothing that is read as something else: no 0 and O, no 1 and I.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8


class TooManyTries(Refused):
    """Somebody is guessing."""

    kind = "unverified"
    status = 429
    message = "Too many wrong codes. Wait ten minutes and ask for a new code."


def issue(workspace_id: str, now: datetime) -> str:
    """A fresh code of the workspace, good for ten minutes and one use; the former one ends."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    with writing() as session:
        row = row_of(session, workspace_id)
        if row.joining and is_ahead(row.until, now):
            raise Busy("joining")
        row.digest, row.until, row.joining = code_digest(code), now + LIFE, ""
    return f"{code[:4]}-{code[4:]}"


def owner(code: str, asking: str, now: datetime) -> str:
    """Whose code this is; it stays good. Raises `Unverified` for a wrong or old one, `TooManyTries` after five."""
    with reading() as session:
        row = session.get(PairingRow, asking)
        if row is not None and row.tries >= MOST_WRONG and is_ahead(row.tries_until, now):
            raise TooManyTries("too_many_tries")
        found = find(session, code, now)
    if found is None:
        count_wrong(asking, now)
        raise wrong()
    if found.workspace_id == asking:
        raise Conflict("own_code", "This is the code of this very workspace. Type it in the other admin.")
    return found.workspace_id


def claim(code: str, now: datetime) -> str:
    """Use a code up for an account that joins its workspace; returns the workspace. Raises `Unverified`."""
    with writing() as session:
        row = find(session, code, now, using_up=True)
        if row is None:
            raise wrong()
        row.digest = None
        return row.workspace_id


def give_back(code: str, workspace_id: str, now: datetime) -> None:
    """A claimed code led to nothing: it is good again as long as before, unless a newer one is out."""
    with writing() as session:
        row = row_of(session, workspace_id)
        if row.digest is None and not row.joining and is_ahead(row.until, now):
            row.digest = code_digest(code)


def join(code: str, into: str, now: datetime) -> str:
    """Use a code up to merge its workspace ``into`` another; returns the one to be merged. Raises `Refused`.

    Of two workspaces that would join each other at once, one wins: its claim ends the other's code.
    """
    with writing() as session:
        row, mine = find(session, code, now, using_up=True), row_of(session, into)
        if row is None or row.workspace_id == into:
            raise wrong()
        if mine.joining and is_ahead(mine.until, now):
            raise Busy("joining")
        mine.digest = row.digest = None
        row.joining, row.until = into, now + LIFE
        return row.workspace_id


def wrong() -> Unverified:
    """The refusal of a code that nobody has."""
    return Unverified("wrong_code", "This code is wrong or too old. Ask for a new one in the other admin.")


def code_digest(code: str) -> str:
    """What is stored of a code, in whichever way it was typed."""
    return digest("pairing", "".join(filter(str.isalnum, code)).upper().encode("utf-8", "surrogatepass"))


def find(session: Session, code: str, now: datetime, *, using_up: bool = False) -> PairingRow | None:
    """The row of a code that is still good; nobody else can be ``using_up`` the same."""
    statement = select(PairingRow).where(PairingRow.digest == code_digest(code), PairingRow.until > now)
    return session.scalars(statement.with_for_update() if using_up else statement).first()


def row_of(session: Session, workspace_id: str) -> PairingRow:
    """The workspace's row, made when it is the first."""
    row = session.get(PairingRow, workspace_id, with_for_update=True)
    if row is None:
        row = PairingRow(workspace_id=workspace_id, tries=0, joining="")
        session.add(row)
    return row


def count_wrong(workspace_id: str, now: datetime) -> None:
    """One more wrong code; after ten quiet minutes the count begins anew."""
    with writing() as session:
        row = row_of(session, workspace_id)
        row.tries = row.tries + 1 if is_ahead(row.tries_until, now) else 1
        row.tries_until = now + LIFE


def is_ahead(at: datetime | None, now: datetime) -> bool:
    """Whether a time is still to come."""
    return at is not None and at > now
