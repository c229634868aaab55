"""Orders that are deleted, go to another person or get another number, as a source tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.people import mirror, orders
from app.people.directory import PeopleDirectory
from app.sdk import Batch, Order, Person
from tests.people.truth import check_terms_are_true


def apply(*people: Person, source: str = "shop1", **more: object) -> None:
    mirror.apply("w1", source, Batch(people=people, **more))  # type: ignore[arg-type]


def order(id: str, number: str = "", date: str = "2026-01-01") -> Order:
    return Order(number or f"N{id}", date, external_id=id)


def told(directory: PeopleDirectory, name: str) -> list[str]:
    """The numbers of a person's orders."""
    (hit,) = directory.search(name)
    person = directory.person(hit.id)
    assert person is not None
    return [order.number for order in person.orders]


@pytest.fixture
def shop(mine: PeopleDirectory) -> PeopleDirectory:
    """Anna and Boris, who have an order each, and two who have none."""
    apply(Person("a", "Anna"), Person("b", "Boris"), Person("x", "Anna X"), Person("c", "Cyril"))
    apply(orders=[("a", order("1", date="2026-03-01")), ("b", order("2"))])
    return mine


def test_deleted(shop: PeopleDirectory) -> None:
    assert [hit.name for hit in shop.search("ann")] == ["Anna", "Anna X"]
    apply(gone_orders=["1"])
    apply(orders=[("x", order("3"))])
    assert told(shop, "boris") == ["N2"]
    assert [hit.name for hit in shop.search("ann")] == ["Anna X", "Anna"]
    check_terms_are_true()


def test_moved(shop: PeopleDirectory) -> None:
    apply(orders=[("c", order("1")), ("c", order("2"))])
    assert (told(shop, "boris"), told(shop, "cyril")) == ([], ["N1", "N2"])
    check_terms_are_true()


def test_another_number(shop: PeopleDirectory) -> None:
    apply(orders=[("b", order("2", "B-2"))])
    assert told(shop, "boris") == ["B-2"]


def test_deletion_wins_over_a_change(shop: PeopleDirectory) -> None:
    apply(orders=[("b", order("2"))], gone_orders=["2"])
    assert told(shop, "boris") == []


def test_another_shops_and_nobodys_id_stay(shop: PeopleDirectory, installed: Callable[..., None]) -> None:
    installed("shop9", "w1")
    apply(Person("z", "Zora"), source="shop9")
    apply(orders=[("z", order("2", "Z")), ("z", Order("without"))], source="shop9")
    apply(gone_orders=["2", ""])
    assert sorted(told(shop, "zora")) == ["Z", "without"]
    assert told(shop, "boris") == []


def test_control_a_former_place_that_is_not_looked_for_is_noticed(
    shop: PeopleDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "known", lambda *asked: [])
    apply(orders=[("c", order("2"))])
    assert told(shop, "boris") == ["N2"]
