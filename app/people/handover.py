"""What a platform that takes people is to be told: how some people differ from what it was given of them before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.people import joining, orders, phones
from app.people.directory import shown_sources, to_card
from app.people.lists import among
from app.people.models import OrderRow, PersonRow, PushedRow
from app.people.turns import Turn
from app.sdk import Changes, Order, Person

TOLD = ("name", "email", "phone", "company", "url", "note", "known_as")


@dataclass(slots=True)
class Plan:
    """What to tell, and what to note once it was taken.

    ``rows`` are values of `PushedRow` by person, ``lost`` people of whom nothing is to be noted any more, ``again``
    those to look at once more, since the human they were part of has changed.
    """

    people: list[Person] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    orders: list[tuple[Person, Order]] = field(default_factory=list)
    gone_people: list[Person] = field(default_factory=list)
    gone_orders: list[str] = field(default_factory=list)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    again: set[int] = field(default_factory=set)

    def changes(self) -> Changes:
        """What to tell, as the connector is handed it."""
        told = (tuple(self.people), frozenset(self.known), tuple(self.orders))
        return Changes(*told, tuple(self.gone_people), tuple(self.gone_orders))


def plan(session: Session, turn: Turn, ids: Collection[int]) -> Plan:
    """What the installation's platform is to be told because of these people."""
    return _Planning(session, turn, ids).plan()


class _Planning:
    """The people asked about and those who are one with them: as they are, and as the platform knows them."""

    def __init__(self, session: Session, turn: Turn, ids: Collection[int]) -> None:
        self.session, self.ids, self.installation = session, set(ids), turn.installation
        self.sources = shown_sources(session, turn.installation.workspace)
        self.humans = joining.humans_of(session, turn.installation.workspace, self.sources, ids)
        everybody = self.ids | {id for human in self._asked() for id in human}
        self.people = {
            row.id: row for row in session.scalars(select(PersonRow).where(among(session, PersonRow.id, everybody)))
        }
        known = PushedRow.installation_id == turn.installation.id, among(session, PushedRow.person_id, everybody)
        self.pushed = {row.person_id: row for row in session.scalars(select(PushedRow).where(*known))}
        self.orders: dict[int, list[OrderRow]] = {id: [] for id in everybody}
        for row in session.scalars(select(OrderRow).where(among(session, OrderRow.person_id, everybody))):
            self.orders[row.person_id].append(row)
        self.found = Plan()

    def _asked(self) -> set[tuple[int, ...]]:
        return {self.humans[id] for id in self.ids if id in self.humans}

    def plan(self) -> Plan:
        """Each human once, then those who are no more, or are shown by nobody but the platform itself."""
        for human in sorted(self._asked()):
            theirs = [id for id in human if self.people[id].source != self.installation.id]
            if theirs:
                self._tell(theirs, self._own_name(human))
        for id in self.ids - self.found.rows.keys():
            self._take_back(id)
        self._look_again()
        return self.found

    def _own_name(self, human: Iterable[int]) -> str:
        """The name under which the platform itself brought the human; empty where it did not."""
        own = (self.people[id].external_id for id in human if self.people[id].source == self.installation.id)
        return next(own, "")

    def _tell(self, theirs: list[int], known_as: str) -> None:
        """The human under the name of the first of its people, with the orders of all."""
        leader, before = theirs[0], self.pushed.get(theirs[0])
        bought = {id: [to_told(row) for row in self.orders[id]] for id in theirs}
        every = sorted(
            (one for own in bought.values() for one in own), key=lambda one: (one.date, one.id), reverse=True
        )
        rows = [self.people[id] for id in theirs]
        # What platforms take people by is the number as it is dialled from abroad.
        phone = phones.joined(phones.with_countries(row.phone) for row in rows)
        card = replace(to_card(rows, every), phone=phone)
        person = self._person(leader, known_as, card)
        stamp = digest({name: getattr(person, name) for name in TOLD})
        if before is None or before.digest != stamp:
            self.found.people.append(person)
        if before is not None and before.digest:
            self.found.known.add(person.id)
        for id in theirs:
            noted = self._tell_orders(person, id, bought[id])
            mine = {"digest": stamp, "known_as": known_as} if id == leader else {"digest": "", "known_as": ""}
            self.found.rows[id] = {"leader": leader, "orders": noted, **mine}
            self._take_back_contact(id, keeps=known_as if id == leader else None)

    def _person(self, leader: int, known_as: str, card: Person) -> Person:
        own = {"sources": (self.installation.id,), "known_as": (known_as,)} if known_as else {}
        empty = {"sources": (), "known_as": ()}
        return replace(card, external_id=str(leader), id=str(leader), updated_at="", **empty | own)  # type: ignore[arg-type]

    def _tell_orders(self, person: Person, id: int, bought: list[Order]) -> str:
        """The orders of one of the human's people; returns what to note of them."""
        before = self._pushed_orders(id)
        noted = {}
        for order in bought:
            # Where it shows depends on the person, too.
            noted[order.number] = digest([order_facts(order), person.id, person.known_as, person.phone, person.url])[
                :16
            ]
            if before.get(order.number) != noted[order.number]:
                self.found.orders.append((person, order))
        self.found.gone_orders += [f"{id}:{number}" for number in sorted(before.keys() - noted.keys())]
        return json.dumps(noted, ensure_ascii=False)

    def _pushed_orders(self, id: int) -> Mapping[str, str]:
        row = self.pushed.get(id)
        return json.loads(row.orders) if row else {}

    def _take_back(self, id: int) -> None:
        """All that the platform was given of a person who is no more."""
        self.found.gone_orders += [f"{id}:{number}" for number in sorted(self._pushed_orders(id))]
        self._take_back_contact(id, keeps=None)
        self.found.lost.add(id)

    def _take_back_contact(self, id: int, keeps: str | None) -> None:
        """The contact that was the person's, unless it is kept under the same name or is the platform's own still."""
        row = self.pushed.get(id)
        if row is None or not row.digest or row.known_as == keeps or self._brought(row.known_as):
            return
        self.found.gone_people.append(self._person(id, row.known_as, Person(str(id), "")))

    def _brought(self, external_id: str) -> bool:
        mine = PersonRow.workspace_id == self.installation.workspace, PersonRow.source == self.installation.id
        known = select(PersonRow.id).where(*mine, PersonRow.external_id == external_id)
        return bool(external_id) and self.session.scalar(known) is not None

    def _look_again(self) -> None:
        """Who was one human with somebody who is so no more."""
        former = {self.pushed[id].leader for id, row in self.found.rows.items() if id in self.pushed}
        former -= {row["leader"] for row in self.found.rows.values()}
        former |= {leader for id in self.found.lost if id in self.pushed for leader in (id, self.pushed[id].leader)}
        theirs = PushedRow.installation_id == self.installation.id, PushedRow.leader.in_(former - {0})
        seen = self.found.rows.keys() | self.found.lost
        self.found.again = set(self.session.scalars(select(PushedRow.person_id).where(*theirs))) - seen


def to_told(row: OrderRow) -> Order:
    """The order under the directory's own name for it."""
    return replace(orders.to_order(row), id=f"{row.person_id}:{row.number}")


def order_facts(order: Order) -> list[Any]:
    """What is told of an order."""
    return [order.number, order.date, order.status, order.total, order.currency, order.url, order.closed]


def digest(told: object) -> str:
    """Changes whenever what is told does."""
    spelled = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).hexdigest()
