"""The store as a reader sees it: calls with its token, what its refusals mean, and its two kinds of lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.sdk import (
    Installation,
    Later,
    LoginRefused,
    Outbound,
    Response,
    Stopped,
    UpstreamFailed,
    told_fields,
    told_id,
)

from .api import with_token

SIZE = 250  # "limit: max 250", of both versions of the API
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pages:
    """Where an answer of the newer API stands among its pages."""

    total: int
    at: int
    last: int


@dataclass(frozen=True, slots=True)
class Store:
    """The API of one installation's store; ``now`` is when we ask, where that is known."""

    installation: Installation
    outbound: Outbound
    now: datetime | None = None

    @property
    def admin(self) -> str:
        """The address of the store's control panel."""
        return f"https://store-{self.installation.tenant.partition('/')[2]}.mybigcommerce.com/manage"

    def customers(self, query: Mapping[str, str], page: int = 1) -> tuple[list[Any], Pages]:
        """One page of the customers. Raises as `ask` does."""
        asked = {**query, "limit": str(SIZE), "page": str(page)}
        told = told_fields(self.ask("GET", "v3/customers", query=asked).json())
        items = list_of(told.get("data"))
        return items, read_pages(told_fields(told.get("meta")).get("pagination"), page, bool(items))

    def orders(self, query: Mapping[str, str]) -> list[Any]:
        """Orders in the order of their ids; "204 with an empty body where there are none". Raises as `ask` does."""
        asked = {**query, "limit": str(SIZE), "sort": "id:asc"}
        reply = self.ask("GET", "v2/orders", query=asked)
        items = list_of(reply.json()) if reply.status != 204 else []
        ids = [told_id(told_fields(item).get("id")) for item in items]
        if ids != sorted(set(ids)):
            raise UpstreamFailed("sort_ignored")
        return items

    def ask(self, method: str, path: str, *, query: Mapping[str, str] | None = None, json: object = None) -> Response:
        """One call. Raises `Stopped`, `Later` and `UpstreamFailed`."""
        token = self.installation.secret("access_token")
        if not (self.installation.address and token):
            raise Stopped("no_token")
        url = f"{self.installation.address}/{path}"
        headers = with_token(token)
        reply = self.outbound.request(method, url, headers=headers, params=query, json=json, timeout=SECONDS)
        self.refuse(reply)
        return reply

    def refuse(self, reply: Response) -> None:
        """Raise what a status other than 2xx means."""
        status = reply.status
        if status == 401:
            raise LoginRefused("token_gone", "The store does not accept the app any more. Install it again.")
        if status == 403:
            raise Stopped("access_denied", "The store does not let the app read its customers and orders.")
        if status == 429 or status >= 500:
            raise Later(f"status_{status}", self.reset_at(reply.headers.get("x-rate-limit-time-reset-ms", "")))
        if not reply.ok:
            raise UpstreamFailed(f"status_{status}")

    def reset_at(self, milliseconds: str) -> datetime | None:
        """When calls count anew: the platform says "in so many milliseconds", and writes no ``Retry-After``."""
        if self.now is None or not re.fullmatch("[0-9]{1,8}", milliseconds, re.ASCII):
            return None
        return self.now + timedelta(milliseconds=int(milliseconds))


def list_of(told: object) -> list[Any]:
    """A list of at most a page; `UpstreamFailed` for anything else."""
    if not isinstance(told, list) or len(told) > SIZE:
        raise UpstreamFailed("no_list")
    return told


def read_pages(told: object, asked: int, filled: bool) -> Pages:
    """The pagination of an answer. Raises `UpstreamFailed` where to believe it would end or turn the pass wrongly."""
    counts: list[Any] = [told_fields(told).get(name) for name in ("total", "current_page", "total_pages")]
    counts = [count for count in counts if type(count) is int and 0 <= count < 10**9]
    if len(counts) < 3:
        raise UpstreamFailed("bad_pagination")
    pages = Pages(*counts)
    if pages.at != asked or pages.last * SIZE < pages.total or (not filled and asked < pages.last):
        raise UpstreamFailed("other_page")
    return pages
