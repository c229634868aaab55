"""Upgates in a box: signs the add-on's four calls with a key pair of its own and answers as a shop's API v2 would."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.sdk import simulation
from app.sdk.simulation import Call, Outgoing, Reply

PAGE_SIZE = 100
FIRST_NAMES = ("Žofie", "Jiří", "Anežka", "Matěj", "Ľubica", "Štefan", "Eliška", "Ondřej", "Zuzana", "Tomáš")
SURNAMES = ("Nováková", "Dvořák", "Šťastná", "Kučera", "Horváth", "Říhová", "Černý", "Benešová", "Žák", "Procházka")
TOWNS = ("Brno", "Plzeň", "Žilina", "Olomouc", "Košice")
COMPANIES = ("", "", "Pekárna U Mlýna s.r.o.", "", "Kola Šumava a.s.")


class Simulator(simulation.Simulator):
    """One Upgates shop.

    ``behaviour`` makes the API misbehave: per resource (``status``, ``owner``, ``customers``, ``orders``, ``key``, or
    ``*`` for all) a status number, a `Reply` to give instead, ``"hang"`` (nothing for ``hang_seconds``) or a function
    of the `Call`. ``{"keeps_access": True}`` lets the credentials live on after an uninstall.
    """

    connector = "upgates"
    actions = ("install", "open", "uninstall", "version")

    def __init__(self, host: str, keys: Mapping[str, Any], home: str = "") -> None:
        super().__init__(host, keys, home)
        self.behaviour: dict[str, Any] = {}
        self.size = 40
        self.access: tuple[str, str] | None = (keys["api_user"], keys["api_key"])

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
        if action == "install":
            self.access = (changes.get("api_user", self.keys["api_user"]), changes.get("api_key", self.keys["api_key"]))
        elif action == "uninstall":
            self.access = None
        return super().play(action, **changes)

    def install(self, **changes: str) -> Outgoing:
        """The activation call; `open`'s arguments and ``api_user``, ``api_key``, ``api_url``."""
        fields = {
            **self._shop(changes),
            "apiUser": changes.get("api_user", self.keys["api_user"]),
            "apiKey": changes.get("api_key", self.keys["api_key"]),
            "apiUrl": changes.get("api_url", f"{self.home}/api/v2"),
            "current_admin_language": changes.get("language", "cs"),
        }
        return self._signed("install", fields, ("token", "apiUser", "apiKey", "apiUrl", "time"))

    def open(self, **changes: str) -> Outgoing:
        """The opening call; ``token``, ``time``, ``version``, ``language``."""
        fields = {**self._shop(changes), "current_admin_language": changes.get("language", "cs")}
        return self._signed("open", fields, ("token", "time"))

    def uninstall(self, **changes: str) -> Outgoing:
        """The deactivation call; ``token``, ``time``, ``version``."""
        return self._signed("uninstall", self._shop(changes), ("token", "time"))

    def version(self, **changes: str) -> Outgoing:
        """The call about a new version; ``signs="version"`` plays the platform that signs the number, too."""
        fields = self._shop({"version": "2", **changes})
        signs_version = changes.get("signs") == "version"
        return self._signed("version", fields, ("token", "version", "time") if signs_version else ("token", "time"))

    def answer(self, call: Call) -> Reply:
        name = call.path.rstrip("/").rpartition("/")[2]
        wrong = self.behaviour.get(name, self.behaviour.get("*"))
        if wrong is not None:
            return self._misbehave(wrong, call)
        if name == "key":
            return Reply(200, self.keys["public_key"].encode(), "application/x-pem-file")
        resources: dict[str, Callable[[Call], Any]] = {
            "status": self._status,
            "owner": self._owner,
            "customers": lambda call: page("customers", customers(self.size), call),
            "orders": lambda call: page("orders", orders(self.size), call),
        }
        if not self._allowed(call):
            return reply({"message": "Unauthorized"}, 401)
        if name not in resources or not call.path.endswith(f"/api/v2/{name}"):
            return reply({"message": "Not found"}, 404)
        return reply(resources[name](call)) if call.method == "GET" else reply({"message": "Not allowed"}, 405)

    def _shop(self, changes: Mapping[str, str]) -> dict[str, Any]:
        version = changes.get("version", "1")
        return {
            "token": changes.get("token", self.keys["token"]),
            "version": int(version) if version.isdecimal() else version,
            "time": changes.get("time") or in_five_minutes(),
        }

    def _signed(self, action: str, fields: Mapping[str, Any], order: Sequence[str]) -> Outgoing:
        text = ";".join([*(str(fields[name]) for name in order), self.keys["signature_token"]])
        signature = self._private_key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        body = php_json({**fields, "signature_v2": base64.b64encode(signature).decode()})
        return Outgoing("POST", f"/upgates/{action}", {"Content-Type": "application/json"}, body)

    @cached_property
    def _private_key(self) -> rsa.RSAPrivateKey:
        key = serialization.load_pem_private_key(self.keys["private_key"].encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("this simulator signs with RSA")
        return key

    def _allowed(self, call: Call) -> bool:
        access = self.access
        if access is None and self.behaviour.get("keeps_access"):
            access = (self.keys["api_user"], self.keys["api_key"])
        return access is not None and call.headers.get("authorization") == basic(*access)

    def _misbehave(self, wrong: Any, call: Call) -> Reply:
        if wrong == "hang":
            time.sleep(self.behaviour.get("hang_seconds", 30))
            return reply({"message": "Late"}, 504)
        if isinstance(wrong, Reply):
            return wrong
        made = wrong(call) if callable(wrong) else reply({"message": "Error"}, wrong)
        return made if isinstance(made, Reply) else reply(made)

    def _status(self, call: Call) -> Mapping[str, Any]:
        services = [{"service": s, "url": f"/{s}", "privilege": "readonly"} for s in ("customers", "orders", "owner")]
        return {"services": services, "documentation_link": "https://upgatesapiv2.docs.apiary.io"}

    def _owner(self, call: Call) -> Mapping[str, Any]:
        return {"owner": [{"company": "Ukázkový obchod s.r.o.", "city": "Brno", "country_id": "CZ"}]}


def in_five_minutes() -> str:
    """ISO 8601 with Prague's offset, as ``DateTime::format('c')`` writes it."""
    return (datetime.now(ZoneInfo("Europe/Prague")) + timedelta(minutes=5)).isoformat(timespec="seconds")


def php_json(value: object) -> bytes:
    """What PHP's ``json_encode`` writes: no spaces, ``/`` as ``\\/``, all else outside ASCII as ``\\uXXXX``."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def reply(value: object, status: int = 200) -> Reply:
    """A JSON answer of the API."""
    return Reply(status, php_json(value))


def basic(user: str, key: str) -> str:
    """The value of the ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def page(name: str, items: Sequence[Mapping[str, Any]], call: Call) -> dict[str, Any]:
    """One page of 100, filtered by ``last_update_time_from``."""
    query = {key: values[-1] for key, values in parse_qs(call.query).items()}
    if since := query.get("last_update_time_from"):
        start = datetime.fromisoformat(since)
        items = [item for item in items if datetime.fromisoformat(item["last_update_time"]) >= start]
    number = int(query.get("page", "1"))
    shown = items[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    return {
        "current_page": number,
        "current_page_items": len(shown),
        "number_of_pages": -(-len(items) // PAGE_SIZE),
        "number_of_items": len(items),
        name: shown,
    }


def customers(size: int) -> list[dict[str, Any]]:
    """``size`` people, the same ones each time."""
    return [customer(number) for number in range(1, size + 1)]


def customer(number: int) -> dict[str, Any]:
    """One customer as ``GET /customers`` lists it: the e-mail sits in ``login``."""
    company = COMPANIES[number % len(COMPANIES)]
    moment = datetime(2026, 1, 1, 9, tzinfo=ZoneInfo("Europe/Prague")) + timedelta(hours=number)
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
        "creation_time": (moment - timedelta(days=30)).isoformat(),
        "last_update_time": moment.isoformat(),
        "admin_url": f"https://demo-shop.admin.s1.upgates.com/customers/edit/{1000 + number}",
    }


def orders(size: int) -> list[dict[str, Any]]:
    """Three orders for every two people."""
    return [order(number, customer(number * 2 // 3 % size + 1)) for number in range(1, size * 3 // 2 + 1)]


def order(number: int, buyer: Mapping[str, Any]) -> dict[str, Any]:
    """One order as ``GET /orders`` lists it."""
    moment = datetime(2026, 2, 1, 12, tzinfo=ZoneInfo("Europe/Prague")) + timedelta(hours=5 * number)
    name = f"O{2600000 + number}"
    return {
        "order_number": name,
        "order_id": number,
        "uuid": hashlib.sha256(name.encode()).hexdigest()[:32],
        "currency_id": "CZK",
        "status_id": number % 3 + 1,
        "status": ("Přijatá", "Odeslaná", "Vyřízená")[number % 3],
        "order_total": round(199 + number * 87.5, 2),
        "creation_time": moment.isoformat(),
        "last_update_time": (moment + timedelta(hours=2)).isoformat(),
        "admin_url": f"https://demo-shop.admin.s1.upgates.com/orders/edit-order/default/{number}",
        "customer": {"customer_id": buyer["customer_id"], "email": buyer["login"]["email"]},
    }
