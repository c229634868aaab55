"""Upgates in a box: signs the add-on's four calls with a key pair of its own and answers as a shop's API v2 would."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import secrets
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.sdk import simulation
from app.sdk.simulation import Call, Entry, Look, Outgoing, Reply, Scenario

PAGE_SIZE = 100
EVENTS = tuple(
    f"{kind}.{what}"
    for kind in ("Orders", "Products", "Customers", "Invoices")
    for what in ("create", "update", "delete")
)
NEW_HOOK: Mapping[str, Any] = {
    "active_yn": True,
    "last_success_call": None,
    "last_success_call_status": None,
    "last_error_call": None,
    "last_error_call_status": None,
}
FIRST_NAMES = ("Žofie", "Jiří", "Anežka", "Matěj", "Ľubica", "Štefan", "Eliška", "Ondřej", "Zuzana", "Tomáš")
SURNAMES = ("Nováková", "Dvořák", "Šťastná", "Kučera", "Horváth", "Říhová", "Černý", "Benešová", "Žák", "Procházka")
TOWNS = ("Brno", "Plzeň", "Žilina", "Olomouc", "Košice")
COMPANIES = ("", "", "Pekárna U Mlýna s.r.o.", "", "Kola Šumava a.s.")


TOGETHER = 3  # "3 concurrent requests, else 429" (4.4)
PRAGUE = ZoneInfo("Europe/Prague")
JANUARY = datetime(2026, 1, 1, 9, tzinfo=PRAGUE)
AGE = timedelta(days=30)  # between the making of a customer and the last change
FEBRUARY = datetime(2026, 2, 1, 12, tzinfo=PRAGUE)


# In this order, joined by ";" (1.2).
SIGNED = {
    "install": ("token", "apiUser", "apiKey", "apiUrl", "time"),
    **dict.fromkeys(("open", "uninstall", "version"), ("token", "time")),
}
MENU = (
    Entry("install", "Activate the add-on", "The shop hands over its API access, signed by the platform.", step=1),
    Entry("open", "Open the add-on", "The platform asks for an address and shows it in a frame.", step=2),
    Entry("version", "Switch to version 2", "The shop agrees to a new version of the add-on."),
    Entry(
        "newcomer",
        "A customer registers",
        "The shop calls the webhook that the host made, and the host pulls the customer.",
        silent=True,
    ),
    Entry("uninstall", "Deactivate the add-on", "The API access is deleted, whatever the host answers.", step=3),
    Entry(
        "reinstall",
        "Activate it with new API access",
        "A later activation brings a new login; the former is dead.",
        calls="install",
        scenarios=(Scenario.GENUINE, Scenario.DUPLICATE),
        step=4,
    ),
    Entry(
        "neighbour",
        "Two more shops activate it",
        "Each shop is a tenant of its own.",
        calls="install",
        scenarios=(Scenario.GENUINE,),
    ),
    Entry(
        "block",
        "The platform blocks it in every shop",
        "Every shop is deactivated; the API accesses are disabled but kept.",
        calls="uninstall",
        scenarios=(Scenario.GENUINE,),
    ),
    Entry(
        "unblock",
        "The platform lifts the block",
        "The API accesses work again, and nobody is told: the host finds out by asking.",
        silent=True,
    ),
)


class Traffic:
    """How many calls came together, and how many within any window of time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._times: list[float] = []
        self.together = self.peak_together = 0

    @contextmanager
    def call(self) -> Iterator[int]:
        """One call under way; how many are under way with it, this one included."""
        with self._lock:
            self._times.append(self._clock())
            self.together += 1
            self.peak_together = max(self.peak_together, self.together)
            together = self.together
        try:
            yield together
        finally:
            with self._lock:
                self.together -= 1

    def busiest(self, per: float) -> int:
        """The most calls that came within any ``per`` seconds."""
        times = list(self._times)
        return max((at + 1 - bisect_right(times, now - per) for at, now in enumerate(times)), default=0)


