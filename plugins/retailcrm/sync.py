"""The account's customers and orders: all by pages first, then what their histories tell.

begin ─► customers ─► orders ─► customers/history ─► orders/history ─► (again from customers/history)
                                                     │          ▲
                                                     └► changed ┘

Where something was deleted during the pass, somebody may have moved onto a page already read while a newcomer made up
the number: unless the lists come newest first, the pass is made once more before it counts as complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from app.sdk import Batch, Health, Installation, Order, Outbound, Person, UpstreamFailed, told_fields, told_id

from . import records
from .account import LIMIT, PARTS, SMALL, Account, Pages, object_of, smaller
from .cursor import HIGHEST, PASS, STAMP, Cursor, read_cursor, write_cursor

# No zone is further behind than 12 hours, none further ahead than 14; the account's own is not told.
BEHIND, AHEAD, IN_FLIGHT = timedelta(hours=13), timedelta(hours=15), timedelta(minutes=1)
MOST_TURNS_BACK = 100
MOST_PASSES = 3


def pull(installation: Installation, outbound: Outbound, cursor: str, now: datetime) -> Batch:
    """One step, of at most two calls. Raises `Stopped`, `Later` and `UpstreamFailed`."""
    at = read_cursor(cursor)
    return STEPS[at.phase](Account(installation, outbound, now.astimezone(UTC)), at)


def begin(account: Account, at: Cursor) -> Batch:
    """Ask the account what time it is there, so that its history tells of all that changes during the pass."""
    now = account.now or datetime.now(UTC)
    early = now - BEHIND
    told = account.get("customers/history", ("limit", 20), ("filter[startDate]", early.strftime(STAMP)))
    try:
        theirs = datetime.strptime(str(told.get("generatedAt")), STAMP).replace(tzinfo=UTC)
        since = theirs - IN_FLIGHT if early <= theirs <= now + AHEAD else early
    except (ValueError, OverflowError):
        since = early
    _, pages = account.entries("orders", limit=20)
    return batch(replace(at, phase="customers", since=since.strftime(STAMP), orders=pages.total))


def customers(account: Account, at: Cursor) -> Batch:
    """One page of the customers."""
    entries, pages, at = page_of(account, "customers", at)
    return batch(turn(at, pages, entries, "orders"), people=people_of(account, entries), done=pages.read)


def orders(account: Account, at: Cursor) -> Batch:
    """One page of the orders. Who placed them was just read with the customers; of whom was not, the order tells."""
    entries, pages, at = page_of(account, "orders", at)
    placed, buyers = orders_of(account, entries)
    after = turn(at, pages, entries, "customers/history")
    return batch(after, done=at.customers + pages.read, orders=placed, buyers=buyers)


def page_of(account: Account, kind: str, at: Cursor) -> tuple[list[Any], Pages, Cursor]:
    """The page at hand, or the first of its parts where the whole is too large an answer."""
    if not at.part:
        try:
            return (*account.entries(kind, page=at.page), at)
        except UpstreamFailed as failure:
            smaller(failure)
            at = replace(at, part=1)
    return (*account.entries(kind, page=(at.page - 1) * PARTS + at.part, limit=SMALL), at)


def falling(before: int, entries: Sequence[object]) -> int:
    """The first id of a page that falls from it to the last, below that of the page ``before``; 0 once one does not.

    In a list that comes newest first all newcomers are in front: they push the others onto pages yet to come.
    """
    ids = [told_id(told_fields(entry).get("id")) for entry in entries]
    falls = all(0 < later < earlier for earlier, later in pairwise([before, *ids]))
    return (ids[0] if ids else before) if falls else 0


def turn(at: Cursor, pages: Pages, entries: Sequence[object], after: str) -> Cursor:
    """The page to read next, or the phase ``after``.

    When entries went away since the page before, those behind them moved forward, onto pages already read: turn back
    as far. A count that never rests cannot hold the pass for ever.
    """
    shrunk = getattr(at, at.phase) - pages.total if at.page > 1 or at.part > 1 else 0
    told: dict[str, Any] = {at.phase: pages.total, "falling": falling(at.falling, entries)}
    at = replace(at, **told)
    if shrunk > 0 and at.turns_back < MOST_TURNS_BACK:
        size = LIMIT if at.part else max(1, pages.size)
        back, high = max(1, at.page - -(-shrunk // size)), at.falling and HIGHEST
        return replace(at, page=back, part=0, turns_back=at.turns_back + 1, falling=high)
    if pages.at >= pages.last:
        loose = at.loose or int(pages.last > 1 and not at.falling)
        return replace(at, phase=after, page=1, part=0, falling=HIGHEST, loose=loose)
    return replace(at, part=at.part + 1) if 0 < at.part < PARTS else replace(at, page=at.page + 1, part=0)


def customers_history(account: Account, at: Cursor) -> Batch:
    """Read anew who changed; tell who is gone and who became one with another."""
    entries, last, more = history(account, "customers", at.last_customer_change, at.since)
    again, gone, merged = dict[int, None](), dict[int, None](), dict[int, int]()
    for entry in entries:
        id, into = id_of(entry, "customer"), id_of(entry, "combinedTo")
        if into and into != id:
            merged[id] = into
        if entry.get("deleted") is True and not into:
            gone[id] = None
        else:
            again[into or id] = None
    people = people_of(account, account.by_id("customers", again))
    there = {person.external_id for person in people} | {str(id) for id in merged}
    phase, lost = "customers/history" if more else "orders/history", at.lost + len(gone) + len(merged)
    return batch(
        replace(at, phase=phase, last_customer_change=last, lost=lost),
        people=people,
        gone=[str(id) for id in gone if str(id) not in there],
        merged=[(str(id), str(into)) for id, into in merged.items()],
    )


def orders_history(account: Account, at: Cursor) -> Batch:
    """Note which orders changed: they are read in a step of their own. Tell which are no more."""
    entries, last, more = history(account, "orders", at.last_order_change, at.since)
    gone = {id_of(one, "order") for one in entries if one.get("deleted") is True or id_of(one, "combinedTo")}
    at = replace(at, last_order_change=last, more_history=int(more), lost=at.lost + len(gone))
    ids = dict.fromkeys(id_of(entry, "combinedTo") or id_of(entry, "order") for entry in entries)
    told, again = [str(id) for id in sorted(gone)], [id for id in ids if id not in gone]
    if again:
        return batch(replace(at, phase="changed", ids=",".join(map(str, again))), gone_orders=told)
    return rest(at, gone_orders=told)


def changed(account: Account, at: Cursor) -> Batch:
    """Read the orders that changed, with those who placed them; one that is not there any more is gone."""
    asked = dict.fromkeys(map(int, at.ids.split(","))) if at.ids else {}
    found = account.by_id("orders", asked)
    left = asked.keys() - {told_id(told_fields(entry).get("id")) for entry in found}
    return rest(replace(at, ids=""), gone_orders=[str(id) for id in sorted(left)], **with_buyers(account, found))


def rest(at: Cursor, **found: Any) -> Batch:
    """Go on with the orders' history; once it is read to its end rest until the next round, or make the pass again."""
    if at.more_history:
        return batch(replace(at, phase="orders/history", more_history=0), **found)
    if not at.live and at.loose and at.lost and at.passes < MOST_PASSES:
        return batch(replace(at, phase="customers", passes=at.passes + 1, turns_back=0, loose=0, lost=0), **found)
    return batch(replace(at, phase="customers/history", live=1, lost=0), more=False, **found)


