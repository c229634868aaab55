"""Commands about people."""

from __future__ import annotations

import json
from pathlib import Path

import click
from flask.cli import with_appcontext

from app.cli.failures import told_in_one_line
from app.cli.installations import to_workspace
from app.cli.output import as_json, show_rows
from app.core.services import services
from app.people import importing

of_workspace = click.option("--workspace", required=True, help="The workspace's id.")


@click.group("people")
def people() -> None:
    """The directory of a workspace."""


@people.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_workspace
@as_json
@told_in_one_line
@with_appcontext
def import_people(file: Path, workspace: str, json_wanted: bool) -> None:
    """Import people from JSON Lines; nothing is stored when any line is bad."""
    existing = required(workspace)
    try:
        done = importing.import_file(file, existing)
    except importing.ImportRefused as refused:
        raise click.ClickException("nothing was imported:\n" + "\n".join(refused.problems)) from refused
    told = f"Imported {done.new + done.updated} people: {done.new} new, {done.updated} updated."
    click.echo(json.dumps({"new": done.new, "updated": done.updated}) if json_wanted else told)


@people.command("search")
@click.argument("query")
@of_workspace
@click.option("--limit", default=20, show_default=True)
@as_json
@told_in_one_line
@with_appcontext
def search_people(query: str, workspace: str, limit: int, json_wanted: bool) -> None:
    """The best matches for every word of QUERY."""
    hits = services().directory(required(workspace)).search(query, limit)
    show_rows([{"id": hit.id, "name": hit.name} for hit in hits], ("id", "name"), json_wanted)


def required(workspace: str) -> str:
    """The id of a workspace that exists."""
    if workspace == "new":
        raise click.ClickException("name an existing workspace; see `stallholder workspaces list`")
    return to_workspace(workspace) or ""


COMMANDS = (people,)
