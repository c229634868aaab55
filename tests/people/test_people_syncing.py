"""A page of a sync: all of it or nothing, whatever it says about whom, and the index stays in step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from app.core.database import reading, writing
from app.people import departed, keeping, mirror, orders, rows, syncing
from app.people.directory import PeopleDirectory
from app.people.mirror import Stored
from app.people.models import DepartedRow, OrderRow, PersonRow
from app.people.sync_state import SyncRow
from app.sdk import Batch, Order, Person, State
from tests.people.truth import check_terms_are_true


def apply(also: Callable[[Session], None] | None = None, **page: Any) -> Stored:
    return mirror.apply("w1", "shop1", Batch(**page), also)


def names(directory: PeopleDirectory, query: str) -> list[str]:
    return [hit.name for hit in directory.search(query)]


def card(directory: PeopleDirectory, query: str) -> Person:
    found = directory.person(directory.search(query)[0].id)
    assert found is not None
    return found


def numbers(directory: PeopleDirectory, query: str) -> list[str]:
    return [order.number for order in card(directory, query).orders]


def test_people_are_counted_and_found(mine: PeopleDirectory) -> None:
    assert apply(people=[Person("1", "Jan"), Person("2", "Eva")]) == Stored(2, 0)
    assert apply(people=[Person("2", "Eva"), Person("3", "Ota"), Person("3", "Otakar")]) == Stored(1, 1)
    assert [names(mine, name) for name in ("jan", "eva", "ota")] == [["Jan"], ["Eva"], ["Otakar"]]
    assert apply() == Stored()
    check_terms_are_true()


def test_people_keep_their_orders(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan", orders=[Order("ignored")])], orders=[("1", Order("A", "2026-01-01"))])
    apply(people=[Person("1", "Jan Novák")])
    assert numbers(mine, "novak") == ["A"]
    with reading() as session:
        row = session.scalars(select(PersonRow)).one()
    assert (row.has_orders, row.last_order) == (True, "2026-01-01")
    check_terms_are_true()


def test_orders_are_kept_by_their_number(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan")], orders=[("1", Order("A", "2026-01-01", "new")), ("1", Order("B", "2026-01-02"))])
    apply(orders=[("1", Order("A", "2026-01-01", "paid")), ("1", Order("C")), ("1", Order("C", "2026-01-03"))])
    assert [(order.number, order.status) for order in card(mine, "jan").orders] == [("C", ""), ("B", ""), ("A", "paid")]
    check_terms_are_true()


def test_an_order_lifts_its_person(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan A"), Person("2", "Jan B")])
    assert names(mine, "jan") == ["Jan A", "Jan B"]
    apply(orders=[("2", Order("1", "2026-01-01"))])
    assert names(mine, "jan") == ["Jan B", "Jan A"]
    apply(orders=[("1", Order("1", "2026-02-01"))])
    assert names(mine, "jan") == ["Jan A", "Jan B"]
    apply(orders=[("1", Order("1", "2025-02-01"))])
    assert names(mine, "jan") == ["Jan B", "Jan A"]
    check_terms_are_true()


def test_orders_of_nobody_are_left_out(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan")], orders=[("unknown", Order("A"))])
    with reading() as session:
        assert session.scalars(select(OrderRow)).all() == []


def test_a_buyer_is_kept_unless_held_already(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan Novák", "jan@shop.example")])
    page = {"orders": [("1", Order("A")), ("2", Order("B"))], "buyers": [Person("1", "J. N."), Person("2", "Eva")]}
    assert apply(**page) == Stored(1, 0)
    assert (card(mine, "jan").email, numbers(mine, "jan"), numbers(mine, "eva")) == ("jan@shop.example", ["A"], ["B"])
    assert apply(**page) == Stored(0, 1)
    assert apply(people=[Person("3", "Ota")], buyers=[Person("3", "O.")]) == Stored(1, 0)
    assert names(mine, "ota") == ["Ota"]
    check_terms_are_true()


def told(name: str, day: str) -> dict[str, Any]:
    """A page with the same order of somebody as it tells of its buyer."""
    buyer = Person("1", name, f"{name.lower()}@shop.example", updated_at=day)
    return {"orders": [("1", Order(day, day, external_id=day))], "buyers": [buyer]}


def test_the_newest_order_tells_of_a_buyer_whom_no_list_has(mine: PeopleDirectory) -> None:
    apply(**told("Old", "2026-01-01"))
    apply(**told("New", "2026-01-02"))
    apply(**told("Older", "2025-01-01"))
    assert (names(mine, "old"), names(mine, "new")) == ([], ["New"])
    assert numbers(mine, "new")[0] == "2026-01-02"
    apply(**told("Newly", "2026-01-02"))
    assert names(mine, "newly@shop.example") == ["Newly"]
    two = [told(name, day)["buyers"][0] for name, day in (("Third", "2026-01-03"), ("Second", "2026-01-02"))]
    apply(buyers=two, orders=[("1", Order("x"))])
    assert names(mine, "third") == ["Third"]
    apply(people=[Person("1", "Listed")])
    apply(**told("Fourth", "2026-01-04"))
    assert (names(mine, "listed"), names(mine, "fourth")) == (["Listed"], [])
    check_terms_are_true()


def test_control_a_buyer_who_is_told_once_and_for_all_is_noticed(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = lambda page, buyer: buyer.external_id not in page.held  # noqa: E731
    monkeypatch.setattr(syncing._Page, "_may_tell", once)
    with pytest.raises(AssertionError):
        test_the_newest_order_tells_of_a_buyer_whom_no_list_has(mine)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_an_order_that_stays_does_not_bring_the_deleted_back_but_a_list_does(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(departed, "note", lambda *given: None)
    apply(people=[Person("1", "Jan")])
    apply(gone=["1"])
    apply(**told("Jan", "2026-01-01"))
    assert names(mine, "jan") == ([] if guarded else ["Jan"])
    with reading() as session:
        assert len(session.scalars(select(OrderRow)).all()) == (0 if guarded else 1)
    apply(people=[Person("1", "Jan is back")])
    apply(gone=["2"], people=[Person("2", "Eva")])
    apply(**told("Jan", "2026-01-02"))
    assert (names(mine, "back"), names(mine, "eva")) == (["Jan is back"], [])
    check_terms_are_true()


def left() -> list[tuple[str, str]]:
    """The shops' own ids of whom they deleted, each with the workspace."""
    with reading() as session:
        return sorted((row.workspace_id, row.external_id) for row in session.scalars(select(DepartedRow)))


