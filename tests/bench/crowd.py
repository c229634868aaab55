"""A crowd for the search to find its way in: made-up people, and a short cut for storing a million of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, count, islice
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection

from app.people import index, phones
from app.people.index import Entry
from app.people.orders import facts_of
from app.people.ranking import rank, scope_of
from app.people.rows import person_values, to_storable
from app.sdk import Order, Person

CHUNK = 10_000
# Every crowd has the same surnames, so that a query means the same in each.
SURNAMES = 1_000_000_000
COLUMNS = ["scope", "term", "rank", "person_id", "signature", "letters"]
NAMES = """
Jan Jana Petr Petra Pavel Pavla Martin Martina Tomáš Tereza Josef Josefa Jiří Marie Eva Anna Lenka Lucie
Kateřina Věra Alena Hana Jakub Lukáš Ondřej Filip David Daniel Michal Milan Иван Анна Ольга Сергей Андрей
Елена José Łukasz Zoë Karel Václav Xenie

Novák Nováková Novotný Novotná Svoboda Svobodová Dvořák Dvořáková Černý Procházka Kučera Veselý

no vak va vo bo da dvo rak cer ny pro chaz ka ku ce ra ve se ly hor mar kov po korn ky jel li nek ru zic bu
dil kra tich sta fi al a be nes sed lac ek do le zal ze man ko lar na vra til ur ban bla zek kri kop ri pol
pes ta

seznam.cz gmail.com email.cz post.cz centrum.cz mail.ru yandex.ru outlook.com volny.cz
"""
FIRST, LAST, SYLLABLES, DOMAINS = (part.split() for part in NAMES.split("\n\n"))


class Crowd:
    """People as a country has them: few names are many people's, and many names few people's."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(SURNAMES)
        self.last = list(dict.fromkeys([*LAST, *(self._surname() for _ in range(20_000))]))
        self.chance.seed(seed)
        self.weights = {len(names): list(accumulate(1 / (place + 8) for place in range(len(names)))) for names in
                        (FIRST, self.last, DOMAINS)}  # fmt: skip

    def _surname(self) -> str:
        return "".join(self.chance.choices(SYLLABLES, k=self.chance.randint(2, 4))).capitalize()

    def _one_of(self, names: Sequence[str]) -> str:
        return self.chance.choices(names, cum_weights=self.weights[len(names)])[0]

    def people(self) -> Iterator[Person]:
        """People without end, half of them with orders."""
        made, place = self.chance, 0
        while True:
            place += 1
            last = self._one_of(self.last)
            day = f"{made.randint(2020, 2026)}-{made.randint(1, 12):02}-{made.randint(1, 28):02}"
            yield Person(
                str(place),
                f"{self._one_of(FIRST)} {last}",
                f"{last.lower()}{made.randint(1, 9999)}@{self._one_of(DOMAINS)}" if made.random() < 0.9 else "",
                f"+420 {made.randint(601, 799)} {made.randint(0, 999):03} {made.randint(0, 999):03}",
                made.choice(("", "", "", f"{last} s.r.o.")),
                orders=[Order(str(place), day)] if made.random() < 0.5 else (),
            )


def fill(connection: Connection, workspaces: Sequence[str], total: int, first_id: int) -> int:
    """Store ``total`` people, taking turns between the workspaces; returns the first id that is free."""
    people = Crowd(first_id).people()
    last_id = first_id + total
    with pile(connection) as put, patch.object(phones, "stored_forms", _forms), patch.object(phones, "keys", _keys):
        while first_id < last_id:
            some = list(islice(people, min(CHUNK, last_id - first_id)))
            chosen = [workspaces[place % len(workspaces)] for place in range(first_id, first_id + len(some))]
            rows = [_row(id, workspace, one) for id, workspace, one in zip(count(first_id), chosen, some, strict=False)]
            put("person", list(rows[0]), [tuple(one.values()) for one in rows])
            put("term", COLUMNS, [row for one in rows for row in _terms(one)])
            first_id += len(some)
    return first_id


def check() -> None:
    """The short cut for phones says what the real reading says."""
    for person in islice(Crowd().people(), 200):
        assert _forms(person.phone) == phones.stored_forms(person.phone)
        assert _keys(person.phone) == phones.keys(person.phone)


def _forms(phone: str) -> set[str]:
    digits = phones.digits(phone)
    return {digits, digits[3:]}


def _keys(phone: str) -> set[str]:
    return {phones.digits(phone)}


def _row(id: int, workspace: str, person: Person) -> dict[str, Any]:
    facts = facts_of(order.date for order in person.orders)
    values = person_values(workspace, "import", to_storable(person))
    place = rank(facts.has_orders, facts.last_order, values["sort_name"])
    known = {"has_orders": facts.has_orders, "last_order": facts.last_order, "rank": place}
    return {"id": id} | values | {"external_id": f"{id}"} | known


def _terms(one: dict[str, Any]) -> Iterator[index.Row]:
    return index.rows(scope_of(one["workspace_id"]), one["id"], Entry(one["words"], one["rank"]))


Put = Callable[[str, list[str], list[tuple[Any, ...]]], None]


@contextmanager
def pile(connection: Connection) -> Iterator[Put]:
    """Rows are piled up first and put into the order of the key at the end: no page of the index is written twice."""
    making = _sqlite_pile if connection.dialect.name == "sqlite" else _postgres_pile
    with making(connection) as put:
        yield put
    # Of what the driver was told directly SQLAlchemy knows nothing.
    connection.connection.commit()


@contextmanager
def _sqlite_pile(connection: Connection) -> Iterator[Put]:
    names = ", ".join(COLUMNS)
    connection.exec_driver_sql(f"CREATE TEMP TABLE pile ({names})")

    def put(table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        into, marks = "pile" if table == "term" else table, ", ".join("?" for _ in columns)
        connection.exec_driver_sql(f"INSERT INTO {into} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608

    yield put
    connection.exec_driver_sql(f"INSERT INTO term ({names}) SELECT {names} FROM pile ORDER BY {names}")  # noqa: S608
    connection.exec_driver_sql("DROP TABLE pile")


@contextmanager
def _postgres_pile(connection: Connection) -> Iterator[Put]:
    connection.exec_driver_sql("ALTER TABLE term DROP CONSTRAINT pk_term")

    def put(table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        with connection.connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)

    yield put
    connection.exec_driver_sql(f"ALTER TABLE term ADD CONSTRAINT pk_term PRIMARY KEY ({', '.join(COLUMNS)})")
