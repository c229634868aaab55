"""Commands about the customers' workspaces."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext
from sqlalchemy import func, select

from app.cli.failures import told_in_one_line
from app.cli.installations import facts_of
from app.cli.output import as_json, show_one, show_rows
from app.core.database import reading
from app.core.models import InstallationRow, WorkspaceRow
from app.people import erasing, exporting, merging, mirror


@click.group("workspaces")
def workspaces() -> None:
    """Customers' workspaces: installations whose people belong together."""


@workspaces.command("list")
@as_json
@with_appcontext
@told_in_one_line
def list_workspaces(json_wanted: bool) -> None:
    """Every workspace."""
    statement = (
        select(WorkspaceRow, func.count(InstallationRow.id))
        .outerjoin(InstallationRow, InstallationRow.workspace_id == WorkspaceRow.id)
        .group_by(WorkspaceRow.id)
        .order_by(WorkspaceRow.created_at)
    )
    with reading() as session:
        rows = [
            {"id": row.id, "name": row.name, "installations": count, "created_at": row.created_at.isoformat()}
            for row, count in session.execute(statement)
        ]
    show_rows(rows, ("id", "name", "installations", "created_at"), json_wanted)


@workspaces.command("show")
@click.argument("id")
@as_json
@with_appcontext
@told_in_one_line
def show_workspace(id: str, json_wanted: bool) -> None:
    """One workspace with its installations."""
    with reading() as session:
        row = session.get(WorkspaceRow, id)
        if row is None:
            raise click.ClickException(f"there is no workspace {id!r}; see `stallholder workspaces list`")
        found = session.scalars(select(InstallationRow).where(InstallationRow.workspace_id == id))
        shown = {"id": row.id, "name": row.name, "installations": [facts_of(installation) for installation in found]}
    show_one(shown | {"people": mirror.count(id)}, json_wanted)


@workspaces.command("export")
@click.argument("id")
@with_appcontext
@told_in_one_line
def export(id: str) -> None:
    """Everything that is kept of the workspace's people, as the JSON Lines that `people import` reads."""
    required(id)
    for person in exporting.people(id):
        click.echo(json.dumps(person, ensure_ascii=False))


@workspaces.command("erase")
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@with_appcontext
@told_in_one_line
def erase(id: str, yes: bool, json_wanted: bool) -> None:
    """Destroy a workspace: its installations with their keys, its people, and itself."""
    name = required(id)
    if not yes:
        click.confirm(f"Erase {name!r} ({id}) with all its installations and people? There is no way back", abort=True)
    erasing.erase(id)
    click.echo(json.dumps({"erased": id}) if json_wanted else f"Erased {id}. The platforms were not told.")


def required(id: str) -> str:
    """The workspace's name; an error where there is none."""
    with reading() as session:
        row = session.get(WorkspaceRow, id)
    if row is None:
        raise click.ClickException(f"there is no workspace {id!r}; see `stallholder workspaces list`")
    return row.name


@workspaces.command("merge")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="INTO")
@as_json
@with_appcontext
@told_in_one_line
def merge(source: str, target: str, json_wanted: bool) -> None:
    """Move all of FROM's installations and people into INTO."""
    with reading() as session:
        for id in (source, target):
            if session.get(WorkspaceRow, id) is None:
                raise click.ClickException(f"there is no workspace {id!r}; see `stallholder workspaces list`")
    if source == target:
        raise click.ClickException("FROM and INTO are the same workspace")
    merging.merge(source, target)
    told = f"Moved everything of {source} into {target}."
    click.echo(json.dumps({"merged": source, "into": target}) if json_wanted else told)


COMMANDS = (workspaces,)