class Records:
    """Customers or orders by their number: made when asked for, with what a test changed laid over."""

    def __init__(
        self,
        size: int,
        make: Callable[[int], dict[str, Any]],
        moment: Callable[[int], datetime],
        number_of: Callable[[str], int],
    ) -> None:
        self.size, self._make, self._moment, self._number_of = size, make, moment, number_of
        self._lock = threading.Lock()
        self._numbers: dict[int, None] = {}
        self._made = False
        self._laid_over: dict[int, dict[str, Any]] = {}
        self._asked: dict[str, list[int]] = {}  # what was found since the last change

    @property
    def numbers(self) -> dict[int, None]:
        """The numbers of all there are, in the order of the list."""
        with self._lock:
            if not self._made:
                self._numbers, self._made = dict.fromkeys(range(1, self.size + 1)), True
        return self._numbers

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self._laid_over.get(number) or self._make(number)

    def add(self, fields: Mapping[str, Any]) -> int:
        number = max(self.numbers, default=0) + 1
        self.numbers[number] = None
        self.change(number, fields)
        return number

    def change(self, number: int, fields: Mapping[str, Any]) -> None:
        self._laid_over[number] = self[number] | dict(fields)
        self._asked = {}

    def remove(self, number: int) -> None:
        del self.numbers[number]
        self._asked = {}

    def moment(self, number: int) -> datetime:
        """When the record was last updated."""
        if number in self._laid_over:
            return datetime.fromisoformat(self._laid_over[number]["last_update_time"])
        return self._moment(number)

    def created(self, number: int) -> datetime:
        """When the record was made."""
        if number in self._laid_over:
            return datetime.fromisoformat(self._laid_over[number]["creation_time"])
        return self._moment(number) - AGE

    def found(self, query: Mapping[str, str]) -> list[int]:
        """The numbers that the filters leave, in the order asked for."""
        asked = str(sorted((name, value) for name, value in query.items() if name != "page"))
        if asked not in self._asked:
            self._asked[asked] = self._search(query)
        return self._asked[asked]

    def _search(self, query: Mapping[str, str]) -> list[int]:
        names = query.get("ids") or query.get("order_numbers")
        numbers = list(map(self._number_of, names.split(";"))) if names else list(self.numbers)
        numbers = [number for number in numbers if number in self.numbers] if names else numbers
        if since := query.get("last_update_time_from"):
            start = datetime.fromisoformat(since)
            numbers = [number for number in numbers if self.moment(number) >= start]
        if since := query.get("creation_time_from"):
            start = datetime.fromisoformat(since)
            numbers = [number for number in numbers if self.created(number) >= start]
        for name in FILTERS:
            if wanted := query.get(name, ""):
                numbers = [number for number in numbers if matches(self[number], name, wanted)]
        if query.get("order_by") == "last_update_time":
            numbers.sort(key=self.moment, reverse=query.get("order_dir") == "desc")
        return numbers


