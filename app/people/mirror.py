"""The mirror: people are stored, synchronised, forgotten and moved together with their orders and terms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, String, Update, and_, cast, func, select, tuple_, update
from sqlalchemy.orm import Session

from app.core.database import MIRROR, fold, reading, writing
from app.core.seal import new_id
from app.people import departed, early, erased, keeping, orders, pile, syncing
from app.people.index import Entry
from app.people.models import IMPORT, PersonRow, TermRow
from app.people.orders import facts_of
from app.people.ranking import scope_of
from app.people.rows import LONGEST_ID, to_storable
from app.people.sync_state import SyncRow
from app.sdk import Batch, Person

# One transaction: long enough to be quick, short enough for another writer to wait for.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """How many people a store brought and how many it brought up to date."""

    new: int = 0
    updated: int = 0

    def __add__(self, other: Stored) -> Stored:
        return Stored(self.new + other.new, self.updated + other.updated)


def store(workspace_id: str, source: str, people: Iterable[Person]) -> Stored:
    """Upsert by ``external_id``, in batches of one transaction each; a person's orders are replaced.

    ``source`` is an installation's id or ``import``. Of the same id twice the later counts. Raises `ValueError`
    for an ``external_id`` that cannot be kept.
    """
    stored = Stored()
    remaining = iter(people)
    while batch := list(islice(remaining, BATCH)):
        latest = {person.external_id: person for person in map(to_storable, batch)}
        # Always in the same order, so that two writers wait for each other instead of deadlocking.
        stored += _store_batch(workspace_id, source, [latest[id] for id in sorted(latest)])
        fold(MIRROR)
    return stored


def _store_batch(workspace_id: str, source: str, batch: list[Person]) -> Stored:
    with writing() as session:
        keeping.lock(session, workspace_id)
        held = keeping.held(session, workspace_id, source, [person.external_id for person in batch])
        facts = {person.external_id: facts_of(order.date for order in person.orders) for person in batch}
        now = keeping.put(session, workspace_id, source, batch, held, facts)
        bought = {now[person.external_id].id: person.orders for person in batch}
        orders.replace(session, source, bought, [one.id for one in held.values()])
        return Stored(len(batch) - len(held), len(held))


def apply(
    workspace_id: str,
    source: str,
    batch: Batch,
    also: Callable[[Session], None] | None = None,
    *,
    later: bool = False,
) -> Stored:
    """Store one page of what changed on a platform, and call ``also`` inside the same transaction: all or nothing.

    Who was erased stays away until the platform says something new (`app.people.erased`).

    People keep their stored orders; orders are upserted by person and number. A merged person's orders go to the one it
    was combined into, whose id it takes if the mirror does not hold that one yet. Orders of a person that it does
    not hold are left out. Raises `ValueError` for an ``external_id`` that cannot be kept.

    ``later``: its people need not be found before the caller's `app.people.pile.merge`.
    """
    known = erased.known(source)
    let_in = erased.without(source, batch, known)
    with writing() as session:
        keeping.lock(session, workspace_id)
        new, updated = syncing.apply(session, workspace_id, source, let_in, later=later)
        if also is not None:
            also(session)
    fold(MIRROR)
    if (since := erased.known(source)) - known:  # erased since the page was looked at
        still = erased.without(source, let_in, since)
        kept = {person.external_id for person in (*still.people, *still.buyers)}
        told = {person.external_id for person in (*let_in.people, *let_in.buyers)}
        remove(workspace_id, source, sorted(told - kept))
    return Stored(new, updated)


def remove(workspace_id: str, source: str, external_ids: Collection[str]) -> None:
    """Delete these people of one source, with their orders and terms."""
    with writing() as session:
        keeping.lock(session, workspace_id)
        held = keeping.held(session, workspace_id, source, external_ids)
        keeping.remove(session, workspace_id, {one.id: one.entry for one in held.values()})


def forget(workspace_id: str, source: str | None = None, also: Callable[[Session], None] | None = None) -> None:
    """Delete the people of one source of the workspace, or all of the workspace's, with their orders and terms.

    In transactions of which each calls ``also``, the last when nobody is left.
    """
    mine = _of(workspace_id, source)
    while True:
        with writing() as session:
            keeping.lock(session, workspace_id)
            if also is not None:
                also(session)
            chosen = select(PersonRow.id, PersonRow.words, PersonRow.rank).where(mine).limit(BATCH)
            gone = {id: Entry(words, rank) for id, words, rank in session.execute(chosen)}
            keeping.remove(session, workspace_id, gone)
            for notes in (departed, early):
                notes.forget(session, workspace_id, source)
        if len(gone) < BATCH:
            return


def count(workspace_id: str, source: str | None = None) -> int:
    """How many people the mirror holds of the workspace, or of one source of it."""
    with reading() as session:
        statement = select(func.count()).select_from(PersonRow).where(_of(workspace_id, source))
        return session.scalar(statement) or 0


def move(workspace_id: str, into: str) -> None:
    """Give all people of one workspace to another, in one transaction; a page under way is not stored.

    Where both imported the same ``external_id``, the moved person's gets the workspace it comes from in front, and its
    id too where somebody is called that already; of an installation's person whom both hold, the other workspace's
    stays.
    """
    with writing() as session:
        for one in sorted((workspace_id, into)):
            keeping.lock(session, one)
        # Whoever pulls meanwhile is overtaken, and its page is pulled again for the right workspace.
        # Who forgets people of an installation that is gone finds them where they are now.
        overtake = update(SyncRow).where(SyncRow.workspace_id.in_((workspace_id, into)))
        values = {"ticket": new_id("t"), "workspace_id": into}
        session.execute(overtake.values(values), execution_options={"synchronize_session": False})
        for notes in (departed, early):
            notes.move(session, workspace_id, into)
        _drop_twins(session, workspace_id, into)
        for statement in (
            *_renames(workspace_id, into),
            update(PersonRow).where(PersonRow.workspace_id == workspace_id).values(workspace_id=into),
            update(TermRow).where(TermRow.scope == scope_of(workspace_id)).values(scope=scope_of(into)),
        ):
            session.execute(statement, execution_options={"synchronize_session": False})
        pile.move(session.connection(bind_arguments={"mapper": TermRow}), scope_of(workspace_id), scope_of(into))


def _renames(workspace_id: str, into: str) -> list[Update]:
    """Have nobody called like somebody of the other workspace; cut or moved once more, two could get one name."""
    ours, theirs = (
        select(PersonRow.source, PersonRow.external_id).where(PersonRow.workspace_id == one)
        for one in (workspace_id, into)
    )
    clash = tuple_(PersonRow.source, PersonRow.external_id).in_(theirs)
    name = f"{workspace_id}:" + PersonRow.external_id
    called = tuple_(PersonRow.source, name)
    is_free = and_(func.length(name) <= LONGEST_ID, called.not_in(ours), called.not_in(theirs))
    with_id = f"{workspace_id}:" + cast(PersonRow.id, String) + ":" + PersonRow.external_id
    mine = update(PersonRow).where(PersonRow.workspace_id == workspace_id, clash)
    return [mine.where(is_free).values(external_id=name), mine.values(external_id=func.substr(with_id, 1, LONGEST_ID))]


def _drop_twins(session: Session, workspace_id: str, into: str) -> None:
    there = select(PersonRow.source, PersonRow.external_id).where(PersonRow.workspace_id == into)
    twins = select(PersonRow.source, PersonRow.external_id).where(
        PersonRow.workspace_id == workspace_id,
        PersonRow.source != IMPORT,
        tuple_(PersonRow.source, PersonRow.external_id).in_(there),
    )
    for source, external_id in session.execute(twins).all():
        held = keeping.held(session, workspace_id, source, [external_id])
        keeping.remove(session, workspace_id, {one.id: one.entry for one in held.values()})


def _of(workspace_id: str, source: str | None) -> ColumnElement[bool]:
    mine = PersonRow.workspace_id == workspace_id
    return mine if source is None else and_(mine, PersonRow.source == source)
