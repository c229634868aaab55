"""Output for people and for scripts: an aligned table, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON for a script.")


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], json_wanted: bool) -> None:
    """A list: one line a row, or one JSON array."""
    if json_wanted:
        click.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, default=str))
        return
    table = [list(columns), *([str(row.get(column) or "") for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_one(value: Mapping[str, Any], json_wanted: bool) -> None:
    """One thing: its facts below each other, or one JSON object."""
    if json_wanted:
        click.echo(json.dumps(dict(value), ensure_ascii=False, default=str))
        return
    width = max(len(key) for key in value)
    for key, item in value.items():
        shown = json.dumps(item, ensure_ascii=False, default=str) if isinstance(item, (dict, list)) else item
        click.echo(f"{key.ljust(width)}  {'' if shown is None else shown}")
