"""Commands about people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from app.cli.failures import told_in_one_line
from app.cli.installations import to_workspace
from app.cli.output import as_json, show_rows
from app.core.services import services
from app.people import importing, requests

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


@people.command("export")
@click.argument("id")
@of_workspace
@told_in_one_line
@with_appcontext
def export_person(id: str, workspace: str) -> None:
    """Everything that is held of one human, whatever sources know it, as JSON. ID is what `people search` prints."""
    click.echo(json.dumps(requests.export(found(id, workspace)), ensure_ascii=False, indent=2))


@people.command("erase")
@click.argument("id")
@of_workspace
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@told_in_one_line
@with_appcontext
def erase_person(id: str, workspace: str, yes: bool, json_wanted: bool) -> None:
    """Erase one human: every source's record with its orders, the messages, and the contact on other platforms."""
    held = found(id, workspace)
    if not yes:
        name = held.people[0].name or id
        click.confirm(f"Erase {name!r} and everything that is held of them? There is no way back", abort=True)
    requests.erase(held, datetime.now(UTC))
    told = f"Erased {len(held.people)} records. Other platforms are told by the worker; the shops themselves are not."
    click.echo(json.dumps({"erased": id, "records": len(held.people)}) if json_wanted else told)


def found(id: str, workspace: str) -> requests.Held:
    """The human with this id in the workspace."""
    held = requests.find(required(workspace), id)
    if held is None:
        raise click.ClickException(f"there is nobody {id!r} in that workspace; see `stallholder people search`")
    return held


def required(workspace: str) -> str:
    """The id of a workspace that exists."""
    if workspace == "new":
        raise click.ClickException("name an existing workspace; see `stallholder workspaces list`")
    return to_workspace(workspace) or ""


COMMANDS = (people,)
