"""The two webhooks by which the store tells of its customers and orders: each there once, with our secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.sdk import Links, told_fields, told_id, told_text

from .store import Store, list_of

SCOPES = ("store/customer/*", "store/order/*")


def subscribe(store: Store, links: Links) -> Mapping[str, str]:
    """Create what is missing, give the rest the new secret, delete what is there twice; raises as `Store.ask`.

    ``headers`` "are sent back with each callback": nothing else tells that a call is the platform's.
    """
    held: dict[str, int] = {}
    surplus = [id for id, scope in ours(store, links) if scope not in SCOPES or held.setdefault(scope, id) != id]
    for scope in SCOPES:
        hook = {"scope": scope, "destination": links.to("webhook"), "is_active": True}
        hook["headers"] = {"X-Stallholder-Secret": links.token("header")}
        if scope in held:
            store.ask("PUT", f"v3/hooks/{held[scope]}", json=hook)
        else:
            store.ask("POST", "v3/hooks", json=hook)
    for id in surplus:
        store.ask("DELETE", f"v3/hooks/{id}")
    return {"webhook_origin": links.public_url}


def ours(store: Store, links: Links) -> Iterator[tuple[int, str]]:
    """Id and scope of the webhooks that call this server, or did under its former address."""
    former = store.installation.facts.get("webhook_origin") or links.public_url
    addresses = {links.to("webhook"), links.to("webhook").replace(links.public_url, former, 1)}
    told = told_fields(store.ask("GET", "v3/hooks", query={"limit": "250"}).json())
    for hook in map(told_fields, list_of(told.get("data"))):
        if told_text(hook.get("destination")) in addresses and (id := told_id(hook.get("id"))):
            yield id, told_text(hook.get("scope"))
