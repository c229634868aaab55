"""What the host made of a click, in plain words: accepted, repeated or refused, why, and what followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.sandbox.wire import Exchange, Refusal
from app.sdk.manifest import Manifest
from app.sdk.simulation import Scenario

WHY = {
    "malformed": "it cannot be read as what this platform sends",
    "unverified": "its signature or secret does not hold",
    "expired": "its proof held once, but its time is over",
    "replayed": "its proof was used before, for something else or with other content",
    "unknown": "it names nothing that is connected here",
    "condition": "it is genuine, but the customer must meet a condition first",
    "busy": "the same request is still being worked on",
    "conflict": "it is genuine, but stands against what is held already",
    "upstream": "the platform itself did not answer as expected",
    "later": "the platform itself asks to come again later",
    "stopped": "the platform itself does not let the host in any more",
    "quarantined": "the connector's code does not run",
    "crashed": "the connector's own code failed",
    "method": "this address does not take such requests",
    "no_action": "there is no such address",
}
NOTHING = "Nothing changed."
SILENT = "The host was told nothing: it finds out when it next asks the platform."


@dataclass(frozen=True, slots=True)
class Verdict:
    """``word`` is accepted, repeated, refused or silent; ``good`` whether a host should do so in this scenario."""

    word: str
    good: bool
    said: str
    changes: Sequence[str]


def judge(
    manifest: Manifest, scenario: Scenario, exchanges: Sequence[Exchange], changes: Sequence[Sequence[str]]
) -> Verdict:
    """The verdict on a click; ``changes`` are what followed each exchange."""
    told = [change for step in changes for change in step]
    if not exchanges:
        said = "It happened on the platform itself." if told else SILENT
        return Verdict("silent", True, said, told or [NOTHING])
    if scenario is Scenario.DUPLICATE:
        return repeated(manifest, exchanges, changes)
    last = exchanges[-1]
    if last.refusal is not None:
        # A refusal has no effect: what changed is the worker's doing.
        told = [f"Meanwhile: {change}" for change in told] or [NOTHING]
        return Verdict("refused", scenario is not Scenario.GENUINE, reason(last.refusal), told)
    if scenario in (Scenario.LATE, Scenario.FORGED):
        return taken(last, told)
    return Verdict("accepted", True, accepted(exchanges), told or [NOTHING])


def taken(exchange: Exchange, told: Sequence[str]) -> Verdict:
    """A late or forged request that was not refused: right only as long as nobody but the platform could tell."""
    proof = exchange.action.proof if exchange.action else None
    if proof is not None and proof.scheme == "redeemed" and not told:
        said = "Only the platform can check this proof. It is asked when a person agrees, and then refuses it."
        return Verdict("accepted", True, said, [NOTHING])
    return Verdict("accepted", False, "It was taken, and should not have been.", told or [NOTHING])


def accepted(exchanges: Sequence[Exchange]) -> str:
    """A genuine click that was taken."""
    last = exchanges[-1]
    if last.action and last.action.consent and last.sent.method == "GET":
        return "A page is shown. Nothing is connected before a person agrees there."
    if last.action is None or last.action.proof is None:
        return "It needs no proof."
    return "The proof holds." if len(exchanges) == 1 else f"The proofs of all {len(exchanges)} requests hold."


def repeated(manifest: Manifest, exchanges: Sequence[Exchange], changes: Sequence[Sequence[str]]) -> Verdict:
    """The same bytes twice: the second time has no effect of its own, but where the platform leaves no other way."""
    first, second = exchanges[0], exchanges[-1]
    again = [change for step in changes[1:] for change in step]
    told = [f"First: {change}" for change in changes[0] or [NOTHING]]
    told += [f"Again: {change}" for change in again or [NOTHING]]
    if second.refusal is not None:
        return Verdict("refused", not again, reason(second.refusal), told)
    declared = manifest.weakness("single_use", second.action.name if second.action else "")
    if again:
        return Verdict("repeated", declared is not None, declared.reason if declared else "A second effect.", told)
    same = (first.answer.status_code, first.answer.content) == (second.answer.status_code, second.answer.content)
    said = "The same answer, byte for byte." if same else "A fresh answer, as for any reading."
    return Verdict("repeated", True, said, told)


def reason(refusal: Refusal) -> str:
    """A refusal as the operator sees it."""
    why = WHY.get(refusal.kind, "it is not right")
    return f"{why[0].upper()}{why[1:]} ({refusal.kind}: {refusal.reason})."