def test_the_deleted_move_with_their_shop_and_are_forgotten_with_it(mine: PeopleDirectory) -> None:
    apply(gone=["1", "2", "1"])
    apply(gone=["1"])
    mirror.apply("w1", "shop2", Batch(gone=["3"]))
    mirror.apply("w2", "shop1", Batch(gone=["1"]))
    assert left() == [("w1", "1"), ("w1", "2"), ("w1", "3"), ("w2", "1")]
    mirror.move("w1", "w2")
    assert left() == [("w2", "1"), ("w2", "2"), ("w2", "3")]
    mirror.forget("w2", "shop1")
    assert left() == [("w2", "3")]
    mirror.forget("w2")
    assert left() == []


def test_the_gone_are_deleted_with_their_orders(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan"), Person("2", "Eva")], orders=[("1", Order("A")), ("2", Order("B"))])
    apply(gone=["1", "never seen"])
    assert (names(mine, "jan"), names(mine, "eva")) == ([], ["Eva"])
    with reading() as session:
        assert [row.number for row in session.scalars(select(OrderRow))] == ["B"]
    check_terms_are_true()


def test_a_merged_person_gives_its_orders(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Old"), Person("2", "New")], orders=[("1", Order("A", "2026-03-01", "old's"))])
    apply(orders=[("2", Order("B", "2026-01-01"))])
    apply(merged=[("1", "2")], orders=[("1", Order("C", "2026-04-01"))])
    assert names(mine, "old") == []
    assert numbers(mine, "new") == ["C", "A", "B"]
    check_terms_are_true()


def test_of_the_same_number_the_one_merged_into_keeps_its_own(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Old"), Person("2", "New")])
    apply(orders=[("1", Order("A", status="old's")), ("2", Order("A", status="new's"))])
    apply(merged=[("1", "2")])
    assert [order.status for order in card(mine, "new").orders] == ["new's"]


@pytest.mark.parametrize("merged", [[("1", "2"), ("2", "3")], [("2", "3"), ("1", "3")]], ids=["chain", "fan"])
def test_merges_follow_each_other(mine: PeopleDirectory, merged: list[tuple[str, str]]) -> None:
    apply(people=[Person(id, f"Jan {id}") for id in "123"], orders=[(id, Order(f"O{id}")) for id in "123"])
    apply(merged=merged)
    assert names(mine, "jan") == ["Jan 3"]
    assert sorted(numbers(mine, "jan")) == ["O1", "O2", "O3"]
    check_terms_are_true()


def test_merged_into_one_that_is_not_held_it_takes_its_id(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan")], orders=[("1", Order("A"))])
    apply(merged=[("1", "2")])
    assert (card(mine, "jan").external_id, numbers(mine, "jan")) == ("2", ["A"])
    assert apply(people=[Person("2", "Jan Novák")]) == Stored(0, 1)
    assert numbers(mine, "novak") == ["A"]
    check_terms_are_true()


@pytest.mark.parametrize("merged", [[("1", "1")], [("7", "8")], [("7", "1")], [("1", "2"), ("2", "1")]])
def test_odd_merges_lose_nobody(mine: PeopleDirectory, merged: list[tuple[str, str]]) -> None:
    apply(people=[Person("1", "Jan")], orders=[("1", Order("A"))])
    apply(merged=merged, orders=[("1", Order("B"))])
    assert sorted(numbers(mine, "jan")) == ["A", "B"]
    check_terms_are_true()


def test_what_else_belongs_to_the_page_is_stored_with_it(mine: PeopleDirectory) -> None:
    seen: list[str] = []
    apply(lambda session: seen.extend(session.scalars(select(PersonRow.name))), people=[Person("1", "Jan")])
    assert seen == ["Jan"]


def test_all_or_nothing(mine: PeopleDirectory) -> None:
    apply(people=[Person("1", "Jan")])

    def fail(session: Session) -> None:
        raise RuntimeError("the cursor cannot be stored")

    with pytest.raises(RuntimeError):
        apply(fail, people=[Person("1", "Eva"), Person("2", "Ota")], orders=[("1", Order("A"))], gone=["1"])
    assert names(mine, "jan") == ["Jan"]
    assert numbers(mine, "jan") == []
    check_terms_are_true()


@pytest.mark.parametrize("page", [{"people": [Person("", "x")]}, {"gone": [" "]}, {"merged": [("1", "x" * 201)]}])
def test_an_id_that_cannot_be_kept_is_refused(mine: PeopleDirectory, page: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="external_id"):
        apply(**page)


def test_another_source_and_another_workspace_are_left_alone(mine: PeopleDirectory, theirs: PeopleDirectory) -> None:
    mirror.store("w1", "import", [Person("1", "Jan Import")])
    mirror.store("w2", "shop2", [Person("1", "Jan Theirs")])
    apply(gone=["1"], merged=[("1", "2")], orders=[("1", Order("A"))])
    assert (names(mine, "jan"), names(theirs, "jan")) == (["Jan Import"], ["Jan Theirs"])


def test_an_order_that_does_not_lift_is_noticed(mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "recall", lambda *anything: {})
    with pytest.raises(AssertionError):
        test_an_order_lifts_its_person(mine)


def facts() -> dict[str, tuple[bool, str]]:
    """What the mirror notes of each person's orders."""
    with reading() as session:
        return {row.external_id: (row.has_orders, row.last_order) for row in session.scalars(select(PersonRow))}


NONE, MARCH = (False, ""), (True, "2026-03-01")
BOTH = {"people": [Person("A", "Jan A"), Person("B", "Jan B")]}
AN_ORDER = Order("1", "2026-03-01", external_id="1")


@pytest.mark.parametrize("rule", [keeping.recall, lambda *anything: {}], ids=["guarded", "control"])
@pytest.mark.parametrize(
    ("page", "right"),
    [
        pytest.param({"orders": [("A", AN_ORDER), ("B", AN_ORDER)]}, {"A": NONE, "B": MARCH}, id="told-under-two"),
        pytest.param({"orders": [("A", AN_ORDER)], "gone_orders": ["1"]}, {"A": NONE, "B": NONE}, id="told-and-gone"),
        pytest.param(
            {"orders": [("A", Order("1", "2026-03-01")), ("A", Order("1", "2020-01-01"))]},
            {"A": (True, "2020-01-01"), "B": NONE},
            id="told-twice",
        ),
    ],
)
def test_only_orders_that_are_kept_count(
    mine: PeopleDirectory,
    page: dict[str, Any],
    right: dict[str, Any],
    rule: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = keeping.recall
    monkeypatch.setattr(keeping, "recall", rule)
    apply(**BOTH, **page)
    assert (facts() == right) is (rule is real)
    apply(**BOTH)
    assert (facts() == right) is (rule is real)
    check_terms_are_true()


def every_date(dates: Iterable[str], real: Callable[..., orders.Facts] = orders.facts_of) -> orders.Facts:
    """The rule of before: the date of an order that is not kept, too."""
    return real([*dates, "2026-03-01"])


@pytest.mark.parametrize(
    ("rule", "last"), [(orders.facts_of, "2020-01-01"), (every_date, "2026-03-01")], ids=["guarded", "control"]
)
def test_of_a_number_twice_in_a_file_the_later_counts(
    mine: PeopleDirectory, rule: Callable[..., Any], last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "facts_of", rule)
    mirror.store("w1", "import", [Person("A", "Jan", orders=[Order("1", "2026-03-01"), Order("1 ", "2020-01-01")])])
    assert facts() == {"A": (True, last)}
    assert [order.date for order in card(mine, "jan").orders] == ["2020-01-01"]


def begins_like_a_day(text: str) -> str:
    """The rule of before."""
    return text[:10] if re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else ""


@pytest.mark.parametrize("day", ["2025-02-00", "2025-13-01", "2025-02-30T10:00:00"])
@pytest.mark.parametrize("rule", [rows.iso_day, begins_like_a_day], ids=["guarded", "control"])
def test_a_day_that_is_none_is_not_the_last(
    mine: PeopleDirectory, day: str, rule: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "iso_day", rule)
    apply(people=[Person("A", "Jan")], orders=[("A", Order("1", day)), ("A", Order("2", "2024-12-31"))])
    assert (facts() == {"A": (True, "2024-12-31")}) is (rule is rows.iso_day)


@pytest.mark.parametrize("text", ["", "tomorrow", "1.3.2026", "0000-01-01", "2025-W01-1", "20250101", "２０２５-01-01"])
def test_a_text_of_another_form_is_no_day(text: str) -> None:
    assert rows.iso_day(text) == ""


def is_gone(id: str) -> bool:
    """Whether an order that was told under an id goes when it is told as gone."""
    apply(people=[Person("A", "Jan")], orders=[("A", Order("1", external_id=id)), ("A", Order("2"))])
    try:
        apply(gone_orders=[id, ""])
    except (StatementError, UnicodeError):
        return False
    with reading() as session:
        return [row.number for row in session.scalars(select(OrderRow))] == ["2"]


@pytest.mark.parametrize("id", [" " + "x" * 80, "\0a", "a\ud800", " a "], ids=["long", "nul", "surrogate", "blanks"])
@pytest.mark.parametrize("rule", [rows.to_storable_order_id, str], ids=["guarded", "control"])
def test_an_order_that_is_gone_is_known_as_it_is_kept(
    mine: PeopleDirectory, id: str, rule: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "to_storable_order_id", rule)
    assert is_gone(id) is (rule is rows.to_storable_order_id)


def of_every_workspace(session: Session, workspace_id: str, *asked: Any) -> list[tuple[int, str, str]]:
    """The rule of before."""
    return [*KNOWN(session, "w1", *asked), *KNOWN(session, "w2", *asked)]


KNOWN = orders.known


@pytest.mark.parametrize("rule", [KNOWN, of_every_workspace], ids=["guarded", "control"])
def test_while_two_workspaces_become_one_an_order_is_the_own_ones(
    mine: PeopleDirectory, rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "known", rule)
    mirror.apply("w2", "shop1", Batch(people=[Person("Z", "Jan")], orders=[("Z", AN_ORDER)]))
    if rule is KNOWN:
        apply(**BOTH, orders=[("A", AN_ORDER)])
        assert facts() == {"A": MARCH, "B": NONE, "Z": MARCH}
    else:
        with pytest.raises(KeyError):
            apply(**BOTH, orders=[("A", AN_ORDER)])


# The same human in two shops


@pytest.fixture
def two_shops(mine: PeopleDirectory, installed: Callable[..., None]) -> PeopleDirectory:
    installed("shop3", "w1")
    return mine


def both(first: Person, second: Person) -> None:
    mirror.store("w1", "shop1", [first])
    mirror.store("w1", "shop3", [second])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"email": "Jan@x.cz"}, {"email": " jan@X.cz"}, id="e-mail"),
        pytest.param({"phone": "+420 777 123 456"}, {"phone": "00420777123456"}, id="phone"),
        pytest.param({"phone": "777 123 456"}, {"phone": "777123456"}, id="phone-without-country"),
        pytest.param({"phone": "1234567, +420 777 123 456"}, {"phone": "+420777123456"}, id="one-of-two-phones"),
    ],
)
def test_the_same_human_in_two_shops_is_one_hit(
    two_shops: PeopleDirectory, one: dict[str, str], other: dict[str, str]
) -> None:
    both(
        Person("1", "Jan Novák", **one, orders=[Order("A", "2025-01-01")]),
        Person("9", "Jan Novák ml.", **other, note="VIP", orders=[Order("B", "2026-01-01")]),
    )
    hits = two_shops.search("jan")
    assert [hit.name for hit in hits] == ["Jan Novák ml."]
    shown = two_shops.person(hits[0].id)
    assert shown is not None
    assert [order.number for order in shown.orders] == ["B", "A"]
    assert (shown.external_id, shown.sources) == ("9", ("shop3", "shop1"))
    assert mirror.count("w1") == 2


def test_what_one_shop_left_out_the_other_tells(two_shops: PeopleDirectory) -> None:
    both(Person("1", "Jan", "jan@x.cz", company="Acme"), Person("9", "Jan", "jan@x.cz", "777123456", note="VIP"))
    shown = card(two_shops, "acme")
    assert (shown.external_id, shown.company, shown.phone, shown.note) == ("1", "Acme", "777123456", "VIP")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"email": "jan@x.cz"}, {"email": "jan@x.com"}, id="another-e-mail"),
        pytest.param({"email": "none"}, {"email": "none"}, id="no-e-mail"),
        pytest.param({"phone": "+420 777 123 456"}, {"phone": "+421 777 123 456"}, id="another-country"),
        pytest.param({"phone": "+420 777 123 456"}, {"phone": "777 123 456"}, id="country-unknown"),
        pytest.param({"phone": "112"}, {"phone": "112"}, id="short-code"),
    ],
)
def test_two_humans_stay_two(two_shops: PeopleDirectory, one: dict[str, str], other: dict[str, str]) -> None:
    both(Person("1", "Jan Novák", **one), Person("9", "Jan Novák", **other))
    assert len(two_shops.search("jan")) == 2
    assert card(two_shops, "jan").sources == ("shop1",)


