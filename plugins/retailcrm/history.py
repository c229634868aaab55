"""What an account's histories tell: who and what changed, read by the ids of the changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.sdk import UpstreamFailed, told_fields, told_id

from .account import SMALL, Account, smaller


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
