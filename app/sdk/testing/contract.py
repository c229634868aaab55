"""The suite for pytest: inherit `ConnectorContract`, name the connector, and every case is a test of its own."""

from __future__ import annotations

import unittest
from typing import Any, ClassVar, Protocol

from ..promises import LEVELS
from .case import Case, cases
from .findings import Broken
from .host import Subject
from .market import Market
from .rules import RULES
from .verdict import Finding, at, judge, words


class Metafunc(Protocol):
    """What pytest hands over while it collects."""

    fixturenames: list[str]
    config: Any
    definition: Any

    def parametrize(self, names: str, values: Any, *, ids: Any) -> None:
        """A test for each value."""


class ConnectorContract:
    """The conformance suite of one connector::

        class TestMyShop(ConnectorContract):
            connector = "myshop"

    ``connector`` is the name of an installed one or the path of its folder. The tests are generated from its manifest
    and its simulator; those above the ``level`` that the manifest claims are skipped where they do not pass yet.
    The fixtures come with Stallholder's own pytest plugin.
    """

    connector: ClassVar[str]

    def pytest_generate_tests(self, metafunc: Metafunc) -> None:
        """A test for every case of a level."""
        level = metafunc.definition.originalname.removeprefix("test_")
        if "case" in metafunc.fixturenames and level in LEVELS:
            subject: Subject = metafunc.config.stallholder_subject(self.connector)
            chosen = [case for case in cases(RULES, subject) if case.rule.level == level]
            metafunc.parametrize("case", chosen, ids=[case.id for case in chosen])

    def test_bronze(self, market: Market, case: Case) -> None:
        check(market, case)

    def test_silver(self, market: Market, case: Case) -> None:
        check(market, case)

    def test_gold(self, market: Market, case: Case) -> None:
        check(market, case)


def check(market: Market, case: Case) -> None:
    """Judge a case; fail with what was sent, what came, which rule it is and how to mend it."""
    try:
        judge(market, case)
    except Broken as broken:
        told = str(Finding(case, *words(broken)))
        if at(case.rule.level) > at(market.manifest.level):
            raise unittest.SkipTest(f"above the claimed level {market.manifest.level}: {told}") from broken
        raise AssertionError(told) from None
