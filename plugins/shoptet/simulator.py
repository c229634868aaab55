"""Shoptet in a box: its OAuth server, its API with short-lived tokens, and webhooks signed with the e-shop's key."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import requests

from app.sdk import simulation
from app.sdk.simulation import Call, Entry, Look, Outgoing, Reply, Scenario

PRAGUE = ZoneInfo("Europe/Prague")
BEGINNING = datetime(2026, 1, 1, 9, tzinfo=PRAGUE)
TOKEN_LIFE, MOST_TOKENS, TOGETHER = timedelta(minutes=30), 5, 3
MOST_ORDERS, MOST_CUSTOMERS = 50, 1000
EVENTS = {f"{kind}:{what}" for kind in ("customer", "order") for what in ("create", "update", "delete")}
EVENTS |= {"order:massUpdate", "addon:uninstall", "addon:suspend", "addon:approve", "addon:prolong", "job:finished"}
FIRST_NAMES = ("Alžběta", "Vojtěch", "Dorota", "Šimon", "Ľudmila", "Radúz", "Květa", "Bořivoj", "Mahulena", "Hynek")
SURNAMES = ("Kovářová", "Žižka", "Hrušková", "Vlček", "Ďuríková", "Řezáč", "Sýkorová", "Tůma", "Čapková", "Ježek")
COMPANIES = ("", "", "", "Včelařství Podlesí s.r.o.", "", "Papírnictví Ořech")
STATUSES = ("Nevyřízená", "Vyřizuje se", "Vyřízena")
MENU = (
    Entry(
        "install",
        "Install the add-on",
        "The platform's server brings a code; the host redeems it and fetches its first API access token.",
        scenarios=(Scenario.GENUINE, Scenario.DUPLICATE, Scenario.FORGED),
        step=1,
    ),
    Entry(
        "newcomer",
        "A customer registers",
        "The e-shop calls the webhook that the host made, and the host reads the customer.",
        silent=True,
        step=2,
    ),
    Entry("webhook", "A customer changes", "A signed hint: what changed is read from the API.", step=3),
    Entry("suspend", "Suspend the add-on", "The e-shop owes money: the add-on rests.", calls="webhook"),
    Entry("approve", "Approve it again", "Back from the suspension.", calls="webhook"),
    Entry("uninstall", "Remove the add-on", "The tokens are dead, whatever the host answers.", step=4),
)


@dataclass(slots=True)
class Traffic:
    """How many calls are under way at once, and how many ever were."""

    together: int = 0
    peak: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def call(self) -> Iterator[int]:
        """One call under way; how many are under way with it, this one included."""
        with self.lock:
            self.together += 1
            self.peak = max(self.peak, self.together)
            together = self.together
        try:
            yield together
        finally:
            with self.lock:
                self.together -= 1


@dataclass(slots=True)
class Log:
    """Records by id, and the log of their changes, in which each stands with its last change only."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, tuple[datetime, str]] = field(default_factory=dict)

    def note(self, id: str, at: datetime, what: str) -> None:
        self.changes.pop(id, None)
        self.changes[id] = (at, what)