def test_two_customers_of_one_shop_stay_two(mine: PeopleDirectory) -> None:
    mirror.store("w1", "shop1", [Person("1", "Jan", "info@x.cz"), Person("2", "Eva", "info@x.cz")])
    assert len(mine.search("info@x.cz")) == 2
    assert card(mine, "jan").sources == ("shop1",)


def test_a_shop_that_is_not_served_adds_nothing(two_shops: PeopleDirectory, installed: Callable[..., None]) -> None:
    both(Person("1", "Jan", "jan@x.cz"), Person("9", "Jan", "jan@x.cz", orders=[Order("B")]))
    installed("shop3", "w1", State.UNINSTALLED)
    assert card(two_shops, "jan").sources == ("shop1",)
    assert numbers(two_shops, "jan") == []


def test_another_workspace_adds_nothing(mine: PeopleDirectory, theirs: PeopleDirectory) -> None:
    mirror.store("w1", "shop1", [Person("1", "Jan", "jan@x.cz")])
    mirror.store("w2", "shop2", [Person("1", "Jan", "jan@x.cz", orders=[Order("B")])])
    assert card(mine, "jan").sources == ("shop1",)


def test_a_page_that_is_pulled_while_workspaces_merge_is_not_stored_for_the_old_one(host: Flask) -> None:
    """The move gives every synchronisation a new ticket: who held the old one is overtaken."""
    with writing() as session:
        session.add(
            SyncRow(installation_id="i1", kind="pull", workspace_id="w1", ticket="t_old", since=datetime.now(UTC))
        )
    mirror.move("w1", "w2")
    with reading() as session:
        row = session.get_one(SyncRow, ("i1", "pull"))
    assert row.ticket != "t_old"


