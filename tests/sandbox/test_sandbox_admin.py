"""The played admin as a page and as a site of its own: who may use it, who may frame what, and who may not play."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
from demo import Demo
from stage import Stage

from app.sandbox import verdict, wire
from app.sdk.manifest import Action, Manifest, RefusalShape
from app.sdk.promises import Proof, Weakness
from app.sdk.simulation import Outgoing, Scenario

NAMES = ("bigcommerce", "orlo", "retailcrm", "shoptet", "upgates", "wazzup")
SENT = Outgoing("GET", "/x/open?id=1&sig=ab", {"Accept": "text/html"})


@pytest.mark.parametrize("name", NAMES)
def test_an_admin_has_the_places_that_scripts_hold_on_to(demo: Demo, name: str) -> None:
    page = demo.ask(name)
    for id in ("verdict", "wire", "now", "news", "path", "tells", "own", "frame"):
        assert f'id="{id}"' in page.text
    assert 'frame.id = "page"' in demo.ask(name, "/_admin.js").text
    buttons = re.findall(r'data-action="(\w+)" data-scenario="(\w+)"', page.text)
    assert len(buttons) == len(set(buttons))
    assert {scenario for _, scenario in buttons} >= {"genuine", "duplicate", "forged"}
    assert re.findall(r'data-step="(\w+)"', page.text)


def test_an_admin_is_on_its_own_origin_alone(demo: Demo) -> None:
    origin = demo.origin("upgates")
    bare = requests.get(f"http://127.0.0.1:{origin.rpartition(':')[2]}/", allow_redirects=False, timeout=10)
    assert (bare.status_code, bare.headers["Location"]) == (302, origin + "/")
    assert demo.ask("upgates", headers={"Host": "evil.example"}).status_code == 403


def test_a_link_leads_to_an_admin_and_another_site_reads_nothing_of_it(demo: Demo) -> None:
    linked = {"Sec-Fetch-Site": "cross-site"}
    assert demo.ask("upgates", headers=linked).status_code == 200
    assert demo.ask("upgates", "/_now", headers=linked).status_code == 403


def test_an_admin_loads_its_own_files_and_frames_the_host(demo: Demo) -> None:
    policy = demo.ask("upgates").headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert f"frame-src {demo.url};" in policy
    assert policy.endswith("frame-ancestors 'none'")
    page = demo.ask("upgates").text
    assert not re.search(r"<script(?! src=)|\son\w+=", page)
    elsewhere = set(re.findall(r'(?:src|href)="(?!/|data:|about:)([^"]+)"', page))
    assert elsewhere == {f"{demo.url}/sandbox/", *(f"{demo.origin(name)}/" for name in (*NAMES, "souk_stall"))}


@pytest.mark.parametrize("name", NAMES)
def test_only_its_own_admin_frames_a_connectors_pages(demo: Demo, name: str) -> None:
    shell = requests.get(f"{demo.url}/account/closed/{name}", timeout=10)
    assert shell.headers["Content-Security-Policy"].endswith(f"frame-ancestors {demo.origin(name)}")


PLAYING: list[tuple[dict[str, Any], int]] = [
    ({"json": {}, "headers": {"Origin": "http://evil.example"}}, 403),
    ({"json": {}, "headers": {"Origin": "null"}}, 403),
    ({"json": {}, "headers": {"Host": "evil.example"}}, 403),
    ({"json": {}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
    ({"json": {}, "headers": {"Sec-Fetch-Site": "same-site"}}, 403),
    ({"data": "{}", "headers": {"Content-Type": "text/plain"}}, 405),
    ({"data": {"scenario": "genuine"}}, 405),
    ({"json": {}, "method": "GET"}, 405),
    ({"json": {"scenario": "upside-down"}}, 400),
    ({"data": "[]", "headers": {"Content-Type": "application/json"}}, 400),
    ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
    ({"json": {"changes": {"no_such": "1"}}}, 400),
]


@pytest.mark.parametrize(("given", "status"), PLAYING, ids=str)
def test_another_site_cannot_play_nor_can_nonsense(demo: Demo, given: dict[str, Any], status: int) -> None:
    with demo.untouched("retailcrm"):
        refused = demo.ask("retailcrm", "/_play/install", **{"method": "POST", **given})
    assert refused.status_code == status
    assert "problem" in refused.json()
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_a_preflight_is_never_granted(demo: Demo) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = demo.ask("upgates", "/_play/install", "OPTIONS", headers=asked)
    assert not answer.ok
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_its_own_page_can_play(demo: Demo) -> None:
    own = {"Origin": demo.origin("retailcrm"), "Sec-Fetch-Site": "same-origin"}
    assert demo.ask("retailcrm", "/_play/config", "POST", json={}, headers=own).status_code == 200


def test_what_was_not_played_is_told(demo: Demo) -> None:
    refused = demo.ask("upgates", "/_play/dance", "POST", json={})
    assert refused.status_code == 404
    assert refused.json()["problem"].startswith("Upgates plays install, open")


def test_the_reason_of_a_refusal_is_told_in_demo_mode_alone(demo: Demo, stage: Stage) -> None:
    body = {"json": {"token": "t", "time": "", "signature_v2": ""}, "timeout": 10}
    for url, expected in ((demo.url, True), (stage.url, False)):
        refused = requests.post(f"{url}/upgates/open", **body)  # type: ignore[arg-type]
        assert not refused.ok
        assert (wire.REFUSED in refused.headers) is expected


def test_a_name_with_an_underscore_becomes_one_that_a_policy_can_hold(demo: Demo) -> None:
    assert demo.origin("souk_stall").startswith("http://souk-stall.localhost:")


# What is read of an exchange


def exchange(sent: Outgoing, action: Action | None = None, status: int = 200, body: str = "", **headers: str) -> Any:
    answer = requests.Response()
    answer.status_code, answer._content = status, body.encode()
    answer.headers.update(headers)
    return wire.to_exchange(sent, answer, action, forged=True)


def to_action(*signed: str, carrier: str = "sig", scheme: str = "hmac-sha256") -> Action:
    return Action("open", ("GET",), "open", RefusalShape(), proof=Proof(scheme, (carrier,), signed))


def marks(sent: Outgoing, action: Action | None) -> dict[str, str]:
    return {f"{field.place} {field.name}": field.mark for field in exchange(sent, action).fields}


@pytest.mark.parametrize(
    ("sent", "action", "expected"),
    [
        (SENT, to_action("query"), {"query id": "signed", "query sig": "proof", "header Accept": ""}),
        (SENT, to_action("shop"), {"query id": "unsigned", "query sig": "proof", "header Accept": ""}),
        (SENT, None, {"query id": "", "query sig": "", "header Accept": ""}),
        (
            Outgoing("POST", "/x/open", {"X-Sig": "ab"}, b'{"shop": "a", "of": {"b": 1}}'),
            to_action("body", carrier="header.x-sig"),
            {"header X-Sig": "proof", "body shop": "signed", "body of": "signed"},
        ),
        (
            Outgoing("POST", "/x/open", {}, b"told=%7B%22key%22%3A%22a%22%2C%22url%22%3A%22b%22%7D&more=1"),
            to_action("told.key", carrier="told.url"),
            {"told key": "signed", "told url": "proof", "body more": "unsigned"},
        ),
        (
            Outgoing("POST", "/x/open/k1", {}, b"plain"),
            to_action(carrier="path.key"),
            {"path key": "proof", "body ": "unsigned"},
        ),
    ],
)
def test_each_field_says_what_proves_it(sent: Outgoing, action: Action | None, expected: dict[str, str]) -> None:
    assert marks(sent, action) == expected


def test_the_changed_field_is_named() -> None:
    changed = [field.name for field in exchange(SENT, to_action("query")).fields if field.changed]
    assert changed == ["id"]


# What is made of it: a host that takes what it must refuse is seen


MANIFEST = Manifest("x", "X", {"open": to_action("query")})
WEAK = Manifest("x", "X", {}, weaknesses=(Weakness("single_use", "Every opening sends the same secret.", ("open",)),))


@pytest.mark.parametrize("scenario", [Scenario.LATE, Scenario.FORGED])
@pytest.mark.parametrize("changes", [[[]], [["A new installation."]]])
def test_a_host_that_takes_a_forged_request_is_not_called_good(scenario: Scenario, changes: list[list[str]]) -> None:
    judged = verdict.judge(MANIFEST, scenario, [exchange(SENT, to_action("query"))], changes)
    assert (judged.word, judged.good) == ("accepted", False)


def test_a_second_effect_is_good_only_where_it_is_declared() -> None:
    twice = [exchange(SENT, to_action("query"))] * 2
    changes = [["A ticket was made."], ["A ticket was made."]]
    assert not verdict.judge(MANIFEST, Scenario.DUPLICATE, twice, changes).good
    declared = verdict.judge(WEAK, Scenario.DUPLICATE, twice, changes)
    assert (declared.good, declared.said) == (True, "Every opening sends the same secret.")


def test_a_state_that_only_the_platform_can_check_may_show_a_page_and_nothing_more() -> None:
    sent = [exchange(SENT, to_action(carrier="id", scheme="redeemed"))]
    assert verdict.judge(MANIFEST, Scenario.FORGED, sent, [[]]).good
    assert not verdict.judge(MANIFEST, Scenario.FORGED, sent, [["A new installation."]]).good


def test_a_genuine_request_that_is_refused_is_not_good() -> None:
    refused = exchange(SENT, to_action("query"), 403, **{wire.REFUSED: "unverified wrong_signature"})
    judged = verdict.judge(MANIFEST, Scenario.GENUINE, [refused], [[]])
    assert (judged.word, judged.good) == ("refused", False)
    assert judged.said.endswith("(unverified: wrong_signature).")


@pytest.mark.parametrize("kind", ["malformed", "unverified", "expired", "replayed", "unknown", "busy", "later"])
def test_every_refusal_is_told_in_words(kind: str) -> None:
    said = verdict.reason(wire.Refusal(kind, "why"))
    assert said.casefold() == f"{verdict.WHY[kind]} ({kind}: why).".casefold()


def test_a_marketplace_survives_what_nobody_asked_for(demo: Demo) -> None:
    assert demo.ask("upgates", "/_now?after=x").status_code == 200
    assert demo.ask("upgates", "/nowhere").status_code in (401, 404)
    assert json.loads(demo.ask("upgates", "/_now").text).keys() == {"news", "html", "served"}
