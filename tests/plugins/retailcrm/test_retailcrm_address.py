"""Where an account may live: the vendor's rule for addresses and the operator's list."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from app.sdk import Malformed
from plugins.retailcrm import api, schemas

HOME = "https://demo.simla.com"
TECHNICAL = "https://abc123.retailcrm.io"

ACCEPTED = ["https://demo.simla.com", "https://demo.retailcrm.ru/", TECHNICAL, "https://shop.simla.io/"]
REFUSED = {
    "http://demo.simla.com": "Incorrect protocol. Only https is allowed.",
    "https://demo.simla.com:8443": "The port does not need to be specified.",
    "https://demo.simla.com:443": "The port does not need to be specified.",
    "https://demo.simla.com/admin": "The domain path must be empty.",
    "https://demo.simla.com?x=1": "The query must be blank.",
    "https://demo.simla.com#f": "The fragment should be blank.",
    "https://u:p@demo.simla.com": "No need to provide authorization data.",
    "https://demo.simla.com@127.0.0.1": "No need to provide authorization data.",
    "https://simla.com": "An invalid domain is specified.",
    "https://a.b.simla.com": "An invalid domain is specified.",
    "https://demo.simla.com.evil.example": "An invalid domain is specified.",
    "https://127.0.0.1": "An invalid domain is specified.",
    "https://[::1]": "An invalid domain is specified.",
    "https://demosimla.com": "An invalid domain is specified.",
    "https://.simla.com": "An invalid domain is specified.",
    "https://-.simla.com": "An invalid domain is specified.",
    "https://evil.example\\.simla.com": "An invalid domain is specified.",
    "https://dem\u043e.simla.com": "An invalid domain is specified.",
    "https://demo.simla.com.": "An invalid domain is specified.",
    "https://demo.simla.com:": "An invalid domain is specified.",
    "https://127.0.0.1\\@demo.simla.com": "No need to provide authorization data.",
    "https://demo.simla.com?": "Incorrect URL.",
    "https://demo.simla.com:99999": "Incorrect URL.",
    "https://[demo.simla.com": "Incorrect URL.",
    "https:demo.simla.com": "Incorrect Host URL.",
    "demo.simla.com": "Incorrect Host URL.",
    "ftp://demo.simla.com": "Incorrect protocol. Only https is allowed.",
    "file:///etc/passwd": "Incorrect Host URL.",
}


def connect(world: Any, url: str) -> Any:
    return world.install(system_url=url)


@pytest.mark.parametrize("url", ACCEPTED)
def test_an_account_of_the_vendor_connects(world: Any, url: str) -> None:
    plain = url.rstrip("/")
    world.outbound.accounts[plain] = world.account
    assert connect(world, url).address == plain


@pytest.mark.parametrize(("url", "message"), REFUSED.items(), ids=REFUSED.keys())
def test_a_wrong_address_is_refused_before_any_call(world: Any, url: str, message: str) -> None:
    with pytest.raises(Malformed) as refusal:
        connect(world, url)
    assert (refusal.value.message, refusal.value.reason) == (message, "system_url")
    assert world.outbound.sent == []


def test_without_the_address_rule_a_stranger_would_be_called(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "check_address", lambda *_: "saas")
    world.at("https://demosimla.com")
    connect(world, "https://demosimla.com")
    assert world.outbound.keys_elsewhere([HOME]) == 2


DOMAINS = {
    "a domain admits one label": (["simla.com"], "https://a.simla.com", True),
    "a domain is no host": (["simla.com"], "https://simla.com", False),
    "a marked entry is a host": (["=simla.com"], "https://simla.com", True),
    "a marked entry admits no label": (["=simla.com"], "https://a.simla.com", False),
    "three labels are a host": (["crm.baucenter.ru"], "https://crm.baucenter.ru", True),
    "three labels admit no label": (["crm.baucenter.ru"], "https://a.crm.baucenter.ru", False),
    "an empty list admits nobody": ([], "https://a.simla.com", False),
}


@pytest.mark.parametrize(("domains", "url", "admitted"), DOMAINS.values(), ids=DOMAINS.keys())
def test_the_allow_list(world: Any, domains: list[str], url: str, admitted: bool) -> None:
    world.configure(domains=domains)
    assert bool(schemas.kind_of(url.removeprefix("https://"), world.settings["domains"])) is admitted
    world.at(url)
    if admitted:
        assert connect(world, url).tenant == url
    else:
        with pytest.raises(Malformed):
            connect(world, url)


LOOPBACK = "http://127.0.0.1:9001"


def test_what_the_operator_exempts_may_be_plain_and_have_a_port(world: Any) -> None:
    world.at(LOOPBACK)
    with pytest.raises(Malformed):
        connect(world, LOOPBACK)
    world.outbound.exempt = {LOOPBACK, "ftp://127.0.0.1:9001", LOOPBACK + "/x"}
    assert connect(world, LOOPBACK).tenant == LOOPBACK
    for url in ("ftp://127.0.0.1:9001", LOOPBACK + "/x"):
        with pytest.raises(Malformed):
            connect(world, url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code", "a b"),
        ("code", "é"),
        ("code", "a\n"),
        ("domains", ["https://simla.com"]),
        ("domains", ["com"]),
        ("domains", ["*.simla.com"]),
        ("country_codes", ["spain"]),
        ("country_codes", "ES"),
    ],
)
def test_an_unusable_setting_is_refused(world: Any, name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        world.configure(**{name: value})


def test_the_lists_of_the_settings_are_not_shared(world: Any) -> None:
    world.settings["domains"].append("evil.example")
    world.configure()
    assert "evil.example" not in world.settings["domains"]
