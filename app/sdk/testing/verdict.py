"""The suite itself: every case judged, weaknesses held to be what they are declared as, and the level reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..promises import LEVELS, Weakness
from .case import Case, Rule, cases
from .findings import Broken, Weaker
from .host import Hosting
from .market import Market, opened
from .rules import RULES

NONE = "none"
Progress = Callable[[int, int, Case], None]


def silent(done: int, total: int, case: Case) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that did not pass: what was sent and what came."""

    case: Case
    sent: str
    came: str

    def __str__(self) -> str:
        rule = self.case.rule
        return "\n".join(
            (
                f"{self.case.id} ({rule.level}): {rule.sentence}",
                f"  sent  {self.sent}",
                f"  came  {self.came}",
                f"  rule  {rule.how} ({rule.source})",
                f"  mend  {rule.mend}",
            )
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run: how many cases there were, what was found, and what the manifest declares."""

    connector: str
    claimed: str
    judged: int
    findings: Sequence[Finding]
    weaknesses: Sequence[Weakness]

    @property
    def level(self) -> str:
        """The highest level below which nothing is missing; ``none`` where bronze is not reached."""
        broken = {finding.case.rule.level for finding in self.findings}
        reached = NONE
        for level in LEVELS:
            if level in broken:
                break
            reached = level
        return reached

    @property
    def next_level(self) -> str:
        """The level after it; empty beyond gold."""
        return next((level for level in LEVELS if at(level) > at(self.level)), "")

    def missing(self) -> list[Finding]:
        """What stands between the connector and the next level."""
        return [finding for finding in self.findings if finding.case.rule.level == self.next_level]

    def reaches(self, level: str) -> bool:
        """Whether the level is reached."""
        return at(self.level) >= at(level)


def at(level: str) -> int:
    """A level's place."""
    return LEVELS.index(level) if level in LEVELS else -1


def judge(market: Market, case: Case) -> None:
    """One case. Raises `Broken` where the rule is not kept, and where a declared weakness is not there."""
    declared = market.manifest.weakness(case.rule.id, case.action)
    if declared is None:
        return case.rule.check(market, case)
    if not case.rule.weak:
        raise Broken("connector.toml", f"the rule {case.rule.id!r} is always kept: no weakness can be declared")
    everywhere = [] if declared.actions else cases([case.rule], market.subject)
    if any(is_weaker(market, one) for one in (case, *(one for one in everywhere if one != case))):
        return None
    raise Broken(
        f"the declared weakness {case.rule.id!r}",
        "it is not there: the rule is kept. Take it out of connector.toml, or narrow its actions",
    )


def is_weaker(market: Market, case: Case) -> bool:
    """Whether a rule is not kept in the way in which a platform may be weaker."""
    try:
        case.rule.check(market, case)
    except Weaker:
        return True
    return False


def examine(hosting: Hosting, progress: Progress = silent, rules: Sequence[Rule] = RULES) -> Verdict:
    """Run every case of a connector; whatever a check meets is a finding, never an end of the run."""
    found, todo = [], cases(rules, hosting.subject)
    first = todo[0] if todo else Case(rules[0])
    try:
        with opened(hosting) as market:
            for number, case in enumerate(todo):
                progress(number, len(todo), case)
                found += finding(market, case)
    except Exception as error:  # noqa: BLE001 - without a market nothing else can be told
        found = [Finding(first, *words(error))]
    manifest = hosting.subject.manifest
    claimed, weaknesses = (manifest.level, manifest.weaknesses) if manifest else (LEVELS[0], ())
    found += [Finding(first, *words(error)) for error in stray(weaknesses)]
    return Verdict(hosting.subject.name, claimed, len(todo), found, weaknesses)


def finding(market: Market, case: Case) -> list[Finding]:
    """What a case found, if anything."""
    try:
        judge(market, case)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        return [Finding(case, *words(error))]
    return []


def words(error: Exception) -> tuple[str, str]:
    """What was sent and what came, of any failure."""
    if isinstance(error, Broken):
        return error.sent, error.came
    return "the check", f"it failed itself: {type(error).__name__}: {error}"


def stray(weaknesses: Iterable[Weakness]) -> list[Broken]:
    """Declared weaknesses of rules that there are not."""
    known = {rule.id for rule in RULES}
    return [Broken("connector.toml", f"there is no rule {one.rule!r}") for one in weaknesses if one.rule not in known]
