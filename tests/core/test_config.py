"""Settings: where each comes from, and that a wrong one stops the start with one line that says what to write."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from stage import toml

from app import create_app
from app.core import config
from app.core.config import ConfigError, load_host

ROOT = Path(__file__).resolve().parents[2]
MASTER = base64.urlsafe_b64encode(bytes(range(32))).decode()
SECRET = "an-honest-signing-key-of-some-length"
TOKEN = "an-honest-signature-token"
# A host that is no demo: somebody else reaches it.
HOST = {"PUBLIC_URL": "https://addon.example.com", "SECRET_KEY": SECRET, "MASTER_KEYS": [MASTER]}
PREFIX = "STALLHOLDER_"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def write(folder: Path, settings: Mapping[str, Any]) -> Path:
    (folder / "config.toml").write_text(toml(settings), "utf-8")
    return folder


def settings_of(folder: Path, connector: str) -> Mapping[str, Any]:
    """The settings that a connector would get."""
    found = create_app(folder).extensions["stallholder"].registry.find(connector)
    assert found is not None
    assert found.serving
    return dict(found.settings)


def refusal(folder: Path) -> str:
    """The one line with which the start is refused."""
    with pytest.raises(ConfigError) as caught:
        create_app(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.key in line
    return line


# Where a value comes from


def test_the_default_counts_where_nothing_is_written(tmp_path: Path) -> None:
    found = load_host(write(tmp_path, {"SECRET_KEY": SECRET, "MASTER_KEYS": [MASTER]}))
    assert found["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert found["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{tmp_path}/stallholder.db"
    assert (found["OUTBOUND_ALLOW"], found["SECRET_KEY_FALLBACKS"]) == ([], [])


def test_the_file_comes_before_the_default_and_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, HOST | {"OUTBOUND_ALLOW": ["crm.example:8443"]})
    assert load_host(folder)["PUBLIC_URL"] == "https://addon.example.com"
    monkeypatch.setenv(f"{PREFIX}PUBLIC_URL", "https://other.example.com")
    monkeypatch.setenv(f"{PREFIX}OUTBOUND_ALLOW", '["127.0.0.1:9000"]')
    found = load_host(folder)
    assert found["PUBLIC_URL"] == "https://other.example.com"
    assert found["OUTBOUND_ALLOW"] == ["127.0.0.1:9000"]
    assert found["SECRET_KEY"] == SECRET


@pytest.mark.parametrize("name", ["upgates__signature_token", "UPGATES__SIGNATURE_TOKEN", "Upgates__Signature_Token"])
@pytest.mark.parametrize("table", ["upgates", "UPGATES", "Upgates"])
@pytest.mark.parametrize("key", ["signature_token", "SIGNATURE_TOKEN"])
def test_the_environment_nests_and_may_be_in_capitals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, table: str, key: str
) -> None:
    """However either of them is spelt: the environment wins, and what it does not say stays."""
    pem = "https://keys.example.com/public.pem"
    folder = write(tmp_path, HOST | {"CONNECTORS": {table: {key: TOKEN, "public_key": pem}}})
    monkeypatch.setenv(f"{PREFIX}CONNECTORS__{name}", "token-of-the-environment")
    assert settings_of(folder, "upgates") == {"signature_token": ("token-of-the-environment",), "public_key": pem}


def test_a_connector_is_configured_by_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CONNECTORS__WAZZUP__CRM_CODE", "stallholder")
    monkeypatch.setenv(
        f"{PREFIX}CONNECTORS__WAZZUP__SECRET", '["the-current-secret-of-it", "the-previous-secret-of-it"]'
    )
    found = settings_of(write(tmp_path, HOST), "wazzup")
    assert found["secret"] == ("the-current-secret-of-it", "the-previous-secret-of-it")


def test_the_instance_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}INSTANCE", str(write(tmp_path, HOST)))
    assert config.instance_folder() == tmp_path
    assert create_app().extensions["stallholder"].public_url == "https://addon.example.com"


# Secrets


@pytest.mark.parametrize(
    "digits", ["0012345678901234", "12345678901234567890", "1e1234567890123456", "-0.1234567890123456"]
)
def test_a_secret_of_digits_stays_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: str) -> None:
    monkeypatch.setenv(f"{PREFIX}CONNECTORS__UPGATES__SIGNATURE_TOKEN", digits)
    monkeypatch.setenv(f"{PREFIX}SECRET_KEY", digits + "0")
    folder = write(tmp_path, HOST)
    assert settings_of(folder, "upgates")["signature_token"] == (digits,)
    assert load_host(folder)["SECRET_KEY"] == digits + "0"


def test_plain_json_reading_would_lose_digits() -> None:
    """The control: what the environment's reader does by itself."""
    assert str(json.loads("1e1234567890123456")) != "1e1234567890123456"
    assert str(json.loads("-0.1234567890123456789")) != "-0.1234567890123456789"
    with pytest.raises(ValueError, match="text"):
        config.loads("12345678901234567890")


