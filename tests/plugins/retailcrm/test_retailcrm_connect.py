"""Connecting an account: who it is, its rights, and the module's registration."""

from __future__ import annotations

import json
from typing import Any

import pytest

import plugins.retailcrm as connector
from app.sdk import ConditionUnmet, Refused, Unverified, UpstreamFailed
from app.sdk.simulation import Reply
from plugins.retailcrm import api

HOME = "https://demo.simla.com"
TECHNICAL = "https://abc123.retailcrm.io"
BOX = "https://crm.holodilnik.ru"


def connect(world: Any, url: str) -> Any:
    return world.install(system_url=url)


def test_what_is_stored(world: Any) -> None:
    world.account.behaviour["system_info"] = {"success": True, "technicalUrl": TECHNICAL + "/", "publicUrl": HOME}
    made = world.install()
    assert (made.tenant, made.title, made.address) == (TECHNICAL, "demo.simla.com", HOME)
    assert made.credentials == {"api_key": world.account.keys["api_key"]}
    assert (made.facts, made.proven) == ({"public_url": HOME}, True)
    assert json.loads(made.reply.body) == {
        "success": True,
        "accountUrl": "https://addon.example.com/retailcrm/open",
    }


def test_the_module_as_the_account_sees_it(world: Any) -> None:
    world.configure(name="Acme", logo_url="https://addon.example.com/a.svg", country_codes=["ES", "RU"])
    world.install()
    assert world.account.module == {
        "code": "acme-people",
        "integrationCode": "acme-people",
        "active": True,
        "name": "Acme",
        "logo": "https://addon.example.com/a.svg",
        "clientId": world.links.token("client_id"),
        "baseUrl": "https://addon.example.com/retailcrm",
        "accountUrl": "https://addon.example.com/retailcrm/open",
        "actions": {"activity": "/activity"},
        "availableCountries": ["ES", "RU"],
    }


def test_the_key_is_shown_only_after_the_account_was_asked_who_it_is(world: Any) -> None:
    world.install()
    first, *rest = [said for _, said in world.outbound.sent]
    key = world.account.keys["api_key"]
    assert "/api/system-info" in first
    assert key not in first
    assert [key in said for said in rest] == [True, True]
    assert world.outbound.keys_elsewhere([HOME]) == 0


def test_a_technical_and_a_public_address_are_one_account(world: Any) -> None:
    world.account.behaviour["system_info"] = {"technicalUrl": TECHNICAL, "publicUrl": HOME}
    world.outbound.accounts[TECHNICAL] = world.account
    assert world.install().tenant == connect(world, TECHNICAL).tenant == TECHNICAL


NAMELESS: dict[str, Any] = {
    "not found": 404,
    "no name": {"success": True, "systemVersion": "8.1"},
    "an empty name": {"technicalUrl": ""},
    "a number": {"technicalUrl": 7},
    "a name with a bad port": {"technicalUrl": "https://a.retailcrm.io:x"},
    "a stranger's name": {"technicalUrl": "https://evil.example", "publicUrl": "javascript:alert(1)"},
    "a name in an error": Reply(404, json.dumps({"technicalUrl": TECHNICAL}).encode()),
}
NO_ACCOUNT: dict[str, Any] = {
    "a page": "html",
    "a page for a wrong account": Reply(405, b"<html>", "text/html"),
    "a list": Reply(200, b"[]"),
    "an error": Reply(403, json.dumps({"technicalUrl": TECHNICAL}).encode()),
    "a redirect": Reply(302, headers={"Location": TECHNICAL}),
}


@pytest.mark.parametrize("told", NAMELESS.values(), ids=NAMELESS.keys())
def test_an_account_that_does_not_name_itself_is_named_by_its_address(world: Any, told: Any) -> None:
    world.account.behaviour["system_info"] = told
    made = world.install()
    assert (made.tenant, made.title, made.facts) == (HOME, "demo.simla.com", {"public_url": HOME})


@pytest.mark.parametrize("told", NO_ACCOUNT.values(), ids=NO_ACCOUNT.keys())
def test_what_is_no_account_never_sees_the_key(world: Any, told: Any) -> None:
    world.account.behaviour["system_info"] = told
    with pytest.raises(ConditionUnmet):
        world.install()
    assert [call for call in world.account.calls if "x-api-key" in call.headers] == []


@pytest.mark.parametrize("call", ["system_info", "credentials", "edit"])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_account_out_of_order_stops_the_connection(world: Any, call: str, status: int) -> None:
    world.account.behaviour[call] = status
    with pytest.raises(UpstreamFailed):
        world.install()
    assert world.installations.one is None


def test_an_account_that_does_not_answer_never_sees_the_key(world: Any) -> None:
    with pytest.raises(UpstreamFailed):
        connect(world, "https://silent.simla.com")
    assert world.outbound.keys_elsewhere([]) == 0


def test_a_self_hosted_system_cannot_pass_for_another_account(world: Any) -> None:
    world.configure(domains=["simla.com", "retailcrm.io", "crm.holodilnik.ru"])
    world.at(BOX, technicalUrl=TECHNICAL, publicUrl=HOME)
    made = connect(world, BOX)
    assert (made.tenant, made.title) == (BOX, "crm.holodilnik.ru")


