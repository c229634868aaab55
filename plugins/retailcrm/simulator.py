"""A RetailCRM account in a box: connects, opens, switches the add-on, and answers the API calls of a host."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta, timezone
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode

from app.sdk.simulation import Call, Entry, Look, Outgoing, Reply, Scenario
from app.sdk.simulation import Simulator as Platform

FIRST = ("Anna", "Борис", "Carmen", "Дарья", "Emil", "Фёдор", "Inés", "Олег", "Žofia", "Юлия")
LAST = ("Smith", "Иванова", "García", "Čapek")
PERMITTED = ("integration_read", "integration_write", "customer_read", "order_read")
FORM = {"content-type": "application/x-www-form-urlencoded"}


RATE, PER = 10, 1.0  # requests in so many seconds per key (fact sheet, section 3)
FIRST_ID = 4701
PAGES = (20, 50, 100)
CHANGES = {"customers_history": "customers", "orders_history": "orders"}


ONCE = (Scenario.GENUINE, Scenario.DUPLICATE)
MENU = (
    Entry(
        "config", "Open the module's card", "The marketplace asks which rights the module wants and where to register."
    ),
    Entry(
        "install",
        "Connect",
        "The person presses Connect: the account makes an API key and hands it over with a token made of it.",
        step=1,
    ),
    Entry(
        "open",
        "Go to the account",
        "The person's browser posts the clientId that the host made. The platform opens a tab; here a frame shows it.",
        step=2,
    ),
    Entry(
        "suspend",
        "Switch the module off",
        "The account tells that the module is not active any more.",
        action="activity",
        changes={"active": "false"},
        step=3,
    ),
    Entry("activate", "Switch it on again", "The account tells that it is active.", action="activity", step=4),
    Entry(
        "freeze",
        "Freeze it for lack of money",
        "Active, and yet frozen by the system.",
        action="activity",
        changes={"freeze": "true"},
    ),
    Entry(
        "reinstall",
        "Connect again with a new API key",
        "The person connects once more; the former key is dead at once.",
        calls="install",
        scenarios=ONCE,
    ),
    Entry(
        "revoke", "Delete the API key", "The account tells nobody: the host learns it from its next call.", silent=True
    ),
)


class Traffic:
    """How many calls came together, and how many within any window of time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._times: list[float] = []
        self.together = self.peak_together = 0

    @contextmanager
    def call(self, per: float) -> Iterator[int]:
        """One call under way; how many came within the last ``per`` seconds, this one included."""
        with self._lock:
            now = self._clock()
            self._times.append(now)
            self.together += 1
            self.peak_together = max(self.peak_together, self.together)
            lately = len(self._times) - bisect_right(self._times, now - per)
        try:
            yield lately
        finally:
            with self._lock:
                self.together -= 1

    def busiest(self, per: float) -> int:
        """The most calls that came within any ``per`` seconds."""
        times = list(self._times)
        return max((at + 1 - bisect_right(times, now - per) for at, now in enumerate(times)), default=0)


