"""The command line: ``stallholder``, on Flask's own."""

from __future__ import annotations

import os
from typing import Any

import click
from flask.cli import FlaskGroup, ScriptInfo, with_appcontext

from app import create_app
from app.cli import connectors, doctor, installations, people, simulate, workspaces
from app.cli import host as running
from app.cli.failures import told_in_one_line
from app.core.loading import load
from app.core.services import services
from app.core.sources import discover
from app.sdk import Command


class Stallholder(FlaskGroup):
    """The host's commands, and a group for each connector that brings some."""

    def invoke(self, ctx: click.Context) -> Any:
        # The databases hold people: what any command writes is its owner's alone.
        os.umask(0o077)
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        brought = [found.name for found in load(discover()) if not found.fault and found.implements("commands")]
        return sorted({*click.Group.list_commands(self, ctx), *brought})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = click.Group.get_command(self, ctx, name)
        if own is not None:
            return own
        app = ctx.ensure_object(ScriptInfo).load_app()
        with app.app_context():
            found = services().registry.find(name)
            if found is None or not found.serving or not found.implements("commands"):
                return None
            commands = [to_click(name, command) for command in found.call("commands")]
        return click.Group(name, commands=commands, help=f"Operator's commands of {name}.")


def to_click(connector: str, command: Command) -> click.Command:
    """A connector's command as one of ours."""

    @told_in_one_line
    def run(**options: str) -> None:
        host = services()
        found = host.registry.find(connector)
        if found is not None:
            links = connectors.links_of(host, connector)
            click.echo(command.run(options, found.settings, host.outgate.within(30), links))

    params: list[click.Parameter] = [
        click.Option([f"--{option.name}"], help=option.help, required=option.required, default=option.default)
        for option in command.options
    ]
    return click.Command(command.name, params=params, callback=with_appcontext(run), help=command.help)


main = Stallholder(
    name="stallholder",
    help="One stall in every market.",
    create_app=told_in_one_line(create_app),
    add_default_commands=False,
    add_version_option=False,
    load_dotenv=False,
    set_debug_flag=False,
)
# Which application it is and how it runs is settled; Flask's own options for that would only mislead.
main.params.clear()
for group in (running, doctor, connectors, installations, workspaces, people, simulate):
    for command in group.COMMANDS:
        main.add_command(command)
