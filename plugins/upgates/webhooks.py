"""The webhooks by which the shop tells of its customers and orders (protocols/upgates.md 4.10): each there once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.sdk import Event, Links, UpstreamFailed, read_object, told_fields, told_id, told_text

from . import records
from .shop import Shop

EVENTS = tuple(f"{kind}.{what}" for kind in ("Customers", "Orders") for what in ("create", "update", "delete"))
DENIED = (False, 0, "0", "false", "no")
LONGEST_NUMBER = 100


def subscribe(shop: Shop, links: Links) -> Mapping[str, str]:
    """Create what is missing, point the rest at the new address, delete what is there twice; raises as `Shop.ask`.

    "A hook belongs to the API user that made it", so all that point at this server are ours; "without the right to
    that endpoint it cannot be made". Raises `UpstreamFailed` where the shop says that it did not do one of these.
    """
    held, surplus = sorted_out(ours(shop, links))
    for event in allowed(shop):
        hook = {"active_yn": True, "name": f"Stallholder {event}", "event": event}
        hook["url"] = links.to("webhook", links.token("path"))
        if event in held:
            write(shop, "PUT", "webhooks", {"id": held[event], **hook})
        else:
            write(shop, "POST", "webhooks", hook)
    if surplus:
        write(shop, "DELETE", f"webhooks?ids={'%3B'.join(map(str, surplus))}")
    return {"webhook_origin": links.public_url}


def write(shop: Shop, method: str, path: str, json: object = None) -> None:
    """One change. "Answers are 200 even when items failed" (4.3): `created_yn` and the like tell; raises as `ask`."""
    response = shop.ask(method, path, json)
    if response.body and refusals(response.json()):
        raise UpstreamFailed("not_done_by_shop")


def refusals(told: object) -> list[str]:
    """The names of all that the answer says no to, at any depth."""
    if isinstance(told, list):
        return [name for item in told for name in refusals(item)]
    if not isinstance(told, dict):
        return []
    said = [name for name, value in told.items() if (name.endswith("_yn") or name == "deleted") and value in DENIED]
    return said + [name for value in told.values() for name in refusals(value)]


def allowed(shop: Shop) -> Sequence[str]:
    """Those of our events that this access may hear of; all where the shop does not say."""
    told = told_fields(shop.ask("GET", "webhooks/events").json()).get("events")
    listed = [told_fields(item) for item in told] if isinstance(told, list) else []
    denied = {told_text(item.get("name")) for item in listed if item.get("allowed_yn", True) in DENIED}
    return [event for event in EVENTS if event not in denied]


def ours(shop: Shop, links: Links) -> Iterator[tuple[int, str]]:
    """Id and event of the webhooks that call this server, or did under its former address."""
    former = shop.installation.facts.get("webhook_origin") or links.public_url
    origins = {links.to("webhook"), links.to("webhook").replace(links.public_url, former, 1)}
    told = told_fields(shop.ask("GET", "webhooks").json()).get("webhooks")
    for hook in map(told_fields, told if isinstance(told, list) else ()):
        if told_text(hook.get("url")).rpartition("/")[0] in origins and told_id(hook.get("id")):
            yield told_id(hook["id"]), told_text(hook.get("event"))


def sorted_out(hooks: Iterator[tuple[int, str]]) -> tuple[dict[str, int], list[int]]:
    """One webhook of each event to keep, and those to delete."""
    held: dict[str, int] = {}
    surplus = [id for id, event in hooks if event not in EVENTS or held.setdefault(event, id) != id]
    return held, surplus


def read_hint(body: bytes) -> Sequence[Event]:
    """What a webhook hints at: unsigned, "treat the body as a hint and re-read by API".

    A list of what changed is asked for anyway; what is named with a `deletion_time` is in no list and must be asked
    for by name. Nothing else of the body is kept.
    """
    told = read_object(body)
    people = [str(id) for item in deleted(told, "customers") if (id := told_id(item.get("customer_id")))]
    numbers = [filtered_by(item) for item in deleted(told, "orders")]
    named = Event.named(people=people, orders=[number for number in numbers if number])
    return named or [Event.changed()]


def deleted(told: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    """The records that the body says are deleted."""
    items = told.get(kind)
    listed = map(told_fields, items if isinstance(items, list) else ())
    return (item for item in listed if item.get("deletion_time"))


def filtered_by(item: Mapping[str, Any]) -> str:
    """The order's number, unless it would be two in a filter, whose values are "`;`-separated" (4.8)."""
    number = records.number_of(item)
    return number if len(number) <= LONGEST_NUMBER and ";" not in number else ""
