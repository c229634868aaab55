"""A RetailCRM account in a box: connects, opens, switches the add-on, and answers the API calls of a host."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from app.sdk.simulation import Call, Outgoing, Reply
from app.sdk.simulation import Simulator as Platform

FIRST = ("Anna", "Борис", "Carmen", "Дарья", "Emil", "Фёдор", "Inés", "Олег", "Žofia", "Юлия")
LAST = ("Smith", "Иванова", "García", "Čapek")
PERMITTED = ("integration_read", "integration_write", "customer_read", "order_read")
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Simulator(Platform):
    """One account whose system URL is ``home``; it pages through 40 customers and their orders.

    ``behaviour`` bends the answer of ``system_info``, ``credentials``, ``edit``, ``customers`` or ``orders``: a status,
    ``"html"``, ``"hang"`` (until `release` is set), a mapping (told as JSON) or a `Reply`.
    """

    connector: ClassVar[str] = "retailcrm"
    actions: ClassVar[Sequence[str]] = ("config", "install", "open", "activity")
    renewed: ClassVar[Sequence[str]] = ("api_key",)

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.behaviour: dict[str, Any] = {}
        self.release = threading.Event()
        self.module: dict[str, Any] = {}
        self.customers = [customer(number) for number in range(1, 41)]
        self.orders = [order(person, turn) for person in self.customers for turn in range(int(person["ordersCount"]))]

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
        if name in self.behaviour:
            return self.bent(self.behaviour[name])
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
                    {"success": True, "scopes": list(PERMITTED), "credentials": [], "siteAccess": "access_full"}
                )
            case "edit":
                return self.edit(call)
            case "customers":
                return listed(name, found(self.customers, call), call)
            case "orders":
                return listed(name, found(self.orders, call), call)
        return failed(404, "Not found")

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
    found = re.fullmatch("/api/(?:(system-info|credentials)|v5/(customers|orders))", call.path)
    return (found[1] or found[2]).replace("-", "_") if found and call.method == "GET" else ""


def post(action: str, **fields: str) -> Outgoing:
    """A form as the platform posts it."""
    return Outgoing("POST", f"/retailcrm/{action}", FORM, urlencode(fields).encode())


def told(value: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode())


def failed(status: int, message: str) -> Reply:
    """An error in the platform's form."""
    return told({"success": False, "errorMsg": message}, status)


def found(entries: Sequence[Mapping[str, Any]], call: Call) -> list[Mapping[str, Any]]:
    """The entries that the call's filters leave."""
    query = dict(parse_qsl(call.query))
    name, email, owner = (query.get(f"filter[{field}]", "") for field in ("name", "email", "customerId"))
    return [
        entry
        for entry in entries
        if name.casefold() in json.dumps(entry, ensure_ascii=False).casefold()
        and email in str(entry.get("email", ""))
        and owner in ("", str(entry.get("customer", {}).get("id", "")))
    ]


def listed(name: str, entries: Sequence[Mapping[str, Any]], call: Call) -> Reply:
    """One page; ``limit`` is one of 20, 50, 100 and ``page`` counts from 1 (fact sheet, section 5)."""
    query = dict(parse_qsl(call.query))
    limit, page = query.get("limit", "20"), query.get("page", "1")
    if limit not in ("20", "50", "100") or not page.isdecimal() or page == "0":
        return failed(400, "Errors in the input parameters")
    size, at, total = int(limit), int(page), len(entries)
    pages = {"limit": size, "totalCount": total, "currentPage": at, "totalPageCount": -(-total // size)}
    return told({"success": True, "pagination": pages, name: list(entries[(at - 1) * size : at * size])})


def customer(number: int) -> dict[str, Any]:
    """A plausible customer; every seventh has neither a family name nor an e-mail."""
    bare = number % 7 == 0
    known: dict[str, Any] = {
        "type": "customer",
        "id": 4700 + number,
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
