"""The people of one workspace: search, one person's card, and who has this contact."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import InstallationRow
from app.people import messages, orders, phones
from app.people.contacts import humans, keys, plain
from app.people.models import IMPORT, PersonRow
from app.people.search import found, holders, score
from app.people.terms import email_term, query_words
from app.sdk import Hit, Message, Order, Person, State

SERVED = (State.ACTIVE, State.PAUSED, State.PENDING)
MOST_HITS = 100
# People who turn out to be one, or not to be found after all, are made up for by so many more.
SPARE = 20
_ID = re.compile(r"[1-9][0-9]{0,17}")
_ASKED = (
    "id",
    "workspace_id",
    "source",
    "external_id",
    "name",
    "email",
    "phone",
    "company",
    "sort_name",
    "has_orders",
    "last_order",
)
_COLUMNS = [getattr(PersonRow, name) for name in (*_ASKED, "words", "contacts")]
R = TypeVar("R", bound=Any)
# Dates are text: the later comes first when every digit is counted from nine.
_BACKWARDS = str.maketrans("0123456789", "9876543210")
_FILLED = ("email", "phone", "company", "url", "note")


class PeopleDirectory:
    """`app.sdk.Directory` on the mirror; what it shows came from an import or from an installation that is served."""

    def __init__(self, workspace_id: str) -> None:
        self.workspace_id = workspace_id

    def search(self, query: str, limit: int = 20) -> Sequence[Hit]:
        """The best matches, at most 100: exact words before prefixes, names before e-mails before phones and companies,
        then who ordered last, then by name; whom several sources know is one hit."""
        words = query_words(query)
        if not words or limit < 1:
            return []
        most = min(limit, MOST_HITS)
        with reading() as session:
            rows = self._rows(session, found(session, self.workspace_id, words, most + SPARE))
        scored = [(points, row) for row in rows if (points := score(row.words, words)) is not None]
        scored.sort(key=lambda pair: best_first(pair[1], pair[0]))
        return [to_hit(human.best) for human in humans(row for _, row in scored)[:most]]

    def person(self, id: str) -> Person | None:
        """One person, newest order first, with what other sources know of the same human; None for an id that is none
        of this workspace's."""
        if not _ID.fullmatch(id):
            return None
        with reading() as session:
            row = session.get(PersonRow, int(id))
            mine = self._mine(session, [row] if row else [])
            return self._card(session, mine[0]) if mine else None

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        """The person with this e-mail, else with this phone; of several the one who ordered last."""
        address = plain(email)
        with reading() as session:
            rows = self._with_term(session, email_term(address)) if address else []
            for row in rows:
                if plain(row.email) == address:
                    return to_hit(row)
            for form in phones.asked_forms(phone):
                for row in self._with_term(session, form):
                    if form in phones.stored_forms(row.phone):
                        return to_hit(row)
        return None

    def _card(self, session: Session, row: PersonRow) -> Person:
        its = keys(row)
        others = {
            other.id: other
            for key in sorted(its)
            for other in self._with_term(session, email_term(key) if "@" in key else key)
            if other.source != row.source and not keys(other).isdisjoint(its)
        }
        people: list[Row[Any] | PersonRow] = [row, *sorted(others.values(), key=best_first)]
        ids = [one.id for one in humans(people)[0].people]
        known = {one.id: one for one in session.scalars(select(PersonRow).where(PersonRow.id.in_(ids)))}
        rows = [known[id] for id in ids]
        return replace(to_card(rows, orders.of(session, ids)), messages=self._messages(session, rows))

    def _messages(self, session: Session, rows: list[PersonRow]) -> tuple[Message, ...]:
        def is_anothers(phone: str) -> bool:
            return any(phone in phones.keys(one.phone) for one in self._with_term(session, phone))

        return tuple(messages.shown(session, shown_sources(session, self.workspace_id), rows, is_anothers))

    def _with_term(self, session: Session, term: str) -> list[Row[Any]]:
        """The people with this whole term, best first."""
        rows = self._rows(session, holders(session, self.workspace_id, term) if term else [])
        return sorted(rows, key=best_first)

    def _rows(self, session: Session, ids: Collection[int]) -> list[Row[Any]]:
        # By their ids alone: asked for the workspace too, a database may choose to walk through all of it.
        return self._mine(session, session.execute(select(*_COLUMNS).where(PersonRow.id.in_(ids)))) if ids else []

    def _mine(self, session: Session, rows: Iterable[R]) -> list[R]:
        """Those of this workspace, and from a source that is shown: that is asked of the main database."""
        shown = set(shown_sources(session, self.workspace_id))
        return [row for row in rows if row.workspace_id == self.workspace_id and row.source in shown]


def best_first(row: Any, points: int = 0) -> tuple[Any, ...]:
    """What people are sorted by."""
    later = row.last_order.translate(_BACKWARDS) or "~"
    return points, not row.has_orders, later, row.sort_name, row.id


def shown_sources(session: Session, workspace_id: str) -> list[str]:
    """The import, and the workspace's installations that are served; whatever else the mirror still holds is hidden."""
    served = select(InstallationRow.id).where(
        InstallationRow.workspace_id == workspace_id, InstallationRow.state.in_(SERVED)
    )
    return [IMPORT, *session.scalars(served)]


def to_hit(row: Any) -> Hit:
    """The person's line in a list: the name, or what there is in its place."""
    return Hit(str(row.id), row.name or row.company or row.email or row.phone or row.external_id)


def to_person(row: PersonRow, orders: Sequence[Order]) -> Person:
    """The person as the source told it."""
    told = {name: getattr(row, name) for name in ("external_id", "name", "updated_at", *_FILLED)}
    return Person(**told, orders=tuple(orders))


def to_card(rows: Sequence[PersonRow], orders: Sequence[Order]) -> Person:
    """The first as its source told it; what that source left out is told by the others."""
    told: dict[str, Any] = {name: next(filter(None, (getattr(row, name) for row in rows)), "") for name in _FILLED}
    return replace(to_person(rows[0], orders), **told, sources=tuple(row.source for row in rows))
