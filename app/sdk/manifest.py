"""A connector's manifest: what the host must know of it even when its code will not run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from .guide import Guide, GuideSchema, to_guide
from .promises import LEVELS, Proof, ProofSchema, Weakness, WeaknessSchema, to_proof, to_weakness
from .spec import read_versions
from .theme import Theme, ThemeSchema, to_theme

NAME = re.compile(r"[a-z][a-z0-9_]{1,31}")


class ManifestError(Exception):
    """A manifest cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class RefusalShape:
    """How a refusal looks to this platform: ``status`` maps a refusal's kind, or is one for every kind."""

    media_type: str = "application/json"
    body: Mapping[str, Any] = field(default_factory=lambda: {"error": "$message"})
    status: Mapping[str, int] | int = field(default_factory=dict)

    def status_of(self, kind: str, default: int) -> int:
        """The status of one kind of refusal."""
        return self.status if isinstance(self.status, int) else self.status.get(kind, default)


@dataclass(frozen=True, slots=True)
class Action:
    """One address of a connector and its policy."""

    name: str
    methods: tuple[str, ...]
    hook: str
    refusal: RefusalShape
    keyed: bool = False
    unknown: bool = False
    session: bool = False
    consent: bool = False
    reserve: tuple[str, ...] = ()
    grace: float = 0.0
    deadline: float = 10.0
    largest: int = 256 * 1024
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform stands of one installation: ``rate`` calls ``per`` seconds, so many ``together``, a ``batch``."""

    rate: int = 10
    per: float = 1.0
    together: int = 1
    batch: int = 100


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a connector declares as data; one that is not ``enabled`` serves only where the operator says so.

    ``ticket`` says where in an address an opening's ticket stands, ``fragment`` or ``query``.
    ``secrets`` names what is stored sealed for an installation and says what each is; ``hosts`` are what it calls.
    """

    name: str
    title: str
    actions: Mapping[str, Action]
    spec: range = range(1, 2)
    refusal: RefusalShape = RefusalShape()
    enabled: bool = True
    languages: tuple[str, ...] = ("en",)
    frame_ancestors: tuple[str, ...] = ()
    frame_ancestors_setting: str = ""
    operator_fields: tuple[str, ...] | None = None
    failed_logins_per_hour: int = 60
    probe_every: timedelta = timedelta(days=1)
    subscription: tuple[str, ...] = ()
    subscription_grace: timedelta = timedelta(minutes=10)
    limits: Limits = Limits()
    cabinet: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    level: str = "bronze"
    weaknesses: tuple[Weakness, ...] = ()
    ticket: str = "fragment"
    guide: Guide = field(default_factory=Guide)
    theme: Theme = field(default_factory=Theme)

    @property
    def opens_pages(self) -> bool:
        """Whether the marketplace's admin opens the customers' pages."""
        return any(action.session for action in self.actions.values())

    def weakness(self, rule: str, action: str = "") -> Weakness | None:
        """The declared weakness in which this rule is not kept by this action; None where it must be."""
        declared = (one for one in self.weaknesses if one.rule == rule)
        return next((one for one in declared if not one.actions or action in one.actions), None)


class StatusField(fields.Field[Any]):
    """A number for every kind, or a table of kinds."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        numbers = value.values() if isinstance(value, dict) else [value]
        if not all(isinstance(number, int) and 200 <= number <= 599 for number in numbers):
            raise ValidationError("a status, or a table of statuses, between 200 and 599")
        return value


class VersionsField(fields.Field[Any]):
    """The versions of the spec that a connector was written for."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return read_versions(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class RefusalSchema(Schema):
    media_type = fields.String()
    body = fields.Dict(keys=fields.String())
    status = StatusField()


class ActionSchema(Schema):
    methods = fields.List(fields.String(validate=validate.OneOf(["GET", "POST"])), required=True)
    hook = fields.String(
        validate=validate.OneOf(["describe", "install", "open", "search", "uninstall", "webhook"]),
    )
    refusal = fields.Dict()
    keyed = fields.Boolean()
    takes_unknown = fields.Boolean(data_key="unknown", attribute="unknown")
    session = fields.Boolean()
    consent = fields.Boolean()
    reserve = fields.List(fields.String())
    grace = fields.Float(validate=validate.Range(0, 86_400))
    deadline = fields.Float(validate=validate.Range(0.1, 60))
    largest = fields.Integer(validate=validate.Range(1024, 4 * 1024 * 1024))
    proof = fields.Nested(ProofSchema)


class CabinetSchema(Schema):
    field = fields.String(required=True)
    value = fields.String(required=True)


