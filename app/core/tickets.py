"""Tickets and sessions: a signed opening yields a single-use ticket, a ticket a session that can be revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.core.models import InstallationRow, SessionRow, TicketRow, WorkspaceRow
from app.core.seal import digest, new_token
from app.sdk import State, Unverified

TICKET_LIFE = timedelta(seconds=60)
# A platform's clock may tick in seconds, and its requests take a while to come.
ONE_MOMENT = timedelta(seconds=3)
IDLE_LIFE = timedelta(minutes=15)
WHOLE_LIFE = timedelta(hours=8)
# A session's clock is written at most this often.
SEEN_STEP = timedelta(minutes=1)
SERVED = (State.ACTIVE, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody in the customer's pages: known by the installation through which they came."""

    installation: str
    workspace: str
    connector: str
    language: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """The secrets of a fresh session: handed to the browser once, stored as digests. ``first``: nobody came before."""

    bearer: str
    cookie: str
    visitor: Visitor
    first: bool


def mint(session: Session, installation_id: str, language: str, now: datetime, proof: str = "") -> str:
    """A ticket for one visit within 60 seconds; ``proof`` is the digest of the opening that it answers."""
    token = new_token()
    row = TicketRow(digest=digest("ticket", token), installation_id=installation_id, language=language, proof=proof)
    row.expires_at = now + TICKET_LIFE
    session.add(row)
    session.flush()
    return token


def is_shared(session: Session, proof: str, now: datetime) -> bool:
    """Whether an opening that comes again may be another person's: its ticket is spent, but was minted just now.

    Two people who open in one second send the same bytes. Later than that, and after an uninstall (which deletes the
    tickets), the same bytes are a replay.
    """
    minted_just_now = TicketRow.proof == proof, TicketRow.expires_at > now + TICKET_LIFE - ONE_MOMENT
    with_proof = session.scalars(select(TicketRow.used_at).where(*minted_just_now)).all() if proof else []
    return bool(with_proof) and None not in with_proof


def exchange(token: str, now: datetime) -> Admission:
    """Turn a ticket into a session, once. Raises `Unverified` for a used, late or invented ticket."""
    key = digest("ticket", token)
    with writing() as session:
        used = session.execute(
            update(TicketRow)
            .where(TicketRow.digest == key, TicketRow.used_at.is_(None), TicketRow.expires_at > now)
            .values(used_at=now)
            .execution_options(synchronize_session=False)
        )
        if used.rowcount != 1:  # type: ignore[attr-defined]
            raise Unverified(
                "ticket_not_valid", "This page was opened already or too late. Open it again from the admin."
            )
        ticket = session.get(TicketRow, key)
        installation = session.get(InstallationRow, ticket.installation_id) if ticket else None
        if ticket is None or installation is None or installation.state not in SERVED:
            raise Unverified("not_served", "The add-on is not installed here any more.")
        return admit(session, installation, ticket.language, now)


def admit(session: Session, installation: InstallationRow, language: str, now: datetime) -> Admission:
    """Begin a session for whoever proved to come through this installation."""
    bearer, cookie = new_token(), new_token()
    row = SessionRow(bearer=digest("bearer", bearer), cookie=digest("cookie", cookie), installation_id=installation.id)
    row.language, row.created_at, row.seen_at = language, now, now
    session.add(row)
    first = installation.opened_at is None
    installation.opened_at = installation.opened_at or now
    return Admission(bearer, cookie, to_visitor(installation, language), first)


def visitor(bearer: str, cookie: str, now: datetime) -> Visitor | None:
    """Who holds this bearer or this cookie, while the session lives and its installation is served."""
    statement = (
        select(SessionRow, InstallationRow, WorkspaceRow.time_zone)
        .join(InstallationRow, InstallationRow.id == SessionRow.installation_id)
        .outerjoin(WorkspaceRow, WorkspaceRow.id == InstallationRow.workspace_id)
        .where(
            or_(SessionRow.bearer == digest("bearer", bearer), SessionRow.cookie == digest("cookie", cookie)),
            SessionRow.seen_at > now - IDLE_LIFE,
            SessionRow.created_at > now - WHOLE_LIFE,
            InstallationRow.state.in_(SERVED),
        )
    )
    with reading() as session:
        found = session.execute(statement).first()
        if found is None:
            return None
        row, installation, zone = found
        who = to_visitor(installation, row.language, zone or "")
        key, seen_at = row.bearer, row.seen_at
    if now - seen_at > SEEN_STEP:
        with writing() as session:
            session.execute(update(SessionRow).where(SessionRow.bearer == key).values(seen_at=now))
    return who


def to_visitor(row: InstallationRow, language: str, zone: str = "") -> Visitor:
    """The visitor that an installation vouches for; the language that its people chose wins over the opening's."""
    spoken = row.chosen_language or language or row.language
    return Visitor(row.id, row.workspace_id or "", row.connector, spoken, zone)
