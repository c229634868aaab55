"""The people of one workspace: search, one person's card, and who has this contact."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import InstallationRow
from app.people import phones
from app.people.models import LONGEST_TERM, OrderRow, PersonRow, TermRow
from app.people.search import BEST_FIRST, found
from app.people.terms import email_term, query_words
from app.sdk import Hit, Order, Person, State

IMPORT = "import"
SERVED = (State.ACTIVE, State.PAUSED, State.PENDING)
MOST_HITS = 100
_ID = re.compile(r"[1-9][0-9]{0,17}")


class PeopleDirectory:
    """`app.sdk.Directory` on the mirror; what it shows came from an import or from an installation that is served."""

    def __init__(self, workspace_id: str) -> None:
        self.workspace_id = workspace_id

    def search(self, query: str, limit: int = 20) -> Sequence[Hit]:
        """The best matches, at most 100: exact words before prefixes, names before e-mails before phones and companies,
        then who ordered last, then by name."""
        words = query_words(query)
        if not words or limit < 1:
            return []
        matches = found(self.workspace_id, words)
        with reading() as session:
            statement = (
                select(PersonRow)
                .join(matches, matches.c.person_id == PersonRow.id)
                .where(self._mine(session))
                .order_by(matches.c.score, *BEST_FIRST)
                .limit(min(limit, MOST_HITS))
            )
            return [to_hit(row) for row in session.scalars(statement)]

    def person(self, id: str) -> Person | None:
        """One person, newest order first; None for an id that is none of this workspace's."""
        if not _ID.fullmatch(id):
            return None
        with reading() as session:
            row = session.scalar(select(PersonRow).where(PersonRow.id == int(id), self._mine(session)))
            return to_person(row, _orders(session, row.id)) if row else None

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        """The person with this e-mail, else with this phone; of several the one who ordered last."""
        address = _plain(email)
        if address and (row := self._first(email_term(address), lambda row: _plain(row.email) == address)):
            return to_hit(row)
        for form in phones.asked_forms(phone):
            if row := self._first(form, lambda row, form=form: form in phones.stored_forms(row.phone)):  # type: ignore[misc]
                return to_hit(row)
        return None

    def _first(self, term: str, fits: Callable[[PersonRow], bool]) -> PersonRow | None:
        if not term:
            return None
        with reading() as session:
            statement = (
                select(PersonRow)
                .join(TermRow, TermRow.person_id == PersonRow.id)
                .where(TermRow.workspace_id == self.workspace_id, TermRow.term == term[:LONGEST_TERM])
                .where(self._mine(session))
                .order_by(*BEST_FIRST)
            )
            return next((row for row in session.scalars(statement) if fits(row)), None)

    def _mine(self, session: Session) -> ColumnElement[bool]:
        """Of this workspace, and from a source that is shown: asked of the main database first, never joined across."""
        return and_(
            PersonRow.workspace_id == self.workspace_id, PersonRow.source.in_(shown_sources(session, self.workspace_id))
        )


def shown_sources(session: Session, workspace_id: str) -> list[str]:
    """The import, and the workspace's installations that are served; whatever else the mirror still holds is hidden."""
    served = select(InstallationRow.id).where(
        InstallationRow.workspace_id == workspace_id, InstallationRow.state.in_(SERVED)
    )
    return [IMPORT, *session.scalars(served)]


def to_hit(row: PersonRow) -> Hit:
    """The person's line in a list: the name, or what there is in its place."""
    return Hit(str(row.id), row.name or row.company or row.email or row.phone or row.external_id)


def to_person(row: PersonRow, orders: Sequence[Order]) -> Person:
    """The person as the source told it."""
    return Person(
        external_id=row.external_id,
        name=row.name,
        email=row.email,
        phone=row.phone,
        company=row.company,
        url=row.url,
        note=row.note,
        updated_at=row.updated_at,
        orders=orders,
    )


def _orders(session: Session, person_id: int) -> tuple[Order, ...]:
    rows: Iterator[OrderRow] = session.scalars(
        select(OrderRow).where(OrderRow.person_id == person_id).order_by(OrderRow.position)
    ).__iter__()
    orders = [Order(row.number, row.date, row.status, row.total, row.currency, row.url) for row in rows]
    return tuple(sorted(orders, key=lambda order: order.date, reverse=True))


def _plain(email: str) -> str:
    return unicodedata.normalize("NFC", email.strip()).casefold()
