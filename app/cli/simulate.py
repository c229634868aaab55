"""``stallholder simulate``: a genuine signed request to the running host, with the exchange on the wire."""

from __future__ import annotations

import json
from typing import Any

import click
import requests
from flask.cli import with_appcontext

from app import sandbox
from app.cli.failures import told_in_one_line
from app.cli.output import as_json
from app.core import config
from app.core.services import services
from app.sdk.simulation import Scenario

NOT_DEMO = (
    "simulate plays the marketplaces of demo mode, whose keys the host trusts there: "
    "start it with `make run` while no connector is configured"
)


@click.command()
@click.argument("connector")
@click.argument("action", required=False)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Change what the request carries.")
@click.option("--scenario", type=click.Choice([kind.value for kind in Scenario]), default=Scenario.GENUINE.value)
@as_json
@with_appcontext
@told_in_one_line
def simulate(connector: str, action: str | None, pairs: tuple[str, ...], scenario: str, json_wanted: bool) -> None:
    """Send the signed request for ACTION to the running host and print the exchange and what the host made of it."""
    if not services().demo:
        raise click.ClickException(NOT_DEMO)
    homes = sandbox.homes(config.instance_folder())
    if connector not in homes:
        raise click.ClickException(f"no marketplace of that name is played; there are {', '.join(homes)}")
    changes = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    answer = played(homes[connector], action, {"scenario": scenario, "changes": changes})
    click.echo(json.dumps(answer, ensure_ascii=False) if json_wanted else told(answer))


def played(home: str, action: str | None, asked: dict[str, Any]) -> dict[str, Any]:
    """Let the sandbox's marketplace send the request."""
    try:
        response = requests.post(f"{home}/_play/{action or ''}", json=asked, timeout=60)
    except requests.ConnectionError as error:
        raise click.ClickException("the sandbox does not answer; is `make run` running?") from error
    answer: dict[str, Any] = response.json()
    if "problem" in answer:
        raise click.ClickException(answer["problem"])
    del answer["html"]
    return answer


def told(answer: dict[str, Any]) -> str:
    """Every exchange as it went over the wire, and the host's verdict."""
    verdict = answer["verdict"]
    judged = [f"= {verdict['word']}: {verdict['said']}", *(f"= {change}" for change in verdict["changes"])]
    return "\n".join([*(f"{shown(one)}\n" for one in answer["exchanges"]), *judged])


def shown(exchange: dict[str, Any]) -> str:
    """Both sides of one request."""
    sent, got = exchange["request"], exchange["response"]
    lines = [f"> {sent['method']} {sent['path']}", *(f"> {name}: {value}" for name, value in sent["headers"].items())]
    lines += [">", *(f"> {line}" for line in sent["body"].splitlines()), ""] if sent["body"] else [""]
    lines += [f"< {got['status']}", *(f"< {name}: {value}" for name, value in got["headers"].items())]
    return "\n".join([*lines, "<", *(f"< {line}" for line in got["body"].splitlines())])


COMMANDS = (simulate,)