class Simulator(Platform):
    """One account whose system URL is ``home``, with ``size`` customers, their orders, and a history of both.

    ``behaviour`` bends the answer of ``system_info``, ``credentials``, ``edit``, ``customers``, ``orders``,
    ``customers_history`` or ``orders_history``: a status, ``"html"``, ``"hang"`` (until `release` is set), a mapping
    (told as JSON), a `Reply`, or a function of the call that gives one of these, or None for the genuine answer.
    ``lies`` puts wrong numbers into such a list's pagination. ``enforced`` refuses what comes above the rate; it
    is counted always. ``permitted`` are the key's rights, ``newest_first`` turns the lists round, ``clock`` tells the
    time and ``zone`` is the account's own, which no answer tells.
    """

    connector: ClassVar[str] = "retailcrm"
    actions: ClassVar[Sequence[str]] = ("config", "install", "open", "activity")
    menu: ClassVar[Sequence[Entry]] = MENU
    look: ClassVar[Look] = Look(
        bar="#1e2248",
        accent="#1f6bff",
        menu=("Orders", "Customers", "Products", "Analytics", "Chats"),
        place="Marketplace",
        owner="demo.simla.com",
        told="A CRM for shops: connects with one press, and can switch the module off and on.",
    )
    renewed: ClassVar[Sequence[str]] = ("api_key",)
    customer: ClassVar[Sequence[str]] = ("api_key",)
    signing: ClassVar[Sequence[str]] = ("secret",)

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.behaviour: dict[str, Any] = {}
        self.lies: dict[str, dict[str, Any]] = {}
        self.release = threading.Event()
        self.module: dict[str, Any] = {}
        self.permitted: Sequence[str] = PERMITTED
        self.enforced = self.newest_first = False
        self.traffic, self._making = Traffic(), threading.Lock()
        self.zone = timezone(timedelta(hours=3))
        self.size = 40

    @property
    def size(self) -> int:
        """How many customers there are from the beginning; setting it makes the account anew."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self._ids: dict[str, dict[int, None]] = {}
        self._laid_over: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, str] = {}
        self._next = {"customers": FIRST_ID + size, "orders": 10**10}
        self.history: dict[str, list[dict[str, Any]]] = {"customers": [], "orders": []}

    @property
    def peak_together(self) -> int:
        """The most calls that ever were under way at once."""
        return self.traffic.peak_together

    def busiest(self, per: float = PER) -> int:
        """The most calls that came within any ``per`` seconds."""
        return self.traffic.busiest(per)

    def received(self, call: Call) -> Reply:
        """Count a call of the host, and answer it unless it is above the rate."""
        with self.traffic.call(PER) as lately:
            if self.enforced and lately > RATE:
                self.calls.append(call)
                return failed(503, "API limit exceeded")
            return super().received(call)

    def ids(self, kind: str) -> dict[int, None]:
        """The ids of all living ``customers`` or ``orders``, in the order of the list."""
        with self._making:
            if not self._ids:
                people = range(FIRST_ID, FIRST_ID + self._size)
                orders = {id * 10 + turn: None for id in people for turn in range((id - FIRST_ID + 1) % 4)}
                self._ids = {"customers": dict.fromkeys(people), "orders": orders}
        return self._ids[kind]

    def entry(self, id: int) -> dict[str, Any]:
        """A customer or an order as it is now."""
        if id in self._laid_over:
            return self._laid_over[id]
        if id in self.ids("orders"):
            return order(self.entry(id // 10) | {"id": id // 10}, id % 10)
        return customer(id - FIRST_ID + 1)

    def add(self, kind: str = "customers", by: str = "user", **fields: Any) -> int:
        """A new customer, or with ``customer=id`` a new order; ``by`` a "user", our "own" key or another's ("api")."""
        id = self._next[kind]
        self._next[kind] = id + 1
        self.ids(kind)[id] = None
        if kind == "orders":
            buyer = self.entry(fields.pop("customer"))
            self._laid_over[id] = order(buyer, 0) | {"id": id, "number": f"N{id}"} | fields
        else:
            self._laid_over[id] = customer(id - FIRST_ID + 1) | fields
        self.note(kind, by, self._laid_over[id], created=True)
        return id

    def change(self, id: int, by: str = "user", **fields: Any) -> None:
        """Change some fields of a customer or an order."""
        self._laid_over[id] = self.entry(id) | fields
        self._texts.pop(id, None)
        for field, value in fields.items():
            self.note(self.kind(id), by, {"id": id, "site": "shop"}, field=field, newValue=value)

    def remove(self, id: int, by: str = "user") -> None:
        """Delete a customer with the orders, or an order."""
        kind = self.kind(id)
        for one in self.orders_of(id) if kind == "customers" else ():
            self.remove(one, by)
        del self.ids(kind)[id]
        self.note(kind, by, {"id": id, "site": "shop"}, deleted=True)

    def combine(self, old: int, new: int, by: str = "user") -> None:
        """Merge one customer into another, who gets the orders."""
        for one in self.orders_of(old):
            self.change(one, by, customer=order(self.entry(new), 0)["customer"])
        del self.ids("customers")[old]
        self.note("customers", by, {"id": old, "site": "shop"}, combinedTo={"id": new, "site": "shop"})

    def combine_orders(self, old: int, new: int, by: str = "user") -> None:
        """Merge one order into another."""
        del self.ids("orders")[old]
        self.note("orders", by, {"id": old, "site": "shop"}, combinedTo={"id": new, "site": "shop"})

    def local_time(self) -> str:
        """What the account's own clock shows."""
        return f"{self.clock().astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def kind(self, id: int) -> str:
        return "orders" if id in self.ids("orders") else "customers"

    def orders_of(self, id: int) -> list[int]:
        """The ids of a customer's orders."""
        return [one for one in self.ids("orders") if self.owner(one) == id]

    def owner(self, id: int) -> int:
        """Whose order this is."""
        return int(self._laid_over[id]["customer"]["id"]) if id in self._laid_over else id // 10

    def note(self, kind: str, by: str, about: Mapping[str, Any], **more: Any) -> None:
        """Write a change into the history."""
        who: dict[str, Any] = {"source": "user", "user": {"id": 5}}
        if by != "user":
            who = {"source": "api", "apiKey": {"current": by == "own"}}
        id = 900 + len(self.history[kind]) + 1
        moment = {"id": id, "createdAt": self.local_time()}
        self.history[kind].append(moment | who | {"field": None} | more | {kind.removesuffix("s"): dict(about)})

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        """A module's code and secret, and the key the account gives to it."""
        return {"code": "stallholder", "secret": secrets.token_urlsafe(24), "api_key": secrets.token_urlsafe(24)}

    def settings(self) -> dict[str, Any]:
        """The partner cabinet's values; the account itself is let through by ``OUTBOUND_ALLOW``."""
        return {"code": self.keys["code"], "secret": self.keys["secret"]}

    @property
    def client_id(self) -> str:
        """What the host called itself in its last ``edit``; empty before."""
        return str(self.module.get("clientId", ""))

    def config(self) -> Outgoing:
        """The module's card is opened in the marketplace."""
        return Outgoing("GET", "/retailcrm/config")

    def install(self, api_key: str = "", system_url: str = "", token: str | None = None) -> Outgoing:
        """The user presses "Connect"."""
        key = api_key or str(self.keys["api_key"])
        genuine = hmac.new(str(self.keys["secret"]).encode(), key.encode(), hashlib.sha256).hexdigest()
        told = {"token": genuine if token is None else token, "apiKey": key, "systemUrl": system_url or self.home}
        return post("install", register=json.dumps(told).replace("/", "\\/"))

    def reinstall(self) -> Outgoing:
        """The user connects again: the account makes a new key, and the former is dead."""
        self.keys = {**self.keys, "api_key": secrets.token_urlsafe(24)}
        return self.install()

    def newcomer(self) -> None:
        """Somebody is added to the account."""
        self.add(firstName="Nora", lastName="Novak", email="nora.novak@example.com")

    def revoke(self) -> None:
        """The account's key is deleted; nobody is told."""
        self.keys = {**self.keys, "api_key": secrets.token_urlsafe(24)}

    def open(self, client_id: str | None = None) -> Outgoing:
        """The user's browser goes to the account page."""
        return post("open", clientId=self.client_id if client_id is None else client_id)

    def activity(
        self, active: str = "true", freeze: str = "false", system_url: str | None = None, client_id: str | None = None
    ) -> Outgoing:
        """The module is switched on or off, frozen, or the account has moved."""
        state = f'{{"active": {active}, "freeze": {freeze}}}'
        who = self.client_id if client_id is None else client_id
        return post("activity", clientId=who, activity=state, systemUrl=self.home if system_url is None else system_url)

    def answer(self, call: Call) -> Reply:
        """Play the account's API; a bent answer comes first, then the key, then the genuine answer."""
        name = called(call)
        how = self.behaviour.get(name)
        how = how(call) if callable(how) else how
        if how is not None:
            return self.bent(how)
        if name == "system_info":
            return told({"success": True, "systemVersion": "8.1", "publicUrl": self.home, "technicalUrl": self.home})
        given = call.headers.get("x-api-key", "")
        if name and not given:
            return failed(400, '"apiKey" is missing.')
        if name and not hmac.compare_digest(given.encode(), str(self.keys["api_key"]).encode()):
            return failed(403, 'Wrong "apiKey" value.')
        return self.known(name, call)

    def known(self, name: str, call: Call) -> Reply:
        """The genuine answer to a call with the right key."""
        match name:
            case "credentials":
                return told(
                    {"success": True, "scopes": list(self.permitted), "credentials": [], "siteAccess": "access_full"}
                )
            case "edit":
                return self.edit(call)
            case "customers" | "orders":
                return self.listed(name, call)
            case "customers_history" | "orders_history":
                return self.changes(name, call)
        return failed(404, "Not found")

    def listed(self, name: str, call: Call) -> Reply:
        """A page of customers or orders; ``limit`` is one of 20, 50, 100, ``page`` counts from 1 (section 5)."""
        if f"{name.removesuffix('s')}_read" not in self.permitted:
            return failed(403, "Access denied.")
        query = parse_qs(call.query)
        limit, page = query.get("limit", ["20"])[0], query.get("page", ["1"])[0]
        if limit not in map(str, PAGES) or not page.isdecimal() or page == "0":
            return failed(400, "Errors in the input parameters")
        ids, size, at = self.found(name, query), int(limit), int(page)
        if self.newest_first:
            ids = ids[::-1]
        pages = paginated(len(ids), size, at) | self.lies.get(name, {})
        shown = [self.entry(id) for id in ids[(at - 1) * size : at * size]]
        return told({"success": True, "pagination": pages, name: shown})

    def found(self, name: str, query: Mapping[str, Sequence[str]]) -> list[int]:
        """The ids that the call's filters leave."""
        ids = list(self.ids(name))
        if asked := query.get("filter[ids][]"):
            ids = [id for id in map(int, asked) if id in self.ids(name)]
        if text := query.get("filter[name]"):
            ids = [id for id in ids if text[0].casefold() in self.text(id)]
        if email := query.get("filter[email]"):
            ids = [id for id in ids if email[0] in self.entry(id)["email"]]
        if owner := query.get("filter[customerId]"):
            ids = [id for id in ids if self.owner(id) == int(owner[0])]
        return ids

    def text(self, id: int) -> str:
        """In what the filter ``name`` looks: names and phones too."""
        if id not in self._texts:
            self._texts[id] = json.dumps(self.entry(id), ensure_ascii=False).casefold()
        return self._texts[id]

    def changes(self, name: str, call: Call) -> Reply:
        """The history after ``sinceId``, or from ``startDate`` on, oldest first."""
        kind = CHANGES[name]
        if f"{kind.removesuffix('s')}_read" not in self.permitted:
            return failed(403, "Access denied.")
        query = dict(parse_qsl(call.query))
        since, start = int(query.get("filter[sinceId]", "0")), query.get("filter[startDate]", "")
        left = [entry for entry in self.history[kind] if entry["id"] > since and entry["createdAt"] >= start]
        size = int(query.get("limit", "20"))
        if size not in PAGES:
            return failed(400, "Errors in the input parameters")
        pages = paginated(len(left), size, 1) | self.lies.get(name, {})
        now = {"success": True, "generatedAt": self.local_time()}
        return told(now | {"history": left[:size], "pagination": pages})

    def bent(self, how: Any) -> Reply:
        """The answer a test asked for."""
        if isinstance(how, Reply):
            return how
        if how == "hang":
            self.release.wait(30)
            return told({"success": False, "errorMsg": "Too late"})
        if how == "html":
            return Reply(200, b"<!doctype html><h1>Account</h1>", "text/html")
        if isinstance(how, Mapping):
            return told(how)
        return failed(int(how), "Internal error" if int(how) >= 500 else "Refused")

    def edit(self, call: Call) -> Reply:
        """Create or update the module, with the platform's rule for its code (fact sheet, section 3)."""
        form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        module = json.loads(form.get("integrationModule", "{}"))
        code, prefix = str(module.get("code", "")), str(module.get("integrationCode", ""))
        if not prefix or not code.startswith(prefix) or call.path.split("/")[-2] != code:
            wrong = {"integrationModule": "Code prefix must match integrationCode"}
            return told({"success": False, "errorMsg": "Errors in the entity format", "errors": wrong}, 400)
        self.module = module
        return told({"success": True, "info": []})


