"""A connector that says of a platform of the tests what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.sdk import (
    Answer,
    Batch,
    Changes,
    Installation,
    Later,
    Order,
    Outbound,
    Person,
    Stopped,
    UpstreamFailed,
    hookimpl,
)


def asked(outbound: Outbound, method: str, url: str, **parts: Any) -> Any:
    """The platform's answer; raises what its status means, and leaves a 401 as an upstream failure."""
    response = outbound.request(method, url, **parts)
    if response.status == 403:
        raise Stopped("blocked")
    if response.status == 429:
        raise Later("too_many")
    if not response.ok:
        raise UpstreamFailed(f"status_{response.status}")
    return response.json()


@hookimpl
def describe() -> Answer:
    """Nothing to say."""
    return Answer.json({})


@hookimpl
def pull(installation: Installation, outbound: Outbound, cursor: str) -> Batch:
    """One page."""
    page = asked(outbound, "GET", f"{installation.address}/page", params={"cursor": cursor})
    people = [Person(**person) for person in page.pop("people")]
    orders = [(owner, Order(**order)) for owner, order in page.pop("orders", ())]
    return Batch(people=people, orders=orders, **page)


@hookimpl
def lookup(installation: Installation, outbound: Outbound, query: str) -> Sequence[Person]:
    """Whom the platform finds."""
    found = asked(outbound, "GET", f"{installation.address}/lookup", params={"q": query})
    return [Person(**person) for person in found]


@hookimpl
def push(installation: Installation, outbound: Outbound, changes: Changes) -> str:
    """One batch."""
    told = [{"id": person.id, "name": person.name} for person in changes.people]
    told += [{"order": order.id, "of": person.id} for person, order in changes.orders]
    told += [{"gone": person.id} for person in changes.gone_people]
    told += [{"gone_order": id} for id in changes.gone_orders]
    asked(outbound, "POST", f"{installation.address}/push", json=told)
    return ""
