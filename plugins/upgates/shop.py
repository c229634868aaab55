"""The shop as a reader sees it: calls with its access, what its refusals mean, and its pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlencode

from app.sdk import (
    Installation,
    Later,
    LoginRefused,
    Malformed,
    Outbound,
    Response,
    Stopped,
    UpstreamFailed,
    retry_at,
)

from .api import address_of

SIZE = 100  # "100 items a page, page size cannot be set" (4.5)
SECONDS = 30.0
LOCKED_OUT = timedelta(hours=1)  # "5 failed logins per hour per IP address (sliding window), then 403" (4.2)


class Moved(UpstreamFailed):
    """The shop's API is at another ``address`` now; it may be used as one that came with an activation."""

    def __init__(self, address: str) -> None:
        super().__init__("moved")
        self.address = address


@dataclass(frozen=True, slots=True)
class Pages:
    """Where an answer stands among its pages."""

    total: int = 0
    at: int = 1
    last: int = 1

    @property
    def read(self) -> int:
        """How many items there are up to the end of this page."""
        return min(self.at * SIZE, self.total)


@dataclass(frozen=True, slots=True)
class Shop:
    """The API of one installation's shop; ``now`` is when we ask, where that is known."""

    installation: Installation
    outbound: Outbound
    now: datetime | None = None

    def items(self, resource: str, query: Mapping[str, str], page: int = 1) -> tuple[list[Any], Pages]:
        """One page of a list. Raises as `ask` does."""
        # urlencode writes the + of a time's offset as %2B (4.9).
        told = self.ask("GET", f"{resource}?{urlencode({**query, 'page': page})}").json()
        items = told.get(resource) if isinstance(told, dict) else None
        if not isinstance(items, list) or len(items) > SIZE:
            raise UpstreamFailed("no_list")
        return items, read_pages(told, page, bool(items))

    def ask(self, method: str, path: str, json: object = None) -> Response:
        """One call. Raises `Stopped`, `Later`, `Moved` and `UpstreamFailed`.

        Without credentials nothing is asked: a failed login counts towards the lock-out (4.2).
        """
        response = self.send(method, path, json)
        if response.status == 403:
            self.refuse_entry()
        self.refuse(response)
        return response

    def send(self, method: str, path: str, json: object = None) -> Response:
        """One call, whatever comes of it. Raises `Stopped` without credentials."""
        user, key = self.installation.secret("api_user"), self.installation.secret("api_key")
        if not (self.installation.address and user and key):
            raise Stopped("no_access")
        url = f"{self.installation.address}/{path}"
        return self.outbound.request(method, url, auth=(user, key), json=json, timeout=SECONDS)

    def refuse_entry(self) -> NoReturn:
        """Raise what a 403 means: "API user inactive, or too many failed logins, or no right to endpoint" (4.2).

        "On `/status` it cannot mean a missing right": that is asked once. The first two pass, the last does not.
        """
        told = self.send("GET", "status")
        if told.status == 403:
            raise Later("locked_out", self.now + LOCKED_OUT if self.now else None)
        self.refuse(told)
        raise Stopped("access_denied", "The shop does not let the add-on read its customers and orders.")

    def refuse(self, response: Response) -> None:
        """Raise what a status other than 200 and 403 means (4.2)."""
        status = response.status
        if status == 301:
            raise Moved(self.new_address(response))
        if status == 401:
            raise LoginRefused(
                "access_gone", "The shop does not accept the add-on's API access any more. Activate it again."
            )
        if status == 429 or status >= 500:
            raise Later(f"status_{status}", retry_at(response.headers.get("retry-after", ""), self.now))
        if status != 200:
            raise UpstreamFailed(f"status_{status}")

    def new_address(self, response: Response) -> str:
        """Where the shop moved: "JSON body {"api_url"}", "validate host" (4.2), by the rule of an activation."""
        told = response.json()
        url = told.get("api_url") if isinstance(told, dict) else None
        try:
            address = address_of(url if isinstance(url, str) else "", self.outbound)
        except Malformed:
            raise UpstreamFailed("moved_elsewhere") from None
        if address == self.installation.address:
            raise UpstreamFailed("moved_nowhere")
        return address


def read_pages(told: Mapping[str, Any], asked: int, filled: bool) -> Pages:
    """The pagination of an answer. Raises `UpstreamFailed` where to believe it would end or turn the pass wrongly."""
    counts: list[Any] = [told.get(name) for name in ("number_of_items", "current_page", "number_of_pages")]
    counts = [count for count in counts if type(count) is int and 0 <= count < 10**9]
    if len(counts) < 3:
        if filled:
            raise UpstreamFailed("bad_pagination")
        return Pages()  # "allow 0 or missing for an empty list" (4.5)
    pages = Pages(*counts)
    for lie, wrong in (
        ("too_few_pages", pages.last * SIZE < pages.total),
        ("nothing_on_page", not filled and pages.at < pages.last),
        ("other_page", pages.at > asked or pages.at < min(asked, pages.last)),
    ):
        if wrong:
            raise UpstreamFailed(lie)
    return pages
