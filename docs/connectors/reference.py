"""Writes reference.md from the code: ``make docs``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields

from app import sdk
from app.sdk import hookspecs
from app.sdk.manifest import ActionSchema, LimitsSchema, ManifestSchema, RefusalSchema
from app.sdk.promises import ProofSchema, WeaknessSchema
from app.sdk.spec import CURRENT

PAGE = Path(__file__).with_name("reference.md")
TABLES: dict[str, type[Schema]] = {
    "connector.toml": ManifestSchema,
    "[refusal] and [actions.NAME.refusal]": RefusalSchema,
    "[actions.NAME]": ActionSchema,
    "[actions.NAME.proof]": ProofSchema,
    "[[weakness]]": WeaknessSchema,
    "[limits]": LimitsSchema,
}


def page() -> str:
    """The whole reference."""
    lines = ["# Reference", "", f"Version {CURRENT} of the spec, written from the code by `make docs`.", ""]
    for heading, part in (
        ("Hooks", hooks),
        ("Values", values),
        ("Refusals", refusals),
        ("Ports", ports),
        ("Functions", functions),
        ("The manifest", manifest),
    ):
        lines += [f"## {heading}", "", *part()]
    return "\n".join(lines).rstrip() + "\n"


def hooks() -> Iterator[str]:
    """Every hook with its arguments; an implementation takes those that it uses."""
    yield from (text(hookspecs), "")
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if hasattr(hook, f"{hookspecs.PROJECT}_spec"):
            yield from entry(f"{name}{signature(hook)}", hook)


def values() -> Iterator[str]:
    """The frozen values and the words."""
    for name, kind in exported(type):
        if dataclasses.is_dataclass(kind):
            yield from entry(name, kind)
            yield from (f"- `{field_of(field)}`" for field in dataclasses.fields(kind))
            yield ""
        elif isinstance(kind, EnumMeta):
            yield from entry(name, kind)
            yield from (", ".join(f"`{word.value}`" for word in kind), "")


def refusals() -> Iterator[str]:
    """What a connector raises."""
    yield from ("| raise | kind | status | what it means |", "| --- | --- | --- | --- |")
    for name, kind in exported(type):
        if issubclass(kind, sdk.Refused):
            yield f"| `{name}` | `{kind.kind}` | {kind.status} | {text(kind).splitlines()[0]} |"
    yield ""


def ports() -> Iterator[str]:
    """What the host hands to a hook."""
    for name, kind in exported(type):
        if getattr(kind, "_is_protocol", False):
            yield from entry(name, kind)
            for method, function in inspect.getmembers(kind, inspect.isfunction):
                if not method.startswith("_"):
                    yield f"- `{method}{signature(function)}`: {one_line(text(function))}"
            yield ""


def functions() -> Iterator[str]:
    """What reads and checks."""
    for name, function in exported(object):
        if inspect.isfunction(function):
            yield from entry(f"{name}{signature(function)}", function)


def manifest() -> Iterator[str]:
    """The keys of ``connector.toml``."""
    for heading, schema in TABLES.items():
        yield from (f"### `{heading}`", "")
        for name, field in schema().fields.items():
            needed = ", required" if field.required else ""
            yield f"- `{field.data_key or name}`: {kind_of(field)}{needed}"
        yield ""


def exported(kind: type) -> Iterator[tuple[str, Any]]:
    """The names of the front door."""
    return ((name, getattr(sdk, name)) for name in sdk.__all__ if isinstance(getattr(sdk, name), kind))


def entry(heading: str, thing: Any) -> Iterator[str]:
    """One entry with its docstring."""
    yield from (f"### `{heading}`", "", text(thing), "")


def text(thing: Any) -> str:
    """A docstring as Markdown."""
    told = re.sub(r"(?m)^(``\w+``) {2,}", r"- \1: ", inspect.getdoc(thing) or "")
    return re.sub(r"``(.+?)``", r"`\1`", told)


def one_line(told: str) -> str:
    return " ".join(told.split())


def signature(function: Any) -> str:
    """Arguments as they are written."""
    return re.sub(r"'", "", str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()"))


def field_of(field: dataclasses.Field[Any]) -> str:
    default = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
    return f"{field.name}: {field.type}{default}"


def kind_of(field: fields.Field[Any]) -> str:
    return type(field).__name__.removesuffix("Field").lower()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