class Simulator(simulation.Simulator):
    """One Upgates shop with ``size`` customers and three orders for every two of them.

    ``behaviour`` makes the API misbehave: per resource (``status``, ``owner``, ``customers``, ``orders``, ``key``, or
    ``*`` for all) a status number, a `Reply` to give instead, ``"html"``, ``"hang"`` (nothing for ``hang_seconds``, or
    until `release` is set) or a function of the `Call`, where None stands for the genuine answer.
    ``{"keeps_access": True}`` lets the credentials live on after an uninstall. ``lies`` puts wrong numbers into a
    list's pagination. ``enforced`` refuses a fourth call at once; how many came together is counted always.
    ``clock`` tells the time. Whatever is added, changed or removed is told to the ``webhooks`` that were made through
    the API, at once and one by one; ``told`` holds the event and the host's answer, 0 for none. Webhooks of an event in
    ``unwilling`` are neither made nor changed, which a 200 tells.
    """

    connector = "upgates"
    actions = ("install", "open", "uninstall", "version")
    menu = MENU
    look = Look(
        bar="#243746",
        accent="#0b7fab",
        menu=("Přehled", "Objednávky", "Produkty", "Zákazníci", "Marketing"),
        place="Doplňky",
        owner="Ukázkový obchod",
        told="Czech and Slovak web shops: every call is signed with the platform's own key.",
    )
    customer = ("token", "api_user", "api_key")
    signing = ("private_key", "signature_token")

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.behaviour: dict[str, Any] = {}
        self.lies: dict[str, dict[str, Any]] = {}
        self.release = threading.Event()
        self.enforced = False
        self.traffic = Traffic()
        self.link = ""
        self.size = 40
        self.access: tuple[str, str] | None = (keys["api_user"], keys["api_key"])
        self.blocked = False
        self.neighbours: dict[str, tuple[str, str]] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.told: list[tuple[str, int]] = []
        self.denied: set[str] = set()
        self.unwilling: set[str] = set()
        self._hook_ids = itertools.count(1)

    @property
    def size(self) -> int:
        """How many customers there are from the beginning; setting it makes the shop anew."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self.customers = Records(size, customer, customer_moment, lambda id: int(id) - 1000)
        self.orders = Records(
            size * 3 // 2,
            lambda number: order(number, customer(buyer(number, size))),
            order_moment,
            lambda name: int(name.removeprefix("O")) - 2_600_000,
        )

    @property
    def peak_together(self) -> int:
        """The most calls that ever were under way at once."""
        return self.traffic.peak_together

    def busiest(self, per: float = 1.0) -> int:
        """The most calls that came within any ``per`` seconds."""
        return self.traffic.busiest(per)

    def received(self, call: Call) -> Reply:
        """Count a call of the host, and answer it unless too many are under way."""
        with self.traffic.call() as together:
            if self.enforced and together > TOGETHER:
                self.calls.append(call)
                return over_limit(f"{self.clock() + timedelta(seconds=2):%a, %d %b %Y %H:%M:%S} GMT")
            return super().received(call)

    def add(self, **fields: Any) -> int:
        """A new customer; returns the ``customer_id``."""
        number = self.customers.add(self.now() | {"creation_time": self.now()["last_update_time"]})
        self.customers.change(number, fields)
        self.tell("Customers.create", self.customers[number])
        return 1000 + number

    def change(self, customer_id: int, **fields: Any) -> None:
        """Change some fields of a customer."""
        self.customers.change(customer_id - 1000, self.now() | fields)
        self.tell("Customers.update", self.customers[customer_id - 1000])

    def remove(self, customer_id: int) -> None:
        """Delete a customer, of which no list tells."""
        gone = self.customers[customer_id - 1000]
        self.customers.remove(customer_id - 1000)
        self.tell("Customers.delete", gone)

    def add_order(self, customer_id: int, **fields: Any) -> int:
        """A new order of a customer; returns its number in the box."""
        number = self.orders.add(self.now())
        made = order(number, self.customers[customer_id - 1000])
        self.orders.change(number, made | self.now() | {"creation_time": self.now()["last_update_time"]} | fields)
        self.tell("Orders.create", self.orders[number])
        return number

    def change_order(self, number: int, **fields: Any) -> None:
        """Change some fields of an order."""
        self.orders.change(number, self.now() | fields)
        self.tell("Orders.update", self.orders[number])

    def remove_order(self, number: int) -> None:
        """Delete an order, of which no list tells."""
        gone = self.orders[number]
        self.orders.remove(number)
        self.tell("Orders.delete", gone)

    def tell(self, event: str, *records: Mapping[str, Any]) -> None:
        """Call the webhooks of an event, which carry identifiers only and no signature (4.10)."""
        for hook in [*self.webhooks.values()]:
            if hook["event"] == event and hook["active_yn"]:
                self.told.append((event, self._deliver(hook, hint(event, records, self.now()["last_update_time"]))))

    def _deliver(self, hook: dict[str, Any], body: bytes) -> int:
        """Within a second; a time-out is not repeated (4.10). What is noted is what ``GET /webhooks`` shows."""
        status = 0
        with suppress(requests.RequestException):
            status = requests.post(
                hook["url"], body, headers={"Content-Type": "application/json"}, timeout=1, allow_redirects=False
            ).status_code
        outcome = "success" if status in (200, 204) else "error"
        hook[f"last_{outcome}_call"], hook[f"last_{outcome}_call_status"] = self.now()["last_update_time"], status
        return status

    def now(self) -> dict[str, str]:
        """The time of a change, as the shop writes it."""
        return {"last_update_time": self.clock().astimezone(PRAGUE).isoformat(timespec="seconds")}

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return {
            "private_key": private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
            "public_key": private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "signature_token": secrets.token_urlsafe(24),
            "token": f"shop-{secrets.token_hex(8)}",
            "api_user": str(secrets.randbelow(90_000_000) + 10_000_000),
            "api_key": secrets.token_urlsafe(16),
        }

    def settings(self) -> dict[str, Any]:
        return {"signature_token": self.keys["signature_token"], "public_key": self.keys["public_key"]}

    def play(self, action: str, **changes: str) -> Any:
        """Send as the platform does: an install brings API access that works, an uninstall takes it away at once."""
        outgoing = self.request(action, **changes)
        if action in {"install", "reinstall"}:
            self.access = (changes.get("api_user", self.keys["api_user"]), changes.get("api_key", self.keys["api_key"]))
            self.blocked = False
        elif action == "uninstall":
            self.access = None
            if not self.behaviour.get("keeps_access"):
                self.webhooks.clear()  # they belong to the API user
        elif action == "block":
            self.blocked = True
        return outgoing, self.send(outgoing)

    def wave(self, action: str, **changes: str) -> Sequence[Mapping[str, str]]:
        """Two neighbours activate it together; a block meets every shop there is."""
        if action == "neighbour":
            return [changes, changes]
        if action == "block":
            return [{"token": token} for token in (self.keys["token"], *self.neighbours)]
        return [changes]

    def install(self, **changes: str) -> Outgoing:
        """The activation call; `open`'s arguments and ``api_user``, ``api_key``, ``api_url``."""
        fields = {
            **self._shop(changes),
            "apiUser": changes.get("api_user", self.keys["api_user"]),
            "apiKey": changes.get("api_key", self.keys["api_key"]),
            "apiUrl": changes.get("api_url", f"{self.home}/api/v2"),
            "current_admin_language": changes.get("language", "cs"),
        }
        return self._signed("install", fields, SIGNED["install"])

    def reinstall(self) -> Outgoing:
        """A later activation with new API access; the former is dead."""
        self.keys = {**self.keys, "api_key": secrets.token_urlsafe(16)}
        return self.install()

    def neighbour(self) -> Outgoing:
        """Another shop activates the add-on."""
        number = len(self.neighbours) + 2
        token, access = (
            f"{self.keys['token']}-{number}",
            (f"{self.keys['api_user']}-{number}", secrets.token_urlsafe(16)),
        )
        self.neighbours[token] = access
        return self.install(token=token, api_user=access[0], api_key=access[1])

    def block(self, token: str = "") -> Outgoing:
        """The platform deactivates the add-on in a shop, and disables its access without deleting it."""
        return self.uninstall(token=token or self.keys["token"])

    def newcomer(self) -> None:
        """Somebody registers in the shop."""
        number = self.add(firstname="Nora", surname="Nováčková")
        self.change(number, login={"active_yn": True, "blocked_yn": False, "email": f"nora{number}@obchod.example"})

    def unblock(self) -> None:
        """The accesses work again, and nobody is told."""
        self.blocked = False

    def open(self, **changes: str) -> Outgoing:
        """The opening call; ``token``, ``time``, ``version``, ``language``."""
        fields = {**self._shop(changes), "current_admin_language": changes.get("language", "cs")}
        return self._signed("open", fields, SIGNED["open"])

    def uninstall(self, **changes: str) -> Outgoing:
        """The deactivation call; ``token``, ``time``, ``version``."""
        return self._signed("uninstall", self._shop(changes), SIGNED["uninstall"])

    def version(self, **changes: str) -> Outgoing:
        """The call about a new version; ``signs="version"`` plays the platform that signs the number, too."""
        fields = self._shop({"version": "2", **changes})
        signs_version = changes.get("signs") == "version"
        return self._signed("version", fields, ("token", "version", "time") if signs_version else SIGNED["version"])

    def connected(self, installation: Mapping[str, str]) -> None:
        self.link = installation["key"]

    def webhook(self, **changes: str) -> Outgoing:
        """The hint that a customer changed, to the address that the operator pasted (4.10); ``customer_id``."""
        body = {"event": "customers.update", "customers": [{"customer_id": int(changes.get("customer_id", "1001"))}]}
        return Outgoing("POST", f"/upgates/webhook/{self.link}", {"Content-Type": "application/json"}, php_json(body))

    def answer(self, call: Call) -> Reply:
        name = call.path.rstrip("/").rpartition("/")[2]
        wrong = self.behaviour.get(name, self.behaviour.get("*"))
        wrong = wrong(call) if callable(wrong) else wrong
        if wrong is not None:
            return self._misbehave(wrong)
        if name == "key":
            return Reply(200, self.keys["public_key"].encode(), "application/x-pem-file")
        resources: dict[str, Callable[[Call], Any]] = {
            "status": self._status,
            "owner": self._owner,
            "customers": lambda call: page("customers", self.customers, call) | self.lies.get("customers", {}),
            "orders": lambda call: page("orders", self.orders, call) | self.lies.get("orders", {}),
        }
        if not self._allowed(call):
            return reply({"message": "Unauthorized"}, 401)
        if self.blocked:
            return reply({"message": "Forbidden"}, 403)  # "API user inactive" (4.2)
        if "/api/v2/webhooks" in call.path:
            return self._webhooks(call)
        if name not in resources or not call.path.endswith(f"/api/v2/{name}"):
            return reply({"message": "Not found"}, 404)
        return reply(resources[name](call)) if call.method == "GET" else reply({"message": "Not allowed"}, 405)

    def _webhooks(self, call: Call) -> Reply:
        """The webhooks' own API: one at a time, but deleted by their ids."""
        if call.path.endswith("/events"):
            return reply({"events": [{"name": event, "allowed_yn": event not in self.denied} for event in EVENTS]})
        if call.method == "GET":
            return reply({"webhooks": [*self.webhooks.values()]})
        if call.method == "DELETE":
            ids = map(int, parse_qs(call.query)["ids"][0].split(";"))
            gone = [{"id": str(id), "deleted": bool(self.webhooks.pop(id, None)), "messages": []} for id in ids]
            return reply({"webhooks": gone})
        given = json.loads(call.body)
        if given.get("event") in self.denied:
            return reply({"message": "Forbidden"}, 403)
        id = given["id"] if call.method == "PUT" else next(self._hook_ids)
        if call.method == "PUT" and id not in self.webhooks:
            return reply({"message": "Not found"}, 404)
        done = "updated_yn" if call.method == "PUT" else "created_yn"
        if given.get("event") in self.unwilling:
            wrong = {"object": "webhook", "property": "url", "message": "Not possible", "level": "error"}
            return reply({"webhook": {**given, done: False, "messages": [wrong]}})
        self.webhooks[id] = {**NEW_HOOK, **self.webhooks.get(id, {}), **given, "id": id}
        return reply({"webhook": {**self.webhooks[id], done: True, "messages": []}})

    def _shop(self, changes: Mapping[str, str]) -> dict[str, Any]:
        version = changes.get("version", "1")
        return {
            "token": changes.get("token", self.keys["token"]),
            "version": int(version) if version.isdecimal() else version,
            "time": changes.get("time") or self.in_five_minutes(),
        }

    def in_five_minutes(self) -> str:
        """ISO 8601 with Prague's offset, as ``DateTime::format('c')`` writes it."""
        return (self.clock().astimezone(PRAGUE) + timedelta(minutes=5)).isoformat(timespec="seconds")

    def _signed(self, action: str, fields: Mapping[str, Any], order: Sequence[str]) -> Outgoing:
        text = ";".join([*(str(fields[name]) for name in order), self.keys["signature_token"]])
        signature = private_key(self.keys["private_key"]).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        body = php_json({**fields, "signature_v2": base64.b64encode(signature).decode()})
        return Outgoing("POST", f"/upgates/{action}", {"Content-Type": "application/json"}, body)

    def _allowed(self, call: Call) -> bool:
        access = self.access
        if access is None and self.behaviour.get("keeps_access"):
            access = (self.keys["api_user"], self.keys["api_key"])
        return call.headers.get("authorization") in {basic(*one) for one in (access, *self.neighbours.values()) if one}

    def _misbehave(self, wrong: Any) -> Reply:
        if wrong == "hang":
            self.release.wait(self.behaviour.get("hang_seconds", 30))
            return reply({"message": "Late"}, 504)
        if wrong == "html":
            return Reply(200, b"<!doctype html><h1>Obchod</h1>", "text/html")
        if isinstance(wrong, Reply):
            return wrong
        return reply({"message": "Error"}, wrong) if isinstance(wrong, int) else reply(wrong)

    def _status(self, call: Call) -> Mapping[str, Any]:
        services = [{"service": s, "url": f"/{s}", "privilege": "readonly"} for s in ("customers", "orders", "owner")]
        return {"services": services, "documentation_link": "https://upgatesapiv2.docs.apiary.io"}

    def _owner(self, call: Call) -> Mapping[str, Any]:
        return {"owner": [{"company": "Ukázkový obchod s.r.o.", "city": "Brno", "country_id": "CZ"}]}


