"""The people of one workspace: search, one person's card, and who has this contact."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import starmap
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.models import InstallationRow
from app.people import joining, messages, orders, phones
from app.people.contacts import addresses, plain
from app.people.lists import among, listed
from app.people.models import IMPORT, PersonRow
from app.people.plan import DEEPER
from app.people.search import Search, holders, score
from app.people.terms import Word, email_term, query_words
from app.sdk import Hit, Message, Order, Person, State

SERVED = (State.ACTIVE, State.PAUSED, State.PENDING)
MOST_HITS = 100
# So many more are read than are asked for: some turn out to be one human, and of several words each list has an order
# of its own. Where too few are left nevertheless, although there may be more, the second round reads many more.
SPARE_OF_ONE_WORD, SPARE, MANY_SPARE = 4, 20, 50
# So much deeper it looks where a shop that is about to go, with all its people, stands in front of the others.
BEHIND_HIDDEN = 40
_ID = re.compile(r"[1-9][0-9]{0,17}")
R = TypeVar("R", bound=Any)
_FILLED = ("email", "phone", "company", "url", "note")


class Line(NamedTuple):
    """What a list needs of a person; a tuple, since a search reads dozens of each many times."""

    id: int
    workspace_id: str
    source: str
    external_id: str
    name: str
    email: str
    phone: str
    company: str
    sort_name: str
    has_orders: bool
    last_order: str
    words: str
    contacts: str


_COLUMNS = [PersonRow.__table__.c[name] for name in Line._fields]


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
            return [to_hit(one) for one in self._found(session, words, most)[:most]]

    def person(self, id: str) -> Person | None:
        """One person, newest order first, with what other sources know of the same human; None for an id that is none
        of this workspace's."""
        if not _ID.fullmatch(id):
            return None
        with reading() as session:
            row = session.get(PersonRow, int(id))
            shown = shown_sources(session, self.workspace_id)
            mine = self._mine([row] if row else [], shown)
            return self._card(session, mine[0], shown) if mine else None

    def by_contact(self, *, email: str = "", phone: str = "") -> Hit | None:
        """The person with this e-mail, else with this phone; of several the one who ordered last."""
        address = plain(email)
        with reading() as session:
            shown = shown_sources(session, self.workspace_id)
            for row in self._with_term(session, email_term(address), shown) if address else ():
                if address in (plain(row.email), *addresses(row.email)):
                    return to_hit(row)
            for form in phones.asked_forms(phone):
                for row in self._with_term(session, form, shown):
                    if form in phones.stored_forms(row.phone):
                        return to_hit(row)
        return None

    def _found(self, session: Session, words: Sequence[Word], most: int) -> list[Line]:
        """A page of the best, and more; few where there are no more, or none within reach."""
        shown = shown_sources(session, self.workspace_id)
        humans_of = partial(self._humans, session, shown)
        search = Search(session, self.workspace_id, words)
        first = search.first(most + (SPARE_OF_ONE_WORD if len(words) == 1 else SPARE))
        rows = self._rows(session, first.ids, shown)
        people = best_humans(rows, words, humans_of)
        if len(people) >= most or first.ended:
            return people
        hidden = len(rows) < len(first.ids)
        depth, of = (BEHIND_HIDDEN, shown) if hidden else (DEEPER, ())
        for ids in search.further(most + MANY_SPARE, depth, of):
            rows += self._rows(session, ids, shown)
            people = best_humans(rows, words, humans_of)
            if len(people) >= most:
                break
        return people

    def _card(self, session: Session, row: PersonRow, shown: Collection[str]) -> Person:
        ids = self._humans(session, shown, [row.id]).get(row.id, (row.id,))
        others = session.scalars(select(PersonRow).where(among(session, PersonRow.id, {*ids} - {row.id})))
        rows = [row, *best_first(others)]
        card = to_card(rows, orders.of(session, ids))
        return replace(card, id=str(ids[0]), messages=self._messages(session, rows, shown))

    def _humans(self, session: Session, shown: Collection[str], ids: Collection[int]) -> dict[int, tuple[int, ...]]:
        return joining.humans_of(session, self.workspace_id, shown, ids)

    def _messages(self, session: Session, rows: list[PersonRow], shown: Collection[str]) -> tuple[Message, ...]:
        def is_anothers(phone: str) -> bool:
            return any(phone in phones.keys(one.phone) for one in self._with_term(session, phone, shown))

        return tuple(messages.shown(session, shown, rows, is_anothers))

    def _with_term(self, session: Session, term: str, shown: Collection[str]) -> list[Line]:
        """The people with this whole term, best first."""
        rows = self._rows(session, holders(session, self.workspace_id, term), shown) if term else []
        return best_first(rows)

    def _rows(self, session: Session, ids: Collection[int], shown: Collection[str]) -> list[Line]:
        # By their ids alone: asked for the workspace too, a database may choose to walk through all of it.
        connection = session.connection(bind_arguments={"mapper": PersonRow})
        read = _among(connection.dialect.name)
        return self._mine(starmap(Line, connection.execute(read, {"ids": [*ids]})), shown) if ids else []

    def _mine(self, rows: Iterable[R], shown: Collection[str]) -> list[R]:
        """Those of this workspace, and from a source that is shown: that is asked of the main database."""
        return [row for row in rows if row.workspace_id == self.workspace_id and row.source in shown]


def best_humans(rows: Sequence[Line], words: Sequence[Word], humans_of: joining.HumansOf) -> list[Line]:
    """Of these people those who are found by every word, the best first, of each human the best."""
    points = {row.id: its for row in rows if (its := score(row.words, words)) is not None}
    return list(joining.first_of_each(best_first((row for row in rows if row.id in points), points), humans_of))


@cache
def _among(dialect: str) -> Select[Any]:
    """The people whose ids are in ``ids``; made once."""
    return select(*_COLUMNS).where(listed(dialect, PersonRow.id, "ids"))


def best_first(rows: Iterable[R], points: Mapping[int, int] | None = None) -> list[R]:
    """People in the order in which they are shown; ``points`` by their ids come before all else."""
    given = points or {}
    # Sorts keep the order of equals: the last one says most.
    ranked = sorted(rows, key=attrgetter("sort_name", "id"))
    ranked.sort(key=attrgetter("last_order"), reverse=True)
    ranked.sort(key=lambda row: (given.get(row.id, 0), not row.has_orders))
    return ranked


def shown_sources(session: Session, workspace_id: str) -> list[str]:
    """The import, and the workspace's installations that are served; whatever else the mirror still holds is hidden."""
    served = select(InstallationRow.id).where(
        InstallationRow.workspace_id == workspace_id, InstallationRow.state.in_(SERVED)
    )
    return [IMPORT, *session.scalars(served)]


def to_hit(row: Line) -> Hit:
    """The person's line in a list: the name, or what there is in its place."""
    return Hit(str(row.id), row.name or row.company or row.email or row.phone or row.external_id)


def to_person(row: PersonRow, orders: Sequence[Order]) -> Person:
    """The person as the source told it."""
    told = {name: getattr(row, name) for name in ("external_id", "name", "updated_at", *_FILLED)}
    return Person(**told, orders=tuple(orders))


def to_card(rows: Sequence[PersonRow], orders: Sequence[Order]) -> Person:
    """The first as its source told it; what that source left out is told by the others."""
    told: dict[str, Any] = {name: next(filter(None, (getattr(row, name) for row in rows)), "") for name in _FILLED}
    told["known_as"], told["pages"] = tuple(row.external_id for row in rows), tuple(row.url for row in rows)
    return replace(to_person(rows[0], orders), **told, sources=tuple(row.source for row in rows))