class Simulator(simulation.Simulator):
    """One e-shop with ``size`` customers and three orders for every two of them.

    ``behaviour`` makes a resource misbehave (``token``, ``getAccessToken``, ``customers``, ``orders``, ``webhooks``,
    ``changes``, or ``*`` for all): a status number, a `Reply` to give instead, or a function of the `Call`, where None
    stands for the genuine answer. ``frugal`` leaves e-mail and phone out of the customers' list. ``keeps_access`` lets
    the tokens live on after an uninstall. ``denied`` are events whose webhook may not be made. ``fetched`` counts the
    API access tokens, ``told`` holds each webhook's event and the host's answer, 0 for none.
    """

    connector = "shoptet"
    actions = ("install", "webhook", "suspend", "approve", "uninstall")
    menu = MENU
    look = Look(
        bar="#1f2a37",
        accent="#0b8aa8",
        menu=("Přehled", "Objednávky", "Zákazníci", "Produkty", "Marketing"),
        place="Doplňky",
        owner="Ukázkový e-shop",
        told="Czech and Slovak web shops: a code is redeemed, and every webhook is signed with a key of the e-shop.",
    )
    customer = ("eshop_id", "signature_key")
    signing = ("signature_key",)
    renewed = ("signature_key",)

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.behaviour: dict[str, Any] = {}
        self.denied: set[str] = set()
        self.frugal = self.keeps_access = False
        self.fetched = 0
        self.told: list[tuple[str, int]] = []
        self.tokens: set[str] = set()
        self.access: dict[str, tuple[datetime, str]] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.traffic = Traffic()
        self.used: set[str] = set()
        self.platform: dict[str, Simulator] = {str(keys["eshop_id"]): self}
        self._ids = itertools.count(1)
        self.size = 40

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        """The partner's clientID, the e-shop, and the key that signs its webhooks until the host renews it."""
        return {
            "client_id": secrets.token_hex(8),
            "eshop_id": secrets.randbelow(900_000) + 100_000,
            "signature_key": secrets.token_hex(32),
        }

    def beside(self, keys: Mapping[str, Any]) -> Simulator:
        """Another e-shop: there is one OAuth server and one API for all of them."""
        other = type(self)(self.host, {**self.keys, **keys}, self.home)
        other.platform, other.used = self.platform, self.used
        other.platform[str(keys["eshop_id"])] = other
        return other

    def settings(self) -> dict[str, Any]:
        return {"client_id": self.keys["client_id"], "shop_url": self.home, "api_url": self.home}

    @property
    def size(self) -> int:
        """How many customers there are from the beginning; setting it makes the e-shop anew."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self.customers, self.orders = Log(), Log()
        for number in range(1, size + 1):
            self.customers.records[guid_of(number)] = customer(number)
        for number in range(1, size * 3 // 2 + 1):
            made = order(number, self.customers.records[guid_of(number * 2 // 3 % size + 1)])
            self.orders.records[made["code"]] = made

    # What the platform sends

    def play(self, action: str, **changes: str) -> Any:
        """Send as the platform does; a removed add-on has lost its tokens before the host hears of it."""
        outgoing = self.request(action, **changes)
        if action == "uninstall" and not self.keeps_access:
            self.tokens.clear()
            self.access.clear()
            self.webhooks.clear()
        return outgoing, self.send(outgoing)

    def install(self, **changes: str) -> Outgoing:
        """The e-shop installs the add-on: the platform's server brings a code; ``code``."""
        return Outgoing("GET", f"/{self.connector}/install?code={changes.get('code') or self.code()}")

    def code(self) -> str:
        """A code that only the OAuth server can check, different each time."""
        nonce = f"{self.keys['eshop_id']}.{secrets.token_hex(16)}"
        return f"{nonce}.{seal(self.keys['signature_key'], nonce)}"

    def webhook(self, **changes: str) -> Outgoing:
        """Something happened; ``event``, ``eventInstance``, ``eshopId``, ``eventCreated``."""
        return self.notice("webhook", changes.get("event", "customer:update"), changes)

    def suspend(self, **changes: str) -> Outgoing:
        """The add-on rests."""
        return self.notice("webhook", "addon:suspend", changes)

    def approve(self, **changes: str) -> Outgoing:
        """The add-on comes back from its rest."""
        return self.notice("webhook", "addon:approve", changes)

    def uninstall(self, **changes: str) -> Outgoing:
        """The add-on is removed."""
        return self.notice("uninstall", changes.get("event", "addon:uninstall"), changes)

    def notice(self, action: str, event: str, changes: Mapping[str, str]) -> Outgoing:
        """A webhook call to one of the host's addresses, signed."""
        body = json.dumps(
            {
                "eshopId": int(changes.get("eshopId", self.keys["eshop_id"])),
                "event": event,
                "eventCreated": changes.get("eventCreated") or written(self.clock()),
                "eventInstance": changes.get("eventInstance", guid_of(1)),
            }
        ).encode()
        tag = hmac.new(self.keys["signature_key"].encode(), body, hashlib.sha1).hexdigest()
        headers = {"Content-Type": "application/json", "Shoptet-Webhook-Signature": tag}
        return Outgoing("POST", f"/{self.connector}/{action}", headers, body)

    def tell(self, event: str, instance: str) -> None:
        """Call the webhook of an event, if one was made."""
        for hook in [*self.webhooks.values()]:
            if hook["event"] == event:
                outgoing = self.notice("webhook", event, {"eventInstance": instance})
                status = 0
                with suppress(requests.RequestException):
                    answer = requests.post(
                        self.host + urlsplit(hook["url"]).path, outgoing.body, headers=dict(outgoing.headers), timeout=4
                    )
                    status = answer.status_code
                self.told.append((event, status))

    # What happens in the e-shop

    def newcomer(self) -> None:
        """Somebody registers."""
        self.add(fullName="Nora Nováčková", email=f"nora{len(self.customers.records)}@eshop.example")

    def add(self, **fields: Any) -> str:
        """A new customer; returns the guid."""
        number = len(self.customers.records) + len(self.customers.changes) + 1
        made = customer(number) | fields
        self.customers.records[made["guid"]] = made
        self._happens("customer", self.customers, made["guid"], "create")
        return str(made["guid"])

    def change(self, guid: str, **fields: Any) -> None:
        """Change some fields of a customer."""
        self.customers.records[guid] |= fields
        self._happens("customer", self.customers, guid, "update")

    def remove(self, guid: str) -> None:
        """Delete a customer."""
        del self.customers.records[guid]
        self._happens("customer", self.customers, guid, "delete")

    def change_order(self, code: str, **fields: Any) -> None:
        """Change some fields of an order."""
        self.orders.records[code] |= fields
        self._happens("order", self.orders, code, "update")

    def remove_order(self, code: str) -> None:
        """Delete an order."""
        del self.orders.records[code]
        self._happens("order", self.orders, code, "delete")

    def _happens(self, kind: str, log: Log, id: str, what: str) -> None:
        if what != "delete":
            log.records[id]["changeTime"] = written(self.clock())
        log.note(id, self.clock(), "delete" if what == "delete" else "edit")
        self.tell(f"{kind}:{what}", id)

    # What the platform answers

    def answer(self, call: Call) -> Reply:
        name = call.path.rstrip("/").rpartition("/")[2]
        kind = call.path.removeprefix("/api/").partition("/")[0]
        wrong = next((self.behaviour[one] for one in (name, kind, "*") if one in self.behaviour), None)
        wrong = wrong(call) if callable(wrong) else wrong
        if wrong is not None:
            return wrong if isinstance(wrong, Reply) else failed(wrong, "error")
        if call.path == "/action/ApiOAuthServer/token":
            return self._redeem({key: values[-1] for key, values in parse_qs(call.body.decode()).items()})
        if call.path == "/action/ApiOAuthServer/getAccessToken":
            return self._fetch(call.headers.get("authorization", "").removeprefix("Bearer "))
        given = call.headers.get("shoptet-access-token", "")
        for side in self.platform.values():
            if given in side.access and side.access[given][0] > side.clock():
                with side.traffic.call() as together:
                    return failed(429, "too-many") if together > TOGETHER else side._api(call)
        return failed(401, "invalid-token")

    def _redeem(self, form: Mapping[str, str]) -> Reply:
        """The OAuth server: a code is good once, for our clientID and the address at which it came."""
        nonce, _, tag = form.get("code", "").rpartition(".")
        side = self.platform.get(nonce.partition(".")[0])
        genuine = side is not None and hmac.compare_digest(seal(side.keys["signature_key"], nonce), tag)
        asked = (form.get("grant_type"), form.get("scope"), form.get("client_id"))
        address = form.get("redirect_uri", "").endswith(f"/{self.connector}/install")
        right = asked == ("authorization_code", "api", self.keys["client_id"]) and address
        if side is None or not genuine or not right or nonce in self.used:
            return failed(400, "invalid_grant")
        self.used.add(nonce)
        token = secrets.token_hex(127) + "x"
        side.tokens.add(token)
        id = int(side.keys["eshop_id"])
        told = {"access_token": token, "expires_in": 315_360_000, "token_type": "bearer", "scope": "api"}
        return reply({**told, "eshopId": id, "eshopUrl": f"https://{id}.myshoptet.com/", "contactEmail": "info@e.cz"})

    def _fetch(self, bearer: str) -> Reply:
        """A new API access token: for 30 minutes, and at most 5 at once of an OAuth access token."""
        side = next((one for one in self.platform.values() if bearer in one.tokens), None)
        if side is None:
            return failed(401, "invalid_token")
        now = side.clock()
        side.access = {token: lent for token, lent in side.access.items() if lent[0] > now}
        if sum(by == bearer for _, by in side.access.values()) >= MOST_TOKENS:
            return reply({"error": "maximum_tokens_reached", "error_description": "5 tokens"}, 403)
        token = secrets.token_hex(30)
        side.access[token], side.fetched = (now + TOKEN_LIFE, bearer), side.fetched + 1
        return reply({"access_token": token, "expires_in": 1800})

    def _api(self, call: Call) -> Reply:
        parts = call.path.removeprefix("/api/").split("/")
        query = {key: values[-1] for key, values in parse_qs(call.query).items()}
        if parts[0] == "webhooks":
            return self._webhooks(call, parts[1:])
        logs = {"customers": self.customers, "orders": self.orders}
        if call.method != "GET" or parts[0] not in logs:
            return failed(404, "not-found")
        log = logs[parts[0]]
        if len(parts) == 1:
            return self._list(parts[0], log, query)
        if parts[1] == "changes":
            return changes_since(parts[0], log, query)
        found = log.records.get(parts[1])
        return reply({"data": detail(found), "errors": None}) if found else failed(404, "unknown")

    def _webhooks(self, call: Call, parts: list[str]) -> Reply:
        if parts == ["renew-signature-key"]:
            self.keys = {**self.keys, "signature_key": secrets.token_hex(32)}
            return reply({"data": {"signatureKey": self.keys["signature_key"]}, "errors": None}, 201)
        if call.method == "GET":
            return reply({"data": {"webhooks": [*self.webhooks.values()]}, "errors": None})
        told = json.loads(call.body)["data"]
        given = told[0] if isinstance(told, list) else told
        if parts:
            self.webhooks[int(parts[0])] |= given
            return reply({"data": self.webhooks[int(parts[0])], "errors": None})
        if given["event"] in self.denied:
            return failed(403, "no-right")
        if given["event"] not in EVENTS or any(hook["event"] == given["event"] for hook in self.webhooks.values()):
            return failed(422, "invalid-data")
        id = next(self._ids)
        self.webhooks[id] = {"id": id, **given}
        return reply({"data": {"webhooks": [self.webhooks[id]]}, "errors": None}, 201)

    def _list(self, kind: str, log: Log, query: Mapping[str, str]) -> Reply:
        items = [*log.records.values()]
        if codes := query.get("codes"):
            items = [log.records[code] for code in codes.split(",") if code in log.records]
        for name in ("email", "phone"):
            if wanted := query.get(name):
                items = [item for item in items if same(item[name], wanted)]
        if kind == "customers" and self.frugal:
            items = [{key: value for key, value in item.items() if key not in ("email", "phone")} for item in items]
        return page(kind, items, query, MOST_CUSTOMERS if kind == "customers" else MOST_ORDERS)


