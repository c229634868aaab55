"""The page about the kit is what the rules' data say."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.sdk.promises import LEVELS
from app.sdk.testing import RULES
from app.sdk.testing.handbook import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "connectors" / "kit.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "write it anew: python -m app.sdk.testing.handbook > docs/connectors/kit.md"
    )


def test_every_rule_is_whole() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert {rule.level for rule in RULES} == set(LEVELS)
    for rule in RULES:
        assert all(text.endswith(".") for text in (rule.sentence, rule.how, rule.mend)), rule.id
        assert rule.source


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_on_the_page(rule: object) -> None:
    assert f"**`{rule.id}`**" in PAGE.read_text("utf-8")  # type: ignore[attr-defined]