@cache
def private_key(pem: str) -> rsa.RSAPrivateKey:
    """The platform's key; reading it takes its time."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("this simulator signs with RSA")
    return key


def php_json(value: object) -> bytes:
    """What PHP's ``json_encode`` writes: no spaces, ``/`` as ``\\/``, all else outside ASCII as ``\\uXXXX``."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def reply(value: object, status: int = 200) -> Reply:
    """A JSON answer of the API."""
    return Reply(status, php_json(value))


def basic(user: str, key: str) -> str:
    """The value of the ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def over_limit(retry_after: str = "") -> Reply:
    """A refusal for now; ``retry_after`` as an HTTP date or as seconds."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Reply(429, php_json({"message": "Too many requests"}), headers=headers)


def moved(api_url: object) -> Reply:
    """The shop is on another server: "no Location header, JSON body {"api_url"}" (4.2)."""
    return reply({"api_url": api_url}, 301)


def hint(event: str, records: Sequence[Mapping[str, Any]], at: str) -> bytes:
    """The body of a webhook: identifiers, and when it happened."""
    kind, _, what = event.partition(".")
    time = {{"create": "creation_time", "update": "last_update_time", "delete": "deletion_time"}[what]: at}
    if kind == "Customers":
        fields = [
            {"customer_id": one["customer_id"], "email": one["login"]["email"], "code": one["code"]} for one in records
        ]
    else:
        fields = [{name: one[name] for name in ("order_number", "status_id", "status")} for one in records]
    return php_json({"project_name": "demo-shop", kind.lower(): [one | time for one in fields]})


