"""The kit's own controls: whatever weakens a connector is caught, by the rule that is about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.kit.host import Stand, find
from app.sdk.testing import RULES, examine
from tests.kit.mutants import MUTANTS, Mutant, made

# Kept by the host, whatever a connector's author does.
OF_THE_HOST = {"methods"}


def test_every_rule_has_been_seen_to_fail() -> None:
    assert {rule.id for rule in RULES} - {mutant.rule for mutant in MUTANTS} == OF_THE_HOST


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_a_weakened_connector_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    rules = [rule for rule in RULES if rule.id == mutant.rule]
    with Stand(find(str(made(mutant, tmp_path)))) as stand:
        verdict = examine(stand, rules=rules)
    caught = {finding.case.rule.id for finding in verdict.findings}
    assert caught == {mutant.rule}
    assert not verdict.reaches("gold")
    assert "the check: it failed itself" not in "".join(map(str, verdict.findings))


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_it_is_among_what_the_whole_kit_finds(mutant: Mutant, tmp_path: Path) -> None:
    with Stand(find(str(made(mutant, tmp_path)))) as stand:
        verdict = examine(stand)
    broken = {finding.case.rule.id for finding in verdict.findings}
    assert mutant.rule in broken or {"loads"} == broken
