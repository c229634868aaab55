"""Commands about installations."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from app.cli.failures import told_in_one_line
from app.cli.output import as_json, show_one, show_rows
from app.core import adding
from app.core.database import reading
from app.core.models import CredentialRow, InstallationRow, WorkspaceRow
from app.core.services import services
from app.people import erasing, mirror, sync_state
from app.sdk import State

WIDTH = 30
PAUSE = 0.5


@click.group("installations")
def installations() -> None:
    """Connections to tenants of the platforms."""


@installations.command("list")
@as_json
@with_appcontext
@told_in_one_line
def list_installations(json_wanted: bool) -> None:
    """Every installation."""
    with reading() as session:
        rows = [facts_of(row) for row in session.scalars(select(InstallationRow).order_by(InstallationRow.created_at))]
    show_rows(rows, ("id", "connector", "title", "state", "workspace", "alarm"), json_wanted)


def facts_of(row: InstallationRow) -> dict[str, Any]:
    """What may be shown of an installation: never a secret."""
    return {
        "id": row.id,
        "connector": row.connector,
        "workspace": row.workspace_id,
        "title": row.title,
        "state": row.state,
        "address": row.address,
        "language": row.language,
        "facts": row.facts,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "connected_at": shown(row.connected_at),
        "heard_at": shown(row.heard_at),
        "probed_at": shown(row.probed_at),
        "health": row.health,
        "alarm": row.alarm,
    }


@installations.command("show")
@click.argument("id")
@as_json
@with_appcontext
@told_in_one_line
def show_installation(id: str, json_wanted: bool) -> None:
    """One installation, without its secrets."""
    with reading() as session:
        row = existing(session.get(InstallationRow, id), id)
        facts = facts_of(row)
        names = session.execute(
            select(CredentialRow.name, CredentialRow.slot).where(CredentialRow.installation_id == id)
        )
        facts["next_check"] = shown(row.probe_at)
        facts["credentials"] = sorted(f"{name} ({slot})" for name, slot in names)
    facts["people"] = mirror.count(facts["workspace"] or "", id)
    if fills(facts["connector"]):
        told = sync_state.progress(id)
        values = {"state": told.state, "done": told.done, "total": told.total, "text": told.text}
        facts["sync"] = values | {"next_at": shown(told.next_at)} if json_wanted else bar(told)
    if does(facts["connector"], "push"):
        told = sync_state.progress(id, kind=sync_state.PUSH)
        facts["push"] = pushed(told) if json_wanted else handed_on(told)
    if does(facts["connector"], "subscribe"):
        told = sync_state.progress(id, kind=sync_state.SUBSCRIBE)
        facts["subscribed"] = {"since": shown(told.live_since), "text": told.text} if json_wanted else told.text
    now = datetime.now(UTC)
    if troubles := sync_state.troubles(id, now, sync_state.REREAD, sync_state.SUBSCRIBE, sync_state.FORGET):
        facts["troubles"] = troubles if json_wanted else "; ".join(troubles)
    show_one(facts, json_wanted)


def shown(at: datetime | None) -> str | None:
    """A time as scripts read it."""
    return at.isoformat() if at else None


def pushed(told: sync_state.Progress) -> dict[str, Any]:
    """How far a push is, for scripts."""
    values = {"state": told.state, "done": told.done, "total": told.total, "text": told.text}
    return values | {"people": told.people, "last": shown(told.pushed_at), "next_at": shown(told.next_at)}


def handed_on(told: sync_state.Progress) -> str:
    """The same in words."""
    last = f", the last at {sync_state.clock(told.pushed_at, datetime.now(UTC))}" if told.pushed_at else ""
    return f"{bar(told)}; {told.people} people handed on{last}"


def fills(connector: str) -> bool:
    """Whether the marketplace brings people."""
    return does(connector, "pull")


def does(connector: str, hook: str) -> bool:
    """Whether the connector serves and has this hook."""
    found = services().registry.find(connector)
    return found is not None and found.serving and found.implements(hook)


def bar(told: sync_state.Progress) -> str:
    """How far the first pass is, drawn; in words once it is over."""
    if told.state != sync_state.FIRST or not told.total:
        return told.text
    filled = WIDTH * told.done // max(told.total, told.done)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {told.text} ({told.done} of {told.total})"


@installations.command("sync")
@click.argument("id")
@click.option("--wait", is_flag=True, help="Stay until it is live or has stopped, and show how far it is.")
@as_json
@with_appcontext
@told_in_one_line
def sync(id: str, wait: bool, json_wanted: bool) -> None:
    """Ask for a synchronisation now; the worker does it."""
    with reading() as session:
        row = existing(session.get(InstallationRow, id), id)
    kinds = [kind for kind in (sync_state.PULL, sync_state.PUSH) if does(row.connector, kind)]
    if not kinds or row.state != State.ACTIVE:
        raise click.ClickException(f"nothing is synchronised here: {row.connector}, {row.state}")
    began = datetime.now(UTC)
    sync_state.want(id, began)
    told = least(id, kinds, began)
    while wait and not is_settled(told, began):
        if not json_wanted and sys.stderr.isatty():
            click.echo(f"\r{bar(told)}\x1b[K", nl=False, err=True)
        time.sleep(PAUSE)
        told = least(id, kinds, began)
    show_one({"id": id, "state": told.state, "done": told.done, "total": told.total, "sync": told.text}, json_wanted)
    if told.state == sync_state.STOPPED:
        raise SystemExit(1)


def least(id: str, kinds: list[str], began: datetime) -> sync_state.Progress:
    """How far the pull or the push is: what is under way before what stopped, and both before what is done."""
    told = [sync_state.progress(id, kind=kind) for kind in kinds]
    return min(told, key=lambda one: (is_settled(one, began), one.state != sync_state.STOPPED))


def is_settled(told: sync_state.Progress, began: datetime) -> bool:
    """Whether what was asked for is done: stopped, or live with the next turn after the one that we asked for."""
    if told.state == sync_state.LIVE:
        return told.next_at is not None and told.next_at > began
    return told.state == sync_state.STOPPED


def existing(row: InstallationRow | None, id: str) -> InstallationRow:
    """The row, or an error that says where to look."""
    if row is None:
        raise click.ClickException(f"there is no installation {id!r}; see `stallholder installations list`")
    return row


@installations.command("add")
@click.argument("connector")
@click.option("--workspace", required=True, help="A workspace's id, or `new`.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="What the connector asks for.")
@as_json
@with_appcontext
@told_in_one_line
def add(connector: str, workspace: str, pairs: tuple[str, ...], json_wanted: bool) -> None:
    """Connect a tenant by hand; prints JSON."""
    host = services()
    found = host.registry.find(connector)
    if found is None or not found.serving or found.manifest is None:
        raise click.ClickException(f"the connector {connector!r} is not serving; see `stallholder connectors list`")
    if found.manifest.operator_fields is None:
        raise click.ClickException(
            f"{found.manifest.title} installs itself: see `stallholder connectors show {connector}`"
        )
    fields = to_fields(pairs, found.manifest.operator_fields)
    installed, told = adding.add(host, found, fields, to_workspace(workspace), datetime.now(UTC))
    with reading() as session:
        row = session.get(InstallationRow, installed)
        printed = {"id": installed, "workspace": row.workspace_id if row else None, **told}
    click.echo(json.dumps(printed, ensure_ascii=False))


def to_fields(pairs: tuple[str, ...], known: tuple[str, ...]) -> dict[str, str]:
    """``key=value`` pairs as fields."""
    fields = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in known:
            raise click.ClickException(f"--set {key}: write key=value; known are {', '.join(known)}")
        fields[key] = value
    return fields


def to_workspace(id: str) -> str | None:
    """An existing workspace's id; None for a new one."""
    if id == "new":
        return None
    with reading() as session:
        if session.get(WorkspaceRow, id) is None:
            raise click.ClickException(
                f"there is no workspace {id!r}; see `stallholder workspaces list`, or write `new`"
            )
    return id


@installations.command("remove")
@click.argument("id")
@as_json
@with_appcontext
@told_in_one_line
def remove(id: str, json_wanted: bool) -> None:
    """Forget an installation: its credentials, its events and the people that came through it."""
    with reading() as session:
        row = existing(session.get(InstallationRow, id), id)
    erasing.disconnect(row.workspace_id or "", id)
    told = f"Removed {id}. The platform was not told: take the add-on away there too."
    click.echo(json.dumps({"removed": id}) if json_wanted else told)


COMMANDS = (installations,)
