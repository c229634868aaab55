"""Wazzup in a box: signs `state`, redeems it, tests and calls our webhook, and takes what is pushed to it."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from app.sdk import simulation
from app.sdk.simulation import Call, Entry, Look, Outgoing, Reply

CHANNEL = "01e9d92c-3f8f-4a8d-9e5b-bde5ebb22e10"
LARGEST_BATCH = 100
LONGEST_URI = 200
MOST_CALLS, WINDOW = 500, 5.0  # "500 requests per 5 s": here in any 5 s, which is stricter than a counter that is reset
CHAT_TYPES = {"whatsapp", "whatsgroup", "viber", "instagram", "telegram", "telegroup", "vk", "avito", "max", "maxgroup"}
FLAGS = ("messagesAndStatuses", "contactsAndDealsCreation", "channelsUpdates", "templateStatus")
CALLBACK = {"Content-Type": "application/json; charset-utf-8"}  # the platform's own, malformed parameter

MENU = (
    Entry(
        "install",
        "Connect the CRM",
        "The person's browser is sent to the host with a signed state; only an agreement there connects.",
        tab=True,
        step=1,
    ),
    Entry(
        "message",
        "A client writes",
        "The host is told of an inbound message, with the crmKey as bearer.",
        calls="webhook",
        step=2,
    ),
    Entry(
        "status", "A message is read", "The host is told that an outgoing message came a step further.", calls="webhook"
    ),
    Entry(
        "create_contact",
        "Make a contact",
        "Somebody new wrote: the host makes a contact and answers its id.",
        calls="webhook",
        step=3,
    ),
    Entry("create_deal", "Make a deal", "The host makes a deal of a contact and answers its id.", calls="webhook"),
    Entry("channel", "A channel changes", "The host is told of the channel's new state.", calls="webhook"),
    Entry("test", "Test the address", "A test call without a bearer, which every host must answer.", calls="webhook"),
    Entry("disconnect", "Remove the integration", "Nobody is told: the key is wrong from now on.", silent=True, step=4),
)


@dataclass(slots=True)
class Connection:
    """What the platform keeps of one customer's account.

    ``pushed`` holds entities by kind and id, ``batches`` every batch that was taken, as its kind and its ids in order,
    ``deleted`` what was taken back, as often as it was asked, ``moments`` when each call under the key came (a call
    that was turned away with 429, too).
    """

    account: str
    crm_key: str
    name: str
    uri: str = ""
    subscriptions: dict[str, bool] = field(default_factory=dict)
    pushed: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    def admits(self, now: float) -> bool:
        """Note a call; False when it is one too many within the window."""
        self.moments.append(now)
        return len(self.moments) <= MOST_CALLS or self.moments[-MOST_CALLS - 1] <= now - WINDOW

    def ids(self, kind: str) -> list[str]:
        """Every id of that kind in the order of its arrival, as often as it was pushed."""
        return [id for name, ids in list(self.batches) if name == kind for id in ids]

    def times(self, kind: str) -> Counter[str]:
        """How often each id of that kind was pushed."""
        return Counter(self.ids(kind))

    def busiest(self, seconds: float = WINDOW) -> int:
        """The most calls that came in any window of so many seconds."""
        moments = sorted(self.moments)
        return max((i + 1 - bisect_right(moments, at - seconds) for i, at in enumerate(moments)), default=0)


class Simulator(simulation.Simulator):
    """The platform with one customer's account; ``home`` + `/v3` is its API.

    ``behaviour`` bends the answer to ``"POST connect"``, ``"PATCH webhooks"`` and so on: a status, ``"html"``,
    ``"hang"`` (until `release` is set), a mapping (told as JSON with 200), a `Reply`, a function of the `Call` that
    returns one of these, or a list of them, of which each is used up by one call. None is the genuine answer.
    """

    connector = "wazzup"
    actions = ("install", "message", "status", "create_contact", "create_deal", "channel", "test")
    menu = MENU
    look = Look(
        bar="#173b35",
        accent="#087a4d",
        menu=("Chats", "Channels", "Employees", "Billing"),
        place="CRM integration",
        owner="Demo company",
        told="Chats in messengers: a person agrees on a page of ours before anything is connected.",
    )
    customer = ("account_id",)
    signing = ("jwt_key",)

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.behaviour: dict[str, Any] = {}
        self.release = threading.Event()
        self.marketplace: dict[str, Any] = {}
        self.connections: dict[str, Connection] = {}
        self.used: set[str] = set()
        self.lock = threading.Lock()
        self.ticks: Callable[[], float] = time.monotonic

    @classmethod
    def make_keys(cls) -> dict[str, Any]:
        """The partner's code and secret, the key that signs `state`, and the customer's account."""
        account = 10_000_000 + secrets.randbelow(90_000_000)
        jwt_key, secret = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        return {"crm_code": "stallholder", "secret": secret, "jwt_key": jwt_key, "account_id": account}

    def beside(self, keys: Mapping[str, Any]) -> Simulator:
        """Another account: there is one API for all of them."""
        other = type(self)(self.host, {**self.keys, **keys}, self.home)
        other.connections, other.used, other.lock = self.connections, self.used, self.lock
        return other

    @property
    def developer_key(self) -> str:
        """The partner's own API key."""
        return hmac.digest(str(self.keys["jwt_key"]).encode(), b"developer", "sha256").hex()[:32]

    @property
    def api_key(self) -> str:
        """The API key of the living connection; empty when there is none."""
        mine = [key for key, held in self.connections.items() if held.account == str(self.keys["account_id"])]
        return next(reversed(mine or list(self.connections)), "")

    @property
    def connection(self) -> Connection:
        """The living connection; an empty one when there is none."""
        return self.connections.get(self.api_key, Connection("", "", ""))

    def settings(self) -> dict[str, Any]:
        """The partner's values, with the API at ``home``."""
        own = {"api_url": f"{self.home}/v3", "developer_key": self.developer_key}
        return {"crm_code": self.keys["crm_code"], "secret": self.keys["secret"], **own}

    def operator_fields(self) -> dict[str, str]:
        """A fresh `state`, for an operator who connects without a browser."""
        return {"state": self.state()}

    def disconnect(self) -> None:
        """The customer removes the integration: its key is wrong from now on, and no webhook comes any more."""
        self.connections.clear()

    def take_over(self, uri: str = "https://another-tool.example/hook") -> None:
        """Another tool sets its own webhook: "one address per integration", so ours gets nothing any more (2.5)."""
        self.connection.uri = uri

    # What the platform sends

    def state(self, **claims: Any) -> str:
        """A genuine `state`: a JWT, HS256 with the platform's own key, different each time."""
        who = {"crmCode": self.keys["crm_code"], "accountId": self.keys["account_id"]}
        payload = {"userId": 7, **who, "nonce": secrets.token_hex(8), **claims}
        return self.jwt({"alg": "HS256", "typ": "JWT"}, payload, str(self.keys["jwt_key"]))

    @staticmethod
    def jwt(header: Mapping[str, Any], payload: Mapping[str, Any], key: str) -> str:
        """A JWT with any content under any key."""
        signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))
        return f"{signed}.{base64url(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"

    def install(self, state: str = "") -> Outgoing:
        """The customer presses Connect, and the browser goes to the host."""
        return Outgoing("GET", f"/wazzup/install?state={state or self.state()}", {"Accept": "text/html"})

    def agree(self, session: requests.Session, page: requests.Response) -> requests.Response:
        """Submit the form of the consent ``page`` as its browser would; redirects are not followed."""
        form = Form()
        form.feed(page.text)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        headers = {"Origin": origin, "Referer": page.url, "Sec-Fetch-Site": "same-origin"}
        address = urljoin(page.url, form.action or page.url)
        return session.post(address, data=form.fields, headers=headers, allow_redirects=False, timeout=30)

    def message(
        self, message_id: str = "", text: str = "Is it in stock?", chat_id: str = "79001234567", author: str = ""
    ) -> Outgoing:
        """A customer's client writes; with an ``author`` an employee answers."""
        who = {"channelId": CHANNEL, "chatType": "whatsapp", "chatId": chat_id, "contact": {"name": "Oleg"}}
        what = {"dateTime": "2026-01-15T09:12:44.120Z", "type": "text", "isEcho": False, "status": "inbound"}
        if author:
            what |= {"isEcho": True, "status": "sent", "authorName": author}
        return self.callback({"messages": [{"messageId": message_id or uuid(), **who, **what, "text": text}]})

    def status(self, message_id: str = "", status: str = "read") -> Outgoing:
        """An outgoing message came a step further."""
        told = {"messageId": message_id or uuid(), "timestamp": "2026-01-15T09:12:44.300Z", "status": status}
        return self.callback({"statuses": [told]})

    def create_contact(self, chat_id: str = "79005550011", chat_type: str = "whatsapp", name: str = "") -> Outgoing:
        """Somebody new wrote, and the host is to make a contact."""
        chats = [{"chatType": chat_type, "chatId": chat_id}]
        asked = {"responsibleUserId": "u-7", "name": name or chat_id, "contactData": chats, "source": "auto"}
        return self.callback({"createContact": asked})

    def create_deal(self, contact: str = "c-102", source: str = "auto") -> Outgoing:
        """The host is to make a deal; ``contact`` is an id that it answered before."""
        return self.callback({"createDeal": {"responsibleUserId": "u-7", "contacts": [contact], "source": source}})

    def channel(self, state: str = "active", timestamp: str = "1768468364120") -> Outgoing:
        """A channel changed its state."""
        told = {"channelId": CHANNEL, "state": state, "timestamp": int(timestamp)}
        return self.callback({"channelsUpdates": [told]})

    def test(self) -> Outgoing:
        """The test of the address, as `PATCH /v3/webhooks` sends it: without a bearer."""
        return Outgoing("POST", self.hook_path(), CALLBACK, b'{"test":true}')

    def callback(self, body: Mapping[str, Any], bearer: str | None = None) -> Outgoing:
        """Any webhook call; with no crmKey held the header is absent."""
        key = self.connection.crm_key if bearer is None else bearer
        headers = {**CALLBACK, "Authorization": f"Bearer {key}"} if key else CALLBACK
        return Outgoing("POST", self.hook_path(), headers, json.dumps(body, ensure_ascii=False).encode())

    def hook_path(self) -> str:
        """The path of the address that the host gave for its webhook, with the query."""
        parts = urlsplit(self.connection.uri)
        return (parts.path or "/wazzup/webhook/none") + (f"?{parts.query}" if parts.query else "")

    # What the platform answers

    def answer(self, call: Call) -> Reply:
        """Play the API; a bent answer comes first."""
        route = f"{call.method} {call.path.rpartition('/v3/')[2]}"
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        with self.lock:
            connection = self.connections.get(key)
            admitted = connection is None or connection.admits(self.ticks())
        if (how := self.bend(route, call)) is not None:
            return self.bent(how)
        if not admitted:
            return Reply(429)
        try:
            body = json.loads(call.body or b"null")
        except ValueError:
            return failed(400, "VALIDATION_ERROR")
        if route == "POST connect":
            return self.connect(body if isinstance(body, dict) else {})
        if route in {"POST marketplace", "PATCH marketplace", "POST wauth"}:
            return self.partner(route, dict(body or {})) if same(key, self.developer_key) else Reply(401)
        return self.known(route, connection, body) if connection else Reply(401)

    def bend(self, route: str, call: Call) -> Any:
        """What a test asked for this one call; None for the genuine answer."""
        how = self.behaviour.get(route)
        if isinstance(how, list):
            with self.lock:
                how = how.pop(0) if how else None
        return how(call) if callable(how) else how

    def bent(self, how: Any) -> Reply:
        """The answer a test asked for."""
        if isinstance(how, Reply):
            return how
        if how == "hang":
            self.release.wait(30)
            return Reply(504)
        if how == "html":
            return Reply(200, b"<!doctype html><h1>Wazzup</h1>", "text/html")
        if isinstance(how, Mapping):
            return told(how)
        return failed(int(how), "UNKNOWN_ERROR")

    def partner(self, route: str, body: dict[str, Any]) -> Reply:
        """The routes of the developer's own key (fact sheet 1.2 to 1.4)."""
        if route == "POST wauth":
            if body.get("type") != self.keys["crm_code"]:
                return failed(400, "VALIDATION_ERROR")
            target = str(self.marketplace.get("authRedirectUri") or f"{self.host}/wazzup/install")
            return Reply(302, headers={"Location": f"{target}{'&' if '?' in target else '?'}state={self.state()}"})
        if route == "POST marketplace" and not same(str(body.get("secret", "")), str(self.keys["secret"])):
            return failed(400, "VALIDATION_ERROR")
        self.marketplace.update(body)
        return Reply(200)

    def connect(self, body: Mapping[str, Any]) -> Reply:
        """Redeem a `state` once: the secret, the signature, the code (1.7). A new connection replaces the former."""
        state, crm_key = str(body.get("state", "")), body.get("crmKey")
        if not same(str(body.get("secret", "")), str(self.keys["secret"])) or not crm_key or not body.get("name"):
            return failed(400, "VALIDATION_ERROR")
        with self.lock:
            account = self.account_of(state)
            if not account or state in self.used:
                return failed(400, "INVALID_STATE")
            self.used.add(state)
            for former in [key for key, held in self.connections.items() if held.account == account]:
                del self.connections[former]
            key = secrets.token_hex(16)
            self.connections[key] = Connection(account, str(crm_key), str(body["name"]))
        return told({"data": key})

    def account_of(self, state: str) -> str:
        """The account in a ``state`` that this platform signed for this partner; empty for any other."""
        signed, _, signature = state.rpartition(".")
        right = base64url(hmac.digest(str(self.keys["jwt_key"]).encode(), signed.encode(), "sha256"))
        if not same(signature, right):
            return ""
        payload = signed.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["accountId"]) if claims["crmCode"] == self.keys["crm_code"] else ""

    def known(self, route: str, connection: Connection, body: Any) -> Reply:
        """The routes of a customer's key."""
        match route:
            case "GET webhooks":
                return told({"webhooksUri": connection.uri, "subscriptions": connection.subscriptions})
            case "PATCH webhooks":
                return self.subscribe(connection, body if isinstance(body, dict) else {})
            case "POST users" | "POST contacts" | "POST deals" | "POST pipelines":
                with self.lock:
                    return push(connection, route.removeprefix("POST "), body)
            case "PATCH contacts/bulk_delete" | "PATCH deals/bulk_delete":
                with self.lock:
                    return take_back(connection, route.removeprefix("PATCH ").removesuffix("/bulk_delete"), body)
        return failed(404, "NOT_FOUND")

    def subscribe(self, connection: Connection, body: Mapping[str, Any]) -> Reply:
        """Take the webhook's address after a test that the host answers with 200 (2.5)."""
        uri = str(body.get("webhooksUri", ""))
        if len(uri) > LONGEST_URI or urlsplit(uri).scheme not in {"http", "https"}:
            return failed(400, "uriNotValid")
        try:
            tested = requests.post(uri, b'{"test":true}', headers=CALLBACK, allow_redirects=False, timeout=30)
        except requests.RequestException:
            return failed(400, "WEBHOOKS_REQUEST_ERROR")
        if tested.status_code != 200:
            return failed(400, "testPostNotPassed", {"status": str(tested.status_code)})
        connection.uri = uri
        connection.subscriptions = {flag: body.get("subscriptions", {}).get(flag) is True for flag in FLAGS}
        return Reply(200, b"{ ok }")


