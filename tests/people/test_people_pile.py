"""The pile: people of a first pass are found a moment later, and whatever happens to them before that is true then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import func, select

from app.core.database import reading
from app.jobs.kinds import Run
from app.people import mirror, pile, requests
from app.people.directory import PeopleDirectory
from app.people.models import PileRow
from app.people.sync import Pulling, joined
from app.people.sync_state import PULL
from app.sdk import Batch, Order, Person
from tests.people.truth import check_terms_are_true

JAN, EVA = Person("1", "Jan Novák", "jan@x.cz"), Person("2", "Eva Nová")
SQLITE = pytest.mark.parametrize("host", ["sqlite"], indirect=True)


def apply(*, later: bool = True, **page: Any) -> None:
    mirror.apply("w1", "shop1", Batch(**page), later=later)


def names(mine: PeopleDirectory, query: str) -> list[str]:
    return [hit.name for hit in mine.search(query)]


def waiting() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(PileRow)) or 0


def test_who_waits_is_found_after_the_merge(mine: PeopleDirectory) -> None:
    apply(people=[JAN, EVA])
    assert names(mine, "nov") == (["Eva Nová", "Jan Novák"] if waiting() == 0 else [])
    pile.merge()
    assert names(mine, "nov") == ["Eva Nová", "Jan Novák"]
    assert waiting() == 0
    check_terms_are_true()


@SQLITE
def test_only_sqlite_lets_them_wait(mine: PeopleDirectory) -> None:
    apply(people=[JAN])
    assert waiting() > 10
    apply(people=[EVA], later=False)
    assert names(mine, "nov") == ["Eva Nová"]


CHANGES: dict[str, Callable[[], None]] = {
    "an order": lambda: apply(orders=[("1", Order("A", "2026-01-01"))]),
    "another name": lambda: apply(people=[Person("1", "Jan Novotný", "jan@x.cz")]),
    "another name at once": lambda: apply(people=[Person("1", "Jan Novotný")], later=False),
    "an order and another name": lambda: apply(people=[Person("1", "Ota")], orders=[("1", Order("A", "2026-01-01"))]),
    "deleted": lambda: apply(gone=["1"]),
    "merged": lambda: apply(merged=[("1", "2")]),
    "forgotten": lambda: mirror.forget("w1", "shop1"),
    "moved": lambda: mirror.move("w1", "w2"),
    "the same": lambda: apply(people=[JAN]),
}


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pile, "without", lambda connection, ids: set())
    monkeypatch.setattr(pile, "move", lambda connection, scope, into: None)


@SQLITE
@pytest.mark.parametrize("rule", [lambda monkeypatch: None, deaf], ids=["guarded", "control"])
@pytest.mark.parametrize("parts", [0, 1, 2], ids="{} parts are merged before".format)
@pytest.mark.parametrize("change", CHANGES)
def test_what_happens_meanwhile_is_true_afterwards(
    mine: PeopleDirectory,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    parts: int,
    rule: Callable[[pytest.MonkeyPatch], None],
) -> None:
    rule(monkeypatch)
    apply(people=[JAN, EVA])
    merge_some(parts)
    CHANGES[change]()
    pile.merge()
    if rule is deaf and change != "the same":
        with pytest.raises(AssertionError):
            check_terms_are_true()
    else:
        check_terms_are_true()


def merge_some(parts: int) -> None:
    """So many parts of eight rows are merged, and then the worker dies."""
    left = iter(range(parts))

    def do(statement: str, values: Sequence[Any], real: Callable[..., None] = pile._do) -> None:
        if next(left, None) is None:
            raise InterruptedError
        real(statement, values)

    small = (patch.object(pile, "SLICE", 8), patch.object(pile, "SAMPLE", 1))
    with small[0], small[1], patch.object(pile, "_do", do), suppress(InterruptedError):
        pile.merge()


@SQLITE
def test_who_comes_while_others_are_merged_is_not_lost(mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    real, coming = pile._do, iter([EVA, Person("3", "Ota Novák")])

    def do(statement: str, values: Sequence[Any]) -> None:
        for person in coming:
            apply(people=[person])
            break
        real(statement, values)

    monkeypatch.setattr(pile, "_do", do)
    monkeypatch.setattr(pile, "SLICE", 8)
    monkeypatch.setattr(pile, "SAMPLE", 1)
    apply(people=[JAN])
    pile.merge()
    assert waiting() > 0
    pile.merge()
    assert sorted(names(mine, "nov")) == ["Eva Nová", "Jan Novák", "Ota Novák"]
    check_terms_are_true()


@SQLITE
def test_a_number_never_comes_twice(mine: PeopleDirectory) -> None:
    """Else who ends a merge late would take away what came after it."""

    def last() -> int:
        with reading() as session:
            return session.scalar(select(func.max(PileRow.id))) or 0

    apply(people=[JAN])
    before = last()
    pile.merge()
    apply(people=[EVA])
    assert last() > before


@SQLITE
@pytest.mark.parametrize(("merge", "found"), [(pile.merge, 2), (lambda: None, 1)], ids=["guarded", "control"])
def test_a_request_finds_who_waits(
    mine: PeopleDirectory,
    installed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    merge: Callable[[], None],
    found: int,
) -> None:
    """Else somebody's erasure would leave the record of another shop."""
    installed("shop3", "w1")
    apply(people=[JAN], later=False)
    mirror.apply("w1", "shop3", Batch(people=[Person("9", "J. Novák", JAN.email)]), later=True)
    monkeypatch.setattr(pile, "merge", merge)
    held = requests.find("w1", mine.search("jan")[0].id)
    assert held is not None
    assert len(held.people) == found


@SQLITE
@pytest.mark.parametrize(("left", "found"), [(0.0, True), (60.0, False)], ids=["guarded", "control"])
def test_what_a_dead_worker_left_is_merged_when_a_run_ends(
    mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, left: float, found: bool
) -> None:
    """After a while in which nobody merges: those who come meanwhile go together."""
    monkeypatch.setattr(pile, "LEFT", left)
    pile.merge()
    apply(people=[JAN])
    Pulling().over(Run(PULL, "upgates", "shop1", "t"), "", datetime.now(UTC))
    assert (names(mine, "jan") != []) == found


def test_pages_that_are_stored_together_wait_where_one_of_them_does() -> None:
    assert joined([Batch(early=True), Batch()]).early
    assert not joined([Batch(), Batch()]).early