def test_without_that_rule_it_would_pass(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure(domains=["simla.com", "retailcrm.io", "crm.holodilnik.ru"])
    world.at(BOX, technicalUrl=TECHNICAL)
    monkeypatch.setattr(api, "check_address", lambda *_: "saas")
    assert connect(world, BOX).tenant == TECHNICAL


RIGHTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "all": ({"scopes": list(api.SCOPES)}, None),
    "more": ({"scopes": [*api.SCOPES, "file_read"]}, None),
    "old key": ({"scopes": [], "credentials": ["/api/integration-modules/{code}/edit"]}, None),
    "old key, null scopes": ({"scopes": None, "credentials": ["/api/integration-modules/{code}/edit"]}, None),
    "one missing": ({"scopes": list(api.SCOPES[:3])}, "order_read"),
    "scopes go before the old list": (
        {"scopes": ["file_read", "customer_read"], "credentials": ["/api/integration-modules/{code}/edit"]},
        "integration_read, integration_write, order_read",
    ),
    "none": ({"scopes": [], "credentials": []}, ", ".join(api.SCOPES)),
    "neither told": ({}, ", ".join(api.SCOPES)),
}


@pytest.mark.parametrize(("told", "missing"), RIGHTS.values(), ids=RIGHTS.keys())
def test_missing_rights_are_named(world: Any, told: dict[str, Any], missing: str | None) -> None:
    world.account.behaviour["credentials"] = {"success": True} | told
    if missing is None:
        assert world.install().proven
        return
    with pytest.raises(ConditionUnmet) as refusal:
        world.install()
    assert refusal.value.params == {"rights": missing}
    assert world.account.module == {}


def test_a_key_that_does_not_live_at_the_address_is_refused(world: Any) -> None:
    world.account.keys = {**world.account.keys, "api_key": "somebody-else"}
    with pytest.raises(Unverified):
        world.install(api_key="X2EDxEta9U3lcsSV0dwdF38UvtSCxIuGh")
    assert world.account.module == {}


HTML = "<b>X2EDxEta9U3lcsSV0dwdF38UvtSCxIuGh</b>"
EDITS: dict[str, tuple[Any, type[Refused], str]] = {
    "no money": (402, ConditionUnmet, "balance"),
    "false": ({"success": False, "errorMsg": HTML}, UpstreamFailed, "refused_by_account"),
    "success as text": ({"success": "true"}, UpstreamFailed, "refused_by_account"),
    "success in an error": (Reply(400, b'{"success": true}'), UpstreamFailed, "refused_by_account"),
    "errors as a list": (
        Reply(400, b'{"success": false, "errorMsg": "Validation error", "errors": ["no"]}'),
        UpstreamFailed,
        "refused_by_account",
    ),
    "wrong key": (Reply(403, b'{"success": false, "errorMsg": "Wrong \\"apiKey\\" value."}'), Unverified, "wrong_key"),
    "no key": (Reply(400, b'{"success": false, "errorMsg": "\\"apiKey\\" is missing."}'), Unverified, "wrong_key"),
    "401 and nothing": (Reply(401), Unverified, "wrong_key"),
    "denied": (Reply(403, b'{"success":false,"errorMsg":"Access denied."}'), ConditionUnmet, "access_denied"),
    "no account": (Reply(404, b'{"success":false,"errorMsg":"Account does not exist."}'), ConditionUnmet, "no_account"),
    "a page": ("html", ConditionUnmet, "no_account"),
    "405 and a page": (Reply(405, b"<html>", "text/html"), ConditionUnmet, "no_account"),
    "a redirect": (Reply(302, b"", headers={"Location": "https://evil.example"}), ConditionUnmet, "no_account"),
    "nothing": (Reply(200, b""), ConditionUnmet, "no_account"),
}


@pytest.mark.parametrize(("told", "kind", "reason"), EDITS.values(), ids=EDITS.keys())
def test_a_failed_registration(world: Any, told: Any, kind: type[Refused], reason: str) -> None:
    world.account.behaviour["edit"] = told
    with pytest.raises(kind) as refusal:
        world.install()
    assert refusal.value.reason == reason
    shown = refusal.value.message + repr(refusal.value.params)
    assert "<" not in shown
    assert world.account.keys["api_key"] not in shown
    assert world.outbound.keys_elsewhere([HOME]) == 0


@pytest.mark.parametrize("info", [[], {}, None, {"mgBot": {}}], ids=repr)
def test_the_info_of_a_registration_may_be_anything(world: Any, info: Any) -> None:
    world.account.behaviour["edit"] = {"success": True, "info": info}
    assert world.install().proven


def test_the_platform_checks_the_modules_code(world: Any) -> None:
    world.settings = world.settings | {"code": ""}
    with pytest.raises(UpstreamFailed):
        world.install()


def test_connecting_twice_comes_to_the_same_end(world: Any) -> None:
    assert world.install() == world.install()


def test_the_config_answer(world: Any) -> None:
    answer = connector.describe(world.links)
    assert json.loads(answer.body) == {
        "success": True,
        "scopes": ["integration_read", "integration_write", "customer_read", "order_read"],
        "registerUrl": "https://addon.example.com/retailcrm/install",
    }
