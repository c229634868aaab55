"""The directory: what is found, in which order, and whose."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.database import reading
from app.core.services import services
from app.people import directory as directory_module
from app.people import mirror, statements
from app.people.directory import PeopleDirectory
from app.people.models import IMPORT, OrderRow, PersonRow, TermRow
from app.people.plan import Asked
from app.people.search import Search
from app.people.terms import query_words, terms
from app.people.text import fold
from app.sdk import Directory, Order, Person, State

HOSTILE = [
    "'", '"', "%", "_", "%%%", "a' OR '1'='1", "*", "nov*", '"jan@x.cz"', "NEAR(a b)", "name:jan", "-jan", "\\", "\0",
    "jan\0novak", "😀", "jan😀", "x" * 10_000, "x " * 5_000, "\ud800", "jan\udfffnovak", "\ud800@x.cz", "@", "a@",
    "@@@@", "\U0010ffff", "\u202e", "+" * 50, "9" * 500, "+" + "9" * 500, "0" * 30, "\r\n", "ﷺ" * 64,
    "a\u0301" * 2000,
]  # fmt: skip


def names(directory: Directory, query: str, limit: int = 20) -> list[str]:
    return [hit.name for hit in directory.search(query, limit)]


def store(*people: Person, workspace: str = "w1", source: str = "shop1") -> None:
    mirror.store(workspace, source, people)


JAN = Person(
    "1", "Jan Novák-Dvořák", "Jan.Novak@example.com", "+420 777 123 456", "Květinářství Růže s.r.o.", "https://x.cz/1"
)
IVANOV = Person("2", "Андрей Иванов", "a@ivanov.ru", "8 912 345-67-89")


@pytest.mark.parametrize(
    "query",
    [
        "j", "jan", "JAN", "nov", "novak", "novák", "dvor", "dvořák jan", "jan n d", "novák-dvořák",
        "jan.novak@example.com", "JAN.NOVAK@EXAMPLE.COM", "jan.novak@ex", "jan.nov", "example", "example.com",
        "@example.com", "jan example", "+420 777 123 456", "777123456", "00420777123456", "777 123 456", "777123",
        "+420777", "420 777 123", "jan 777 123", "kvet", "květinářství růže", "ruze jan", "jan s.r.o.",
    ],
)  # fmt: skip
def test_found_by_the_beginning_of_every_word(mine: PeopleDirectory, query: str) -> None:
    store(JAN, IVANOV)
    assert names(mine, query) == ["Jan Novák-Dvořák"]


@pytest.mark.parametrize(
    "query", ["ivanov", "Иванов", "иван", "ivan andr", "andrei", "andrey", "Андрей", "89123456789"]
)
def test_found_in_either_script(mine: PeopleDirectory, query: str) -> None:
    store(JAN, IVANOV)
    assert names(mine, query) == ["Андрей Иванов"]


def test_cyrillic_finds_latin(mine: PeopleDirectory) -> None:
    store(Person("1", "Andrey Ivanov"))
    assert names(mine, "андрей иванов") == ["Andrey Ivanov"]


@pytest.mark.parametrize("query", ["ovak", "jan ivanov", "janx", "", "   ", "777 123 457", "+421 777 123 456"])
def test_not_found(mine: PeopleDirectory, query: str) -> None:
    store(JAN, IVANOV)
    assert names(mine, query) == []


def test_an_exact_word_comes_before_a_prefix(mine: PeopleDirectory) -> None:
    store(
        Person("1", "Adam Janáček", orders=[Order("1", "2026-01-01")]),
        Person("2", "Zdeněk", company="Jan"),
        Person("3", "Petr Jan"),
    )
    assert names(mine, "jan") == ["Petr Jan", "Zdeněk", "Adam Janáček"]


def test_a_name_comes_before_an_email_before_a_phone_before_a_company(mine: PeopleDirectory) -> None:
    store(
        Person("1", "A", company="777123456"),
        Person("2", "B", phone="777123456"),
        Person("3", "C", email="777123456@x.cz"),
        Person("4", "777123456"),
    )
    assert names(mine, "777123456") == ["777123456", "C", "B", "A"]
    assert names(mine, "77712345") == ["777123456", "C", "B", "A"]


def test_who_ordered_last_comes_before_who_ordered_before_none(mine: PeopleDirectory) -> None:
    store(
        Person("1", "Jan A"),
        Person("2", "Jan B", orders=[Order("1")]),
        Person("3", "Jan C", orders=[Order("1", "2025-03-01"), Order("2", "2024-01-01")]),
        Person("4", "Jan D", orders=[Order("1", "2026-02-01T10:00:00Z")]),
        Person("5", "Jan E", orders=[Order("1", "tomorrow")]),
    )
    assert names(mine, "jan") == ["Jan D", "Jan C", "Jan B", "Jan E", "Jan A"]


def test_then_by_name_then_as_they_came(mine: PeopleDirectory) -> None:
    store(Person("1", "Jan Žák"), Person("2", "jan adam"), Person("3", "Jan Čech"), Person("4", "JAN ADAM"))
    assert names(mine, "jan") == ["jan adam", "JAN ADAM", "Jan Čech", "Jan Žák"]


def test_all_words_count_for_the_order(mine: PeopleDirectory) -> None:
    store(Person("1", "Novák Janko"), Person("2", "Nováková Jan"), Person("3", "Novák Jan"))
    assert names(mine, "jan novak")[0] == "Novák Jan"
    assert set(names(mine, "jan novak")) == {"Novák Jan", "Nováková Jan", "Novák Janko"}


def test_the_limit(mine: PeopleDirectory) -> None:
    store(*(Person(str(index), f"Jan {index:03}") for index in range(150)))
    assert names(mine, "jan", 3) == ["Jan 000", "Jan 001", "Jan 002"]
    assert len(names(mine, "jan")) == 20
    assert len(names(mine, "jan", 10**9)) == 100
    assert names(mine, "jan", 0) == names(mine, "jan", -1) == []


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_queries_are_answered(mine: PeopleDirectory, query: str) -> None:
    store(JAN, IVANOV)
    assert len(names(mine, query)) <= 1
    assert mine.person(query) is None
    assert mine.by_contact(email=query, phone=query) is None


def test_hostile_people_are_stored_and_found(mine: PeopleDirectory) -> None:
    store(*(Person(f"h{index}", f"Zed {text}", text, text, text, text, text) for index, text in enumerate(HOSTILE)))
    assert len(names(mine, "zed", 100)) == len(HOSTILE)


def test_the_card(mine: PeopleDirectory) -> None:
    orders = (Order("A1", "2025-01-01", "paid", "10.50", "CZK", "https://x.cz/a1"), Order("A2", "2026-01-01"))
    person = Person("1", "Jan", "j@x.cz", "+420 777", "Acme", "https://x.cz", "a note", "2026-01-01T00:00:00Z", orders)
    store(person)
    card = mine.person(mine.search("jan")[0].id)
    assert card is not None
    assert [order.number for order in card.orders] == ["A2", "A1"]
    assert card.orders[1] == orders[0]
    assert (card.external_id, card.name, card.email, card.phone) == ("1", "Jan", "j@x.cz", "+420 777")
    assert (card.company, card.url, card.note) == ("Acme", "https://x.cz", "a note")
    assert card.updated_at == "2026-01-01T00:00:00Z"


def test_a_link_that_is_no_web_address_is_not_kept(mine: PeopleDirectory) -> None:
    store(Person("1", "Jan", url="javascript:alert(1)", orders=[Order("1", url="data:text/html,x")]))
    card = mine.person(mine.search("jan")[0].id)
    assert card is not None
    assert (card.url, card.orders[0].url) == ("", "")


@pytest.mark.parametrize(
    "id", ["", "0", "-1", "+1", " 1", "1 ", "01", "1.0", "１", "1e3", "9" * 18, "9" * 40, "x", "1;--"]
)
def test_an_id_that_is_none(mine: PeopleDirectory, id: str) -> None:
    store(JAN)
    assert mine.person(id) is None


def test_a_person_without_a_name_is_listed_by_what_there_is(mine: PeopleDirectory) -> None:
    store(Person("1", "", email="j@x.cz"))
    assert names(mine, "j@x.cz") == ["j@x.cz"]


@pytest.mark.parametrize("phone", ["+420 777 123 456", "777123456", "00420777123456", "420777123456"])
def test_by_phone_in_any_spelling(mine: PeopleDirectory, phone: str) -> None:
    store(JAN, IVANOV, Person("3", "Other", phone="+421 777 123 456", orders=[]))
    hit = mine.by_contact(phone=phone)
    assert hit is not None
    assert hit.name == JAN.name


def test_by_phone_finds_a_number_stored_without_its_country(mine: PeopleDirectory) -> None:
    store(Person("1", "Jan", phone="777 123 456"), Person("2", "Other", phone="+421 777 123 456"))
    hit = mine.by_contact(phone="+420777123456")
    assert hit is not None
    assert hit.name == "Jan"


def test_by_contact_is_exact(mine: PeopleDirectory) -> None:
    long = "x" * 70
    store(JAN, Person("2", "Jose", "josé@x.cz"), Person("3", "777123456"), Person("4", "Long", f"{long}@x.cz"))
    assert mine.by_contact(email=" JAN.NOVAK@EXAMPLE.COM ") is not None
    assert mine.by_contact(email="JOSE\u0301@x.cz") is not None
    for email in ("jose@x.cz", "jan.novak@example.co", "jan", f"{long}@y.cz", "", " "):
        assert mine.by_contact(email=email) is None, email
    for phone in ("", "7", "77712345", "+421777123456"):
        assert mine.by_contact(phone=phone) is None, phone


def test_by_contact_asks_the_email_first_and_prefers_who_ordered_last(mine: PeopleDirectory) -> None:
    store(
        Person("1", "A", "a@x.cz"),
        Person("2", "B", "b@x.cz", "777123456"),
        Person("3", "C", "a@x.cz", orders=[Order("1")]),
    )
    hits = [mine.by_contact(email="a@x.cz", phone="777123456"), mine.by_contact(email="z@x.cz", phone="777123456")]
    assert [hit and hit.name for hit in hits] == ["C", "B"]


def expected(people: list[Person], query: str) -> list[str]:
    """What a search must find, said the slow way."""
    ranked = []
    for place, person in enumerate(people):
        found = terms(person)
        scores = [
            min((rank + 100 * (term != form) for form in word for term, rank in found.items() if term.startswith(form)),
                default=None)
            for word in query_words(query)
        ]  # fmt: skip
        if scores and None not in scores:
            newest = max((order.date for order in person.orders), default="")
            ranked.append(
                (sum(filter(None, scores)), not person.orders, reversed_text(newest), fold(person.name), place)
            )
    return [people[place].external_id for *_, place in sorted(ranked)]


def reversed_text(date: str) -> tuple[int, ...]:
    """Sorts the other way round than the date, which is empty or of one length."""
    return tuple(-ord(character) for character in date) or (1,)


@pytest.mark.parametrize("everybody", [True, False], ids=["everybody", "the-best"])
def test_a_search_finds_what_the_slow_way_finds(
    mine: PeopleDirectory, everybody: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once with all candidates read, and once as usual: of several words the order of the best is then a good guess."""
    if everybody:
        monkeypatch.setattr(directory_module, "SPARE", 300)
    made = random.Random(7)
    first, last = ["Jan", "Jana", "Иван", "Łukasz", "José"], ["Novák", "Nová", "Иванов", "O'Hara", "Jan"]
    people = [
        Person(
            f"{index:03}",
            f"{made.choice(first)} {made.choice(last)}",
            made.choice(["", f"jan{index}@nova.cz", "ivan@x.cz"]),
            made.choice(["", f"+420 777 12{made.randrange(10)} 456", "777 123 456"]),
            made.choice(["", "Jan a syn", "Nova"]),
            orders=made.choice([(), [Order("1", f"2025-01-1{made.randrange(10)}")], [Order("2", "")]]),
        )
        for index in range(300)
    ]
    store(*people)
    queries = [
        "jan",
        "jan n",
        "n",
        "nova",
        "novák jan",
        "ivan",
        "иван o",
        "777 12",
        "+420 777 123 456",
        "l j",
        "x.cz iv",
    ]
    with reading() as session:
        ids = {str(row.id): row.external_id for row in session.scalars(select(PersonRow))}
    for query in queries:
        right = expected(people, query)
        ids_found = [ids[hit.id] for hit in mine.search(query, 100 if everybody else 20)]
        if everybody or len(query_words(query)) == 1:
            assert ids_found == right[: len(ids_found)], query
        assert len(ids_found) == min(len(right), 100 if everybody else 20), query
        assert set(ids_found) <= set(right), query
        assert ids_found[:1] == right[:1], query


