"""Commands that run the host: init, migrate, serve, worker."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path

import click
from cryptography.fernet import Fernet
from flask.cli import with_appcontext

from app import create_app, sandbox
from app.cli.failures import told_in_one_line
from app.cli.supervisor import Program, supervise
from app.core import config
from app.core.migrate import migrate as migrate_databases
from app.jobs.worker import work

CONFIG = """\
# Stallholder's settings; `stallholder doctor` checks them, docs/settings.md lists them.
SECRET_KEY = "{secret}"
MASTER_KEYS = ["{master}"]
"""


@click.command()
@click.option("--if-missing", is_flag=True, help="Do nothing when the instance has its keys already.")
@told_in_one_line
def init(if_missing: bool) -> None:
    """Create the instance folder with fresh keys."""
    folder = config.instance_folder()
    file = folder / "config.toml"
    if file.exists():
        if if_missing:
            return
        raise click.ClickException(f"{file} exists; its keys are not replaced")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "stallholder.db").exists():
        raise click.ClickException(
            f"{folder} holds a database but no config.toml: put its keys back, new ones would not open it"
        )
    write_private(file, CONFIG.format(secret=secrets.token_urlsafe(48), master=Fernet.generate_key().decode()))
    click.echo(f"Created {file} with fresh keys. Keep a copy of it apart from the backups.")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner reads, from its first moment on."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


@click.command()
@with_appcontext
@told_in_one_line
def migrate() -> None:
    """Bring the databases up to date."""
    migrate_databases()
    click.echo("The databases are up to date.")


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="HOST:PORT or unix:PATH.")
@click.option("--workers", default=2, show_default=True, help="Web processes.")
@click.option("--no-worker", is_flag=True, help="Serve without the worker; run `stallholder worker` elsewhere.")
@told_in_one_line
def serve(bind: str, workers: int, no_worker: bool) -> None:
    """Migrate, then serve the host and its worker in the foreground."""
    folder = config.instance_folder()
    if "PUBLIC_URL" not in config.read_sources(folder) and is_loopback(bind):
        os.environ["STALLHOLDER_PUBLIC_URL"] = f"http://{bind}"
    check_bind(bind)
    demo = config.load_host(folder)["DEMO"]
    if demo:
        check_loopback(bind)
        sandbox.prepare(folder, f"http://{bind}")
    app = create_app()
    with app.app_context():
        migrate_databases()
    share_metrics(folder)
    raise SystemExit(supervise(programs(bind, workers, worker=not no_worker, demo=demo)))


def check_bind(bind: str) -> None:
    """Say at once that an address is taken or none, before anything is started."""
    host, _, port = bind.rpartition(":")
    if bind.startswith("unix:"):
        return
    try:
        with socket.create_server((host.strip("[]"), int(port)), family=family_of(host)):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise click.ClickException(f"cannot serve on {bind}: {error}") from error


def family_of(host: str) -> socket.AddressFamily:
    """IPv6 is written in brackets."""
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET


def share_metrics(folder: Path) -> None:
    """Let this host's web processes sum their counters in a folder that starts empty; those of ended hosts go."""
    shared = folder / "metrics" / str(os.getpid())
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    for other in (folder / "metrics").iterdir():
        if not Path("/proc", other.name).exists():
            shutil.rmtree(other, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)


def is_loopback(bind: str) -> bool:
    """Whether only this machine reaches the address."""
    return bind.rpartition(":")[0].strip("[]") in config.LOOPBACK


def check_loopback(bind: str) -> None:
    """The sandbox's keys are no secret: demo mode is for this machine alone."""
    if not is_loopback(bind):
        raise click.ClickException("demo mode serves loopback only: configure a connector, or bind to 127.0.0.1")


def programs(bind: str, workers: int, *, worker: bool, demo: bool) -> list[Program]:
    """What serving takes: gunicorn must live; the others are started again."""
    gunicorn = ["-m", "gunicorn", "app:served()", "--bind", bind, "--workers", str(workers)]
    # Threads, since a request may wait for a platform, or for a platform that calls us back meanwhile.
    gunicorn += ["--worker-class", "gthread", "--threads", "16", "--timeout", "30", "--graceful-timeout", "25"]
    # A signed query may be long: the default line of 4094 bytes would cut off what its platform allows.
    gunicorn += ["--limit-request-line", "8190", "--no-control-socket", "--log-level", "warning"]
    wanted = [Program("web", tuple(gunicorn), vital=True)]
    if worker:
        wanted.append(Program("worker", ("-m", "app.cli", "worker")))
    if demo:
        wanted.append(Program("sandbox", ("-m", "app.cli", "sandbox")))
    return wanted


@click.command()
@with_appcontext
@told_in_one_line
def worker() -> None:
    """Run the worker alone."""
    work()


@click.command(name="sandbox", hidden=True)
@with_appcontext
@told_in_one_line
def run_sandbox() -> None:
    """Play the marketplaces of demo mode; started by `serve`."""
    sandbox.run()


COMMANDS = (init, migrate, serve, worker, run_sandbox)
