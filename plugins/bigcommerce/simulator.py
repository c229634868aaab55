"""BigCommerce in a box: codes that it alone redeems, its own tokens, and the API of every store that has the app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from app.sdk import simulation
from app.sdk.simulation import Call, Entry, Look, Outgoing, Reply, Scenario

SCOPE = "store_v2_customers_read_only store_v2_default store_v2_information_read_only store_v2_orders_read_only"
ACCOUNT = "4f0a8f2e-7f0c-4c52-9a8b-0f2f7c5b1d11"  # the developer's own
FIRST_NAMES = ("Amelia", "Noah", "Isla", "Oliver", "Grace", "Jack", "Ruby", "Leo", "Zoë", "Henry")
SURNAMES = ("Walker", "O'Connor", "Nguyen", "Smith", "Patel", "Brown", "Núñez", "Wilson", "Clarke", "Evans")
COMPANIES = ("", "", "Harbour Bikes Ltd", "", "Wattle & Co")
STATUSES = ("Awaiting Fulfillment", "Shipped", "Completed")
JANUARY = datetime(2026, 1, 1, 9, tzinfo=UTC)

MENU = (
    Entry(
        "auth",
        "Install the app",
        "The merchant's browser brings a code, which the host redeems at the platform.",
        scenarios=(Scenario.GENUINE, Scenario.DUPLICATE, Scenario.FORGED),
        step=1,
    ),
    Entry("load", "Open the app", "The control panel's frame is opened with a signed token.", step=2),
    Entry(
        "newcomer",
        "A customer signs up",
        "The store calls the webhook that the host made, and the host pulls the customer.",
        silent=True,
    ),
    Entry("remove_user", "Revoke a user's access", "The host is told which user may not open the app any more."),
    Entry("uninstall", "Uninstall the app", "The store's token and webhooks are gone; the host is told.", step=3),
    Entry(
        "reinstall",
        "Install it again",
        "A new code brings a new token for the same store.",
        calls="auth",
        scenarios=(Scenario.GENUINE,),
        step=4,
    ),
    Entry(
        "neighbour",
        "Another store installs it",
        "Each store is a tenant of its own.",
        calls="auth",
        scenarios=(Scenario.GENUINE,),
    ),
)


@dataclass(slots=True)
class Shop:
    """What the platform keeps of one store: the living token, its records by id, and the webhooks that were made."""

    token: str = ""
    customers: dict[int, dict[str, Any]] = field(default_factory=dict)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    hooks: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Platform:
    """What all stores share: the API, the codes that were redeemed, and one lock."""

    shops: dict[str, Shop] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.RLock = field(default_factory=threading.RLock)


class Simulator(simulation.Simulator):
    """One store with ``size`` customers and three orders for every two of them.

    ``behaviour`` bends the answer to ``token``, ``store``, ``customers``, ``orders``, ``hooks`` or ``*``: a status, a
    `Reply`, or ``"hang"`` (until `release` is set); ``{"keeps_access": True}`` lets the token live on after an
    uninstall. Whatever is added, changed or removed is told to the webhooks at once; ``told`` holds scope and status.
    """

    connector = "bigcommerce"
    actions = ("auth", "load", "uninstall", "remove_user")
    menu = MENU
    look = Look(
        bar="#121118",
        accent="#3c64f4",
        menu=("Orders", "Products", "Customers", "Storefront", "Analytics"),
        place="Apps",
        owner="Harbour Goods",
        told="Stores all over the world: an app is installed with one click, and every opening is a signed token.",
    )
    customer = ("store_hash",)
    signing = ("client_secret", "code_key")

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.platform = Platform()
        self.behaviour: dict[str, Any] = {}
        self.release = threading.Event()
        self.link = ""
        self.size = 40
        self.told: list[tuple[str, int]] = []

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        """The app's id and secret, the key under which the platform makes its codes, and the store's hash."""
        app = {"client_id": secrets.token_hex(16), "client_secret": secrets.token_hex(32)}
        return {**app, "code_key": secrets.token_hex(16), "store_hash": secrets.token_hex(5)}

    def beside(self, keys: Mapping[str, Any]) -> Simulator:
        """Another store: there is one API for all of them."""
        other = type(self)(self.host, {**self.keys, **keys}, self.home)
        other.platform = self.platform
        return other

    def settings(self) -> dict[str, Any]:
        app = {name: self.keys[name] for name in ("client_id", "client_secret")}
        return {**app, "api_url": self.home, "login_url": self.home}

    def connected(self, installation: Mapping[str, str]) -> None:
        self.link = installation["header"]

    @property
    def context(self) -> str:
        """What the platform calls this store."""
        return f"stores/{self.keys['store_hash']}"

    @property
    def shop(self) -> Shop:
        """This store; made when first asked for."""
        return self.shop_of(self.keys["store_hash"])

    def shop_of(self, store_hash: str) -> Shop:
        """A store by its hash."""
        with self.platform.lock:
            if store_hash not in self.platform.shops:
                made = Shop(customers={id: customer(id) for id in range(1, self.size + 1)})
                made.orders = {id: order(id, (id * 2 // 3) % self.size + 1) for id in range(1, self.size * 3 // 2 + 1)}
                self.platform.shops[store_hash] = made
            return self.platform.shops[store_hash]

    # What the platform sends

    def play(self, action: str, **changes: str) -> Any:
        """Send as the platform does: an uninstall takes token and webhooks away at once."""
        outgoing = self.request(action, **changes)
        if action == "uninstall" and not self.behaviour.get("keeps_access"):
            self.shop.token = ""
            self.shop.hooks.clear()
        return outgoing, self.send(outgoing)

    def auth(self, **changes: str) -> Outgoing:
        """The merchant's browser comes with a code; ``context``, ``scope``, ``code``."""
        context, scope = changes.get("context", self.context), changes.get("scope", SCOPE)
        code = changes.get("code") or self.code(context, scope)
        query = urlencode({"account_uuid": ACCOUNT, "code": code, "context": context, "scope": scope})
        return Outgoing("GET", f"/bigcommerce/auth?{query}", {"Accept": "text/html"})

    def reinstall(self) -> Outgoing:
        """The store installs the app again."""
        return self.auth()

    def neighbour(self) -> Outgoing:
        """Another store installs the app."""
        return self.auth(context=f"stores/{secrets.token_hex(5)}")

    def load(self, **changes: str) -> Outgoing:
        """The control panel opens the app; `token`'s claims."""
        return self.callback("load", changes)

    def uninstall(self, **changes: str) -> Outgoing:
        """The store leaves."""
        return self.callback("uninstall", changes)

    def remove_user(self, **changes: str) -> Outgoing:
        """A user may not open the app any more."""
        return self.callback("remove_user", changes)

    def webhook(self, **changes: str) -> Outgoing:
        """The hint that a customer changed; ``scope``, ``id``."""
        told = self.hint(changes.get("scope", "store/customer/updated"), int(changes.get("id", "1")))
        headers = {"Content-Type": "application/json", "X-Stallholder-Secret": self.link}
        return Outgoing("POST", "/bigcommerce/webhook", headers, json.dumps(told).encode())

    def callback(self, action: str, claims: Mapping[str, Any]) -> Outgoing:
        """A callback with a token; claims are laid over the genuine ones."""
        return Outgoing("GET", f"/bigcommerce/{action}?signed_payload_jwt={self.token(**claims)}", {})

    def token(self, locale: str = "en-US", **claims: Any) -> str:
        """A genuine token: "aud, iss, iat, nbf, exp, jti, sub, user, owner, url, channel_id"."""
        now = self.clock()
        at, who = int(now.timestamp()), {"id": 9128, "email": "owner@harbour.example"}
        user = {**who, "locale": locale}
        times = {"iat": at, "nbf": at - 5, "exp": at + 86_400}
        told = {"aud": self.keys["client_id"], "iss": "bc", **times, "jti": digest(self.context, now)[:32]}
        return self.jwt(
            {**told, "sub": self.context, "user": user, "owner": who, "url": "/", "channel_id": None} | claims
        )

    def jwt(self, claims: Mapping[str, Any], **header: str) -> str:
        """Any claims, signed with the client secret."""
        head = {"alg": "HS256", "typ": "JWT"} | header
        signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        return f"{signed}.{base64url(hmac.digest(self.keys['client_secret'].encode(), signed.encode(), 'sha256'))}"

    def code(self, context: str, scope: str) -> str:
        """A code for this store and these rights, which only this platform can tell from another."""
        nonce = digest(context, self.clock())[:16]
        return (
            nonce + hmac.digest(self.keys["code_key"].encode(), f"{nonce} {context} {scope}".encode(), "sha256").hex()
        )

    # What happens in the store

    def newcomer(self) -> None:
        """Somebody signs up."""
        self.add(first_name="Nora", last_name="Newcomer")

    def add(self, **fields: Any) -> int:
        """A new customer; returns the id."""
        id = max(self.shop.customers, default=0) + 1
        self.shop.customers[id] = customer(id) | self.dated("date_created", "date_modified") | fields
        self.tell("store/customer/created", id)
        return id

    def change(self, id: int, **fields: Any) -> None:
        """Change some fields of a customer."""
        self.shop.customers[id] |= self.dated("date_modified") | fields
        self.tell("store/customer/updated", id)

    def remove(self, id: int) -> None:
        """Delete a customer, of which no list tells."""
        del self.shop.customers[id]
        self.tell("store/customer/deleted", id)

    def add_order(self, customer_id: int, **fields: Any) -> int:
        """A new order; returns its id."""
        id = max(self.shop.orders, default=0) + 1
        dates = {name: mailed(self.clock()) for name in ("date_created", "date_modified")}
        self.shop.orders[id] = order(id, customer_id) | dates | fields
        self.tell("store/order/created", id)
        return id

    def archive_order(self, id: int) -> None:
        """Archive an order, which is how the platform deletes one."""
        self.shop.orders[id] |= {"is_deleted": True, "date_modified": mailed(self.clock())}
        self.tell("store/order/archived", id)

    def dated(self, *names: str) -> dict[str, str]:
        """Now, as the newer API writes it."""
        return dict.fromkeys(names, stamped(self.clock()))

    def hint(self, scope: str, id: int) -> dict[str, Any]:
        """The body of a webhook: what it is about, and nothing of it."""
        told = {"store_id": "1025646", "producer": self.context, "scope": scope}
        return {**told, "data": {"type": scope.split("/")[1], "id": id}, "hash": digest(scope, self.clock())[:40]}

    def tell(self, scope: str, id: int) -> None:
        """Call the webhooks made for this scope, with the headers that came with them."""
        for hook in [*self.shop.hooks.values()]:
            if scope.startswith(hook["scope"].rstrip("*")) and hook["is_active"]:
                body, status = json.dumps(self.hint(scope, id)).encode(), 0
                headers = {"Content-Type": "application/json", **(hook["headers"] or {})}
                with suppress(requests.RequestException):
                    status = requests.post(hook["destination"], body, headers=headers, timeout=5).status_code
                self.told.append((scope, status))

    # What the platform answers

    def answer(self, call: Call) -> Reply:
        """The login server and the API of every store; a bent answer comes first."""
        path = call.path.strip("/").split("/")
        name = next((one for one in ("hooks", "customers", "orders", "store", "token") if one in path), "")
        wrong = self.behaviour.get(name, self.behaviour.get("*"))
        if wrong is not None:
            return self.bent(wrong)
        if call.path == "/oauth2/token" and call.method == "POST":
            return self.redeem(json.loads(call.body))
        if path[0] != "stores" or len(path) < 4:
            return reply({"title": "Not found"}, 404)
        shop = self.shop_of(path[1])
        if not shop.token or call.headers.get("x-auth-token") != shop.token:
            return reply({"title": "Unauthorized"}, 401)
        with self.platform.lock:
            return self.api(shop, call, "/".join(path[2:]))

    def api(self, shop: Shop, call: Call, route: str) -> Reply:
        """The API of one store."""
        query = dict(parse_qsl(call.query))
        if route == "v2/store":
            return reply(
                {"id": self.keys["store_hash"], "name": "Harbour Goods", "language": "en", "country_code": "AU"}
            )
        if route == "v3/customers":
            return customers_page(shop, query)
        if route == "v2/orders":
            found = orders_page(shop, query)
            return reply(found) if found else Reply(204)
        if route.startswith("v3/hooks"):
            return self.hooks(shop, call, route.rpartition("/")[2])
        return reply({"title": "Not found"}, 404)

    def redeem(self, given: Mapping[str, Any]) -> Reply:
        """A code is good once, for the store and the rights it was made for; the former token is dead then."""
        code, context, scope = (str(given.get(name, "")) for name in ("code", "context", "scope"))
        told = f"{code[:16]} {context} {scope}".encode()
        right = code[:16] + hmac.digest(self.keys["code_key"].encode(), told, "sha256").hex()
        app = all(given.get(name) == self.keys[name] for name in ("client_id", "client_secret"))
        ours = urlsplit(str(given.get("redirect_uri"))).path == "/bigcommerce/auth"
        with self.platform.lock:
            if not (app and ours) or code != right or code in self.platform.used:
                return reply({"error": "invalid_grant"}, 400)
            self.platform.used.add(code)
            shop = self.shop_of(context.partition("/")[2])
            shop.token = secrets.token_hex(16)
        who = {"id": 9128, "username": "owner@harbour.example", "email": "owner@harbour.example"}
        told_back = {"access_token": shop.token, "scope": scope, "context": context, "account_uuid": ACCOUNT}
        return reply({**told_back, "user": who, "owner": who})

    def hooks(self, shop: Shop, call: Call, id: str) -> Reply:
        """The webhooks' own API."""
        if call.method == "GET":
            return reply({"data": [*shop.hooks.values()], "meta": {}})
        if call.method == "POST":
            id = str(next(self.platform.ids))
            shop.hooks[int(id)] = {"id": int(id)}
        if int(id) not in shop.hooks:
            return reply({"title": "Not found"}, 404)
        if call.method == "DELETE":
            return reply({"data": shop.hooks.pop(int(id)), "meta": {}})
        shop.hooks[int(id)] |= json.loads(call.body)
        return reply({"data": shop.hooks[int(id)], "meta": {}})

    def bent(self, wrong: Any) -> Reply:
        """The answer a test asked for."""
        if isinstance(wrong, Reply):
            return wrong
        if wrong == "hang":
            self.release.wait(30)
            return Reply(504)
        return reply({"title": "Error"}, int(wrong))


