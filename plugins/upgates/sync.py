"""The shop's customers and orders: all pages first, afterwards what changed since, in rounds of both.

"Deletions are visible only through webhooks" (4.9), and by asking for a record by its name; how many there were since
the first pass began is told by the number of customers who are older.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.sdk import Batch, Installation, Outbound, Person, UpstreamFailed, told_fields, told_id

from . import records
from .cursor import OVERLAP, Cursor, advance, read_cursor, since, write_cursor, write_time
from .shop import SIZE, Moved, Pages, Shop

MOST_TURNS_BACK = 100
MOST_PASSES = 3
# The later a change, the earlier its page: what changes meanwhile pushes the others back, onto pages yet to come.
NEWEST_FIRST = {"order_by": "last_update_time", "order_dir": "desc"}


def pull(installation: Installation, outbound: Outbound, cursor: str, now: datetime) -> Batch:
    """One page. Raises `Stopped`, `Later` and `UpstreamFailed`; where the shop moved, the batch tells its address."""
    at = read_cursor(cursor)
    shop = Shop(installation, outbound, now)
    at = at if at.start else replace(at, start=write_time(now))
    try:
        return customers(shop, at) if at.phase == "customers" else orders(shop, at)
    except Moved as moved:
        return Batch(cursor=cursor, more=True, moved=moved.address)


def customers(shop: Shop, at: Cursor) -> Batch:
    """One page of the customers; after the last the first pass is over."""
    newest = 0 if at.live or at.page > 1 else newcomers(shop, at)
    items, pages = shop.items("customers", changed_since(at.customers_from, at.customers_seen), at.page)
    at = replace(at, top=latest(at, items, pages))
    if not at.live and at.page == 1:
        at = replace(at, settled=pages.total - newest)
    after = replace(turn(at, pages, at.customers_total), customers_total=pages.total)
    is_last = after.phase == "orders"
    if is_last and at.page > 1 and hides_a_deletion(shop, at, pages):
        after = replace(after, phase="customers", start="", top="", turns_back=0, passes=at.passes + 1)
        is_last = False
    if is_last:
        read_to, seen = advance(at.customers_from, at.customers_seen, at.top, at.start)
        after = replace(after, customers_from=read_to, customers_seen=seen, top="")
    if is_last and not at.live:
        after = ended(after)
    return batch(at, after, at.orders_total + pages.read, people=people_of(items))


def orders(shop: Shop, at: Cursor) -> Batch:
    """One page of the orders; after the last the round is over, or the first pass goes on with their people.

    In the first pass they come first: a person's place in the index is by its orders, and is written once. The very
    first page also asks how many customers there are. Later an order may come before its customer, who was too late for
    the round's pages: the round's own beginning bounds how far the orders are read, so that the next one brings it
    again.
    """
    items, pages = shop.items("orders", NEWEST_FIRST | changed_since(at.orders_from, at.orders_seen), at.page)
    at = replace(at, top=latest(at, items, pages))
    if not at.live and at.page == 1:
        at = replace(at, customers_total=shop.items("customers", {})[1].total)
    after = replace(turn(at, pages, at.orders_total), orders_total=pages.total)
    if after.phase == "customers":
        read_to, seen = advance(at.orders_from, at.orders_seen, at.top, at.start)
        after = replace(after, orders_from=read_to, orders_seen=seen, top="")
        after = ended(after) if at.live else after
    placed = [order for order in map(records.to_order, items) if order]
    return batch(at, after, pages.read, orders=placed)


def ended(after: Cursor) -> Cursor:
    """The round is over; every one after the first pass begins with the customers."""
    return replace(after, phase="customers", live=1, start="", turns_back=0)


def newcomers(shop: Shop, at: Cursor) -> int:
    """How many customers were created since shortly before the pass began; 0 where the shop cannot be asked this."""
    since = datetime.fromisoformat(at.start) - OVERLAP
    try:
        return shop.items("customers", {"creation_time_from": since.isoformat(timespec="seconds")})[1].total
    except UpstreamFailed as failure:
        if failure.reason != "status_400":
            raise
        return 0


def hides_a_deletion(shop: Shop, at: Cursor, pages: Pages) -> bool:
    """Whether the first pass must be made again: an older customer went since it began, on whatever page.

    Who was behind moved forward, perhaps onto a page already read, and a newcomer may have made up the number: in which
    order the list comes is not documented (4.7).
    """
    return not at.live and at.passes < MOST_PASSES and pages.total - newcomers(shop, at) < at.settled


def changed_since(read_to: str, seen: str) -> dict[str, str]:
    """The filter of a round; none while nothing is read yet."""
    return {"last_update_time_from": since(read_to, seen)} if read_to else {}


def latest(at: Cursor, items: Sequence[object], pages: Pages) -> str:
    """The latest change met so far; the round's beginning stands for items that tell no time."""
    newest = max([at.top, *map(records.moment_of, items)])
    return newest or (at.start if pages.total else "")


