"""Orders that come before their people: they are the people's as if they had come after them, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from app.core.database import reading, writing
from app.people import index, mirror, turns
from app.people.directory import PeopleDirectory
from app.people.models import EarlyOrderRow
from app.people.sync_state import PULL, SyncRow
from app.sdk import Batch, Order, Person
from tests.people.truth import check_terms_are_true

JAN, EVA = Person("1", "Jan Novák"), Person("2", "Eva Novák")


def apply(workspace: str = "w1", source: str = "shop1", **page: Any) -> None:
    mirror.apply(workspace, source, Batch(early=not page.get("live"), **page))


def order(number: str, date: str = "2026-01-01", id: str | None = None) -> Order:
    return Order(number, date, external_id=number if id is None else id)


def numbers(mine: PeopleDirectory, query: str) -> list[str]:
    found = mine.person(mine.search(query)[0].id)
    assert found is not None
    return [order.number for order in found.orders]


def waiting() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(EarlyOrderRow)) or 0


@pytest.mark.parametrize("waits", [True, False], ids=["guarded", "control"])
def test_an_order_waits_for_its_person(mine: PeopleDirectory, waits: bool) -> None:
    whole = Order("A", "2026-01-02T10:00:00", "paid", "100.00", "CZK", "https://shop.example/A", True, "x1")
    mirror.apply("w1", "shop1", Batch(orders=[("1", whole), ("2", order("B"))], early=waits))
    apply(people=[JAN])
    found = mine.person(mine.search("jan")[0].id)
    assert found is not None
    assert [*found.orders] == ([whole] if waits else [])
    assert waiting() == waits
    apply(people=[EVA], live=True)
    assert numbers(mine, "eva") == (["B"] if waits else [])
    assert waiting() == 0
    assert [hit.name for hit in mine.search("novák")] == ["Jan Novák", "Eva Novák"][:: 1 if waits else -1]
    check_terms_are_true()


@pytest.mark.parametrize(("first", "moved"), [("orders", 0), ("people", 1)], ids=["guarded", "control"])
def test_a_person_is_put_into_the_index_once(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, first: str, moved: int
) -> None:
    """Which is what orders come first for."""
    pages: list[dict[str, Any]] = [{"orders": [("1", order("A"))]}, {"people": [JAN]}]
    run, ranks = index._run, []

    def hear(connection: Any, statements: Mapping[str, str], wanted: Any, **more: Any) -> None:
        ranks.append(bool(wanted) and statements is index._MOVE)
        run(connection, statements, wanted, **more)

    monkeypatch.setattr(index, "_run", hear)
    for page in pages if first == "orders" else pages[::-1]:
        apply(**page)
    assert (sum(ranks), numbers(mine, "jan")) == (moved, ["A"])


def test_nobody_comes_after_the_first_pass(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A"))])
    apply(live=True)
    assert waiting() == 0
    apply(people=[JAN], live=True)
    assert numbers(mine, "jan") == []


def test_the_last_page_may_bring_both(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A"))])
    mirror.apply(
        "w1", "shop1", Batch(people=[JAN], orders=[("1", order("B")), ("2", order("C"))], early=True, live=True)
    )
    assert (sorted(numbers(mine, "jan")), waiting()) == (["A", "B"], 0)


def test_an_order_that_goes_to_another_is_the_others_alone(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A"))])
    apply(orders=[("2", order("A", "2026-01-05"))])
    apply(people=[JAN, EVA])
    assert (numbers(mine, "jan"), numbers(mine, "eva")) == ([], ["A"])
    apply(orders=[("3", order("B"))])
    apply(orders=[("1", order("B"))])
    apply(people=[Person("3", "Ota")])
    assert (numbers(mine, "jan"), numbers(mine, "ota")) == (["B"], [])


def test_orders_without_an_id_are_told_apart_by_their_person(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A", id="")), ("2", order("A", id="")), ("1", order("A", "2026-01-03", id=""))])
    assert waiting() == 2
    apply(people=[JAN, EVA])
    assert (numbers(mine, "jan"), numbers(mine, "eva")) == (["A"], ["A"])


def test_what_is_deleted_meanwhile_does_not_come(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A")), ("1", order("B"))])
    mirror.apply("w1", "shop1", Batch(gone_orders=["A"]))
    apply(people=[JAN])
    assert numbers(mine, "jan") == ["B"]


def test_each_source_has_its_own(mine: PeopleDirectory, installed: Any) -> None:
    installed("shop2", "w1")
    apply(orders=[("1", order("A"))])
    apply(orders=[("1", order("B"))], source="shop2")
    apply(people=[JAN])
    assert (numbers(mine, "jan"), waiting()) == (["A"], 1)


def test_they_are_forgotten_and_moved_with_their_source(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A"))])
    mirror.move("w1", "w2")
    apply(people=[JAN], workspace="w1")
    assert numbers(mine, "jan") == []
    assert waiting() == 1
    mirror.forget("w2", "shop1")
    assert waiting() == 0
    apply(orders=[("1", order("A"))])
    mirror.forget("w1")
    assert waiting() == 0


def test_a_pass_that_begins_anew_has_none(mine: PeopleDirectory) -> None:
    apply(orders=[("1", order("A"))])
    now = datetime.now(UTC)
    with writing() as session:
        session.add(SyncRow(installation_id="shop1", kind=PULL, workspace_id="w1", ticket="t", since=now))
        session.flush()
        turns.from_the_start(session, "shop1", PULL, now)
    assert waiting() == 0