@pytest.mark.parametrize(
    ("written", "held"),
    [(TOKEN, (TOKEN,)), ([TOKEN], (TOKEN,)), ([TOKEN, TOKEN + "2"], (TOKEN, TOKEN + "2"))],
    ids=["one", "a-list-of-one", "rotation"],
)
def test_a_secret_is_one_value_or_a_list(tmp_path: Path, written: Any, held: tuple[str, ...]) -> None:
    folder = write(tmp_path, HOST | {"CONNECTORS": {"upgates": {"signature_token": written}}})
    assert settings_of(folder, "upgates")["signature_token"] == held


WEAK = {
    "short": "fifteen-chars-x",
    "empty": "",
    "one-placeholder": "changeme",
    "a-placeholder-twice": "changemechangeme",
    "another": "SecretSecretSecret",
    "crosses": "xxxxxxxxxxxxxxxxxxxx",
    "in-capitals": "PASSWORDPASSWORD",
}
SECRETS = {
    "SECRET_KEY": lambda value: {"SECRET_KEY": value},
    "SECRET_KEY_FALLBACKS": lambda value: {"SECRET_KEY_FALLBACKS": [SECRET + "2", value]},
    "METRICS_TOKEN": lambda value: {"METRICS_TOKEN": value},
    "CONNECTORS.upgates.signature_token": lambda value: {"CONNECTORS": {"upgates": {"signature_token": value}}},
    "CONNECTORS.retailcrm.secret": lambda value: {"CONNECTORS": {"retailcrm": {"code": "people", "secret": value}}},
    "CONNECTORS.wazzup.secret": lambda value: {"CONNECTORS": {"wazzup": {"crm_code": "x", "secret": [TOKEN, value]}}},
}


# Without a token /metrics is closed to everybody beyond loopback: there an empty one is none.
GUESSED = [
    pytest.param(key, weak, id=f"{key}-{name}")
    for key in SECRETS
    for name, weak in WEAK.items()
    if (key, weak) != ("METRICS_TOKEN", "")
]


@pytest.mark.parametrize(("key", "weak"), GUESSED)
def test_a_secret_that_somebody_could_guess_stops_the_start(tmp_path: Path, key: str, weak: str) -> None:
    line = refusal(write(tmp_path, HOST | SECRETS[key](weak)))
    assert line.startswith(f"{key}: ")
    assert not weak or weak not in line.removeprefix(key), "a refused secret may be the right one somewhere else"


@pytest.mark.parametrize("key", SECRETS)
def test_sixteen_honest_characters_are_enough(tmp_path: Path, key: str) -> None:
    create_app(write(tmp_path, HOST | SECRETS[key]("k7Xq2pLm9vRt4wZs")))


@pytest.mark.parametrize("key", ["SECRET_KEY", "MASTER_KEYS"])
def test_a_missing_key_stops_the_start(tmp_path: Path, key: str) -> None:
    line = refusal(write(tmp_path, {name: value for name, value in HOST.items() if name != key}))
    assert re.match(rf"{key}: missing\. .*stallholder init", line)


