"""``stallholder connectors check NAME --against VERSION``: what an upgrade of the host would break."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import click

from app.core.registry import Connector
from app.core.uses import uses_of
from app.sdk.spec import CHANGES, CURRENT, Change, advice, breaks, spoken


def told_against(
    connector: Connector, version: int, changes: Iterable[Change] = CHANGES
) -> tuple[list[str], list[str]]:
    """What a version of the spec breaks in a connector, and what it advises: a line each."""
    known = range(1, max([CURRENT, *(change.version for change in changes)]) + 1)
    if version not in known:
        raise click.ClickException(f"there is no version {version} of the spec; known are {spoken(known)}")
    if connector.manifest is None:
        raise click.ClickException(connector.fault)
    broken, uses = [], uses_of(connector)
    if version not in connector.manifest.spec:
        broken.append(
            f"its connector.toml says spec {spoken(connector.manifest.spec)}: try it, then write {version} too"
        )
    broken += breaks(uses, version, changes)
    return broken, list(advice(uses, version, changes))


def show_against(connector: Connector, version: int) -> NoReturn:
    """Print it; exit status 1 where something breaks."""
    broken, advised = told_against(connector, version)
    for line in (*broken, *advised):
        click.echo(line)
    if not broken:
        click.echo(f"{connector.name} runs under version {version} of the spec")
    raise SystemExit(bool(broken))