STEPS: Mapping[str, Callable[[Account, Cursor], Batch]] = {
    "begin": begin,
    "customers": customers,
    "orders": orders,
    "customers/history": customers_history,
    "orders/history": orders_history,
    "changed": changed,
}


def batch(at: Cursor, *, done: int = 0, more: bool = True, **found: Any) -> Batch:
    """What a step found, how far the pass is, and where to go on."""
    total = at.customers + at.orders
    done = min(done, total) if at.phase in PASS and at.passes == 1 else total
    return Batch(cursor=write_cursor(at), more=more, done=done, total=total, live=bool(at.live), **found)


def history(account: Account, kind: str, last: int, since: str) -> tuple[list[Mapping[str, Any]], int, bool]:
    """Changes not made by ourselves, the id of the last one, and whether there are more.

    Sheet, section 5: "first call with startDate, afterwards only sinceId". Raises `UpstreamFailed` where the
    history says that it goes on, but does not.
    """
    start = ("filter[sinceId]", str(last)) if last else ("filter[startDate]", since)
    try:
        told, pages = account.entries(f"{kind}/history", start)
    except UpstreamFailed as failure:
        smaller(failure)
        told, pages = account.entries(f"{kind}/history", start, limit=SMALL)
    entries = [entry for entry in map(told_fields, told) if told_id(entry.get("id")) > last]
    entries.sort(key=lambda entry: told_id(entry["id"]))
    newest = max((told_id(entry["id"]) for entry in entries), default=last)
    if pages.at < pages.last and newest <= last:
        raise UpstreamFailed("history_stands_still")
    theirs = [entry for entry in entries if id_of(entry, kind.removesuffix("s")) and not is_own(entry)]
    return theirs, newest, pages.at < pages.last