class Form(HTMLParser):
    """The first form of a page that is sent by POST: its ``action`` and its hidden ``fields``."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()
        self.inside = self.done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter the form, or note one of its fields."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.done and given.get("method", "").lower() == "post":
            self.inside, self.action = True, given.get("action", "")
        elif tag == "input" and self.inside and given.get("type") == "hidden" and given.get("name"):
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave the form; later ones do not count."""
        if tag == "form" and self.inside:
            self.inside, self.done = False, True


def push(connection: Connection, kind: str, items: Any) -> Reply:
    """Upsert by id, all or nothing: at most 100, and "two items with the same id in one batch = 500" (2)."""
    held = connection.pushed.setdefault(kind, {})
    if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("id") for item in items):
        return failed(400, "VALIDATION_ERROR")
    if len(items) > LARGEST_BATCH:
        return failed(400, "TOO_MANY_ENTITIES")
    fresh = {str(item["id"]): item for item in items}
    if len(fresh) < len(items):
        return failed(500, "INTERNAL_ERROR")
    wrong = [
        {"index": index, "fields": names} for index, item in enumerate(items) if (names := wrong_fields(kind, item))
    ]
    if wrong:
        return failed(400, f"INVALID_{kind.upper()}_DATA", wrong)
    held.update(fresh)
    connection.batches.append((kind, tuple(fresh)))
    return Reply(200)


