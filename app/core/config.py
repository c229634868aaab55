"""Settings: built-in default < ``instance/config.toml`` < environment, each key declared once."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from flask import Config
from marshmallow import ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.core.addresses import read_allowed
from app.core.registry import Connector, Registry
from app.sdk.values import Setting

PREFIX = "STALLHOLDER"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# As `urlsplit` reads it, with nothing left over in which two parsers could see something else.
ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?", re.I | re.ASCII)
DRIVERS = ("sqlite", "postgresql+psycopg")
SHORTEST_SECRET = 16
PLACEHOLDERS = ("changeme", "change-me", "change_me", "secret", "password", "placeholder", "example", "default", "xxxx")
KEYS_MEND = "run `stallholder init` in an empty instance folder, or write one you generated"


class ConfigError(Exception):
    """A setting is unknown, missing or unusable; one line that names the key and what to write."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(" ".join(f"{key}: {problem}".split()))
        self.key = key


class PublicUrl(fields.String):
    """Scheme and host that marketplaces reach, without a path."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs).rstrip("/")
        if not ORIGIN.fullmatch(url):
            raise ValidationError("write scheme and host alone, e.g. https://addon.example.com")
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValidationError("plain http is for a loopback host only; write https://…")
        return f"{parts.scheme}://{origin_host(parts)}"


def origin_host(parts: SplitResult) -> str:
    """Host and port as a browser writes them in an Origin header."""
    standard = {"https": 443, "http": 80}[parts.scheme]
    host = parts.netloc.lower()
    return host.removesuffix(f":{standard}")


class FernetKey(fields.String):
    """A Fernet key."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        key = super()._deserialize(value, attr, data, **kwargs)
        try:
            Fernet(key)
        except ValueError as error:
            raise ValidationError("not a Fernet key (32 bytes, URL-safe base64)") from error
        return key


class Destination(fields.String):
    """``host:port`` in the spelling that calls out are compared with."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        entry = super()._deserialize(value, attr, data, **kwargs)
        try:
            read_allowed([entry])
        except ValueError as error:
            raise ValidationError("write host:port") from error
        return entry


class DatabaseUri(fields.String):
    """The address of a database that the host can run on; empty for its own file."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        uri = super()._deserialize(value, attr, data, **kwargs)
        try:
            known = not uri or make_url(uri).drivername in DRIVERS
        except (ArgumentError, ValueError) as error:
            raise ValidationError("not the address of a database") from error
        if not known:
            raise ValidationError(f"begin it with one of {', '.join(DRIVERS)}")
        return uri


DEMO = Setting(
    "DEMO",
    fields.Boolean(load_default=None),
    "Write true or false; by default demo mode is on while no connector is configured on loopback.",
)
ENABLED = Setting("enabled", fields.Boolean(), "Write true or false.")
HOST_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "PUBLIC_URL",
        PublicUrl(load_default="http://127.0.0.1:8000"),
        "Scheme and host that marketplaces reach, e.g. https://addon.example.com; plain http only for a loopback host.",
    ),
    Setting("SECRET_KEY", fields.String(), f"Flask's signing key: {KEYS_MEND}.", required=True, secret=True),
    Setting("SECRET_KEY_FALLBACKS", fields.List(fields.String(), load_default=list), "Former signing keys."),
    Setting(
        "MASTER_KEYS",
        fields.List(FernetKey(), validate=validate.Length(min=1)),
        f"Fernet keys that wrap the tenants' data keys, newest first: {KEYS_MEND}.",
        required=True,
    ),
    Setting(
        "SQLALCHEMY_DATABASE_URI",
        DatabaseUri(load_default=""),
        "Default: an SQLite file in the instance folder. When outgrown: postgresql+psycopg://…",
    ),
    Setting(
        "OUTBOUND_ALLOW",
        fields.List(Destination(), load_default=list),
        "host:port pairs that outbound calls may reach although they are private or plain http.",
    ),
    Setting("CONNECTORS", fields.Dict(load_default=dict), "One table for each connector."),
    Setting("METRICS_TOKEN", fields.String(load_default=""), "Bearer token for /metrics from beyond loopback."),
    Setting("PLUGINS", fields.String(load_default=""), "Further folders with connectors, separated as in PATH."),
    DEMO,
)


