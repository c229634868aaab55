"""Failures told in one line: what an operator did wrong is no traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.core.config import ConfigError
from app.sdk import Refused

P = ParamSpec("P")
R = TypeVar("R")


def told_in_one_line(function: Callable[P, R]) -> Callable[P, R]:
    """Turn wrong settings and refusals into click's own error line and exit status 1."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ConfigError as error:
            raise click.ClickException(str(error)) from error
        except (OperationalError, ProgrammingError) as error:
            raise click.ClickException(
                f"the database cannot be used; run `stallholder migrate` ({error.orig})"
            ) from error
        except Refused as refused:
            text = refused.message % refused.params if refused.params else refused.message
            raise click.ClickException(f"{text} ({refused.reason})") from refused

    return run
