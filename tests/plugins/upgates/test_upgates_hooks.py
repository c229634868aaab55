"""What the hooks return, where the shop's API may live, and the simulator's side of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from app.sdk import Answer, Health, Malformed, Response, UpstreamFailed, Verified
from app.sdk.simulation import Call, Reply, serving
from plugins import upgates
from plugins.upgates import webhooks
from plugins.upgates.simulator import Simulator, basic

HOST = "https://demo-shop.admin.s1.upgates.com"
AT = datetime(2030, 1, 1, 11, tzinfo=UTC)
OPERATORS = "127.0.0.1:9010"


def verified(action: str, fields: Mapping[str, Any]) -> Verified:
    return Verified("upgates", action, AT, "shop-1", fields, "sk")


def access(url: str) -> dict[str, Any]:
    return {"apiUser": "u", "apiKey": "k", "apiUrl": url, "version": "3", "issued_at": AT}


def test_install_stores_the_access_and_calls_nobody(outbound: Any) -> None:
    calls = outbound()
    made = upgates.install(verified("install", access(HOST)), calls)
    assert (made.tenant, made.title, made.language) == ("shop-1", "demo-shop.admin.s1.upgates.com", "sk")
    assert made.address == f"{HOST}/api/v2"
    assert made.credentials == {"api_user": "u", "api_key": "k"}
    assert (made.facts, made.proven, made.issued_at) == ({"version": "3"}, False, AT)
    assert isinstance(made.reply, Answer)
    assert json.loads(made.reply.body) == {"error": False}
    assert calls.asked == []


@pytest.mark.parametrize(
    "url",
    [
        *(HOST + rest for rest in ("", "/", "/api/v2", "/api/v2/", ":443/api/v2")),
        "https://DEMO-shop.Admin.S1.upgates.com/api/v2",
    ],
)
def test_an_address_of_upgates(outbound: Any, url: str) -> None:
    assert upgates.install(verified("install", access(url)), outbound()).address == f"{HOST}/api/v2"


def test_an_address_without_a_server(outbound: Any) -> None:
    made = upgates.install(verified("install", access("https://shop.admin.upgates.com")), outbound())
    assert made.address == "https://shop.admin.upgates.com/api/v2"


@pytest.mark.parametrize(
    "url",
    [
        "http://demo-shop.admin.s1.upgates.com/api/v2",
        "https://evil.example/api/v2",
        "https://upgates.com/api/v2",
        "https://admin.upgates.com/api/v2",
        "https://demo-shop.upgates.com/api/v2",
        "https://a.b.admin.s1.upgates.com/api/v2",
        "https://demo-shop.admin.s1.s2.upgates.com/api/v2",
        "https://demo-shop.admin.s1.upgates.com.evil.example/api/v2",
        "https://demo-shop.admin.s1xupgates.com/api/v2",
        "https://-demo.admin.s1.upgates.com/api/v2",
        "https://demo-shop.admin.s1.upgates.com./api/v2",
        "https://demo-shop.admin.s1.upgates.com:8443/api/v2",
        "https://user:pass@demo-shop.admin.s1.upgates.com/api/v2",
        "https://evil.example\\@demo-shop.admin.s1.upgates.com/api/v2",
        "https://demo-shop.admin.s1.upgates.com/api/v2?a=b",
        "https://demo-shop.admin.s1.upgates.com/api/v2#a",
        "https://demo-shop.admin.s1.upgates.com/api/v2/../v1",
        "https://demo-shop.admin.s1.upgates.com/api/v2//",
        "https://demo-shop.admin.s1.upgates.com/API/V2",
        "https://d\u0435mo.admin.s1.upgates.com/api/v2",
        " https://demo-shop.admin.s1.upgates.com/api/v2",
        "https://demo-shop.admin.s1.upgates.com/api/v2\n",
        f"http://{OPERATORS}/api/v2",
    ],
)
def test_an_address_elsewhere_is_refused(outbound: Any, url: str) -> None:
    with pytest.raises(Malformed, match="bad_apiUrl"):
        upgates.install(verified("install", access(url)), outbound())


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"http://{OPERATORS}", f"http://{OPERATORS}/api/v2"),
        (f"http://{OPERATORS}/", f"http://{OPERATORS}/api/v2"),
        (f"http://{OPERATORS}/sandbox/upgates/api/v2/", f"http://{OPERATORS}/sandbox/upgates/api/v2"),
        (f"https://{OPERATORS}/x", f"https://{OPERATORS}/x"),
    ],
)
def test_an_address_that_the_operator_allowed(outbound: Any, url: str, address: str) -> None:
    assert upgates.install(verified("install", access(url)), outbound(exempt=OPERATORS)).address == address


@pytest.mark.parametrize("rest", ["/a?b", "/a#b", "/a//b", "/a b", "\\@evil.example", "/a\n"])
def test_an_allowed_address_is_plain(outbound: Any, rest: str) -> None:
    with pytest.raises(Malformed, match="bad_apiUrl"):
        upgates.install(verified("install", access(f"http://{OPERATORS}{rest}")), outbound(exempt=OPERATORS))


def test_open_is_an_iframe() -> None:
    answer = upgates.open("https://addon.example/o#t=1")
    assert json.loads(answer.body) == {"url": "https://addon.example/o#t=1", "type": "iframe"}


def test_uninstall_is_answered_for_anybody() -> None:
    assert json.loads(upgates.uninstall().body) == {"error": False}


@pytest.mark.parametrize(("version", "facts"), [("4", {"version": "4"}), ("", {})])
def test_version_is_kept(version: str, facts: dict[str, str]) -> None:
    outcome = upgates.webhook(verified("version", {"version": version}))
    assert (outcome.facts, outcome.events, json.loads(outcome.reply.body)) == (facts, (), {"error": False})


def hinted(body: object) -> list[Any]:
    """The bodies of the events that a webhook with this body leads to."""
    outcome = upgates.webhook(verified("webhook", {"hints": webhooks.read_hint(json.dumps(body).encode())}))
    assert json.loads(outcome.reply.body) == {"error": False}
    assert {event.kind for event in outcome.events} == {"hint"}
    return [event.body for event in outcome.events]


def test_of_what_changed_nothing_but_that_is_kept() -> None:
    """The list of changes is read anyway; so of many such hints one is enough."""
    first = {"project_name": "a", "customers": [{"customer_id": 1, "email": "a@b.example"}, {"customer_id": 2}]}
    assert hinted(first) == [{}]
    keys = {event.key for body in (first, {"orders": []}) for event in webhooks.read_hint(json.dumps(body).encode())}
    assert len(keys) == 1


def test_what_is_deleted_is_named_a_hundred_at_once() -> None:
    gone = [{"customer_id": id, "email": "a@b.example", "deletion_time": "2026-03-01"} for id in range(1, 251)]
    bodies = hinted({"customers": gone})
    assert [len(body["people"]) for body in bodies] == [100, 100, 50]
    assert bodies[2]["people"][-1] == "250"
    assert hinted({"orders": [{"order_number": "O1", "deletion_time": "x"}]}) == [{"orders": ["O1"]}]


@pytest.mark.parametrize(
    "item",
    [
        {"order_number": "O1;O2", "deletion_time": "x"},
        {"order_number": "O" * 101, "deletion_time": "x"},
        {"order_number": None, "deletion_time": "x"},
        "O1",
    ],
    ids=["two-in-one", "too-long", "none", "no-object"],
)
def test_a_name_that_is_none_is_not_asked_for(item: object) -> None:
    assert hinted({"orders": [item]}) == [{}]


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (Response(200, b'{"services": []}'), Health.ALIVE),
        (Response(401), Health.DEAD),
        (Response(301, b'{"api_url": "https://x.admin.s2.upgates.com/api/v2"}'), Health.UNSURE),
        (Response(403), Health.UNSURE),
        (Response(429), Health.UNSURE),
        (Response(500), Health.UNSURE),
        (UpstreamFailed("timeout"), Health.UNSURE),
    ],
    ids=["200", "401", "301", "403", "429", "500", "no-answer"],
)
def test_probe(outbound: Any, installation: Any, answer: Response | Exception, health: Health) -> None:
    calls = outbound(answer)
    assert upgates.probe(installation(api_user="u", api_key="k"), calls) is health
    assert calls.asked == [("GET", f"{HOST}/api/v2/status", ("u", "k"))]


@pytest.mark.parametrize(
    "given", [{}, {"api_user": "u"}, {"api_key": "k"}, {"api_user": "u", "api_key": "k", "address": ""}]
)
def test_probe_never_tries_without_credentials(outbound: Any, installation: Any, given: dict[str, str]) -> None:
    assert upgates.probe(installation(**given), outbound()) is Health.UNSURE


def status(base: str, user: str, key: str) -> int:
    return requests.get(f"{base}/api/v2/status", auth=(user, key), timeout=5).status_code


def test_the_simulator_takes_access_away_with_the_uninstall(keys: dict[str, Any]) -> None:
    told: list[Call] = []

    def host(call: Call) -> Reply:
        told.append(call)
        return Reply(200, b'{"error": false}')

    with serving(host) as address:
        shop = Simulator(address, keys)
        with serving(shop.received) as base:
            assert status(base, keys["api_user"], keys["api_key"]) == 200
            assert status(base, keys["api_user"], "wrong") == 401
            shop.play("uninstall")
            assert status(base, keys["api_user"], keys["api_key"]) == 401
            shop.play("install", api_key="another-key")
            assert status(base, keys["api_user"], "another-key") == 200
            shop.behaviour["status"] = 403
            assert status(base, keys["api_user"], "another-key") == 403
    assert [call.path for call in told] == ["/upgates/uninstall", "/upgates/install"]


def test_the_simulator_pages_its_customers(shop: Simulator) -> None:
    shop.size = 150
    headers = {"authorization": basic(shop.keys["api_user"], shop.keys["api_key"])}
    pages = [json.loads(shop.answer(Call("GET", "/api/v2/customers", f"page={n}", headers)).body) for n in (1, 2)]
    assert [(p["current_page"], p["current_page_items"], p["number_of_pages"]) for p in pages] == [
        (1, 100, 2),
        (2, 50, 2),
    ]
    assert len({customer["customer_id"] for p in pages for customer in p["customers"]}) == 150


@pytest.mark.parametrize("name", ["owner", "orders"])
def test_the_simulator_has_an_owner_and_orders(shop: Simulator, name: str) -> None:
    headers = {"authorization": basic(shop.keys["api_user"], shop.keys["api_key"])}
    assert json.loads(shop.answer(Call("GET", f"/api/v2/{name}", "", headers)).body)[name]
    assert shop.answer(Call("GET", f"/api/v2/{name}")).status == 401


def test_the_simulator_shows_its_public_key(shop: Simulator) -> None:
    assert shop.answer(Call("GET", "/key")).body.decode() == shop.keys["public_key"]
