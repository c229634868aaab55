"""How a refusal looks: read from the manifest alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..manifest import Action
from .host import Got


def is_refusal(action: Action, got: Got) -> bool:
    """Whether an answer has the shape in which this action refuses."""
    if action.refusal.media_type == "text/html":
        return got.status >= 400
    return fits(action.refusal.body, got.json)


def fits(template: Any, value: Any) -> bool:
    """Whether a value is the template with some message put in."""
    if isinstance(template, Mapping):
        same = isinstance(value, dict) and template.keys() == value.keys()
        return same and all(fits(template[name], value[name]) for name in template)
    if isinstance(template, list):
        return isinstance(value, list) and len(value) == len(template) and all(map(fits, template, value))
    if isinstance(template, str) and "$message" in template:
        head, _, tail = template.partition("$message")
        return (
            isinstance(value, str) and value.startswith(head) and value.endswith(tail) and len(value) > len(head + tail)
        )
    return bool(template == value)


def statuses(action: Action) -> set[int]:
    """The statuses with which this action refuses, the host's own 404 and 405 among them."""
    declared = action.refusal.status
    return {404, 405} | ({declared} if isinstance(declared, int) else set(declared.values()))