class LimitsSchema(Schema):
    rate = fields.Integer(validate=validate.Range(1))
    per = fields.Float(validate=validate.Range(0.1))
    together = fields.Integer(validate=validate.Range(1, 100))
    batch = fields.Integer(validate=validate.Range(1, 1000))


class ProbeSchema(Schema):
    failed_logins_per_hour = fields.Integer(validate=validate.Range(0))
    every_minutes = fields.Integer(validate=validate.Range(5, 7 * 24 * 60))


class SubscriptionSchema(Schema):
    reserve = fields.List(fields.String(), required=True, validate=validate.Length(min=1))
    grace = fields.Float(validate=validate.Range(0, 86_400))


class ManifestSchema(Schema):
    spec = VersionsField(required=True)
    title = fields.String(required=True)
    enabled = fields.Boolean()
    languages = fields.List(fields.String(), validate=validate.Length(min=1))
    frame_ancestors = fields.List(fields.String())
    frame_ancestors_setting = fields.String()
    refusal = fields.Nested(RefusalSchema)
    actions = fields.Dict(keys=fields.String(), values=fields.Nested(ActionSchema), required=True)
    operator = fields.Dict()
    probe = fields.Nested(ProbeSchema)
    subscription = fields.Nested(SubscriptionSchema)
    limits = fields.Nested(LimitsSchema)
    cabinet = fields.List(fields.Nested(CabinetSchema))
    secrets = fields.Dict(keys=fields.String(), values=fields.String())
    hosts = fields.List(fields.String())
    level = fields.String(validate=validate.OneOf(LEVELS))
    weakness = fields.List(fields.Nested(WeaknessSchema))
    ticket = fields.String(validate=validate.OneOf(["fragment", "query"]))
    guide = fields.Nested(GuideSchema)
    theme = fields.Nested(ThemeSchema)


@cache
def manifest_schema() -> Schema:
    """The schema of a whole manifest; to build it takes longer than to load with it, so it is built once."""
    return ManifestSchema(unknown=RAISE)


@cache
def refusal_schema() -> Schema:
    """The schema of an action's own refusal."""
    return RefusalSchema(unknown=EXCLUDE)


def read_manifest(name: str, folder: Path) -> Manifest:
    """The manifest of the connector in ``folder``; raises `ManifestError`."""
    try:
        raw = tomllib.loads((folder / "connector.toml").read_text("utf-8"))
        data = manifest_schema().load(raw)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"connector.toml cannot be read: {error}") from error
    except ValidationError as error:
        raise ManifestError(f"connector.toml: {error.messages}") from error
    return to_manifest(name, data)


def to_manifest(name: str, data: dict[str, Any]) -> Manifest:
    """A validated table as a `Manifest`."""
    general = data.get("refusal", {})
    operator = data.get("operator")
    probe, subscription = data.get("probe", {}), data.get("subscription", {})
    return Manifest(
        name=name,
        title=data["title"],
        actions={key: to_action(key, value, general) for key, value in data["actions"].items()},
        spec=data["spec"],
        refusal=RefusalShape(**general),
        enabled=data.get("enabled", True),
        languages=tuple(data.get("languages", ["en"])),
        frame_ancestors=tuple(data.get("frame_ancestors", ())),
        frame_ancestors_setting=data.get("frame_ancestors_setting", ""),
        operator_fields=tuple(operator.get("fields", ())) if operator is not None else None,
        failed_logins_per_hour=probe.get("failed_logins_per_hour", 60),
        probe_every=timedelta(minutes=probe.get("every_minutes", 24 * 60)),
        subscription=tuple(subscription.get("reserve", ())),
        subscription_grace=timedelta(seconds=subscription.get("grace", 600)),
        limits=Limits(**data.get("limits", {})),
        cabinet=tuple((line["field"], line["value"]) for line in data.get("cabinet", ())),
        secrets=data.get("secrets", {}),
        hosts=tuple(data.get("hosts", ())),
        level=data.get("level", "bronze"),
        weaknesses=tuple(map(to_weakness, data.get("weakness", ()))),
        ticket=data.get("ticket", "fragment"),
        guide=to_guide(data.get("guide", {})),
        theme=to_theme(data.get("theme", {})),
    )


def to_action(name: str, table: dict[str, Any], general: dict[str, Any]) -> Action:
    """One action's table as an `Action`; its refusal overrides the general one key by key."""
    own = refusal_schema().load(table["refusal"]) if "refusal" in table else {}
    settings = {key: value for key, value in table.items() if key not in ("refusal", "hook")}
    settings["methods"] = tuple(table["methods"])
    settings["reserve"] = tuple(table.get("reserve", ()))
    settings["proof"] = to_proof(table.get("proof"))
    return Action(name=name, hook=table.get("hook", name), refusal=RefusalShape(**{**general, **own}), **settings)
