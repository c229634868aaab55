"""A rule of the suite, and a case of it: the rule for one action and one part of its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..manifest import Action
from ..promises import LEVELS, SHOWN, Proof
from .host import Subject
from .market import Market

# The hooks that the host calls by itself.
CALLED = ("probe", "pull", "reread", "lookup", "subscribe", "push")
Over = Callable[[Subject], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand on a connector.

    ``sentence`` is the demand, ``how`` says how it is checked and ``mend`` what to do where it is broken; ``source`` is
    where it comes from. ``weak`` says in which case a platform may not let it be kept, so that a manifest may declare
    it as a weakness; a rule without it is always kept.
    """

    id: str
    level: str
    sentence: str
    how: str
    mend: str
    source: str
    over: Over = field(repr=False)
    check: Callable[[Market, Case], None] = field(repr=False)
    weak: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A rule for one action and one part of its requests, empty where it is about the whole."""

    rule: Rule
    action: str = ""
    part: str = ""

    @property
    def id(self) -> str:
        """Readable, unique and stable."""
        return "-".join(filter(None, (self.rule.id, self.action, self.part)))


def cases(rules: Iterable[Rule], subject: Subject) -> list[Case]:
    """Every case of a connector, from its manifest alone."""
    ordered = sorted(rules, key=lambda rule: LEVELS.index(rule.level))
    return [Case(rule, action, part) for rule in ordered for action, part in rule.over(subject)]


def once(subject: Subject) -> Iterable[tuple[str, str]]:
    """One case."""
    return [("", "")]


def served(subject: Subject) -> list[Action]:
    """The actions that have an address."""
    actions = subject.manifest.actions.values() if subject.manifest else ()
    return [action for action in actions if action.methods]


def each_action(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every action with an address."""
    return [(action.name, "") for action in served(subject)]


def proofs(subject: Subject) -> list[tuple[str, Proof]]:
    """The actions that are proven, with their proofs."""
    return [(action.name, action.proof) for action in served(subject) if action.proof is not None]


def each_proven(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every action that is proven."""
    return [(name, "") for name, _ in proofs(subject)]


def each_carrier(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every field that carries a proof."""
    return [(name, part) for name, proof in proofs(subject) for part in proof.fields]


def each_signed(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every field that a proof covers."""
    return [(name, part) for name, proof in proofs(subject) for part in proof.signed]


def each_unsigned(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every field that no proof covers."""
    return [(name, part) for name, proof in proofs(subject) for part in proof.unsigned]


def each_named_tenant(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every proof field, but for one that names the customer by itself: with another's it is another's."""
    return [(name, part) for name, proof in proofs(subject) if not is_whole(proof) for part in proof.fields]


def is_whole(proof: Proof) -> bool:
    """Whether the one field that carries the proof says all: a single secret, a code, or a token with its claims."""
    if proof.scheme in SHOWN:
        return len(proof.fields) == 1
    return proof.scheme == "redeemed" or set(proof.signed) <= set(proof.fields)


def each_hook(*hooks: str) -> Over:
    """A case for every action with one of these hooks."""

    def over(subject: Subject) -> Iterable[tuple[str, str]]:
        return [(action.name, "") for action in served(subject) if action.hook in hooks]

    return over


def each_call(subject: Subject) -> Iterable[tuple[str, str]]:
    """A case for every hook that the host calls by itself."""
    return [("", hook) for hook in CALLED if hook in subject.hooks]
