"""``stallholder connectors new``: a connector's package of its own, which passes its tests before a line is changed."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from app.cli.scaffold.package import ACTIONS, LANGUAGES, PROOFS, Wish, files_of
from app.core.loading import RESERVED
from app.core.sources import discover
from app.sdk.manifest import NAME

ACTION = click.Choice(ACTIONS)
LANGUAGE = click.Choice(LANGUAGES)


@click.command("new")
@click.argument("name")
@click.option("--title", help="What people call the marketplace.")
@click.option("--proof", type=click.Choice(list(PROOFS)), help="What proves its calls.")
@click.option("--action", "actions", type=ACTION, multiple=True, help="What it calls beside install; repeat it.")
@click.option("--language", "languages", type=LANGUAGE, multiple=True, help="What its people read; repeat it.")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Folder; default ./stallholder-NAME.")
def new_connector(
    name: str,
    title: str | None,
    proof: str | None,
    actions: tuple[str, ...],
    languages: tuple[str, ...],
    into: Path | None,
) -> None:
    """Write a connector of your own, from the template; nothing is overwritten."""
    check_name(name)
    wish = Wish(
        name,
        title or asked("What do people call the marketplace?", name.replace("_", " ").title()),
        proof or asked_proof(),
        actions or asked_several("What does it call?", ACTIONS, ACTIONS),
        languages or asked_several("Which languages do its people read?", LANGUAGES, LANGUAGES[:1]),
    )
    folder = into or Path(f"stallholder-{name.replace('_', '-')}")
    write(folder, files_of(wish))
    click.echo(f"{folder} holds a connector that passes its own tests. Next:\n")
    click.echo(f"  cd {folder}\n  pip install --editable '.[test]'\n  pytest")


def check_name(name: str) -> None:
    """Refuse a name that no host would load."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise click.ClickException(f"{name!r}: write 2 to 32 small letters, digits and underscores, a letter first")
    if name in RESERVED:
        raise click.ClickException(f"{name!r} is a path of the host's own; take another name")
    if name in {source.name for source in discover()}:
        raise click.ClickException(f"there is a connector {name!r} already; take another name")


def asked(question: str, default: str) -> str:
    """An answer; the default where nobody is there to ask."""
    return str(click.prompt(question, default=default)) if sys.stdin.isatty() else default


def asked_proof() -> str:
    """What proves the calls: nobody else can know."""
    if not sys.stdin.isatty():
        raise click.ClickException(f"say --proof: {', '.join(PROOFS)}")
    for proof, meaning in PROOFS.items():
        click.echo(f"  {proof:<11} {meaning}")
    return str(click.prompt("What proves its calls?", type=click.Choice(list(PROOFS)), show_choices=False))


def asked_several(question: str, known: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
    """Some of those that are known, in their order."""
    answer = asked(f"{question} Of {', '.join(known)}", " ".join(default)).replace(",", " ").split()
    if unknown := set(answer) - set(known):
        raise click.ClickException(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return tuple(one for one in known if one in answer)


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files into a folder that is not there yet, or is empty."""
    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{folder} is there already, and not empty; nothing was written")
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