def changes_since(kind: str, log: Log, query: Mapping[str, str]) -> Reply:
    """The log of changes from a moment on."""
    start = datetime.fromisoformat(query["from"])
    name = "guid" if kind == "customers" else "code"
    items = [
        {name: id, "changeTime": written(at), "changeType": what}
        for id, (at, what) in log.changes.items()
        if at >= start
    ]
    return page("changes", items, query, MOST_CUSTOMERS)


def page(name: str, items: list[dict[str, Any]], query: Mapping[str, str], most: int) -> Reply:
    """One page of a list."""
    size, at = min(int(query.get("itemsPerPage", "20")), most), int(query.get("page", "1"))
    shown = items[(at - 1) * size : at * size]
    paginator = {"totalCount": len(items), "page": at, "pageCount": -(-len(items) // size) or 1}
    paginator |= {"itemsOnPage": len(shown), "itemsPerPage": size}
    return reply({"data": {name: shown, "paginator": paginator}, "errors": None})


def same(value: str, wanted: str) -> bool:
    """Whether a filter means this e-mail or phone."""
    return value.replace(" ", "").casefold() == wanted.replace(" ", "").casefold()


def detail(item: Mapping[str, Any]) -> dict[str, Any]:
    """A customer as the detail tells it: e-mail and phone stand in the accounts."""
    rest = {name: value for name, value in item.items() if name not in ("email", "phone", "fullName", "company")}
    billing = {name: item[name] for name in ("fullName", "company")}
    login = {name: item[name] for name in ("email", "phone", "fullName")}
    return rest | {"billingAddress": billing, "accounts": [login | {"mainAccount": True}]}


def reply(value: object, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(value).encode(), "application/vnd.shoptet.v1.0+json")


def failed(status: int, code: str) -> Reply:
    """An error of the API."""
    return reply({"data": None, "errors": [{"errorCode": code, "message": code, "instance": ""}]}, status)


def seal(key: str, text: str) -> str:
    """What makes a code one of the platform's."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def written(moment: datetime) -> str:
    """A time as the platform writes it."""
    return moment.astimezone(PRAGUE).strftime("%Y-%m-%dT%H:%M:%S%z")


def guid_of(number: int) -> str:
    """A customer's guid."""
    text = hashlib.sha256(f"customer {number}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def customer(number: int) -> dict[str, Any]:
    """One customer as the list tells it."""
    moment = written(BEGINNING + timedelta(minutes=number * 61 % 43_200))
    guid = guid_of(number)
    return {
        "guid": guid,
        "creationTime": moment,
        "changeTime": moment,
        "company": COMPANIES[number % len(COMPANIES)] or None,
        "fullName": f"{FIRST_NAMES[number % 10]} {SURNAMES[(number + number // 10) % 10]}",
        "email": f"kupujici{number}@eshop.example",
        "phone": f"+420 73{number % 9 + 1} {number * 7919 % 1000:03} {number * 104729 % 1000:03}",
        "remark": "Platí předem." if number % 7 == 0 else None,
        "adminUrl": f"https://12345.myshoptet.com/admin/zakaznici-detail/?guid={guid}",
    }


def order(number: int, owner: Mapping[str, Any]) -> dict[str, Any]:
    """One order as the list tells it; one in nine is a guest's."""
    moment = written(BEGINNING + timedelta(days=40, minutes=number * 67 % 28_800))
    code = f"{2026_000_000 + number}"
    return {
        "code": code,
        "guid": guid_of(1_000_000 + number),
        "creationTime": moment,
        "changeTime": moment,
        "company": owner["company"],
        "fullName": owner["fullName"],
        "email": owner["email"],
        "phone": owner["phone"],
        "customerGuid": None if number % 9 == 0 else owner["guid"],
        "status": {"id": -(number % 3) - 1, "name": STATUSES[number % 3]},
        "price": {"withVat": f"{249 + number * 61.5:.2f}", "currencyCode": "CZK"},
        "adminUrl": f"https://12345.myshoptet.com/admin/objednavky-detail/?code={code}",
    }