def take_back(connection: Connection, kind: str, ids: Any) -> Reply:
    """Delete at most 100 by their ids; "answer = ids not found" (2.2)."""
    if not isinstance(ids, list) or not ids or not all(isinstance(id, str) for id in ids):
        return failed(400, "VALIDATION_ERROR")
    if len(ids) > LARGEST_BATCH:
        return failed(400, "TOO_MANY_ENTITIES")
    held = connection.pushed.setdefault(kind, {})
    missing = [id for id in ids if held.pop(id, None) is None]
    connection.deleted += [(kind, id) for id in ids]
    return Reply(200, json.dumps(missing).encode())


def wrong_fields(kind: str, item: Mapping[str, Any]) -> list[str]:
    """The fields that break a rule of 2.1 to 2.4. A responsible user or a contact that nobody knows is no mistake."""
    return [name for name, fits in RULES[kind].items() if not fits(item.get(name))]


def text_of(longest: int, required: bool = True) -> Callable[[Any], bool]:
    """Text of at most ``longest`` UTF-16 units; one that is not required may be absent, yet not empty."""

    def fits(value: Any) -> bool:
        if value is None:
            return not required
        return isinstance(value, str) and 0 < len(value.encode("utf-16-le", "surrogatepass")) <= 2 * longest

    return fits