def is_own(entry: Mapping[str, Any]) -> bool:
    """Sheet, section 5: "Skip own changes: source == api and apiKey.current == true"."""
    return entry.get("source") == "api" and told_fields(entry.get("apiKey")).get("current") is True


def id_of(entry: Mapping[str, Any], name: str) -> int:
    """The id of the object under ``name``; 0 where there is none."""
    return told_id(told_fields(entry.get(name)).get("id"))


def people_of(account: Account, entries: Sequence[object]) -> list[Person]:
    people = (records.to_person(entry, crm_of(account)) for entry in entries)
    return list({person.external_id: person for person in people if person}.values())


def with_buyers(account: Account, entries: Sequence[object]) -> dict[str, Any]:
    """Orders and who placed them: as the account knows them, else as the newest of their orders does."""
    placed, buyers = orders_of(account, entries)
    ids = dict.fromkeys(int(buyer.external_id) for buyer in buyers)
    return {"people": people_of(account, account.by_id("customers", ids)), "orders": placed, "buyers": buyers}


def orders_of(account: Account, entries: Sequence[object]) -> tuple[list[tuple[str, Order]], list[Person]]:
    """Orders, and the buyer of each as it tells; of several the host believes the newest."""
    told = [(records.buyer_of(entry, crm_of(account)), records.to_order(entry, crm_of(account))) for entry in entries]
    both = [(buyer, order) for buyer, order in told if buyer and order]
    return [(buyer.external_id, order) for buyer, order in both], [buyer for buyer, _ in both]


def crm_of(account: Account) -> str:
    """Where the account's pages are."""
    return account.installation.facts.get("public_url") or account.installation.address


def lookup(installation: Installation, outbound: Outbound, query: str) -> Sequence[Person]:
    """At most 20 candidates. Sheet, section 5: a phone is found "through filter[name]". Raises as `pull` does."""
    account, words = Account(installation, outbound), query.strip()[:200]
    field = "email" if "@" in words else "name"
    return people_of(account, account.entries("customers", (f"filter[{field}]", words), limit=20)[0]) if words else []


def probe(installation: Installation, outbound: Outbound) -> Health:
    """Whether the key lives: ``GET /api/credentials`` (sheet, section 5) is open to every key."""
    key = installation.secret("api_key")
    if not (key and installation.address):
        return Health.UNSURE
    try:
        reply = outbound.request("GET", f"{installation.address}/api/credentials", headers={"X-API-KEY": key})
    except UpstreamFailed:
        return Health.UNSURE
    told = object_of(reply)
    if reply.status == 401 or (reply.status in (400, 403) and str(told.get("errorMsg")).startswith('Wrong "apiKey"')):
        return Health.DEAD
    return Health.ALIVE if reply.status == 200 and told.get("success") is True else Health.UNSURE
