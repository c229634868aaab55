"""What Wazzup is told: people as contacts, their orders as deals, and what is no more (protocols/wazzup.md 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from app.sdk import (
    Changes,
    Installation,
    Later,
    LoginRefused,
    Order,
    Outbound,
    Person,
    Response,
    Settings,
    Stopped,
    UpstreamFailed,
)

from .api import call, code_of
from .schemas import digest, id_of

LARGEST = 100  # "max 100 items per request"
LONGEST_ID = 64  # "one client says 64: stay <= 64"; "p-" leaves 62 for ours
LONGEST_TEXT = 200  # names and addresses
US = "stallholder"  # the id of the one responsible user, and of the one pipeline
# A deal carries no stage, only whether it is closed (2.3): these two are what a customer may choose from.
STAGES = [{"id": "new", "name": "New"}, {"id": "closed", "name": "Closed"}]
INTERNATIONAL = re.compile(r"(?:\+|00)([0-9 .()/\u00a0-]+)")
SEVERAL = re.compile(r"[,;|\n]")

Item = Mapping[str, Any]


def push(outbound: Outbound, settings: Settings, installation: Installation, changes: Changes, memo: str) -> str:
    """Hand people over in the order that "keeps references valid": the user, the pipeline, contacts, deals.

    Each is an upsert by id, so a batch may be pushed again; last, what is no more is deleted. The user and the pipeline
    are sent once, also where there is nobody yet, since a customer gives roles and chooses stages right after
    connecting: the memo says that they were. Passed over are people without an international phone, and the orders of
    those whose contact Wazzup does not take. Raises `Stopped`, `Later` and `UpstreamFailed`.
    """
    key = installation.secret("api_key")
    if not key:
        raise Stopped("no_key")
    told = Told(partial(call, outbound, settings, key), settings, installation.id, set(memo.split()))
    told.introduce()
    refused = told.contacts(changes.people)
    told.deals([(person, order) for person, order in changes.orders if person.id not in refused])
    told.take_back(changes)
    return " ".join(sorted(told.memo))


class Told:
    """One batch on its way: ``memo`` names what need not be sent again."""

    def __init__(self, call: Callable[..., Response], settings: Settings, installation: str, memo: set[str]) -> None:
        self.call, self.settings, self.installation, self.memo = call, settings, installation, memo

    def id_of(self, person: Person) -> str:
        """The contact's id at Wazzup."""
        return id_of(person, self.installation)

    def introduce(self) -> None:
        """Send the one user, who is responsible for all, and the one pipeline."""
        name = self.settings["name"]
        self.once("/users", {"id": US, "name": cut(name, 150)})
        self.once("/pipelines", {"id": US, "name": cut(name, 100), "stages": STAGES})

    def contacts(self, people: Sequence[Person]) -> set[str]:
        """Send people; returns the ids of those whom Wazzup does not take."""
        named = {self.id_of(person): person for person in people}
        contacts = [contact for id, person in named.items() if (contact := contact_of(id, person))]
        taken = {contact["id"] for contact in deliver(self.call, "/contacts", contacts)}
        return {named[contact["id"]].id for contact in contacts if contact["id"] not in taken}

    def deals(self, orders: Sequence[tuple[Person, Order]]) -> None:
        """Send orders of people who have a contact."""
        told = (deal_of(self.id_of(person), person, order) for person, order in orders)
        deals = {deal["id"]: deal for deal in told if deal}
        deliver(self.call, "/deals", list(deals.values()))

    def once(self, path: str, item: Item) -> None:
        """Send the one user or the one pipeline, unless Wazzup has it like this."""
        mark = f"{path}:{digest(item, 16)}"
        if mark not in self.memo:
            check_taken(self.call("POST", path, [item]))
            self.memo = {other for other in self.memo if not other.startswith(f"{path}:")} | {mark}

    def take_back(self, changes: Changes) -> None:
        """Delete the deals and contacts that must not stay; "answer = ids not found" (2.2), which is fine."""
        mute = [person for person in changes.people if person.id in changes.known and not chats_of(person)]
        deals = [*changes.gone_orders, *(order.id for person in mute for order in person.orders)]
        remove(self.call, "/deals", map(deal_id, deals))
        remove(self.call, "/contacts", map(self.id_of, (*changes.gone_people, *mute)))


def remove(call: Callable[..., Response], path: str, ids: Iterable[str]) -> None:
    """Delete by the hundred, no id twice."""
    gone = list(dict.fromkeys(ids))
    for start in range(0, len(gone), LARGEST):
        check_taken(call("PATCH", f"{path}/bulk_delete", gone[start : start + LARGEST]))


