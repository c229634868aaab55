"""The mirror: people, orders and terms stay in step."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.database import reading
from app.people import index
from app.people.directory import PeopleDirectory
from app.people.mirror import BATCH, Stored, count, forget, move, store
from app.people.models import IMPORT, OrderRow, PersonRow
from app.sdk import Order, Person
from tests.people.truth import check_terms_are_true


def names(directory: PeopleDirectory, query: str) -> list[str]:
    return [hit.name for hit in directory.search(query)]


def test_a_store_counts_new_and_updated(mine: PeopleDirectory) -> None:
    assert store("w1", "shop1", [Person("1", "A"), Person("2", "B")]) == Stored(2, 0)
    assert store("w1", "shop1", [Person("2", "B2"), Person("3", "C")]) == Stored(1, 1)
    assert store("w1", IMPORT, [Person("2", "D")]) == Stored(1, 0)
    assert store("w1", "shop1", []) == Stored()
    assert count("w1") == 4
    assert count("w1", "shop1") == 3
    assert count("w2") == 0


def test_a_renamed_person_is_no_longer_found_by_the_old_name(mine: PeopleDirectory) -> None:
    store("w1", "shop1", [Person("1", "Jana Nováková", "jana@x.cz", "777123456", "Acme")])
    id = mine.search("novak")[0].id
    store("w1", "shop1", [Person("1", "Jana Svobodová", "svobodova@x.cz", "602111222")])
    for query in ("novak", "jana@x.cz", "777123456", "acme"):
        assert names(mine, query) == [], query
    for query in ("svobod", "jana", "svobodova@x.cz", "602 111 222"):
        assert [hit.id for hit in mine.search(query)] == [id], query
    check_terms_are_true()


def test_a_term_that_moves_to_another_field_ranks_anew(mine: PeopleDirectory) -> None:
    store("w1", "shop1", [Person("1", "Acme", company="Zed"), Person("2", "Zed")])
    store("w1", "shop1", [Person("1", "Zed", company="Acme", orders=[Order("1")])])
    assert [hit.id for hit in mine.search("zed")] == [mine.search("acme")[0].id, mine.search("zed")[1].id]
    check_terms_are_true()


def test_forgotten_terms_are_noticed(mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    store("w1", "shop1", [Person("1", "Old")])
    monkeypatch.setattr(index, "update", lambda *anything, **how: None)
    store("w1", "shop1", [Person("1", "New")])
    with pytest.raises(AssertionError):
        check_terms_are_true()


def test_orders_are_replaced(mine: PeopleDirectory) -> None:
    store("w1", "shop1", [Person("1", "Jan", orders=[Order("A", "2026-01-01"), Order("B")])])
    store("w1", "shop1", [Person("1", "Jan", orders=[Order("C")])])
    card = mine.person(mine.search("jan")[0].id)
    assert card is not None
    assert [order.number for order in card.orders] == ["C"]
    with reading() as session:
        assert len(session.scalars(select(OrderRow)).all()) == 1
        row = session.scalars(select(PersonRow)).one()
    assert (row.has_orders, row.last_order) == (True, "")


def test_of_the_same_id_twice_the_later_counts(mine: PeopleDirectory) -> None:
    assert store("w1", "shop1", [Person("1", "Old"), Person("1", "New")]) == Stored(1, 0)
    assert names(mine, "new") == ["New"]
    assert names(mine, "old") == []


def test_more_than_one_batch_from_a_generator(mine: PeopleDirectory) -> None:
    total = 2 * BATCH + 1
    assert store("w1", "shop1", (Person(str(i), f"Jan {i}") for i in range(total))) == Stored(total, 0)
    assert store("w1", "shop1", (Person(str(i), f"Jan {i}") for i in range(total))) == Stored(0, total)
    check_terms_are_true()
    forget("w1", "shop1")
    assert count("w1") == 0
    check_terms_are_true()


@pytest.mark.parametrize("external_id", ["", " ", "\0", "x" * 201])
def test_an_id_that_cannot_be_kept_is_refused(mine: PeopleDirectory, external_id: str) -> None:
    with pytest.raises(ValueError, match="external_id"):
        store("w1", "shop1", [Person("1", "Jan"), Person(external_id, "Eva")])
    assert count("w1") == 0


def test_an_id_is_never_used_again(mine: PeopleDirectory) -> None:
    store("w1", "shop1", [Person("1", "Jan")])
    before = int(mine.search("jan")[0].id)
    forget("w1", "shop1")
    store("w1", "shop1", [Person("2", "Jan")])
    assert int(mine.search("jan")[0].id) > before


def test_forget_takes_one_source_of_one_workspace(mine: PeopleDirectory, theirs: PeopleDirectory) -> None:
    store("w1", "shop1", [Person("1", "Jan Shop", orders=[Order("1")])])
    store("w1", IMPORT, [Person("1", "Jan Import")])
    store("w2", IMPORT, [Person("1", "Jan Theirs")])
    forget("w1", IMPORT)
    assert names(mine, "jan") == ["Jan Shop"]
    assert names(theirs, "jan") == ["Jan Theirs"]
    forget("w1")
    assert names(mine, "jan") == []
    assert names(theirs, "jan") == ["Jan Theirs"]
    check_terms_are_true()


def test_move_gives_everything_to_the_other_workspace(mine: PeopleDirectory, theirs: PeopleDirectory) -> None:
    store("w1", IMPORT, [Person("1", "Jan Mine", orders=[Order("1")])])
    store("w2", IMPORT, [Person("1", "Jan Theirs", orders=[Order("2")]), Person("2", "Eva")])
    id = theirs.search("theirs")[0].id
    for _ in range(2):  # a merge that was cut short is repeated
        move("w2", "w1")
    assert names(mine, "jan") == ["Jan Mine", "Jan Theirs"]
    assert names(mine, "eva") == ["Eva"]
    assert theirs.search("jan") == []
    card = mine.person(id)
    assert card is not None
    assert (card.external_id, card.orders[0].number) == ("w2:1", "2")
    check_terms_are_true()
