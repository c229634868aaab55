"""The documents tell the truth: commands exist, settings are all there, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from flask.cli import ScriptInfo

from app import create_app
from app.cli import main
from app.core.config import HOST_SETTINGS
from app.core.loading import load
from app.core.sources import discover

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "plugins" / "README.md",
]
SHELL = re.compile(r"```(?:sh|shell|console)\n(.*?)```", re.S)


def commands(page: Path) -> list[str]:
    """Every ``stallholder`` command line in the shell blocks of a page."""
    lines = [line.strip() for block in SHELL.findall(page.read_text("utf-8")) for line in block.splitlines()]
    return [line for line in lines if re.match(r"(\.venv/bin/)?stallholder\b", line)]


def check_command(line: str) -> None:
    """Follow a command line through the command tree; raises AssertionError for a name or option that is not there."""
    words = shlex.split(line.partition(" #")[0].partition(" > ")[0])[1:]
    command: click.Command = main
    context = click.Context(main, obj=ScriptInfo(create_app=create_app))
    while isinstance(command, click.Group):
        assert words, f"{line}: a command is missing"
        found = command.get_command(context, words[0])
        assert found is not None, f"{line}: there is no command {words[0]!r}"
        command, words = found, words[1:]
    known = {option for param in command.params for option in param.opts}
    for word in words:
        assert not word.startswith("--") or word.partition("=")[0] in known, f"{line}: there is no option {word}"


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings under which every command is there."""
    monkeypatch.setenv("STALLHOLDER_INSTANCE", str(tmp_path))
    monkeypatch.setenv("STALLHOLDER_SECRET_KEY", "a-signing-key-for-this-test-only")
    monkeypatch.setenv("STALLHOLDER_MASTER_KEYS", '["' + "A" * 43 + '="]')
    monkeypatch.setenv("STALLHOLDER_CONNECTORS__wazzup__crm_code", "acme")
    monkeypatch.setenv("STALLHOLDER_CONNECTORS__wazzup__secret", "a-secret-for-this-test-only")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path, instance: None) -> None:
    for line in commands(page):
        check_command(line)


@pytest.mark.parametrize("line", ["stallholder dance", "stallholder serve --loudly", "stallholder people"])
def test_a_command_that_does_not_exist_is_noticed(line: str, instance: None) -> None:
    with pytest.raises(AssertionError):
        check_command(line)


def test_every_setting_is_told_and_no_other() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    told = set(re.findall(r"`([A-Z_]{4,}|[a-z]+\.[a-z_]+)`", "\n".join(re.findall(r"^\| .*?\|", page, re.M))))
    declared = {setting.name for setting in HOST_SETTINGS} - {"CONNECTORS"}
    for connector in load(discover()):
        if connector.manifest is None or not connector.manifest.enabled:
            continue  # no marketplace, but a template
        declared |= {f"{connector.name}.{setting.name}" for setting in connector.declared}
    assert told == declared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        assert "://" in target or (page.parent / target).exists(), target


def test_make_help_lists_what_the_readme_promises() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert {"install", "run", "test", "lint", "help", "bench", "soak"} <= targets