def turn(at: Cursor, pages: Pages, before: int) -> Cursor:
    """The page to read next, or the other phase.

    When items went away since the page before, those behind them moved forward, onto pages already read: turn back
    as far. A count that never rests cannot hold the round for ever.
    """
    shrunk = before - pages.total if at.page > 1 else 0
    if shrunk > 0 and at.turns_back < MOST_TURNS_BACK:
        return replace(at, page=max(1, at.page - -(-shrunk // SIZE)), turns_back=at.turns_back + 1)
    if pages.at < pages.last:
        return replace(at, page=at.page + 1)
    return replace(at, page=1, phase="orders" if at.phase == "customers" else "customers")


def batch(at: Cursor, after: Cursor, done: int, **found: Any) -> Batch:
    """What a step found, how far the first pass is, and where to go on: nowhere for now when the round is over."""
    total = after.customers_total + after.orders_total
    told = {"done": total if after.live or after.passes > 1 else min(done, total), "total": total}
    live = bool(after.live)
    more = not live or after.start != ""
    return Batch(cursor=write_cursor(after), more=more, live=live, early=not live, **told, **found)


def people_of(items: Sequence[object]) -> list[Person]:
    return [person for person in map(records.to_person, items) if person]


def reread(
    installation: Installation, outbound: Outbound, people: Sequence[str], orders: Sequence[str], now: datetime
) -> Batch:
    """Customers and orders by name: those that the shop does not list are gone. Raises as `pull` does."""
    shop = Shop(installation, outbound, now)
    customers = by_name(
        shop, "customers", "ids", people, lambda item: str(told_id(told_fields(item).get("customer_id")))
    )
    placed = by_name(shop, "orders", "order_numbers", orders, records.number_of)
    return Batch(
        people=people_of([*customers.values()]),
        orders=[order for order in map(records.to_order, placed.values()) if order],
        gone=[id for id in people if id not in customers],
        gone_orders=[number for number in orders if number not in placed],
    )


def by_name(
    shop: Shop, resource: str, wanted: str, names: Sequence[str], name_of: Callable[[object], str]
) -> dict[str, object]:
    """The records of these names; raises `UpstreamFailed` where the answer is not about them, or not complete."""
    if not names:
        return {}
    items, pages = shop.items(resource, {wanted: ";".join(names)})
    found = {name_of(item): item for item in items}
    if not found.keys() <= set(names) or pages.total != len(found):
        raise UpstreamFailed("filter_ignored")
    return found


def lookup(installation: Installation, outbound: Outbound, query: str) -> Sequence[Person]:
    """Candidates by e-mail, phone or company: there is no filter for a name (4.7). Raises as `pull` does."""
    words = query.strip()[:200]
    digits = re.sub(r"[\s().\-/]", "", words)
    if "@" in words:
        wanted = {"email": words}
    elif re.fullmatch(r"\+?[0-9]{5,15}", digits):
        wanted = {"phone": digits}
    elif len(words) > 2 and any(map(str.isalpha, words)):
        wanted = {"company_name": words}
    else:
        return []
    return people_of(Shop(installation, outbound).items("customers", wanted)[0])
