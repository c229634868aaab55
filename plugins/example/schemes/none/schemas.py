"""No settings: what proves a call belongs to an installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.sdk import Setting

SETTINGS: tuple[Setting, ...] = ()

READERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "open": read_open,  # noqa: F821 - the template's
    "search": read_search,  # noqa: F821 - the template's
    "uninstall": read_uninstall,  # noqa: F821 - the template's
    "webhook": read_webhook,  # noqa: F821 - the template's
}
