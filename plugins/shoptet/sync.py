"""The e-shop's customers and orders: all pages first, afterwards what the log of changes names, deletions included.

Where something was deleted during the first pass, somebody may have moved onto a page already read while a newcomer
made up the number: the pass is made once more before it counts as complete.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.sdk import Batch, Person, UpstreamFailed, told_fields, told_text

from . import records
from .api import Shop
from .cursor import FIRST, LATER, Cursor, before, read_cursor, write_cursor, write_time

SIZE = 50  # "only 50 orders per page is supported"
MOST_TURNS_BACK = 100
MOST_PASSES = 3
DELETED = "delete"


@dataclass(frozen=True, slots=True)
class Pages:
    """Where an answer stands among its pages."""

    total: int = 0
    at: int = 1
    last: int = 1


def pull(shop: Shop, cursor: str, now: datetime) -> Batch:
    """One page. Raises `Stopped`, `Later` and `UpstreamFailed`."""
    at = read_cursor(cursor, now)
    at = at if at.start else replace(at, start=write_time(now))
    return STEPS[at.phase](shop, at)


def customers(shop: Shop, at: Cursor) -> Batch:
    items, pages = listed(shop, "customers", "customers", {}, at.page)
    return batch(at, pages, people=people_of(shop, items))


def orders(shop: Shop, at: Cursor) -> Batch:
    items, pages = listed(shop, "orders", "orders", {}, at.page)
    return batch(at, pages, orders=[order for order in map(records.to_order, items) if order])


def customer_changes(shop: Shop, at: Cursor) -> Batch:
    """Who changed is read by name; "each customer is only mentioned with the last change"."""
    changed, deleted, pages = changes(shop, "customers", "guid", at)
    found = {guid: detail(shop, guid) for guid in changed}
    people = [person for person in map(records.to_person, found.values()) if person]
    gone = [*deleted, *(guid for guid, item in found.items() if item is None)]
    return batch(replace(at, lost=at.lost + len(gone)), pages, people=people, gone=gone)


def order_changes(shop: Shop, at: Cursor) -> Batch:
    """What changed is read by code; an order that is nobody's any more, or a guest's, leaves its person."""
    changed, deleted, pages = changes(shop, "orders", "code", at)
    items = by_code(shop, changed) if changed else []
    placed = [order for order in map(records.to_order, items) if order]
    gone = set(changed) - {order.external_id for _, order in placed}
    at = replace(at, lost=at.lost + len(deleted))
    return batch(at, pages, orders=placed, gone_orders=[*deleted, *sorted(gone)])


def by_code(shop: Shop, codes: Sequence[str]) -> list[Any]:
    """The orders of these codes; raises `UpstreamFailed` where the answer is not about them, or not complete."""
    items, pages = listed(shop, "orders", "orders", {"codes": ",".join(codes)}, 1)
    if not {records.id_of(item, "code") for item in items} <= set(codes) or pages.total != len(items):
        raise UpstreamFailed("filter_ignored")
    return items


STEPS = {"customers": customers, "orders": orders, "customer_changes": customer_changes, "order_changes": order_changes}


def changes(shop: Shop, kind: str, name: str, at: Cursor) -> tuple[list[str], list[str], Pages]:
    """The ids of what changed and of what was deleted, on one page of the log."""
    items, pages = listed(shop, f"{kind}/changes", "changes", {"from": at.since}, at.page)
    told = {records.id_of(item, name): told_text(told_fields(item).get("changeType")) for item in items}
    told.pop("", None)
    deleted = [id for id, what in told.items() if what == DELETED]
    # A comma would make two codes of one; no e-shop is known to have such an order.
    return [id for id, what in told.items() if what != DELETED and "," not in id], deleted, pages


def listed(shop: Shop, path: str, name: str, query: dict[str, str], page: int) -> tuple[list[Any], Pages]:
    """One page of a list. Raises `UpstreamFailed` for what is none, and as `Shop.ask` does."""
    told = shop.data("GET", path, {**query, "page": page, "itemsPerPage": SIZE})
    items = told.get(name)
    if not isinstance(items, list) or len(items) > SIZE:
        raise UpstreamFailed("no_list")
    told_pages = told_fields(told.get("paginator"))
    counts: list[Any] = [told_pages.get(part) for part in ("totalCount", "page", "pageCount")]
    pages = Pages(*counts) if all(type(count) is int and 0 <= count < 10**9 for count in counts) else None
    if pages is None or pages.last * SIZE < pages.total or (not items and page <= pages.last and pages.total):
        raise UpstreamFailed("bad_paginator")
    return items, pages


def turn(at: Cursor, pages: Pages) -> Cursor:
    """The page to read next, or what follows the last one.

    When items went away since the page before, those behind them moved forward, onto pages already read: turn back
    as far. A count that never rests cannot hold the pass for ever.
    """
    shrunk = at.total - pages.total if at.page > 1 else 0
    if shrunk > 0 and at.turns_back < MOST_TURNS_BACK:
        back = max(1, at.page - -(-shrunk // SIZE))
        return replace(at, page=back, total=pages.total, turns_back=at.turns_back + 1)
    if at.page < pages.last:
        return replace(at, page=at.page + 1, total=pages.total)
    return follow(replace(at, page=1, total=0, turns_back=0), several=pages.last > 1, total=pages.total)


def follow(at: Cursor, *, several: bool, total: int) -> Cursor:
    """The phase after this one; after the last the round is over.

    While a round of several pages is read, what changes anew moves to the log's other end and pushes the rest onto
    pages already read: such a round asks from the same moment once more.
    """
    if at.phase == FIRST[0]:
        return replace(at, phase=FIRST[1], customers=total, loose=int(several))
    if at.phase == FIRST[1]:
        everything = at.customers + total
        return replace(
            at, phase=LATER[0], start="", since=before(at.start), loose=at.loose | several, customers=everything
        )
    if at.phase == LATER[0]:
        return replace(at, phase=LATER[1], paged=at.paged | several)
    if at.phase == LATER[1] and (at.paged | several) == 1:
        return replace(at, phase=LATER[0], start="", paged=2)
    if not at.settled and at.loose and at.lost and at.passes < MOST_PASSES:
        return Cursor(passes=at.passes + 1)
    return replace(at, phase=LATER[0], start="", since=before(at.start), paged=0, settled=1, lost=0)


def batch(at: Cursor, pages: Pages, **found: Any) -> Batch:
    """What a step found, how far the first pass is, and where to go on."""
    after = turn(at, pages)
    over = at.follows and after.follows and not after.start and after.paged == 0
    done, total = (0, 0) if at.settled else progress(at, pages)
    return Batch(cursor=write_cursor(after), more=not over, live=bool(after.settled), done=done, total=total, **found)


def progress(at: Cursor, pages: Pages) -> tuple[int, int]:
    """How much of the first pass is read; all of it, while what follows tells whether it must be made again."""
    if at.follows:
        return at.customers, at.customers
    before = at.customers if at.phase == FIRST[1] else 0
    total = before + pages.total
    return before + min(pages.total, at.page * SIZE) if at.passes == 1 else total, total


def people_of(shop: Shop, items: Sequence[object]) -> list[Person]:
    """The customers of a list, with their detail where the list tells too little."""
    whole = (detail(shop, records.id_of(item, "guid")) or item if records.is_short(item) else item for item in items)
    return [person for person in map(records.to_person, whole) if person]


def detail(shop: Shop, guid: str) -> object | None:
    """One customer; None where the e-shop has none of that name. Raises `UpstreamFailed` for anybody else's."""
    if re.fullmatch("[A-Za-z0-9-]{1,64}", guid) is None:
        return {}
    response = shop.ask("GET", f"customers/{guid}", takes=(404,))
    if response.status == 404:
        return None
    data = told_fields(told_fields(response.json()).get("data"))
    customer = told_fields(data.get("customer")) or data
    if records.id_of(customer, "guid") != guid:
        raise UpstreamFailed("other_customer")
    return customer


def lookup(shop: Shop, query: str) -> Sequence[Person]:
    """Candidates by e-mail or phone, the only filters there are. Raises as `Shop.ask` does."""
    words = query.strip()[:200]
    digits = re.sub(r"[\s().\-/]", "", words)
    if "@" in words:
        wanted = {"email": words}
    elif re.fullmatch(r"\+?[0-9]{5,15}", digits):
        wanted = {"phone": digits}
    else:
        return []
    return people_of(shop, listed(shop, "customers", "customers", wanted, 1)[0])
