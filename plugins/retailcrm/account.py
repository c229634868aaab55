"""The account as a reader sees it: calls with its key, what its refusals mean, and its pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from app.sdk import (
    Installation,
    Later,
    LoginRefused,
    Outbound,
    Response,
    Stopped,
    UpstreamFailed,
    retry_at,
    told_fields,
    told_id,
)

LIMIT = 100  # the largest page that every method gives (sheet, section 5: "an enum: 20, 50, 100")
SMALL = 20  # the smallest, for a page of which a hundred entries are too large an answer
PARTS = LIMIT // SMALL
SECONDS = 30.0
RIGHTS = {"customers": "customer_read", "orders": "order_read"}


@dataclass(frozen=True, slots=True)
class Pages:
    """Where an answer stands among its pages; ``told`` is False where an empty list says nothing of them."""

    total: int = 0
    at: int = 1
    last: int = 1
    size: int = LIMIT
    told: bool = True

    @property
    def read(self) -> int:
        """How many entries there are up to the end of this page."""
        return min(self.at * self.size, self.total)


@dataclass(frozen=True, slots=True)
class Account:
    """The API of one installation's account; ``now`` is when we ask, where that is known."""

    installation: Installation
    outbound: Outbound
    now: datetime | None = None

    def get(self, path: str, *query: tuple[str, object]) -> Mapping[str, Any]:
        """The account's answer to a question. Raises `Stopped`, `Later` and `UpstreamFailed`."""
        key = self.installation.secret("api_key")
        if not (key and self.installation.address):
            raise Stopped("no_key")
        url = f"{self.installation.address}/api/v5/{path}?{urlencode(query)}"
        response = self.outbound.request("GET", url, headers={"X-API-KEY": key}, timeout=SECONDS)
        if response.status == 429 or response.status >= 500:
            raise Later(f"status_{response.status}", retry_at(response.headers.get("retry-after", ""), self.now))
        told = object_of(response)
        refuse_locked_out(response.status, told, RIGHTS[path.partition("/")[0]])
        if response.status != 200 or told.get("success") is not True:
            raise UpstreamFailed("refused_by_account")
        return told

    def entries(
        self, path: str, *query: tuple[str, object], page: int = 1, limit: int = LIMIT
    ) -> tuple[list[Any], Pages]:
        """One page of a list, and where it stands in it; a list that contradicts itself is `UpstreamFailed`."""
        # "Advance by sinceId, don't page" (section 5): a history is asked without a page.
        told = self.get(path, ("limit", limit), *([] if path.endswith("/history") else [("page", page)]), *query)
        entries = told.get("history" if path.endswith("/history") else path)
        if not isinstance(entries, list) and entries != {}:
            raise UpstreamFailed("no_list")
        if len(entries) > limit:
            raise UpstreamFailed("page_too_long")
        return list(entries), read_pages(told.get("pagination"), page, bool(entries))

    def by_id(self, kind: str, ids: Collection[int]) -> list[Any]:
        """Those of at most 100 customers or orders that are still there; a part of them is `UpstreamFailed`."""
        if not ids:
            return []
        names = [("filter[ids][]", id) for id in ids]
        try:
            found = complete(*self.entries(kind, *names))
        except UpstreamFailed as failure:
            smaller(failure)
            some = [names[start : start + SMALL] for start in range(0, len(names), SMALL)]
            found = [one for few in some for one in complete(*self.entries(kind, *few, limit=SMALL))]
        return [entry for entry in found if told_id(told_fields(entry).get("id")) in ids]


def complete(found: list[Any], pages: Pages) -> list[Any]:
    """What was found, unless some of it is missing."""
    if not pages.told or pages.total != len(found):
        raise UpstreamFailed("not_all")
    return found


def smaller(failure: UpstreamFailed) -> None:
    """Raise the failure again unless fewer entries at once can help."""
    if failure.reason != "too_large":
        raise failure


def read_pages(told: object, asked: int, filled: bool) -> Pages:
    """The pagination of an answer. Raises `UpstreamFailed` where to believe it would end or turn the pass wrongly."""
    if told in (None, [], {}) and not filled:
        return Pages(told=False)
    names = ("totalCount", "currentPage", "totalPageCount", "limit")
    counts: list[Any] = [told.get(name) for name in names] if isinstance(told, dict) else []
    counts = [count for count in counts if type(count) is int and 0 <= count < 10**9]
    if len(counts) < len(names):
        raise UpstreamFailed("bad_pagination")
    pages = Pages(*counts)
    for lie, wrong in (
        ("too_few_pages", pages.last * pages.size < pages.total),
        ("nothing_on_page", not filled and pages.at < pages.last),
        ("other_page", pages.at > asked or pages.at < min(asked, pages.last)),
    ):
        if wrong:
            raise UpstreamFailed(lie)
    return pages


def object_of(response: Response) -> Mapping[str, Any]:
    """The JSON object of an answer; empty for any other body (sheet, section 3: "Non-JSON answers exist")."""
    try:
        told = response.json()
    except UpstreamFailed:
        return {}
    return told if isinstance(told, dict) else {}


def refuse_locked_out(status: int, told: Mapping[str, Any], right: str) -> None:
    """Raise `LoginRefused` where the key is dead, `Stopped` where it lacks a right.

    "Both official clients classify by the errorMsg text" (sheet, section 3): a wrong key may come with any status.
    """
    text = told.get("errorMsg")
    text = text if isinstance(text, str) else ""
    if status == 401 or '"apiKey"' in text:
        raise LoginRefused("wrong_key", "The account does not accept the key it gave.")
    if status == 403 or text.startswith("Access denied"):
        raise Stopped("access_denied", "The add-on needs these rights: %(rights)s.", rights=right)