def reply(value: object, status: int = 200) -> Reply:
    """A JSON answer of the API."""
    return Reply(status, json.dumps(value).encode())


def over_limit(milliseconds: int) -> Reply:
    """Too many calls: the platform says in how many milliseconds they count anew."""
    return Reply(
        429, b"{}", headers={"X-Rate-Limit-Requests-Left": "0", "X-Rate-Limit-Time-Reset-Ms": str(milliseconds)}
    )


def digest(text: str, now: datetime) -> str:
    """What is different each time, and the same for the same moment."""
    return hashlib.sha256(f"{text} {now.isoformat()}".encode()).hexdigest()


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def stamped(moment: datetime) -> str:
    """A time as the newer API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mailed(moment: datetime) -> str:
    """A time as the older API writes it."""
    return format_datetime(moment.astimezone(UTC))


def customers_page(shop: Shop, query: Mapping[str, str]) -> Reply:
    """One page of the customers that the filters leave, as they were made or as asked."""
    found = [*shop.customers.values()]
    if since := query.get("date_modified:min"):
        found = [one for one in found if one["date_modified"] >= since]
    if ids := query.get("id:in"):
        found = [one for one in found if str(one["id"]) in ids.split(",")]
    if email := query.get("email:in"):
        found = [one for one in found if one["email"] == email]
    if name := query.get("name:like"):
        found = [one for one in found if name.casefold() in f"{one['first_name']} {one['last_name']}".casefold()]
    field, _, way = query.get("sort", "date_created:asc").partition(":")
    found.sort(key=lambda one: str(one[field]), reverse=way == "desc")
    at, size = int(query.get("page", "1")), min(int(query.get("limit", "50")), 250)
    shown, last = found[(at - 1) * size : at * size], max(1, -(-len(found) // size))
    pages = {"total": len(found), "count": len(shown), "per_page": size, "current_page": at, "total_pages": last}
    return reply({"data": shown, "meta": {"pagination": pages}})


def orders_page(shop: Shop, query: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """The first orders that the filters leave, by their ids; archived ones only where they are asked for."""
    least, most = int(query.get("min_id", "0")), int(query.get("max_id", "999999999"))
    found = [one for id, one in sorted(shop.orders.items()) if least <= id <= most and not one["is_deleted"]]
    if since := query.get("min_date_modified"):
        start = datetime.fromisoformat(since)
        found = [one for one in found if parsed(one["date_modified"]) >= start]
    return found[: min(int(query.get("limit", "50")), 250)]


def parsed(date: str) -> datetime:
    """A time that the older API wrote."""
    return parsedate_to_datetime(date)


def customer(id: int) -> dict[str, Any]:
    """One customer as ``GET /v3/customers`` lists it."""
    made = stamped(JANUARY + timedelta(minutes=7 * id))
    return {
        "id": id,
        "email": f"customer{id}@harbour.example",
        "first_name": FIRST_NAMES[id % 10],
        "last_name": SURNAMES[(id + id // 10) % 10],
        "company": COMPANIES[id % len(COMPANIES)],
        "phone": f"+61 4{id % 9 + 1}0 {id * 7919 % 1000:03} {id * 104729 % 1000:03}",
        "notes": "Call in the morning." if id % 7 == 0 else "",
        "date_created": made,
        "date_modified": made,
    }


def order(id: int, customer_id: int) -> dict[str, Any]:
    """One order as ``GET /v2/orders`` lists it."""
    made = mailed(JANUARY + timedelta(minutes=11 * id))
    return {
        "id": id,
        "customer_id": customer_id,
        "date_created": made,
        "date_modified": made,
        "status": STATUSES[id % 3],
        "total_inc_tax": f"{19 + id * 8.75:.4f}",
        "currency_code": "AUD",
        "is_deleted": False,
        "billing_address": {
            "first_name": FIRST_NAMES[customer_id % 10],
            "email": f"customer{customer_id}@harbour.example",
        },
    }