def called(call: Call) -> str:
    """Which of the played calls this is; empty for any other."""
    if call.method == "POST":
        return "edit" if re.fullmatch("/api/v5/integration-modules/[^/]+/edit", call.path) else ""
    found = re.fullmatch("/api/(?:(system-info|credentials)|v5/((?:customers|orders)(?:/history)?))", call.path)
    return re.sub("[-/]", "_", found[1] or found[2]) if found and call.method == "GET" else ""


def post(action: str, **fields: str) -> Outgoing:
    """A form as the platform posts it."""
    return Outgoing("POST", f"/retailcrm/{action}", FORM, urlencode(fields).encode())


def told(value: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode())


def failed(status: int, message: str) -> Reply:
    """An error in the platform's form."""
    return told({"success": False, "errorMsg": message}, status)


def over_limit(retry_after: str = "", status: int = 429) -> Reply:
    """A refusal for now; ``retry_after`` as seconds or as an HTTP date."""
    body = {"success": False, "errorMsg": "API limit exceeded"}
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Reply(status, json.dumps(body).encode(), headers=headers)


def paginated(total: int, size: int, at: int) -> dict[str, Any]:
    """The object that goes with every list."""
    return {"limit": size, "totalCount": total, "currentPage": at, "totalPageCount": -(-total // size)}


def customer(number: int) -> dict[str, Any]:
    """A plausible customer; every seventh has neither a family name nor an e-mail."""
    bare = number % 7 == 0
    known: dict[str, Any] = {
        "type": "customer",
        "id": FIRST_ID - 1 + number,
        "externalId": str(number),
        "createdAt": f"2024-{number % 12 + 1:02}-{number % 28 + 1:02} 10:00:00",
        "site": "shop",
        "firstName": FIRST[number % len(FIRST)],
        "email": "" if bare else f"customer{number}@example.com",
        "phones": [{"number": f"+1555010{number:04}"}],
        "address": {"countryIso": "ES", "city": "Madrid"},
        "customFields": [],
        "ordersCount": number % 4,
    }
    return known if bare else known | {"lastName": LAST[number // len(FIRST) % len(LAST)]}


def order(person: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """A plausible order of a customer."""
    return {
        "id": int(person["id"]) * 10 + turn,
        "number": f"{person['id']}{'ABC'[turn]}",
        "createdAt": f"2025-{turn + 1:02}-{int(person['id']) % 28 + 1:02} 12:30:00",
        "status": ("new", "complete", "cancel-other")[turn],
        "currency": "EUR",
        "totalSumm": 10 * (turn + 1) + 0.5,
        "email": person["email"],
        "customer": {"type": "customer", "id": person["id"], "externalId": person["externalId"]},
        "payments": [],
    }