@pytest.mark.parametrize(
    "duplicate",
    [{"SECRET_KEY": MASTER}, {"SECRET_KEY_FALLBACKS": [SECRET]}, {"METRICS_TOKEN": SECRET}],
    ids=["a-master-key", "a-fallback", "the-metrics-token"],
)
def test_one_key_for_two_purposes_stops_the_start(tmp_path: Path, duplicate: dict[str, Any]) -> None:
    assert "write a value of its own" in refusal(write(tmp_path, HOST | duplicate))


def test_without_the_check_a_weak_secret_would_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is this check and nothing else that refuses."""
    monkeypatch.setattr(config, "check_secret", lambda key, value: None)
    create_app(write(tmp_path, HOST | {"SECRET_KEY": "changeme"}))


# Values that cannot be used


def in_connector(connector: str, **values: Any) -> dict[str, Any]:
    required = {
        "retailcrm": {"code": "people", "secret": TOKEN},
        "wazzup": {"crm_code": "people", "secret": TOKEN},
        "upgates": {"signature_token": TOKEN},
        "orlo": {},
    }
    return {"CONNECTORS": {connector: required[connector] | values}}


UNUSABLE = [
    ("PUBLIC_URL", {"PUBLIC_URL": "addon.example.com"}, "https://addon.example.com"),
    ("PUBLIC_URL", {"PUBLIC_URL": "http://addon.example.com"}, "https://"),
    ("PUBLIC_URL", {"PUBLIC_URL": "http://127.0.0.1.example.com"}, "https://"),
    ("PUBLIC_URL", {"PUBLIC_URL": "ftp://addon.example.com"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://addon.example.com/path"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://addon.example.com?x"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://addon.example.com#x"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://me@addon.example.com"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://@addon.example.com"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://addon.example.com:port"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://[::1"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://addon example.com"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": "https://"}, "scheme and host alone"),
    ("PUBLIC_URL", {"PUBLIC_URL": 8000}, "e.g. https://addon.example.com"),
    ("MASTER_KEYS", {"MASTER_KEYS": []}, "stallholder init"),
    ("MASTER_KEYS", {"MASTER_KEYS": MASTER}, "stallholder init"),
    ("MASTER_KEYS", {"MASTER_KEYS": [MASTER, "no-fernet-key"]}, "stallholder init"),
    ("MASTER_KEYS", {"MASTER_KEYS": [MASTER[:-2]]}, "32 bytes"),
    ("SECRET_KEY", {"SECRET_KEY": 1234567890123456}, "stallholder init"),
    ("SECRET_KEY", {"SECRET_KEY": []}, "stallholder init"),
    ("SQLALCHEMY_DATABASE_URI", {"SQLALCHEMY_DATABASE_URI": "mysql://localhost/x"}, "postgresql+psycopg://"),
    ("SQLALCHEMY_DATABASE_URI", {"SQLALCHEMY_DATABASE_URI": "postgresql://localhost/x"}, "postgresql+psycopg://"),
    ("SQLALCHEMY_DATABASE_URI", {"SQLALCHEMY_DATABASE_URI": "sqlite:"}, "postgresql+psycopg://"),
    ("SQLALCHEMY_DATABASE_URI", {"SQLALCHEMY_DATABASE_URI": "postgresql+psycopg://h:port/x"}, "postgresql+psycopg://"),
    ("OUTBOUND_ALLOW", {"OUTBOUND_ALLOW": ["crm.example"]}, "host:port"),
    ("OUTBOUND_ALLOW", {"OUTBOUND_ALLOW": ["http://crm.example:80"]}, "host:port"),
    ("OUTBOUND_ALLOW", {"OUTBOUND_ALLOW": ["[::1]:80"]}, "host:port"),
    ("OUTBOUND_ALLOW", {"OUTBOUND_ALLOW": ["crm.example:0080"]}, "host:port"),
    ("OUTBOUND_ALLOW", {"OUTBOUND_ALLOW": "crm.example:80"}, "host:port"),
    ("DEMO", {"DEMO": "perhaps"}, "true or false"),
    ("CONNECTORS", {"CONNECTORS": 3}, "table"),
    ("CONNECTORS.upgates", {"CONNECTORS": {"upgates": "on"}}, "not a table"),
    ("CONNECTORS.upgates.enabled", in_connector("upgates", enabled="perhaps"), "true or false"),
    ("CONNECTORS.upgates.public_key", in_connector("upgates", public_key="/no/such/file"), "PEM text"),
    ("CONNECTORS.upgates.public_key", in_connector("upgates", public_key=[]), "PEM text"),
    ("CONNECTORS.upgates.signature_token", in_connector("upgates", signature_token=[]), "signature token"),
    (
        "CONNECTORS.upgates.signature_token",
        in_connector("upgates", signature_token=[1234567890123456]),
        "signature token",
    ),
    ("CONNECTORS.retailcrm.domains", in_connector("retailcrm", domains=["https://simla.com"]), "shop.simla.com"),
    ("CONNECTORS.retailcrm.country_codes", in_connector("retailcrm", country_codes=["es"]), "ISO 3166"),
    ("CONNECTORS.wazzup.api_url", in_connector("wazzup", api_url="api.wazzup24.com"), "reached"),
    ("CONNECTORS.wazzup.crm_code", in_connector("wazzup", crm_code="with space"), "Latin letters"),
    ("CONNECTORS.orlo.max_ttl", in_connector("orlo", max_ttl=10), "seconds"),
    ("CONNECTORS.orlo.frame_ancestors", in_connector("orlo", frame_ancestors=["http://x.example"]), "origin"),
]


@pytest.mark.parametrize(("key", "settings", "mend"), UNUSABLE, ids=lambda value: json.dumps(value)[:60])
def test_an_unusable_value_stops_the_start(tmp_path: Path, key: str, settings: dict[str, Any], mend: str) -> None:
    line = refusal(write(tmp_path, HOST | settings))
    assert line.startswith(f"{key}: ")
    assert mend in line


@pytest.mark.parametrize(
    ("key", "settings", "known"),
    [
        ("SECRET_KEYS", {"SECRET_KEYS": SECRET}, "SECRET_KEY"),
        ("public_url", {"public_url": "https://addon.example.com"}, "capitals"),
        ("CONNECTORS.upgates.token", in_connector("upgates", token=TOKEN), "signature_token"),
        ("CONNECTORS.shopify", {"CONNECTORS": {"shopify": {"secret": TOKEN}}}, "upgates"),
    ],
)
def test_an_unknown_key_stops_the_start(tmp_path: Path, key: str, settings: dict[str, Any], known: str) -> None:
    line = refusal(write(tmp_path, HOST | settings))
    assert line.startswith(f"{key}: ")
    assert known in line


def test_an_unknown_variable_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PUBLICURL", "https://addon.example.com")
    assert refusal(write(tmp_path, HOST)).startswith("PUBLICURL: unknown key")


@pytest.mark.parametrize("content", [b"SECRET_KEY = ", b"\xff\xfe", b"= 1\n= 2"], ids=["cut", "no-utf-8", "no-key"])
def test_a_file_that_is_no_toml_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    assert refusal(tmp_path).startswith("config.toml: ")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://Addon.Example.com", "https://addon.example.com"),
        ("https://addon.example.com/", "https://addon.example.com"),
        ("https://addon.example.com:8443", "https://addon.example.com:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_public_url_is_read_as_browsers_write_an_origin(tmp_path: Path, written: str, read: str) -> None:
    assert load_host(write(tmp_path, HOST | {"PUBLIC_URL": written, "DEMO": False}))["PUBLIC_URL"] == read


# Which connectors are on


def test_a_connector_without_its_required_settings_is_off(tmp_path: Path) -> None:
    registry = create_app(write(tmp_path, HOST)).extensions["stallholder"].registry
    assert {name: registry.find(name) is not None for name in ("retailcrm", "wazzup", "upgates", "orlo")} == {
        "retailcrm": False,
        "wazzup": False,
        "upgates": False,
        "orlo": True,
    }


@pytest.mark.parametrize(
    ("written", "on"), [(False, False), (True, True), ("true", True), ("0", False), ("False", False)]
)
def test_a_connector_is_switched_off_or_on(tmp_path: Path, written: Any, on: bool) -> None:
    folder = write(tmp_path, HOST | in_connector("upgates", enabled=written))
    assert (create_app(folder).extensions["stallholder"].registry.find("upgates") is not None) is on


def test_a_half_configured_connector_stops_the_start(tmp_path: Path) -> None:
    line = refusal(write(tmp_path, HOST | {"CONNECTORS": {"retailcrm": {"code": "people"}}}))
    assert line.startswith("CONNECTORS.retailcrm.secret: missing.")


# Demo mode


LOCAL = {"SECRET_KEY": SECRET, "MASTER_KEYS": [MASTER]}


@pytest.mark.parametrize(
    ("settings", "demo"),
    [
        (LOCAL, True),
        (LOCAL | {"PUBLIC_URL": "http://localhost:9000"}, True),
        (LOCAL | {"PUBLIC_URL": "https://addon.example.com"}, False),
        (LOCAL | {"CONNECTORS": {"orlo": {"max_ttl": 600}}}, False),
        (LOCAL | {"DEMO": False}, False),
        (LOCAL | {"DEMO": True, "CONNECTORS": {"orlo": {"max_ttl": 600}}}, True),
    ],
    ids=["by-itself", "on-localhost", "reached-by-others", "with-a-connector", "switched-off", "switched-on"],
)
def test_demo_mode_is_on_while_nothing_is_configured_on_loopback(tmp_path: Path, settings: Any, demo: bool) -> None:
    assert load_host(write(tmp_path, settings))["DEMO"] is demo


def test_demo_mode_is_never_on_where_others_reach_the_host(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, HOST | {"DEMO": True})).startswith("DEMO: ")


def test_a_weak_secret_is_for_demo_mode_alone(tmp_path: Path) -> None:
    weak = LOCAL | {"SECRET_KEY": "changeme"}
    assert load_host(write(tmp_path, weak))["DEMO"] is True
    assert refusal(write(tmp_path, weak | {"DEMO": False})).startswith("SECRET_KEY: ")
    assert refusal(write(tmp_path, weak | {"CONNECTORS": {"orlo": {}}, "DEMO": "off"})).startswith("SECRET_KEY: ")


def test_the_sandboxs_keys_count_in_demo_mode_alone(tmp_path: Path) -> None:
    state = {
        "public_url": "http://127.0.0.1:8123",
        "connectors": {"upgates": {"signature_token": "sandbox"}},
        "allow": ["127.0.0.1:8124"],
    }
    (tmp_path / "sandbox.json").write_text(json.dumps(state), "utf-8")
    found = load_host(write(tmp_path, LOCAL))
    assert (found["PUBLIC_URL"], found["OUTBOUND_ALLOW"]) == ("http://127.0.0.1:8123", ["127.0.0.1:8124"])
    assert settings_of(tmp_path, "upgates")["signature_token"] == ("sandbox",)
    found = load_host(write(tmp_path, HOST))
    assert (found["OUTBOUND_ALLOW"], found["CONNECTORS"]) == ([], {})


# The programs


PROGRAMS = {
    "serve": ["app.cli", "serve", "--bind", "127.0.0.1:0"],
    "gunicorn": ["gunicorn", "wsgi:app", "--bind", "127.0.0.1:0", "--no-control-socket", "--log-level", "critical"],
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY: shorter than 16 characters"),
        ({"CONNECTORS": {"upgates": {"signatur_token": TOKEN}}}, "CONNECTORS.upgates.signatur_token: unknown key"),
    ],
    ids=["weak", "unknown"],
)
def test_a_program_ends_with_that_one_line(tmp_path: Path, program: str, wrong: dict[str, Any], line: str) -> None:
    """gunicorn would start its worker again for ever if the app did not say that it cannot be loaded."""
    environment = {**os.environ, f"{PREFIX}INSTANCE": str(write(tmp_path, HOST | wrong))}
    command = [sys.executable, "-m", *PROGRAMS[program]]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    told = [one for one in done.stderr.splitlines() if one.strip()]
    assert done.returncode not in (0, None)
    assert sum(line in one for one in told) == 1
    assert "Traceback" not in done.stderr
    if program == "serve":
        assert len(told) == 1
