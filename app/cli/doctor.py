"""``stallholder doctor``: everything that may be wrong, each finding with its mend."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import click
import requests
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.cli.failures import told_in_one_line
from app.cli.output import as_json, show_rows
from app.core import config, health, nodes
from app.core.database import db, reading
from app.core.migrate import pending
from app.core.models import DataKeyRow, InstallationRow
from app.core.seal import SealBroken
from app.core.services import services


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; ``mend`` is empty when it is well."""

    checked: str
    found: str
    mend: str = ""


@click.command()
@as_json
@with_appcontext
@told_in_one_line
def doctor(json_wanted: bool) -> None:
    """Check settings, databases, keys, clock, connectors and the public address; exit 1 when something is wrong."""
    findings = [*settings(), *databases()]
    if not any(finding.mend for finding in findings if finding.checked == "database"):
        findings += [finding for check in OF_THE_DATABASE for finding in check()]
    findings += [*connectors(), *public_address()]
    rows = [asdict(finding) | {"state": "wrong" if finding.mend else "ok"} for finding in findings]
    show_rows(rows, ("state", "checked", "found", "mend"), json_wanted)
    if any(finding.mend for finding in findings):
        raise SystemExit(1)


def settings() -> Iterator[Finding]:
    """The settings were read, or this command had not started; is their file private?"""
    yield Finding("settings", "every key is known and usable")
    file = config.instance_folder() / "config.toml"
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding("config.toml", "others than its owner may read it", f"chmod 600 {file}")


def databases() -> Iterator[Finding]:
    """Reachable, up to date, and as durable as promised."""
    try:
        behind = pending()
    except SQLAlchemyError as error:
        yield Finding("database", f"not reachable: {type(error).__name__}", "check SQLALCHEMY_DATABASE_URI")
        return
    if behind:
        yield Finding("database", f"not up to date: {', '.join(behind)}", "run `stallholder migrate`")
        return
    yield Finding("database", f"{db.engine.dialect.name}, up to date")
    if db.engine.dialect.name == "sqlite":
        with reading() as session:
            synchronous = session.connection().exec_driver_sql("PRAGMA synchronous").scalar()
        lax = synchronous is None or synchronous < 2
        yield Finding(
            "durability", f"synchronous={synchronous}", "SQLite must run with synchronous=FULL" if lax else ""
        )


def keys() -> Iterator[Finding]:
    """Every data key opens under the master ring."""
    ring, broken, count = services().ring, 0, 0
    with reading() as session:
        for wrapped in session.scalars(select(DataKeyRow.wrapped)):
            count += 1
            try:
                ring.unwrap(wrapped)
            except SealBroken:
                broken += 1
    mend = "put the master key that wrapped them back into MASTER_KEYS" if broken else ""
    yield Finding("keys", f"{count - broken} of {count} data keys open", mend)


def clock() -> Iterator[Finding]:
    """The clock has not gone back behind what was stored."""
    with reading() as session:
        newest = session.scalar(select(func.max(InstallationRow.updated_at)))
    behind = newest is not None and newest > datetime.now(UTC) + timedelta(minutes=1)
    yield Finding("clock", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", "set the clock; run NTP" if behind else "")


def worker() -> Iterator[Finding]:
    """A worker shows signs of life."""
    faults = [reason for reason in health.database_and_worker() if reason.startswith("worker")]
    yield Finding(
        "worker", "; ".join(faults) or "alive", "run `stallholder serve` or `stallholder worker`" if faults else ""
    )


def connectors() -> Iterator[Finding]:
    """Which serve, which are in quarantine, which lack settings."""
    for connector in (*services().registry, *services().registry.claimants):
        name = f"connector {connector.name}"
        if connector.fault:
            yield Finding(name, f"quarantined: {connector.fault}", "mend or remove the connector, then restart")
        else:
            yield Finding(name, "; ".join((connector.state, *connector.advice)))


def public_address() -> Iterator[Finding]:
    """The address that the marketplaces reach leads to this host."""
    url = services().public_url
    try:
        status = requests.get(f"{url}/healthz", timeout=5, allow_redirects=False).status_code
    except requests.RequestException as error:
        yield Finding(
            "PUBLIC_URL", f"{url}: {type(error).__name__}", "start the host, or point the name and the proxy at it"
        )
        return
    yield Finding(
        "PUBLIC_URL", f"{url} answers {status}", "" if status == 200 else "the proxy must pass /healthz on unchanged"
    )


def unlike_nodes() -> Iterator[Finding]:
    """Every node has the same connectors."""
    for line in nodes.differences(datetime.now(UTC)):
        yield Finding("nodes", line, "install the same connectors on every machine, then restart them")


def alarms() -> Iterator[Finding]:
    """What the worker wants a person to look at."""
    with reading() as session:
        for row in session.scalars(select(InstallationRow).where(InstallationRow.alarm != "")):
            yield Finding(f"installation {row.id}", row.alarm, "look at it in the marketplace, then connect it again")
    if current_app.config["DEMO"]:
        yield Finding("demo mode", "on: sandbox keys are trusted, on loopback only")


OF_THE_DATABASE = (keys, clock, worker, unlike_nodes, alarms)
COMMANDS = (doctor,)