def instance_folder() -> Path:
    """The instance folder: ``STALLHOLDER_INSTANCE`` or ``instance`` beside the code."""
    chosen = os.environ.get(f"{PREFIX}_INSTANCE")
    return Path(chosen).resolve() if chosen else Path(__file__).resolve().parents[2] / "instance"


def read_sources(instance: Path) -> dict[str, Any]:
    """Everything the operator wrote: the file, then the environment over it."""
    config = Config(instance)
    file = instance / "config.toml"
    if file.is_file():
        try:
            config.from_mapping(tomllib.loads(file.read_text("utf-8")))
            stray = {key: value for key, value in tomllib.loads(file.read_text("utf-8")).items() if not key.isupper()}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError("config.toml", f"is no TOML: {error}") from error
        if stray:
            raise ConfigError(next(iter(stray)), "unknown key; host settings are written in capitals")
    if isinstance(config.get("CONNECTORS"), dict):
        config["CONNECTORS"] = lower_keys(config["CONNECTORS"])
    config.from_prefixed_env(PREFIX, loads=loads)
    config.pop("INSTANCE", None)
    return dict(config)


def loads(text: str) -> Any:
    """JSON, but a bare number stays text: a secret of digits must not lose its zeros."""
    value = json.loads(text)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError("kept as text")
    return value


def load_host(instance: Path) -> dict[str, Any]:
    """The host's own settings, validated, with demo mode decided. Raises `ConfigError`."""
    given = read_sources(instance)
    demo = validated_one("DEMO", DEMO, given.get("DEMO"), False)
    given["DEMO"] = is_demo(given) if demo is None else demo
    if given["DEMO"]:
        merge_sandbox(given, instance)
    config = validated("", HOST_SETTINGS, given, lenient=given["DEMO"])
    check_host(config)
    config["SECRET_KEY"] = config["SECRET_KEY"][0]
    if not config["SQLALCHEMY_DATABASE_URI"]:
        config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{instance / 'stallholder.db'}"
    return config


def check_host(config: Mapping[str, Any]) -> None:
    """What holds between the host's settings. Raises `ConfigError`."""
    if config["DEMO"] and urlsplit(config["PUBLIC_URL"]).hostname not in LOOPBACK:
        raise ConfigError("DEMO", "demo mode trusts keys that are no secret; write false, or a loopback PUBLIC_URL")
    fallbacks, token = config["SECRET_KEY_FALLBACKS"], config["METRICS_TOKEN"]
    if any(key in (*config["MASTER_KEYS"], *fallbacks, token) for key in config["SECRET_KEY"]):
        raise ConfigError("SECRET_KEY", "is also another key; write a value of its own")
    if not config["DEMO"]:
        for value in fallbacks:
            check_secret("SECRET_KEY_FALLBACKS", value)
        if token:
            check_secret("METRICS_TOKEN", token)


def is_demo(given: Mapping[str, Any]) -> bool:
    """No connector is configured and nobody but this machine reaches the host."""
    url = str(given.get("PUBLIC_URL", "http://127.0.0.1"))
    return not given.get("CONNECTORS") and bool(ORIGIN.match(url)) and urlsplit(url).hostname in LOOPBACK


def merge_sandbox(given: dict[str, Any], instance: Path) -> None:
    """Add the sandbox's keys and addresses, which ``serve`` wrote in demo mode."""
    file = instance / "sandbox.json"
    if file.is_file():
        sandbox = json.loads(file.read_text("utf-8"))
        given["CONNECTORS"] = {**sandbox["connectors"], **given.get("CONNECTORS", {})}
        given["OUTBOUND_ALLOW"] = [*given.get("OUTBOUND_ALLOW", []), *sandbox["allow"]]
        given.setdefault("PUBLIC_URL", sandbox["public_url"])