def contact_of(id: str, person: Person) -> Item | None:
    """The person as a contact (2.2); None for one that cannot be told: "contactData" is required."""
    chats = chats_of(person)
    if not chats or len(id) > LONGEST_ID:
        return None
    name = cut(person.name) or cut(person.company) or chats[0]
    data = [{"chatType": "whatsapp", "chatId": chat} for chat in chats]
    uri = {"uri": person.url} if 0 < len(person.url) <= LONGEST_TEXT else {}
    return {"id": id, "responsibleUserId": US, "name": name, "contactData": data, **uri}


def deal_of(contact: str, person: Person, order: Order) -> Item | None:
    """An order as a deal (2.3); None without a contact, or, since `uri` is required, without any address."""
    uri = next((url for url in (order.url, person.url) if 0 < len(url) <= LONGEST_TEXT), "")
    if not (uri and order.number and contact_of(contact, person)):
        return None
    owned = {"responsibleUserId": US, "uri": uri, "contacts": [contact], "closed": order.closed}
    return {"id": deal_id(order.id), "name": cut(f"Order {order.number}"), **owned}


def deal_id(order: str) -> str:
    """The deal's id at Wazzup."""
    return f"o-{digest(order, 24)}"


def chats_of(person: Person) -> list[str]:
    """The person's numbers as Wazzup takes them, each once, at most ten."""
    chats = (chat_id(part) for part in SEVERAL.split(person.phone))
    return list(dict.fromkeys(filter(None, chats)))[:10]


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


def deliver(call: Callable[..., Response], path: str, items: Sequence[Item]) -> list[Item]:
    """Send ``items`` by the hundred; returns those that were taken.

    "A rejected batch is rejected whole". The items that a rejection names are dropped, and the rest is sent again, as
    long as some are named; where none is, the batch is halved until what is refused stands alone, and that is dropped:
    one bad item must not hold up a workspace. Raises as `check_taken`, and `UpstreamFailed` where all is refused for a
    reason that says nothing of the items.
    """
    taken, unexplained = list[Item](), False
    waiting = [items[start : start + LARGEST] for start in range(0, len(items), LARGEST)]
    while waiting:
        batch = waiting.pop(0)
        response = call("POST", path, batch)
        if bad := rejected(response, len(batch)):
            left = [item for index, item in enumerate(batch) if index not in bad]
            waiting[:0] = [left] if left else []
        elif not is_about_items(response):
            check_taken(response)
            taken += batch
        elif len(batch) > 1:
            half = len(batch) // 2
            waiting[:0] = [batch[:half], batch[half:]]
        else:
            unexplained |= not code_of(response).lower().startswith("invalid")
    if unexplained and not taken:
        raise UpstreamFailed("push_refused")
    return taken


def rejected(response: Response, size: int) -> set[int]:
    """The indexes that a rejection names: `INVALID_CONTACTS_DATA` and the like, with `data: [{index, fields}]`."""
    if response.status != 400 or not re.fullmatch("(invalid|duplicate).*", code_of(response).lower()):
        return set()
    data = response.json().get("data")
    named = [entry.get("index") for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    return {index for index in named if type(index) is int and 0 <= index < size}


def is_about_items(response: Response) -> bool:
    """Whether smaller batches may be taken: 400 is "validation, `TOO_MANY_ENTITIES` etc." (5.5)."""
    return response.status == 400 and not code_of(response).lower().startswith("duplicate")


def check_taken(response: Response) -> None:
    """Success is 2xx with no error in it; "200 with an empty body" is the rule, so no JSON is required (2).

    401 is "key missing or wrong", 403 "route closed for this key" (5.5). 408, 429 and 5xx will pass. What is a
    duplicate to Wazzup is there already. Raises `LoginRefused`, `Stopped`, `Later` and `UpstreamFailed`.
    """
    if response.status == 401:
        raise LoginRefused("key_refused")
    if response.status == 403:
        raise Stopped("not_allowed")
    if response.status in {408, 429} or response.status >= 500:
        raise Later("rate_limited" if response.status == 429 else "out_of_order")
    code = code_of(response).lower()
    if response.status == 400 and code.startswith("duplicate"):
        return
    if not response.ok or code or response.body.lstrip().startswith(b"<"):  # a page is some proxy's answer
        raise UpstreamFailed("push_refused")
