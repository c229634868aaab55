"""The settings, the probe, and the operator's commands."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError

import plugins.wazzup as wazzup
from app.sdk import ConditionUnmet, Health, Installation, Refused, Response, State, UpstreamFailed

SETTINGS: Mapping[str, Any] = {
    "crm_code": "acme-crm",
    "secret": ("the-current-secret", "the-former-secret"),
    "name": "Acme",
    "api_url": "https://api.wazzup24.com/v3",
    "developer_key": ("0f3c9a7be2d14c58b6a1905d7e4f2c33",),
}
BEARER = {"Authorization": "Bearer 0f3c9a7be2d14c58b6a1905d7e4f2c33"}
SVG = b'<?xml version="1.0"?>\n<!-- by <svg> hand -->\n<svg xmlns="http://www.w3.org/2000/svg"><path/></svg>\n'


class Platform:
    """Gives one answer and notes the calls."""

    def __init__(self, answer: Response | Refused) -> None:
        self.answer = answer
        self.calls: list[tuple[str, str, Any, Any]] = []

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, json: object = None, **_: Any
    ) -> Response:
        self.calls.append((method, url, headers, json))
        if isinstance(self.answer, Refused):
            raise self.answer
        return self.answer

    def exempts(self, url: str) -> bool:
        return False


class FakeLinks:
    public_url = "https://hub.example"

    def to(self, action: str, key: str = "") -> str:
        return f"https://hub.example/wazzup/{action}"

    def token(self, purpose: str) -> str:
        raise AssertionError("a command installs nothing")


def run(name: str, platform: Platform, options: Mapping[str, str] | None = None, **settings: Any) -> str:
    command = next(command for command in wazzup.commands() if command.name == name)
    return command.run(options or {}, {**SETTINGS, **settings}, platform, FakeLinks())


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    path = tmp_path / "acme.svg"
    path.write_bytes(SVG)
    return path


# the settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crm_code", "a" * 51),
        ("crm_code", ""),
        ("crm_code", "a b"),
        ("crm_code", "a\n"),
        ("crm_code", "\u0441rm"),
        ("name", ""),
        ("name", "a" * 201),
        ("api_url", "api.wazzup24.com/v3"),
        ("api_url", "file:///v3"),
    ],
)
def test_an_unusable_setting_is_refused(name: str, value: str) -> None:
    setting = next(setting for setting in wazzup.settings() if setting.name == name)
    with pytest.raises(ValidationError):
        setting.field.deserialize(value)


@pytest.mark.parametrize("value", ["http://127.0.0.1:8123/v3", "https://api.wazzup24.com/v3"])
def test_the_api_may_be_local(value: str) -> None:
    setting = next(setting for setting in wazzup.settings() if setting.name == "api_url")
    assert setting.field.deserialize(value) == value


def test_the_secrets_are_declared_as_such() -> None:
    assert {setting.name for setting in wazzup.settings() if setting.secret} == {"secret", "developer_key"}
    assert {setting.name for setting in wazzup.settings() if setting.required} == {"secret", "crm_code"}


# the probe


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (Response(200, b'{"webhooksUri": "x"}'), Health.ALIVE),
        (Response(401), Health.DEAD),
        (Response(403, b'{"error":"FORBIDDEN"}'), Health.UNSURE),
        (Response(404), Health.UNSURE),
        (Response(429), Health.UNSURE),
        (Response(500), Health.UNSURE),
        (Response(302), Health.UNSURE),
        (UpstreamFailed("timeout"), Health.UNSURE),
    ],
    ids=lambda value: getattr(value, "reason", str(getattr(value, "status", value))),
)
def test_only_a_clear_word_counts(answer: Response | Refused, health: Health) -> None:
    platform = Platform(answer)
    held = Installation("one", "ws", "wazzup", "1", "Wazzup", State.ACTIVE, lambda name: ("the-key", "the-former-key"))
    assert wazzup.probe(held, SETTINGS, platform) is health
    assert platform.calls == [
        ("GET", "https://api.wazzup24.com/v3/webhooks", {"Authorization": "Bearer the-key"}, None),
    ]


def test_without_a_key_nothing_is_asked() -> None:
    platform = Platform(Response(401))
    held = Installation("one", "ws", "wazzup", "1", "Wazzup", State.ACTIVE, lambda name: ())
    assert wazzup.probe(held, SETTINGS, platform) is Health.UNSURE
    assert platform.calls == []


# the commands


def test_register_sends_what_the_sheet_asks() -> None:
    platform = Platform(Response(200))
    text = run("register", platform)
    uri = "https://hub.example/wazzup/install"
    body = {"crmCode": "acme-crm", "secret": "the-current-secret", "authRedirectUri": uri}
    assert platform.calls == [("POST", "https://api.wazzup24.com/v3/marketplace", BEARER, body)]
    assert uri in text
    assert "secret" not in text


def test_brand_sends_name_and_logo(logo: Path) -> None:
    platform = Platform(Response(200))
    assert "acme.svg" in run("brand", platform, {"logo": str(logo)})
    body = {"crmName": "Acme", "logo": {"name": "acme.svg", "content": base64.b64encode(SVG).decode()}}
    assert platform.calls == [("PATCH", "https://api.wazzup24.com/v3/marketplace", BEARER, body)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="png"),
        pytest.param(b"<html><svg></svg></html>", id="html"),
        pytest.param(b"<!-- <svg></svg> -->", id="only in a comment"),
        pytest.param(b"<svgx></svg>", id="another element"),
        pytest.param(b"<svg>", id="cut off"),
        pytest.param(b"<svg>" + b" " * 200 * 1024 + b"</svg>", id="too large"),
        pytest.param(b"<svg></svg>" + b" " * 200 * 1024, id="too large by its end"),
        pytest.param(b"<svg>\xff</svg>", id="no text"),
        pytest.param(b"<!" * 50_000, id="endless prolog"),
    ],
)
def test_what_is_no_svg_is_not_sent(logo: Path, content: bytes) -> None:
    logo.write_bytes(content)
    platform = Platform(Response(200))
    with pytest.raises(ConditionUnmet):
        run("brand", platform, {"logo": str(logo)})
    assert platform.calls == []


@pytest.mark.parametrize("name", ["absent.svg", "."])
def test_an_unreadable_logo_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConditionUnmet):
        run("brand", Platform(Response(200)), {"logo": str(tmp_path / name)})


LINK = "https://hub.example/wazzup/install?state=a.b.c"


@pytest.mark.parametrize(
    ("answer", "location"),
    [
        pytest.param(Response(302, headers={"Location": LINK}), LINK, id="302"),
        pytest.param(Response(303, headers={"location": LINK}), LINK, id="303, lower case"),
        pytest.param(Response(200, f'{{"data": {{"link": "{LINK}"}}}}'.encode()), "none", id="json"),
        pytest.param(Response(200, f'["{LINK}"]'.replace("/", "\\/").encode()), "none", id="json, escaped"),
    ],
)
def test_simulate_shows_the_link(answer: Response, location: str) -> None:
    platform = Platform(answer)
    text = run("simulate", platform)
    assert platform.calls == [("POST", "https://api.wazzup24.com/v3/wauth", BEARER, {"type": "acme-crm"})]
    assert text.splitlines() == [
        f"Status: {answer.status}",
        f"Location: {location}",
        f"Open in a browser: {LINK}",
    ]


def test_simulate_says_when_there_is_no_link() -> None:
    assert "no link found" in run("simulate", Platform(Response(200)))


@pytest.mark.parametrize("name", ["register", "brand", "simulate"])
@pytest.mark.parametrize("key", [(), None], ids=["empty", "none"])
def test_every_command_needs_the_developers_key(name: str, key: object, logo: Path) -> None:
    platform = Platform(Response(200))
    with pytest.raises(ConditionUnmet) as caught:
        run(name, platform, {"logo": str(logo)}, developer_key=key)
    assert caught.value.reason == "no_developer_key"
    assert platform.calls == []


@pytest.mark.parametrize("name", ["register", "brand", "simulate"])
def test_a_refused_command_says_so(name: str, logo: Path) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        run(name, Platform(Response(400, b'{"error":"CODE_TAKEN"}')), {"logo": str(logo)})
    assert caught.value.message % caught.value.params == "Wazzup refused: 400 CODE_TAKEN"
