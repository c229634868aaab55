"""Reading ahead: what a row of pages hands over, and where it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask

from app.people.ahead import FIRST_JOINED, MOST_JOINED, MOST_WAITING, STORED_WITHIN, Ahead
from app.sdk import Batch, UpstreamFailed

APP = Flask("ahead")
SECONDS = 5.0


def page(number: int, last: int, **told: object) -> Batch:
    return Batch(cursor=str(number), more=number < last, **told)  # type: ignore[arg-type]


def row(last: int, read: Callable[[str], Batch] | None = None, goes_on: Callable[[], bool] = lambda: True) -> Ahead:
    """The pages 1 to ``last``."""
    return Ahead(APP, page(1, last), read or (lambda cursor: page(int(cursor) + 1, last)), goes_on)


def taken(ahead: Ahead) -> list[list[str]]:
    """All that it hands over, by cursors."""
    groups: list[list[str]] = []
    with ahead:
        while pages := ahead.take():
            groups.append([one.cursor for one in pages])
    return groups


def cursors(groups: list[list[str]]) -> list[str]:
    return [cursor for group in groups for cursor in group]


@pytest.mark.parametrize("last", [1, 2, 3, 50])
def test_every_page_is_handed_over_once_and_in_its_order(last: int) -> None:
    assert cursors(taken(row(last))) == [str(number + 1) for number in range(last)]


def test_the_next_page_is_read_while_those_before_it_are_stored() -> None:
    """Read one after the other, they would wait for each other."""
    storing = threading.Event()

    def read(cursor: str) -> Batch:
        assert storing.wait(SECONDS)
        return page(2, 2)

    with row(2, read) as ahead:
        assert [one.cursor for one in ahead.take()] == ["1"]
        storing.set()
        assert [one.cursor for one in ahead.take()] == ["2"]


def test_pages_that_come_soon_after_each_other_are_handed_over_together() -> None:
    def read(cursor: str) -> Batch:
        time.sleep(0.01)
        return page(int(cursor) + 1, 100)

    with row(100, read) as ahead:
        assert [len(ahead.take()) for _ in range(3)] == [FIRST_JOINED, MOST_JOINED, MOST_JOINED]


def test_the_longer_a_page_takes_to_be_stored_the_fewer_are_handed_over_together() -> None:
    """Others who write wait as long; and once it is quick again, they are more."""
    handed = []
    with row(100) as ahead:
        for seconds in (0.0, 0.5 * STORED_WITHIN, 0.0, 0.0):
            handed.append(len(pages := ahead.take()))
            time.sleep(seconds * len(pages))
    assert handed == [FIRST_JOINED, MOST_JOINED, 1, MOST_JOINED]


def test_a_page_that_is_long_in_coming_is_not_waited_for() -> None:
    """So that the people of the one before it are found."""
    stored = threading.Event()

    def read(cursor: str) -> Batch:
        assert stored.wait(SECONDS)
        return page(int(cursor) + 1, 3)

    with row(3, read) as ahead:
        assert [one.cursor for one in ahead.take()] == ["1"]
        stored.set()
        assert [one.cursor for one in ahead.take()] == ["2", "3"]


def test_no_more_wait_than_memory_allows() -> None:
    read: list[str] = []

    def one(cursor: str) -> Batch:
        read.append(cursor)
        return page(int(cursor) + 1, 100)

    with row(100, one):
        time.sleep(0.2)
        assert len(read) == MOST_WAITING + 1  # the one in hand


@pytest.mark.parametrize("told", [{"gone": ["1"]}, {"gone_orders": ["1"]}, {"merged": [("1", "2")]}], ids=str)
def test_what_deletes_or_merges_ends_what_is_stored_as_one(told: dict[str, object]) -> None:
    def read(cursor: str) -> Batch:
        number = int(cursor) + 1
        return page(number, 5, **(told if number == 3 else {}))

    with row(5, read) as ahead:
        time.sleep(0.2)
        groups = [[one.cursor for one in ahead.take()] for _ in range(3)]
    assert groups == [["1", "2"], ["3"], ["4", "5"]]


def test_a_failure_ends_the_row_after_what_came_before_it() -> None:
    def read(cursor: str) -> Batch:
        if cursor == "2":
            raise UpstreamFailed("status_500")
        return page(int(cursor) + 1, 9)

    ahead = row(9, read)
    assert cursors(taken(ahead)) == ["1", "2"]
    assert isinstance(ahead.trouble, UpstreamFailed)


def test_a_shop_that_moved_ends_the_row_before_it_is_told() -> None:
    ahead = row(9, lambda cursor: page(2, 9) if cursor == "1" else page(2, 9, moved="https://elsewhere.example"))
    assert (cursors(taken(ahead)), ahead.trouble) == (["1", "2"], None)


def test_none_is_begun_when_it_does_not_go_on() -> None:
    turns = iter([True, True, False])
    assert cursors(taken(row(9, goes_on=lambda: next(turns)))) == ["1", "2"]


def test_who_stores_no_more_has_nothing_more_read() -> None:
    read: list[str] = []

    def one(cursor: str) -> Batch:
        read.append(cursor)
        time.sleep(0.05)
        return page(int(cursor) + 1, 100)

    def store(ahead: Ahead) -> None:
        with ahead:
            ahead.take()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store(row(100, one))
    so_far = len(read)
    assert so_far <= MOST_JOINED + 1
    time.sleep(0.2)
    assert len(read) == so_far
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
