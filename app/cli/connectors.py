"""Commands about connectors: what is loaded, what is quarantined and why, what to paste where."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from app.cli.check import show_against
from app.cli.failures import told_in_one_line
from app.cli.new import new_connector
from app.cli.output import as_json, show_one, show_rows
from app.core.calls import LinksOf
from app.core.registry import Connector
from app.core.services import Services, services
from app.sdk.spec import CURRENT

KEY_PLACE = "<key>"


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
@as_json
@with_appcontext
@told_in_one_line
def show_connector(name: str, json_wanted: bool) -> None:
    """The addresses and values to paste into the platform's partner cabinet."""
    host = services()
    found = connector_named(name)
    sheet: dict[str, object] = {"name": name, "state": found.state}
    if found.fault:
        sheet["fault"] = found.fault
    if found.manifest is not None:
        sheet |= {"title": found.manifest.title, "paste": pasted(host, found), "addresses": addresses(host, found)}
        sheet["settings"] = {setting.name: setting.help for setting in found.declared}
    if json_wanted:
        show_one(sheet, True)
    else:
        tell(sheet)


def connector_named(name: str) -> Connector:
    """The connector of that name, whatever its state."""
    found = next((connector for connector in services().registry if connector.name == name), None)
    if found is None:
        raise click.ClickException(f"there is no connector {name!r}; see `stallholder connectors list`")
    return found


@connectors.command("check")
@click.argument("name")
@click.option("--against", type=int, default=CURRENT, show_default=True, help="A version of the spec.")
@with_appcontext
@told_in_one_line
def check_connector(name: str, against: int) -> None:
    """What a version of the spec would break in a connector."""
    show_against(connector_named(name), against)


def pasted(host: Services, connector: Connector) -> dict[str, str]:
    """The cabinet's fields and their values."""
    manifest = connector.manifest
    plain = {key: value for key, value in connector.settings.items() if isinstance(value, str)}
    values = {**plain, **addresses(host, connector)}
    return {field: value.format_map(Blank(values)) for field, value in manifest.cabinet} if manifest else {}


class Blank(dict[str, str]):
    """A value that is not set yet shows as such."""

    def __missing__(self, key: str) -> str:
        return f"<{key} is not set>"


def addresses(host: Services, connector: Connector) -> dict[str, str]:
    """Where the platform reaches each action."""
    links = links_of(host, connector.name)
    actions = connector.manifest.actions.values() if connector.manifest else ()
    return {
        action.name: links.to(action.name, KEY_PLACE if action.keyed else "") for action in actions if action.methods
    }


def tell(sheet: dict[str, object]) -> None:
    """The sheet for a person."""
    click.echo(f"{sheet.get('title', sheet['name'])}: {sheet['state']}")
    if "fault" in sheet:
        click.echo(f"  {sheet['fault']}")
    for part in ("paste", "addresses", "settings"):
        values = sheet.get(part)
        if isinstance(values, dict) and values:
            click.echo(f"\n{part.capitalize()}")
            for key, value in values.items():
                click.echo(f"  {key}\n    {value}")


connectors.add_command(new_connector)
COMMANDS = (connectors,)
