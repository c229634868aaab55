"""Commands about connectors: what is loaded, what is quarantined and why, what to paste where."""

from __future__ import annotations

from collections.abc import Mapping

import click
from flask.cli import with_appcontext

from app.cli.check import check_connector
from app.cli.failures import told_in_one_line
from app.cli.new import new_connector
from app.cli.output import as_json, show_one, show_rows
from app.core.calls import LinksOf
from app.core.registry import Connector
from app.core.services import Services, services
from app.sdk import datasheet
from app.sdk.datasheet import Section

KEY_PLACE = "<key>"
FORMS = ("text", "markdown", "json")


def links_of(host: Services, connector: str) -> LinksOf:
    """Addresses of a connector."""
    return LinksOf(host.public_url, connector, {})


@click.group("connectors")
def connectors() -> None:
    """What is loaded, and what to paste into the partner cabinets."""


@connectors.command("list")
@as_json
@with_appcontext
@told_in_one_line
def list_connectors(json_wanted: bool) -> None:
    """What is loaded, what is quarantined and why."""
    rows = [
        {
            "name": found.name,
            "title": found.manifest.title if found.manifest else "",
            "state": found.state,
            "origin": found.source.origin,
            "fault": found.fault or missing_settings(found) or "; ".join(found.advice),
        }
        for found in (*services().registry, *services().registry.claimants)
    ]
    show_rows(rows, ("name", "title", "state", "fault"), json_wanted)


def missing_settings(connector: Connector) -> str:
    """Which settings would enable it."""
    if connector.enabled:
        return ""
    required = [f"CONNECTORS.{connector.name}.{setting.name}" for setting in connector.declared if setting.required]
    if connector.manifest is not None and not connector.manifest.enabled:
        required = [f"CONNECTORS.{connector.name}.enabled", *required]
    return f"set {', '.join(required)}" if required else "switched off in the settings"


@connectors.command("show")
@click.argument("name")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", help="How it is told."
)
@as_json
@with_appcontext
@told_in_one_line
def show_connector(name: str, form: str, json_wanted: bool) -> None:
    """The paste sheet for the platform's partner cabinet, and the data sheet: what is signed, stored, called, shown."""
    host = services()
    found = connector_named(name)
    if json_wanted or form == "json":
        show_one(sheet_of(host, found), True)
    elif form == "markdown":
        click.echo(f"# {heading(found)}\n\n{datasheet.as_markdown(sections_of(host, found))}")
    else:
        click.echo(f"{heading(found)}\n\n{datasheet.as_text(sections_of(host, found))}")


def sheet_of(host: Services, connector: Connector) -> dict[str, object]:
    """Both sheets for a script."""
    sheet: dict[str, object] = {"name": connector.name, "state": connector.state}
    if connector.fault:
        sheet["fault"] = connector.fault
    if connector.manifest is not None:
        sheet |= {"title": connector.manifest.title, "paste": pasted(host, connector)}
        sheet |= {"addresses": addresses(host, connector), "data": datasheet.data_of(connector.manifest)}
        sheet["settings"] = {setting.name: setting.help for setting in connector.declared}
    return sheet


def heading(connector: Connector) -> str:
    """Who it is and how it stands."""
    manifest = connector.manifest
    who = f"{manifest.title} ({connector.name}), level {manifest.level}" if manifest else connector.name
    return f"{who}: {connector.state}" + (f"\n  {connector.fault}" if connector.fault else "")


def sections_of(host: Services, connector: Connector) -> list[Section]:
    """Both sheets for a reader."""
    if connector.manifest is None:
        return []
    settings = {setting.name: setting.help for setting in connector.declared}
    parts = {"Paste": pasted(host, connector), "Addresses": addresses(host, connector), "Settings": settings}
    found = [
        Section(title, [(key, {"": value}) for key, value in part.items()]) for title, part in parts.items() if part
    ]
    return found + datasheet.sections(connector.manifest)


def connector_named(name: str) -> Connector:
    """The connector of that name, whatever its state."""
    found = next((connector for connector in services().registry if connector.name == name), None)
    if found is None:
        raise click.ClickException(f"there is no connector {name!r}; see `stallholder connectors list`")
    return found


def pasted(host: Services, connector: Connector) -> dict[str, str]:
    """The cabinet's fields and their values."""
    manifest = connector.manifest
    plain = {key: value for key, value in connector.settings.items() if isinstance(value, str)}
    values = {**plain, **addresses(host, connector)}
    if manifest is None:
        return {}
    blank = "is not set" if manifest.operator_fields is None else "as `stallholder installations add` prints it"
    return {field: value.format_map(Blank(blank, values)) for field, value in manifest.cabinet}


class Blank(dict[str, str]):
    """A value that is not known shows as such, with the reason."""

    def __init__(self, reason: str, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.reason = reason

    def __missing__(self, key: str) -> str:
        return f"<{key} {self.reason}>"


def addresses(host: Services, connector: Connector) -> dict[str, str]:
    """Where the platform reaches each action."""
    links = links_of(host, connector.name)
    actions = connector.manifest.actions.values() if connector.manifest else ()
    return {
        action.name: links.to(action.name, KEY_PLACE if action.keyed else "") for action in actions if action.methods
    }


connectors.add_command(check_connector)
connectors.add_command(new_connector)
COMMANDS = (connectors,)
