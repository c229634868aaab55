"""What Wazzup is told: people as contacts, their orders as deals (protocols/wazzup.md 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from app.sdk import Later, Outbound, Person, Response, Settings, Stopped, UpstreamFailed

from .api import call, code_of
from .schemas import digest

LARGEST = 100  # "max 100 items per request"
LONGEST_ID = 64  # "one client says 64: stay <= 64"; "p-" leaves 62 for ours
LONGEST_TEXT = 200  # names and addresses
US = "stallholder"  # the id of the one responsible user, and of the one pipeline
INTERNATIONAL = re.compile(r"(?:\+|00)([0-9 .()/\u00a0-]+)")

Item = Mapping[str, Any]
Post = Callable[[str, Sequence[Item]], Response]


def push(outbound: Outbound, settings: Settings, key: str, people: Sequence[Person]) -> None:
    """Hand people over in the order that "keeps references valid": the user, contacts, the pipeline, deals.

    Each is an upsert by id, so a batch may be pushed again. Passed over are people without an international
    phone, and the orders of those whose contact Wazzup does not take. Raises `Stopped`, `Later` and `UpstreamFailed`.
    """
    if not key:
        raise Stopped("no_key")
    post = partial(call, outbound, settings, key, "POST")
    named = {f"p-{person.external_id}": person for person in people}
    contacts = [contact for id, person in named.items() if (contact := contact_of(id, person))]
    if not contacts:
        return
    check_taken(post("/users", [{"id": US, "name": cut(settings["name"], 150)}]))
    taken = deliver(post, "/contacts", contacts)
    deals = {deal["id"]: deal for contact in taken for deal in deals_of(contact["id"], named[contact["id"]])}
    if deals:
        stages = [{"id": "new", "name": "New"}]  # "an empty array is an error" (2.4)
        check_taken(post("/pipelines", [{"id": US, "name": cut(settings["name"], 100), "stages": stages}]))
        deliver(post, "/deals", list(deals.values()))


def contact_of(id: str, person: Person) -> Item | None:
    """The person as a contact (2.2); None for one that cannot be told: "contactData" is required."""
    chat = chat_id(person.phone)
    if not chat or len(id) > LONGEST_ID:
        return None
    name = cut(person.name) or cut(person.company) or chat
    chats = [{"chatType": "whatsapp", "chatId": chat}]
    uri = {"uri": person.url} if 0 < len(person.url) <= LONGEST_TEXT else {}
    return {"id": id, "responsibleUserId": US, "name": name, "contactData": chats, **uri}


def deals_of(contact: str, person: Person) -> Iterator[Item]:
    """The person's orders as deals (2.3); `uri` is required, so an order with no address at all is passed over."""
    for order in person.orders:
        uri = next((url for url in (order.url, person.url) if 0 < len(url) <= LONGEST_TEXT), "")
        if uri and order.number:
            id = f"o-{digest([person.external_id, order.number], 24)}"
            owned = {"responsibleUserId": US, "uri": uri, "contacts": [contact], "closed": False}
            yield {"id": id, "name": cut(f"Order {order.number}"), **owned}


def chat_id(phone: str) -> str:
    """The number as "digits only, country code, no +"; empty for one that is not written internationally.

    Without the country a number could be anybody's; `+44 (0)20` carries a zero that is not dialled from abroad.
    """
    written = INTERNATIONAL.fullmatch(phone.strip())
    digits = re.sub(r"\(0\)|[^0-9]", "", written[1]) if written else ""
    return digits if re.fullmatch("[1-9][0-9]{6,14}", digits) else ""


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text in one line of at most ``longest`` UTF-16 units: whichever way the platform counts, it fits."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    return line.encode("utf-16-le", "surrogatepass")[: 2 * longest].decode("utf-16-le", "ignore").strip()


def deliver(post: Post, path: str, items: Sequence[Item]) -> list[Item]:
    """Send ``items`` by the hundred; returns those that were taken.

    "A rejected batch is rejected whole": the items it names are dropped, and the rest is sent once more.
    """
    taken: list[Item] = []
    for start in range(0, len(items), LARGEST):
        batch = items[start : start + LARGEST]
        response = post(path, batch)
        if bad := rejected(response):
            batch = [item for index, item in enumerate(batch) if index not in bad]
            response = post(path, batch) if batch else Response(200)
        check_taken(response)
        taken += batch
    return taken


def rejected(response: Response) -> set[int]:
    """The indexes that a rejection names: `INVALID_CONTACTS_DATA` and the like, with `data: [{index, fields}]`."""
    if response.status != 400 or not re.fullmatch("(invalid|duplicate).*", code_of(response).lower()):
        return set()
    data = response.json().get("data")
    named = [entry.get("index") for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    return {index for index in named if type(index) is int and 0 <= index < LARGEST}


def check_taken(response: Response) -> None:
    """Success is 2xx with no error in it; "200 with an empty body" is the rule, so no JSON is required (2).

    401 is "key missing or wrong", 403 "route closed for this key" (5.5): both stop. 408, 429 and 5xx will pass.
    What is a duplicate to Wazzup is there already. Raises `Stopped`, `Later` and `UpstreamFailed`.
    """
    if response.status in {401, 403}:
        raise Stopped("key_refused" if response.status == 401 else "not_allowed")
    if response.status in {408, 429} or response.status >= 500:
        raise Later("rate_limited" if response.status == 429 else "out_of_order")
    code = code_of(response).lower()
    if response.status == 400 and code.startswith("duplicate"):
        return
    if not response.ok or code or response.body.lstrip().startswith(b"<"):  # a page is some proxy's answer
        raise UpstreamFailed("push_refused")
