"""The webhooks by which Shoptet tells of customers, orders and the add-on's own standing: each there once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from app.sdk import Links, UpstreamFailed, told_fields, told_id, told_text

from .api import Shop
from .schemas import LEAVING, STATES

CHANGES = tuple(f"{kind}:{what}" for kind in ("customer", "order") for what in ("create", "update", "delete"))
EVENTS = (LEAVING, *STATES, *CHANGES, "order:massUpdate")
# Without the right to customers or orders, or where the platform knows no such event, we go without that webhook.
DECLINED = (403, 409, 422)


def subscribe(shop: Shop, links: Links) -> Mapping[str, str]:
    """Create what is missing and point the rest here: "one URL for each event of an installation".

    The addresses are the same for every e-shop, since each call is signed with the e-shop's own key. Raises as
    `Shop.ask` does.
    """
    held = there(shop)
    for event in EVENTS:
        url = links.to("uninstall" if event == LEAVING else "webhook")
        if event not in held:
            write(shop, "POST", "webhooks", [{"event": event, "url": url}], DECLINED)
        elif held[event][1] != url:
            write(shop, "PATCH", f"webhooks/{held[event][0]}", {"event": event, "url": url})
    return {}


def write(shop: Shop, method: str, path: str, data: object, takes: Collection[int] = ()) -> None:
    """One change. A success may name `errors`, for one of several items: it is none then. Raises as `Shop.ask` does."""
    response = shop.ask(method, path, {"data": data}, takes)
    if response.ok and response.body and told_fields(response.json()).get("errors"):
        raise UpstreamFailed("not_done_by_shop")


def there(shop: Shop) -> dict[str, tuple[int, str]]:
    """Id and address of the installation's webhooks, by their events."""
    told = shop.data("GET", "webhooks").get("webhooks")
    hooks = [told_fields(item) for item in told] if isinstance(told, list) else []
    return {
        told_text(hook.get("event")): (told_id(hook["id"]), told_text(hook.get("url")))
        for hook in hooks
        if told_id(hook.get("id"))
    }