def check_isolation(directory: PeopleDirectory, foreign_id: str) -> None:
    """What must hold when another workspace has a person named Jan, with this contact and this id."""
    assert directory.person(foreign_id) is None
    assert not directory.search("jan")
    assert directory.by_contact(email="jan@x.cz") is None
    assert directory.by_contact(phone="777123456") is None


@pytest.fixture
def foreign_id(mine: PeopleDirectory, theirs: PeopleDirectory) -> str:
    """The id of a person of workspace ``w2``."""
    store(Person("1", "Jan", "jan@x.cz", "777123456"), workspace="w2", source="shop2")
    return theirs.search("jan")[0].id


def test_another_workspace_is_invisible(mine: PeopleDirectory, theirs: PeopleDirectory, foreign_id: str) -> None:
    check_isolation(mine, foreign_id)
    assert theirs.person(foreign_id) is not None
    store(JAN)
    assert names(mine, "jan") == [JAN.name]
    assert names(theirs, "jan") == ["Jan"]


@pytest.mark.parametrize("id", ["card", "search"])
def test_a_directory_without_the_workspace_is_caught(
    mine: PeopleDirectory, foreign_id: str, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Careless(PeopleDirectory):
        def _mine(self, rows: Iterable[Any], shown: Collection[str]) -> list[Any]:
            return list(rows)

    if id == "search":
        monkeypatch.setattr(Careless, "person", lambda self, id: None)
        monkeypatch.setattr(directory_module, "Search", lambda session, workspace, words: Search(session, "w2", words))
    with pytest.raises(AssertionError):
        check_isolation(Careless("w1"), foreign_id)


def test_either_guard_of_the_search_holds_alone(
    mine: PeopleDirectory, foreign_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "Search", lambda session, workspace, words: Search(session, "w2", words))
    assert not mine.search("jan")


@pytest.mark.parametrize("state", [State.UNINSTALLING, State.UNINSTALLED])
def test_people_of_an_installation_that_is_not_served_are_hidden(
    mine: PeopleDirectory, installed: Callable[..., None], state: State
) -> None:
    store(Person("1", "Jan", "jan@x.cz", "777123456"))
    store(Person("1", "Jana"), source=IMPORT)
    id = next(hit.id for hit in mine.search("jan") if hit.name == "Jan")
    installed("shop1", "w1", state)
    assert names(mine, "jan") == ["Jana"]
    assert mine.person(id) is None
    assert mine.by_contact(email="jan@x.cz") is mine.by_contact(phone="777123456") is None
    installed("shop1", "w1", State.ACTIVE)
    assert mine.person(id) is not None


@pytest.mark.parametrize("state", [State.ACTIVE, State.PAUSED, State.PENDING])
def test_people_of_a_served_installation_are_shown(
    mine: PeopleDirectory, installed: Callable[..., None], state: State
) -> None:
    store(JAN)
    installed("shop1", "w1", state)
    assert names(mine, "jan") == [JAN.name]


def test_people_of_an_installation_that_is_gone_are_hidden(mine: PeopleDirectory) -> None:
    store(JAN, source="gone")
    assert names(mine, "jan") == []


def test_the_host_hands_out_this_directory(mine: PeopleDirectory) -> None:
    services().store_people("w1", "shop1", [JAN])
    assert names(services().directory("w1"), "jan") == [JAN.name]


WORDS = ((1, Asked.BEGUN), (2, Asked.WHOLE), (1, Asked.NAMED))


@pytest.mark.parametrize("kind", ["list", "range"])
def test_a_list_is_read_from_the_index_in_its_own_order(mine: PeopleDirectory, kind: str) -> None:
    """Best first without sorting, and without looking at a person."""
    with reading() as session:
        plan = explained(session, lambda dialect: statements.reading((kind, (), False), dialect))
    assert not [line for line in plan if "person " in line or "Seq Scan" in line or line.startswith("SCAN term")]
    if kind == "list":
        assert not [line for line in plan if "B-TREE" in line or "Sort" in line]


@pytest.mark.parametrize("of_sources", [False, True])
@pytest.mark.parametrize("best_first", [False, True])
@pytest.mark.parametrize("kind", ["list", "range"])
def test_who_may_have_the_other_words_is_looked_at_alone(
    mine: PeopleDirectory, kind: str, best_first: bool, of_sources: bool
) -> None:
    """By the key of the person, one after the other, and still without sorting a list that need not be."""
    with reading() as session:
        plan = explained(session, lambda dialect: statements.reading((kind, WORDS, best_first), dialect, of_sources))
    looks = [line for line in plan if "person " in line]
    assert looks
    assert all("PRIMARY KEY" in line or "using pk_person on person" in line for line in looks)
    if kind == "list" and not best_first:
        assert not [line for line in plan if "B-TREE" in line or "Sort" in line]


def test_a_plan_that_reads_everything_is_noticed(mine: PeopleDirectory) -> None:
    with reading() as session:
        plan = explained(session, lambda dialect: select(TermRow.person_id).order_by(TermRow.rank))
    assert [line for line in plan if "B-TREE" in line or "Sort" in line]


def explained(session: Session, made: Callable[[str], Select[Any]]) -> list[str]:
    """The lines of the database's own plan; sequential scans are out of the question for it, as in a large table."""
    connection = session.connection(bind_arguments={"mapper": TermRow})
    values = {
        "scope": 1,
        "term0": "a",
        "last0": "b",
        "signature": 1,
        "letters": 1,
        "read": 1000,
        "wanted": 20,
        "asked": 400,
    }
    values |= {f"{what}_{word}_{form}": "x" for what in ("begun", "whole") for word in range(3) for form in range(2)}
    statement = made(connection.dialect.name).params(values | {"sources": ["a", "b"]})
    if connection.dialect.name == "postgresql":
        text = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}")]
    compiled = statement.compile(connection.engine, compile_kwargs={"render_postcompile": True})
    nothing = (None,) * len(compiled.positiontup or ())  # SQLite plans without looking at the values
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", nothing)]


def test_nothing_of_the_forgotten_stays(mine: PeopleDirectory) -> None:
    store(JAN, Person("9", "Eva", orders=[Order("1")]))
    mirror.forget("w1")
    with reading() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (PersonRow, TermRow, OrderRow)]
    assert counts == [0, 0, 0]
