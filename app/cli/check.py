"""``stallholder connectors check``: the conformance kit on a connector, and what it lacks for the next level."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from app.cli.against import show_against
from app.cli.failures import told_in_one_line
from app.cli.output import as_json
from app.core import config
from app.core.loading import load
from app.kit.host import NoConnector, Stand, find
from app.sdk.promises import LEVELS
from app.sdk.testing import RULES, Verdict, examine
from app.sdk.testing.case import Case
from app.sdk.testing.verdict import Finding, Progress


@click.command("check")
@click.argument("connector")
@click.option("--level", type=click.Choice(LEVELS), help="The level to reach; by default the one its manifest claims.")
@click.option("--against", type=int, help="Tell instead what this version of the spec would break.")
@as_json
@told_in_one_line
def check_connector(connector: str, level: str | None, against: int | None, json_wanted: bool) -> None:
    """Run the conformance kit on CONNECTOR, a name or the path of a folder.

    It runs in a host of its own with a database of its own: nothing of this instance is touched. Ends with 1 when the
    level is not reached.
    """
    try:
        source = find(connector, str(config.read_sources(config.instance_folder()).get("PLUGINS", "")))
    except NoConnector as error:
        raise click.ClickException(str(error)) from error
    if against is not None:
        show_against(next(iter(load([source]))), against)
    with Stand(source) as stand, shown_progress(connector) as progress:
        verdict = examine(stand, progress)
    click.echo(json.dumps(as_data(verdict), ensure_ascii=False) if json_wanted else as_text(verdict))
    if not verdict.reaches(level or verdict.claimed):
        raise SystemExit(1)


@contextmanager
def shown_progress(connector: str) -> Iterator[Progress]:
    """A bar on the error stream, for whoever sits there."""
    with click.progressbar(length=1, label=f"Checking {connector}", file=sys.stderr) as bar:

        def advance(done: int, total: int, case: Case) -> None:
            bar.length = total
            bar.update(done - bar.pos + 1)

        yield advance


def as_text(verdict: Verdict) -> str:
    """The verdict for a person: level by level, then what is missing."""
    lines = [f"{verdict.connector}: {verdict.judged} cases of {len(RULES)} rules", ""]
    lines += [f"  {level:<7} {kept(verdict, level)}" for level in LEVELS]
    lines += ["", f"Level reached: {verdict.level} (the manifest claims {verdict.claimed})"]
    missing = verdict.missing()
    if missing:
        lines += ["", f"Missing for {verdict.next_level}:", *(f"\n{finding}" for finding in missing)]
    if verdict.weaknesses:
        lines += ["", "Where the platform is weaker, as the manifest declares and the kit saw:"]
        lines += [
            f"  {one.rule} ({', '.join(one.actions) or 'every action'}): {one.reason}" for one in verdict.weaknesses
        ]
    return "\n".join(lines)


def kept(verdict: Verdict, level: str) -> str:
    """How many rules of a level are kept."""
    rules = [rule.id for rule in RULES if rule.level == level]
    broken = {finding.case.rule.id for finding in verdict.findings} & set(rules)
    told = f"{len(rules) - len(broken)} of {len(rules)} rules kept"
    return f"{told}; not kept: {', '.join(sorted(broken))}" if broken else told


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The verdict for a script."""
    return {
        "connector": verdict.connector,
        "level": verdict.level,
        "claimed": verdict.claimed,
        "cases": verdict.judged,
        "missing": [finding.case.id for finding in verdict.missing()],
        "findings": [finding_data(finding) for finding in verdict.findings],
        "weaknesses": [
            {"rule": one.rule, "actions": list(one.actions), "reason": one.reason} for one in verdict.weaknesses
        ],
    }


def finding_data(finding: Finding) -> dict[str, str]:
    """What was found, for a script."""
    rule = finding.case.rule
    told = {"case": finding.case.id, "rule": rule.id, "level": rule.level, "sentence": rule.sentence}
    return told | {"sent": finding.sent, "came": finding.came, "mend": rule.mend, "source": rule.source}