def list_of(fits: Callable[[Any], bool], most: int) -> Callable[[Any], bool]:
    """A list of 1 to ``most``."""
    return lambda value: isinstance(value, list) and 0 < len(value) <= most and all(map(fits, value))


def is_chat(value: Any) -> bool:
    """A chat: whatsapp and viber are named by "digits only, country code, no +" (2.2)."""
    if not isinstance(value, dict) or value.get("chatType") not in CHAT_TYPES or not text_of(200)(value.get("chatId")):
        return False
    digits = value["chatId"]
    return value["chatType"] not in {"whatsapp", "viber"} or (
        digits.isascii() and digits.isdigit() and digits[0] != "0"
    )


def is_stage(value: Any) -> bool:
    """A stage of a pipeline."""
    return isinstance(value, dict) and text_of(100)(value.get("id")) and text_of(100)(value.get("name"))


# Where the documents disagree, the stricter number.
RULES: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "users": {"id": text_of(64), "name": text_of(150)},
    "contacts": {
        "id": text_of(64),
        "responsibleUserId": text_of(100),
        "name": text_of(200),
        "contactData": list_of(is_chat, 100),
        "uri": text_of(LONGEST_URI, required=False),
    },
    "deals": {
        "id": text_of(64),
        "responsibleUserId": text_of(100),
        "name": text_of(200),
        "uri": text_of(LONGEST_URI),
        "contacts": list_of(text_of(64), 10),
        "closed": lambda value: isinstance(value, bool),
    },
    "pipelines": {
        "id": text_of(100),
        "name": text_of(100),
        "stages": lambda value: value is None or list_of(is_stage, 100)(value),
    },
}


def told(value: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(value).encode())


def failed(status: int, code: str, data: object = None) -> Reply:
    """An error in the common shape (5.5)."""
    return told({"error": code, "description": "Something is wrong.", **({"data": data} if data else {})}, status)


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal."""
    return hmac.compare_digest(one.encode(), other.encode())


def base64url(data: bytes) -> str:
    """Without padding, as a JWT wants it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def uuid() -> str:
    """A fresh id in the platform's form."""
    digits = secrets.token_hex(16)
    return "-".join((digits[:8], digits[8:12], "4" + digits[13:16], "a" + digits[17:20], digits[20:]))