def validated(
    path: str, declared: Iterable[Setting], given: Mapping[str, Any], *, lenient: bool = False
) -> dict[str, Any]:
    """``given`` through the declared fields. Raises `ConfigError` for the first key that is wrong."""
    settings = {setting.name: setting for setting in declared}
    for name in given:
        if name not in settings:
            known = ", ".join(settings)
            raise ConfigError(path + name, f"unknown key; known are {known}")
    return {name: validated_one(path + name, setting, given.get(name), lenient) for name, setting in settings.items()}


def validated_one(key: str, setting: Setting, value: Any, lenient: bool) -> Any:
    """One value through its field; a secret comes out as a tuple, current first."""
    if value is None or (value == "" and setting.required):
        if setting.required:
            raise ConfigError(key, f"missing. {setting.help}")
        default = setting.field.load_default
        value = default() if callable(default) else default
        if not setting.secret or not value:
            return () if setting.secret else value
    values = value if setting.secret and isinstance(value, list) else [value]
    try:
        loaded = [setting.field.deserialize(item) for item in values]
    except ValidationError as error:
        raise ConfigError(key, f"{' '.join(map(str, flat(error.messages)))} {setting.help}") from error
    if not setting.secret:
        return loaded[0]
    if not loaded:
        raise ConfigError(key, f"an empty list. {setting.help}")
    for item in loaded if not lenient else ():
        check_secret(key, item)
    return tuple(loaded)


def check_secret(key: str, value: str) -> None:
    """Refuse what somebody could guess."""
    if len(value) < SHORTEST_SECRET:
        raise ConfigError(key, f"shorter than {SHORTEST_SECRET} characters; write the real secret or a longer one")
    if value.strip().lower() in PLACEHOLDERS or any(value.lower().startswith(word * 2) for word in PLACEHOLDERS):
        raise ConfigError(key, "a placeholder; write the real secret")


def flat(messages: Any) -> Sequence[Any]:
    """marshmallow's nested messages as a flat sequence."""
    if isinstance(messages, dict):
        return [leaf for value in messages.values() for leaf in flat(value)]
    return messages if isinstance(messages, list) else [messages]


def configure(registry: Registry, tables: Mapping[str, Any], *, lenient: bool) -> None:
    """Hand every connector its settings; one without its required settings is not enabled. Raises `ConfigError`."""
    tables = lower_keys(tables)
    names = {connector.name for connector in registry}
    for name, table in tables.items():
        if name not in names:
            raise ConfigError(f"CONNECTORS.{name}", f"there is no such connector; known are {', '.join(sorted(names))}")
        if not isinstance(table, dict):
            raise ConfigError(f"CONNECTORS.{name}", "not a table of settings")
    for connector in registry:
        configure_one(connector, tables.get(connector.name, {}), lenient)


def configure_one(connector: Connector, table: Mapping[str, Any], lenient: bool) -> None:
    """One connector's settings, checked against its declaration."""
    given = {key: value for key, value in table.items() if key != "enabled"}
    required = [setting.name for setting in connector.declared if setting.required]
    by_itself = connector.manifest is None or connector.manifest.enabled
    wanted = by_itself and (bool(table) or not required)
    chosen = table.get("enabled", wanted)
    connector.enabled = bool(validated_one(f"CONNECTORS.{connector.name}.enabled", ENABLED, chosen, lenient))
    if connector.enabled and not connector.fault:
        connector.settings = validated(f"CONNECTORS.{connector.name}.", connector.declared, given, lenient=lenient)


def lower_keys(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Connector and key names in lower case, so that an environment in capitals works; the environment wins."""
    merged: dict[str, Any] = {}
    for name, table in sorted(tables.items(), key=lambda item: item[0] != item[0].lower()):
        if not isinstance(table, dict):
            merged[name.lower()] = table
            continue
        ordered = sorted(table.items(), key=lambda item: item[0] != item[0].lower())
        merged[name.lower()] = {**merged.get(name.lower(), {}), **{key.lower(): value for key, value in ordered}}
    return merged