FILTERS = ("email", "phone", "company_name")


def matches(item: Mapping[str, Any], name: str, wanted: str) -> bool:
    """Whether a customer is one of those a filter means."""
    if name == "email":
        return bool(item["login"]["email"] == wanted)
    if name == "phone":
        return wanted.lstrip("+") in "".join(filter(str.isdigit, item["communication"]["phone"]))
    return wanted.casefold() in str((item["company"] or {}).get("name", "")).casefold()


def page(name: str, records: Records, call: Call) -> dict[str, Any]:
    """One page of 100, filtered and sorted as asked."""
    query = {key: values[-1] for key, values in parse_qs(call.query).items()}
    numbers, at = records.found(query), int(query.get("page", "1"))
    shown = [records[number] for number in numbers[(at - 1) * PAGE_SIZE : at * PAGE_SIZE]]
    return {
        "current_page": at,
        "current_page_items": len(shown),
        "number_of_pages": -(-len(numbers) // PAGE_SIZE),
        "number_of_items": len(numbers),
        name: shown,
    }


def customer_moment(number: int) -> datetime:
    """When a customer was last updated: some time in January, in no order."""
    return JANUARY + timedelta(minutes=number * 61 % 43_200)


def customer(number: int) -> dict[str, Any]:
    """One customer as ``GET /customers`` lists it: the e-mail sits in ``login``."""
    company = COMPANIES[number % len(COMPANIES)]
    moment = customer_moment(number)
    town = TOWNS[number % len(TOWNS)]
    return {
        "customer_id": 1000 + number,
        "type": "company" if company else "customer",
        "firstname": FIRST_NAMES[number % 10],
        "surname": SURNAMES[(number + number // 10) % 10],
        "code": f"Z{number:04}",
        "language": "sk" if town in ("Žilina", "Košice") else "cs",
        "turnover": f"{number * 312.5:.2f}",
        "turnover_currency": "CZK",
        "company": {"name": company, "company_number": f"{27000000 + number}"} if company else None,
        "communication": {"phone": f"+420 60{number % 9 + 1} {number * 7919 % 1000:03} {number * 104729 % 1000:03}"},
        "login": {"active_yn": True, "blocked_yn": False, "email": f"zakaznik{number}@obchod.example"},
        "note": "Volat dopoledne." if number % 7 == 0 else "",
        "addresses": {"billing": {"street": f"Dlouhá {number}", "city": town, "country_id": "CZ"}, "postal": []},
        "creation_time": (moment - AGE).isoformat(),
        "last_update_time": moment.isoformat(),
        "admin_url": f"https://demo-shop.admin.s1.upgates.com/customers/edit/{1000 + number}",
    }


def buyer(number: int, size: int) -> int:
    """Whose an order is: three for every two people."""
    return number * 2 // 3 % size + 1


def order_moment(number: int) -> datetime:
    """When an order was last updated: some time in February."""
    return FEBRUARY + timedelta(minutes=number * 67 % 28_800)


def order(number: int, owner: Mapping[str, Any]) -> dict[str, Any]:
    """One order as ``GET /orders`` lists it."""
    moment = order_moment(number)
    name = f"O{2600000 + number}"
    return {
        "order_number": name,
        "order_id": number,
        "uuid": hashlib.sha256(name.encode()).hexdigest()[:32],
        "currency_id": "CZK",
        "status_id": number % 3 + 1,
        "status": ("Přijatá", "Odeslaná", "Vyřízená")[number % 3],
        "order_total": round(199 + number * 87.5, 2),
        "creation_time": (moment - timedelta(hours=2)).isoformat(),
        "last_update_time": moment.isoformat(),
        "admin_url": f"https://demo-shop.admin.s1.upgates.com/orders/edit-order/default/{number}",
        "customer": {"customer_id": owner["customer_id"], "email": owner["login"]["email"]},
    }
