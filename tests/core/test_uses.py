"""What a connector uses of the host, and what becomes of one that uses what its version has not."""

from __future__ import annotations

from collections.abc import Sequence

import click
import pytest

from app.cli.against import told_against
from app.core.loading import check_uses, load
from app.core.registry import Connector
from app.core.sources import discover
from app.core.uses import of_hooks, uses_of
from app.sdk.manifest import ManifestError
from app.sdk.spec import Change, How, Kind, Use

PAGE_URL = Use(Kind.ARGUMENT, "open.page_url")
DEPRECATED = Change(2, How.DEPRECATED, PAGE_URL, "the argument open.links")
REMOVED = Change(3, How.REMOVED, PAGE_URL, "the argument open.links")
HISTORY = (DEPRECATED, REMOVED)


@pytest.fixture
def template() -> Connector:
    return next(connector for connector in load(discover()) if connector.name == "example")


def test_everything_that_a_connector_uses_is_found(template: Connector) -> None:
    uses = uses_of(template)
    assert uses >= {
        Use(Kind.HOOK, "search"),
        PAGE_URL,
        Use(Kind.KEY, "limits.rate"),
        Use(Kind.KEY, "actions.*.session"),
        Use(Kind.KEY, "actions.*.proof.scheme"),
        Use(Kind.KEY, "cabinet.value"),
        Use(Kind.NAME, "check_window"),
    }
    assert Use(Kind.ARGUMENT, "open.people") not in uses
    assert not any("install." in use.name for use in uses if use.kind is Kind.KEY), "an action's name is its own"


def test_what_it_uses_is_found_without_running_it(template: Connector) -> None:
    asleep = Connector(template.name, template.manifest, template.source)
    assert set(of_hooks(asleep)) == set(of_hooks(template))


@pytest.mark.parametrize(
    ("version", "current", "advised"),
    [(1, 1, []), (1, 2, ["deprecated"]), (2, 2, ["deprecated"]), (2, 3, ["gone"])],
)
def test_its_version_decides_and_the_current_one_advises(
    template: Connector, version: int, current: int, advised: Sequence[str]
) -> None:
    check_uses(template, version, current, HISTORY)
    assert len(template.advice) == len(advised)
    assert all(word in line for word, line in zip(advised, template.advice, strict=True))


def test_what_its_version_has_not_is_refused(template: Connector) -> None:
    with pytest.raises(ManifestError, match=r"open\.page_url is gone since version 3: use the argument open\.links"):
        check_uses(template, 3, 3, HISTORY)
    check_uses(template, 3, 3, ())


# The command


def test_an_upgrade_that_breaks_nothing(template: Connector) -> None:
    assert told_against(template, 1, HISTORY) == ([], [])


def test_an_upgrade_that_advises_and_one_that_breaks(template: Connector) -> None:
    broken, advised = told_against(template, 2, HISTORY)
    assert [line.partition(":")[0] for line in broken] == ["its connector.toml says spec 1"]
    assert "use the argument open.links" in advised[0]
    broken, advised = told_against(template, 3, HISTORY)
    assert any("open.page_url is gone" in line for line in broken)
    assert advised == []


def test_a_version_that_nobody_knows(template: Connector) -> None:
    with pytest.raises(click.ClickException, match="there is no version 4 of the spec; known are 1-3"):
        told_against(template, 4, HISTORY)
