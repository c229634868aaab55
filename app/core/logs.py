"""Logs: one line of JSON an event, with listed fields only. Never a body, a header, a query or a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    {"event", "level", "timestamp", "connector", "action", "hook", "kind", "reason", "status", "fault", "installation",
     "state", "count", "seconds", "error", "where"}
)  # fmt: skip


def only_listed(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not listed; of an exception keep its type and place, not its text."""
    info = event.pop("exc_info", None)
    if info:
        error = sys.exc_info()[1] if info is True else info
        if isinstance(error, BaseException):
            event["error"] = type(error).__name__
            event["where"] = place_of(error)
    return {key: value for key, value in event.items() if key in ALLOWED}


def place_of(error: BaseException) -> str:
    """The innermost file and line of an exception."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""


def configure() -> None:
    """Once at start; safe to call again."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_listed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries write URLs into their debug lines.
    for name in ("urllib3", "requests", "werkzeug", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
