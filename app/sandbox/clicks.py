"""A click in a played admin: sent to the host, witnessed before and after, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.sandbox import desk, witness
from app.sandbox.verdict import Verdict, judge
from app.sandbox.wire import Exchange, page_of, to_exchange
from app.sdk import scenarios
from app.sdk.manifest import Manifest
from app.sdk.simulation import Entry, Hit, Scenario, Simulator

Deed = Callable[[str, Simulator], object]
# What the operator does where the platform itself installs nothing.
DEEDS: dict[str, Deed] = {"install": desk.reconnect, "uninstall": lambda name, simulator: desk.remove(name)}


@dataclass(frozen=True, slots=True)
class Told:
    """What a click led to; ``page`` is what a browser shows next, ``hits`` what the platform's own page lists."""

    exchanges: Sequence[Exchange]
    verdict: Verdict
    page: str
    hits: Sequence[Hit]
    calls: Sequence[str]


def menu(simulator: Simulator) -> list[Entry]:
    """The simulator's own entries; before them the operator's, where only an operator connects the platform."""
    own = list(simulator.entries())
    if not desk.is_manual(simulator):
        return own
    return [desk.CONNECT, *(replace(entry, step=entry.step + 1 if entry.step else 0) for entry in own), desk.REMOVE]


def find(simulator: Simulator, name: str) -> Entry:
    """The entry of that name, or a bare action of the platform. Raises `LookupError` telling what there is."""
    entries = {entry.name: entry for entry in menu(simulator)}
    if name in entries:
        return entries[name]
    if name in simulator.actions:
        return Entry(name, name)
    raise LookupError(", ".join(dict.fromkeys((*simulator.actions, *entries))))


def click(
    manifest: Manifest, simulator: Simulator, entry: Entry, scenario: Scenario, changes: Mapping[str, str]
) -> Told:
    """Play an entry and tell all of it. Raises `LookupError` for a scenario that it does not know."""
    name = manifest.name
    if scenario not in scenarios.offered(manifest, entry):
        raise LookupError(f"{entry.name!r} cannot be {scenario}")
    heard, before = len(simulator.calls), witness.look(name)
    exchanges: list[Exchange] = []
    steps: list[list[str]] = []
    for exchange in played(manifest, simulator, entry, scenario, {**entry.changes, **changes}):
        desk.gather(name, simulator.look.owner)
        after = witness.look(name)
        steps.append(witness.differences(before, after))
        exchanges += [exchange] if exchange else []
        before = after
    calls = [f"{call.method} {call.path}" for call in simulator.calls[heard:]]
    page = page_of(exchanges[-1], simulator.host) if exchanges else ""
    hits = simulator.hits(exchanges[-1].answer) if exchanges and entry.asks else ()
    return Told(exchanges, judge(manifest, scenario, exchanges, steps), page, hits, calls)


def played(
    manifest: Manifest, simulator: Simulator, entry: Entry, scenario: Scenario, changes: Mapping[str, str]
) -> Iterator[Exchange | None]:
    """Each exchange of a click; None where something happened and nothing was sent."""
    action = entry.action or entry.name
    if entry.silent:
        deed = DEEDS.get(action) if desk.is_manual(simulator) else None
        deed(manifest.name, simulator) if deed else getattr(simulator, action)(**changes)
        yield None
        return
    for sent, answer in scenarios.play(simulator, manifest, action, scenario, **changes):
        yield to_exchange(sent, answer, scenarios.called(manifest, sent), forged=scenario is Scenario.FORGED)
