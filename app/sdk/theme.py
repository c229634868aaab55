"""A marketplace's looks as data: what our pages borrow from the admin around them, and nothing that carries code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

# Our stylesheet has a value of its own for each, and mixes every further shade from these.
COLOURS = ("accent", "on_accent", "ground", "sheet", "ink", "line")
# Identifiers need no quotes in CSS, so a font's name cannot end one.
FONT = re.compile(r"-?[A-Za-z][A-Za-z0-9-]*(?: [A-Za-z][A-Za-z0-9-]*)*")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as ``#rrggbb`` by their names in `COLOURS`, a radius in pixels, font families in order of preference."""

    light: Mapping[str, str] = field(default_factory=dict)
    dark: Mapping[str, str] = field(default_factory=dict)
    radius: int | None = None
    font: tuple[str, ...] = ()

    def css(self) -> str:
        """The theme as declarations to stand behind our stylesheet; without quotes and angle brackets."""
        general = {"radius": f"{self.radius}px"} if self.radius is not None else {}
        general |= {"font": ", ".join(self.font)} if self.font else {}
        light = f":root {{{declared({**general, **self.light})}}}"
        return f"{light} @media (prefers-color-scheme: dark) {{:root {{{declared(self.dark)}}}}}"


def declared(values: Mapping[str, str]) -> str:
    """Custom properties of CSS."""
    return "; ".join(f"--{name.replace('_', '-')}: {value}" for name, value in values.items())


def to_theme(table: Mapping[str, Any]) -> Theme:
    """A validated table as a `Theme`."""
    return Theme(table.get("light", {}), table.get("dark", {}), table.get("radius"), tuple(table.get("font", ())))


def matching(pattern: re.Pattern[str], says: str) -> fields.String:
    """A text that matches from its first to its last character: ``$`` would let a line break follow."""

    def check(value: str) -> None:
        if not pattern.fullmatch(value):
            raise ValidationError(says)

    return fields.String(validate=check)


class ThemeSchema(Schema):
    """The manifest's ``[theme]``."""

    light = fields.Dict(
        keys=fields.String(validate=validate.OneOf(COLOURS)), values=matching(COLOUR, "a colour such as #0f766e")
    )
    dark = fields.Dict(
        keys=fields.String(validate=validate.OneOf(COLOURS)), values=matching(COLOUR, "a colour such as #0f766e")
    )
    radius = fields.Integer(strict=True, validate=validate.Range(0, 24))
    font = fields.List(
        matching(FONT, "a font family without quotes, such as Open Sans"), validate=validate.Length(1, 8)
    )
