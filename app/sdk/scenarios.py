"""Genuine, duplicate, late and forged requests, made of what a simulator declares: for the tests and the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import requests

from app.sdk.simulation import BODY, QUERY, Entry, Outgoing, Proof, Scenario, Simulator

# How a field's name meets its value: in a query or a form, in JSON, and in JSON within a form.
MEETS = r'(?:=|"\s*:\s*"?|%22(?:\+|%20)*%3A(?:\+|%20)*(?:%22)?)'
ENDS = r'(?:&|"|%22|,|\}|%2C|%7D|\s|$)'


def offered(simulator: Simulator, entry: Entry) -> list[Scenario]:
    """The scenarios that this entry can be played in, in their order."""
    proof = simulator.proofs.get(entry.action or entry.name)
    possible = {Scenario.GENUINE}
    if not entry.silent:
        possible.add(Scenario.DUPLICATE)
    if proof is not None:
        possible |= {Scenario.FORGED, Scenario.LATE} if proof.late else {Scenario.FORGED}
    return [kind for kind in Scenario if kind in possible and kind in entry.scenarios]


def play(
    simulator: Simulator, action: str, scenario: Scenario = Scenario.GENUINE, **changes: str
) -> Iterator[tuple[Outgoing, requests.Response]]:
    """Send an action to the host in a scenario; every request with its answer, one after the other.

    Only what is genuine changes anything on the platform's side. Raises `LookupError` for a scenario that the
    action's proof does not know.
    """
    match scenario:
        case Scenario.GENUINE:
            yield from (simulator.play(action, **one) for one in simulator.wave(action, **changes))
        case Scenario.DUPLICATE:
            sent, answer = simulator.play(action, **changes)
            yield sent, answer
            yield sent, simulator.send(sent)
        case Scenario.LATE | Scenario.FORGED:
            sent = hostile(simulator, action, scenario, **changes)
            yield sent, simulator.send(sent)


def proof_of(simulator: Simulator, action: str, sent: Outgoing) -> Proof | None:
    """What proves a request: as declared for what was played, or for the action of the host that it went to."""
    called = sent.path.partition("?")[0].split("/")[2:3]
    return simulator.proofs.get(action) or next(
        (simulator.proofs[name] for name in called if name in simulator.proofs), None
    )


def hostile(simulator: Simulator, action: str, scenario: Scenario, **changes: str) -> Outgoing:
    """The late or the forged request of an action, not sent. Raises `LookupError` where there is none."""
    proof = simulator.proofs.get(action)
    if proof is None or (scenario is Scenario.LATE and not proof.late):
        raise LookupError(f"nothing in {action!r} could be {scenario}")
    if scenario is Scenario.LATE:
        return simulator.request(action, **{**changes, **proof.late})
    return forge(simulator.request(action, **changes), proof)


def forge(sent: Outgoing, proof: Proof) -> Outgoing:
    """The request with one byte changed in the middle of the first thing that is signed, or of the secret itself."""
    for name in (*proof.covers, proof.name):
        forged = tampered(sent, name)
        if forged is not None:
            return forged
    raise LookupError(f"the request carries none of {', '.join((*proof.covers, proof.name))}")


def tampered(sent: Outgoing, name: str) -> Outgoing | None:
    """The request with one byte of the field ``name`` changed; None when it carries no such field."""
    if name == BODY:
        return replace(sent, body=nudge(sent.body.decode("latin-1")).encode("latin-1")) if sent.body else None
    headers = {key: nudge(value) if key.lower() == name else value for key, value in sent.headers.items()}
    if headers != dict(sent.headers):
        return replace(sent, headers=headers)
    field = "[^=&]+" if name == QUERY else re.escape(name)
    value = re.compile(rf"(?:(?<![A-Za-z0-9_])|(?<=%22)){field}{MEETS}(?P<value>.+?)(?={ENDS})", re.DOTALL)
    path, question, query = sent.path.partition("?")
    if found := value.search(query):
        return replace(sent, path=path + question + nudged(query, found))
    body = sent.body.decode("latin-1")
    if name != QUERY and (found := value.search(body)):
        return replace(sent, body=nudged(body, found).encode("latin-1"))
    return None


def nudged(text: str, found: re.Match[str]) -> str:
    """The text with a byte of the found value changed."""
    return text[: found.start("value")] + nudge(found["value"]) + text[found.end("value") :]


def nudge(text: str) -> str:
    """One letter or digit in the middle becomes its neighbour; an escape of a URL stays one."""
    plain = [
        found.start()
        for found in re.finditer(r"%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}|\\.|[A-Za-z0-9]", text)
        if len(found[0]) == 1
    ]
    at = plain[len(plain) // 2] if plain else len(text) - 1
    return text[:at] + chr(ord(text[at]) + (-1 if text[at] in "zZ9" else 1)) + text[at + 1 :]
