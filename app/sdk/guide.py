"""What our pages tell a customer of a marketplace: data of its manifest, in English, translated by its catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, validate

# As long as what a page shows without becoming a manual.
LONGEST, MOST_STEPS = 400, 8


@dataclass(frozen=True, slots=True)
class Guide:
    """``connect`` says where a connection begins: ``here`` (we make what is to be pasted there) or ``there``.

    ``steps`` lead through it; ``disconnect`` says what is left to do in the marketplace.
    """

    connect: str = "there"
    steps: tuple[str, ...] = ()
    disconnect: str = ""


class GuideSchema(Schema):
    """The manifest's ``[guide]``."""

    connect = fields.String(validate=validate.OneOf(["here", "there"]))
    steps = fields.List(fields.String(validate=validate.Length(1, LONGEST)), validate=validate.Length(max=MOST_STEPS))
    disconnect = fields.String(validate=validate.Length(1, LONGEST))


def to_guide(table: Mapping[str, Any]) -> Guide:
    """A validated table as a `Guide`."""
    return Guide(**{**table, "steps": tuple(table.get("steps", ()))})
