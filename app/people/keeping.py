"""Rows of people: which the mirror holds, and how they are put in and taken out with their terms."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.people import index
from app.people.index import Entry
from app.people.lists import among
from app.people.models import OrderRow, PersonRow, PushedRow
from app.people.orders import Facts
from app.people.ranking import rank, scope_of
from app.people.rows import person_values
from app.sdk import Person

KEY = ("workspace_id", "source", "external_id")
PEOPLE = cast(Table, PersonRow.__table__)
RECALL = (
    update(PEOPLE)
    .where(PEOPLE.c.id == bindparam("this"))
    .values({name: bindparam(name) for name in ("has_orders", "last_order", "rank")})
)
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


@dataclass(frozen=True, slots=True)
class Held:
    """What the mirror knows of a person before a change."""

    id: int
    sort_name: str
    entry: Entry
    facts: Facts
    by_order: bool = False
    updated_at: str = ""


def lock(session: Session, workspace_id: str) -> None:
    """Writers of one workspace wait for each other: what is read before a change still holds when it is written."""
    if session.get_bind(PersonRow).dialect.name == "postgresql":
        session.execute(
            select(func.pg_advisory_xact_lock(scope_of(workspace_id))), bind_arguments={"mapper": PersonRow}
        )


def held(session: Session, workspace_id: str, source: str, external_ids: Collection[str]) -> dict[str, Held]:
    """Those of the people that the mirror holds, by ``external_id``."""
    if not external_ids:
        return {}
    row = PersonRow
    statement = select(
        *(row.external_id, row.id, row.sort_name, row.words, row.rank, row.has_orders, row.last_order),
        *(row.by_order, row.updated_at),
    ).where(row.workspace_id == workspace_id, row.source == source, among(session, row.external_id, external_ids))
    return {
        external_id: Held(id, name, Entry(words, rank), Facts(has_orders, last), by_order, updated_at)
        for external_id, id, name, words, rank, has_orders, last, by_order, updated_at in session.execute(statement)
    }


def ids_of(session: Session, workspace_id: str, source: str, external_ids: Collection[str]) -> dict[str, int]:
    """The ids of people whom the mirror holds."""
    mine = (PersonRow.workspace_id == workspace_id, PersonRow.source == source)
    read = select(PersonRow.external_id, PersonRow.id).where(*mine, among(session, PersonRow.external_id, external_ids))
    return {external_id: id for external_id, id in session.execute(read)} if external_ids else {}


def put(
    session: Session,
    workspace_id: str,
    source: str,
    people: Sequence[Person],
    held: Mapping[str, Held],
    facts: Mapping[str, Facts],
    by_order: Collection[str] = (),
    *,
    later: bool = False,
) -> dict[str, Held]:
    """Upsert storable people with what their orders say; returns what the mirror holds of them now.

    Of those in ``by_order`` nothing but an order tells. ``later`` as of `index.update`.
    """
    if not people:
        return {}
    rows = [
        _values(workspace_id, source, person, facts[person.external_id]) | {"by_order": person.external_id in by_order}
        for person in people
    ]
    # The table, not the model: what the ORM adds to a statement costs more than the statement.
    statement = INSERTS[session.get_bind(PersonRow).dialect.name](PEOPLE)
    columns = [column.name for column in PEOPLE.columns if column.name not in ("id", *KEY)]
    statement = statement.on_conflict_do_update(
        index_elements=KEY, set_={column: statement.excluded[column] for column in columns}
    )
    session.execute(statement, rows)
    ids = {name: one.id for name, one in held.items()}
    ids |= ids_of(session, workspace_id, source, [row["external_id"] for row in rows if row["external_id"] not in ids])
    now = {
        (name := row["external_id"]): Held(
            *(ids[name], row["sort_name"], Entry(row["words"], row["rank"]), facts[name]),
            *(row["by_order"], row["updated_at"]),
        )
        for row in rows
    }
    before = {held[name].id: held[name].entry for name in now if name in held}
    index.update(session, workspace_id, before, {one.id: one.entry for one in now.values()}, later=later)
    return now


def _values(workspace_id: str, source: str, person: Person, facts: Facts) -> dict[str, Any]:
    values = person_values(workspace_id, source, person)
    return values | {
        "has_orders": facts.has_orders,
        "last_order": facts.last_order,
        "rank": rank(facts.has_orders, facts.last_order, values["sort_name"]),
    }


def recall(
    session: Session, workspace_id: str, people: Mapping[str, Held], facts: Mapping[int, Facts]
) -> dict[str, Held]:
    """Write what people's orders say now; returns those for whom it is not what the mirror knew, as they are now."""
    changed = {name: one for name, one in people.items() if one.facts != facts[one.id]}
    now = {name: _recalled(one, facts[one.id]) for name, one in changed.items()}
    if now:
        session.execute(RECALL, [_of_orders(one) for one in now.values()])
        entries = {one.id: one.entry for one in now.values()}
        index.update(session, workspace_id, {one.id: one.entry for one in changed.values()}, entries)
    return now


def _recalled(one: Held, facts: Facts) -> Held:
    place = rank(facts.has_orders, facts.last_order, one.sort_name)
    return replace(one, entry=Entry(one.entry.words, place), facts=facts)


def _of_orders(one: Held) -> dict[str, Any]:
    return {"this": one.id, "rank": one.entry.rank, **asdict(one.facts)}


def look_again(session: Session, ids: Iterable[int]) -> None:
    """Have the platforms that were given these people told soon of what became of them."""
    again = update(PushedRow).where(among(session, PushedRow.person_id, ids)).values(mark=random.randrange(1, 2**62))
    session.execute(again, execution_options={"synchronize_session": False})


def remove(session: Session, workspace_id: str, people: Mapping[int, Entry]) -> None:
    """Delete people with their orders and terms; the platforms that were given them are told soon."""
    if not people:
        return
    look_again(session, people)
    index.update(session, workspace_id, people, {})
    session.execute(delete(OrderRow).where(among(session, OrderRow.person_id, people)))
    session.execute(delete(PersonRow).where(among(session, PersonRow.id, people)))
