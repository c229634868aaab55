"""The store's customers and orders: all first, afterwards what was modified since the round before, in rounds of both.

Customers come newest first: whoever is added comes to the front and pushes the others onto pages yet to come, so that
only deletions move somebody onto a page already read, and the number tells it. An order's place never changes, since
each page begins at the last id of the one before. What changes during a round is there in the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.sdk import Batch, Order, Person, UpstreamFailed

from . import records
from .cursor import Cursor, overlapped, read_cursor, write_cursor, write_time
from .store import SIZE, Pages, Store

MOST_TURNS_BACK = 100
NEWEST_FIRST = {"sort": "date_created:desc"}
SPAN = SIZE - 3  # ids between two bounds that a single answer holds, whether or not a bound counts itself


def pull(store: Store, cursor: str) -> Batch:
    """One page. Raises `Stopped`, `Later` and `UpstreamFailed`."""
    at = read_cursor(cursor)
    at = at if at.start else replace(at, start=write_time(store.now or datetime.now(UTC)))
    return customers(store, at) if at.phase == "customers" else orders(store, at)


def customers(store: Store, at: Cursor) -> Batch:
    """One page of the customers."""
    items, pages = store.customers(NEWEST_FIRST | modified(at, "date_modified:min"), at.page)
    return batch(turn(at, pages), people=people_of(store, items))


def turn(at: Cursor, pages: Pages) -> Cursor:
    """The page to read next, or the orders.

    When customers went away since the page before, those behind them moved forward, onto pages already read: turn back
    as far. A count that never rests cannot hold the round for ever.
    """
    shrunk = at.customers - pages.total if at.page > 1 else 0
    at = replace(at, customers=pages.total)
    if shrunk > 0 and at.turns_back < MOST_TURNS_BACK:
        return replace(at, page=max(1, at.page - -(-shrunk // SIZE)), turns_back=at.turns_back + 1)
    return replace(at, page=at.page + 1) if at.page < pages.last else replace(at, phase="orders", page=1)


def orders(store: Store, at: Cursor) -> Batch:
    """Orders from the last id on, which may come once more; after the last of them the round is over."""
    bounds = {"min_id": str(at.last_order)} if at.last_order else {}
    items = store.orders({**bounds, **modified(at, "min_date_modified")})
    last = max([at.last_order, *(int(records.id_of(item) or 0) for item in items)])
    more = len(items) == SIZE
    if more and last == at.last_order:
        raise UpstreamFailed("stands_still")
    after = replace(at, last_order=last, orders=at.orders + len(items))
    if not more:
        after = Cursor(live=1, since=at.start, customers=at.customers, orders=after.orders)
    gone = [records.id_of(item) for item in items if records.is_gone(item)]
    return batch(after, more=more, orders=orders_of(store, items), gone_orders=gone)


def modified(at: Cursor, name: str) -> dict[str, str]:
    """The filter of a round; none in the first."""
    return {name: overlapped(at.since)} if at.since else {}


def batch(at: Cursor, *, more: bool = True, **found: Any) -> Batch:
    """What a step found, how far the first pass is (nobody tells how many orders there are), and where to go on."""
    total = at.customers + at.orders
    done = min((at.page - 1) * SIZE, total) if at.phase == "customers" and not at.live else total
    return Batch(cursor=write_cursor(at), more=more, done=done, total=total, live=bool(at.live), **found)


def people_of(store: Store, items: Sequence[object]) -> list[Person]:
    return [person for item in items if (person := records.to_person(item, store.admin))]


def orders_of(store: Store, items: Sequence[object]) -> list[tuple[str, Order]]:
    """The orders of customers that are there still."""
    there = (item for item in items if not records.is_gone(item))
    return [order for item in there if (order := records.to_order(item, store.admin))]


def reread(store: Store, people: Sequence[str], orders: Sequence[str]) -> Batch:
    """Customers and orders by their ids: those that the store does not list are gone. Raises as `pull` does."""
    known = customers_by_id(store, people)
    placed = orders_by_id(store, [int(id) for id in orders])
    return Batch(
        people=people_of(store, known),
        orders=orders_of(store, placed),
        gone=missing(people, known),
        gone_orders=missing(orders, [item for item in placed if not records.is_gone(item)]),
    )


def missing(asked: Sequence[str], found: Sequence[object]) -> list[str]:
    """Those that were asked for and not found."""
    there = {records.id_of(item) for item in found}
    return [id for id in asked if id not in there]


def customers_by_id(store: Store, ids: Sequence[str]) -> list[Any]:
    """At most a page of customers; `UpstreamFailed` where the answer is not about them, or not complete."""
    if not ids:
        return []
    items, pages = store.customers({"id:in": ",".join(ids)})
    if not {records.id_of(item) for item in items} <= set(ids) or pages.total != len(items):
        raise UpstreamFailed("filter_ignored")
    return items


def orders_by_id(store: Store, ids: Sequence[int]) -> list[Any]:
    """Orders cannot be asked for by name, only between two ids: one call for each stretch that a page holds."""
    found: list[Any] = []
    for first, last in stretches(sorted(set(ids))):
        items = store.orders({"min_id": str(first - 1), "max_id": str(last + 1)})
        if not all(first - 1 <= int(records.id_of(item) or 0) <= last + 1 for item in items):
            raise UpstreamFailed("filter_ignored")
        found += [item for item in items if int(records.id_of(item)) in ids]
    return found


def stretches(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last id of each stretch."""
    while ids:
        within = [id for id in ids if id - ids[0] <= SPAN]
        yield within[0], within[-1]
        ids = ids[len(within) :]


def lookup(store: Store, query: str) -> Sequence[Person]:
    """Candidates by e-mail or by a part of the name. Raises as `pull` does."""
    words = query.strip()[:200]
    if len(words) < 3 or not any(map(str.isalpha, words)):
        return []
    return people_of(store, store.customers({"email:in" if "@" in words else "name:like": words})[0])