def test_of_twins_of_one_installation_the_moved_one_goes(host: Flask) -> None:
    for workspace in ("w1", "w2"):
        mirror.store(workspace, "i1", [Person("7", f"Jana {workspace}")])
        mirror.store(workspace, "import", [Person("7", f"Eva {workspace}")])
    mirror.move("w1", "w2")
    with reading() as session:
        held = sorted(session.scalars(select(PersonRow.name).where(PersonRow.workspace_id == "w2")))
    assert held == ["Eva w1", "Eva w2", "Jana w2"]


def cut(workspace_id: str, into: str) -> list[Any]:
    """The rule of before."""
    taken = select(PersonRow.source, PersonRow.external_id).where(PersonRow.workspace_id == into)
    clash = tuple_(PersonRow.source, PersonRow.external_id).in_(taken)
    renamed = func.substr(f"{workspace_id}:" + PersonRow.external_id, 1, 200)
    return [update(PersonRow).where(PersonRow.workspace_id == workspace_id, clash).values(external_id=renamed)]


@pytest.mark.parametrize("ids", [["1"], ["x" * 199 + end for end in "ab"]], ids=["again", "cut"])
@pytest.mark.parametrize("rule", [mirror._renames, cut], ids=["guarded", "control"])
def test_a_move_can_be_repeated_whatever_they_are_called(
    host: Flask, ids: list[str], rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_renames", rule)

    def move() -> None:
        for _ in range(2):
            mirror.store("w1", "import", [Person(id, "Jan") for id in ids])
            mirror.move("w1", "w2")

    mirror.store("w2", "import", [Person(id, "Eva") for id in ids])
    if rule is cut:
        with pytest.raises(IntegrityError):
            move()
        return
    move()
    with reading() as session:
        held = session.execute(select(PersonRow.workspace_id, PersonRow.name)).all()
    assert sorted(held) == [("w2", "Eva")] * len(ids) + [("w2", "Jan")] * 2 * len(ids)
    check_terms_are_true()
