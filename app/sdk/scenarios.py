"""Genuine, duplicate, late and forged requests, made of what manifest and simulator declare."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

import requests

from .manifest import Action, Manifest
from .promises import Proof
from .simulation import Entry, Outgoing, Scenario, Simulator

LONG_AGO = datetime(2020, 1, 1, 9, tzinfo=UTC)
HEADER = "header."
# How a field's name meets its value: in a query or a form, in JSON, and in JSON within a form.
MEETS = r'(?:=|"\s*:\s*"?|%22(?:\+|%20)*%3A(?:\+|%20)*(?:%22)?)'
ENDS = r'(?:&|"|%22|,|\}|%2C|%7D|\s|$)'


def offered(manifest: Manifest, entry: Entry) -> list[Scenario]:
    """The scenarios that this entry can be played in, in their order."""
    possible = {Scenario.GENUINE}
    if not entry.silent:
        action = manifest.actions.get(entry.calls or entry.action or entry.name)
        proof = action.proof if action else None
        possible |= {Scenario.DUPLICATE} | ({Scenario.FORGED} if proof else set())
        possible |= {Scenario.LATE} if proof and proof.time else set()
    return [scenario for scenario in Scenario if scenario in possible and scenario in entry.scenarios]


def called(manifest: Manifest, sent: Outgoing) -> Action | None:
    """The host's action that a request goes to."""
    named = sent.path.partition("?")[0].strip("/").split("/")[1:2]
    return next((manifest.actions[name] for name in named if name in manifest.actions), None)


def play(
    simulator: Simulator, manifest: Manifest, action: str, scenario: Scenario = Scenario.GENUINE, **changes: str
) -> Iterator[tuple[Outgoing, requests.Response]]:
    """Send an action to the host in a scenario; every request with its answer, one after the other.

    What is late or forged changes nothing on the platform's side. Raises `LookupError` where nothing can be forged.
    """
    match scenario:
        case Scenario.GENUINE:
            yield from (simulator.play(action, **one) for one in simulator.wave(action, **changes))
        case Scenario.DUPLICATE:
            sent, answer = simulator.play(action, **changes)
            yield sent, answer
            yield sent, simulator.send(sent)
        case Scenario.LATE:
            sent = late(simulator, action, **changes)
            yield sent, simulator.send(sent)
        case Scenario.FORGED:
            genuine = simulator.request(action, **changes)
            target = called(manifest, genuine)
            sent = forge(genuine, target.proof if target else None)
            yield sent, simulator.send(sent)


def late(simulator: Simulator, action: str, **changes: str) -> Outgoing:
    """The request as it was signed in 2020, not sent."""
    then = copy(simulator)
    then.clock = lambda: LONG_AGO
    return then.request(action, **changes)


def forge(sent: Outgoing, proof: Proof | None) -> Outgoing:
    """The request with one byte changed in the first thing that is signed, or in the secret itself."""
    for name in (*proof.signed, *proof.fields) if proof else ():
        forged = tampered(sent, name)
        if forged is not None:
            return forged
    raise LookupError("the request carries nothing that proves it")


def tampered(sent: Outgoing, name: str) -> Outgoing | None:
    """The request with one byte changed of the part that a manifest calls ``name``; None when it has no such part."""
    body = sent.body.decode("latin-1")
    if name == "body":
        longest = longest_of(body)
        changed = nudged(body, longest) if longest else nudge(body) if body else ""
        return replace(sent, body=changed.encode("latin-1")) if body else None
    if name == "path.key":
        segments = sent.path.partition("?")[0].split("/")
        key = segments[3] if len(segments) > 3 else ""
        return replace(sent, path=sent.path.replace(f"/{key}", f"/{nudge(key)}", 1)) if key else None
    if name.startswith(HEADER):
        header = name.removeprefix(HEADER)
        headers = {key: nudge(value) if key.lower() == header else value for key, value in sent.headers.items()}
        return replace(sent, headers=headers) if headers != dict(sent.headers) else None
    value = value_of("[^=&]+" if name == "query" else re.escape(name.rpartition(".")[2]))
    path, question, query = sent.path.partition("?")
    if found := value.search(query):
        return replace(sent, path=path + question + nudged(query, found))
    if name != "query" and (found := value.search(body)):
        return replace(sent, body=nudged(body, found).encode("latin-1"))
    return None


def value_of(name: str) -> re.Pattern[str]:
    """Finds the value of a field whose name fits the pattern ``name``."""
    return re.compile(rf"(?:(?<![A-Za-z0-9_])|(?<=%22))(?P<name>{name}){MEETS}(?P<value>.+?)(?={ENDS})", re.DOTALL)


def longest_of(body: str) -> re.Match[str] | None:
    """The longest value of a body: a secret or an id rather than a word that a strict reader knows."""
    return max(value_of(r"\w+").finditer(body), key=lambda found: len(found["value"]), default=None)


def nudged(text: str, found: re.Match[str]) -> str:
    """The text with a byte of the found value changed."""
    return text[: found.start("value")] + nudge(found["value"]) + text[found.end("value") :]


def nudge(text: str) -> str:
    """One letter or digit in the middle becomes its neighbour; an escape stays what it is."""
    tokens = re.finditer(r"%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}|\\.|[A-Za-z0-9]", text)
    plain = [found.start() for found in tokens if len(found[0]) == 1]
    at = plain[len(plain) // 2] if plain else len(text) - 1
    return text[:at] + chr(ord(text[at]) + (-1 if text[at] in "zZ9" else 1)) + text[at + 1 :]
