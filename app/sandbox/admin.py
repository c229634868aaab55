"""A played admin as HTML: its page, its colours, and the parts of it that a click changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import render_template

from app.sandbox import clicks
from app.sdk.manifest import Manifest
from app.sdk.scenarios import offered
from app.sdk.simulation import Entry, Look, Scenario, Simulator

WORDS = {Scenario.GENUINE: "once", Scenario.DUPLICATE: "twice", Scenario.LATE: "late", Scenario.FORGED: "forged"}
MEANINGS = {
    Scenario.GENUINE: "The genuine request",
    Scenario.DUPLICATE: "The same bytes, sent twice",
    Scenario.LATE: "The same request, signed long ago",
    Scenario.FORGED: "The same request with one byte changed on the way",
}


def page(
    manifest: Manifest, simulator: Simulator, tabs: Mapping[str, str], origin: str, present: Mapping[str, Any]
) -> str:
    """The whole page; ``tabs`` are the origins of all admins by title, ``present`` what the host holds now."""
    entries = [(entry, kinds(manifest, entry)) for entry in clicks.menu(simulator)]
    titles = list(tabs)
    return render_template(
        "sandbox/admin.html",
        title=manifest.title,
        host=simulator.host,
        look=simulator.look,
        tabs=tabs,
        following=titles[(titles.index(manifest.title) + 1) % len(titles)],
        origin=origin,
        entries=entries,
        steps=sorted((entry for entry, _ in entries if entry.step), key=lambda entry: entry.step),
        asking=next((entry for entry, _ in entries if entry.asks), None),
        **present,
    )


def kinds(manifest: Manifest, entry: Entry) -> list[tuple[str, str, str]]:
    """An entry's scenarios beyond the genuine one: id, word, meaning."""
    return [(kind.value, WORDS[kind], MEANINGS[kind]) for kind in offered(manifest, entry)[1:]]


def policy(host: str) -> str:
    """Its own files, the host in a frame, and nothing else."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        f"frame-src {host}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


def colours(look: Look) -> str:
    """The platform's colours as a style sheet."""
    return f":root {{ --bar: {look.bar}; --bar-ink: {look.ink}; --pick: {look.accent}; }}"


def parts(entry: Entry, scenario: Scenario, found: clicks.Told, host: str) -> dict[str, str]:
    """What a click changes: the wire, the verdict, and the list of people where the entry searches."""
    meaning = "" if scenario is Scenario.GENUINE else MEANINGS[scenario]
    shows_hits = entry.asks and found.verdict.word != "refused"
    return {
        "wire": render_template("sandbox/wire.html", exchanges=found.exchanges, calls=found.calls, host=host),
        "verdict": render_template("sandbox/verdict.html", verdict=found.verdict, entry=entry, meaning=meaning),
        "hits": render_template("sandbox/hits.html", hits=found.hits) if shows_hits else "",
    }
