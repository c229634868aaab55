"""The versions of the spec: which are served, what an upgrade breaks, and that the table keeps its promises."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from app.sdk import hookspecs
from app.sdk.spec import (
    CHANGES,
    CURRENT,
    Change,
    How,
    Kind,
    SpecError,
    Use,
    advice,
    breaks,
    read_versions,
    slips,
    version_for,
)

PAGE_URL, GRACE = Use(Kind.ARGUMENT, "open.page_url"), Use(Kind.KEY, "actions.*.grace")
LINKS, LOOK_UP = Use(Kind.ARGUMENT, "open.links"), Use(Kind.HOOK, "lookup")
# A history as it may become.
HISTORY = (
    Change(2, How.DEPRECATED, PAGE_URL, "the argument open.links"),
    Change(2, How.ADDED, LINKS),
    Change(3, How.REMOVED, PAGE_URL, "the argument open.links"),
    Change(3, How.CHANGED, GRACE, "it is counted in minutes"),
)


@pytest.mark.parametrize(
    ("written", "versions"), [(1, [1]), ("1", [1]), ("1-2", [1, 2]), ("2-4", [2, 3, 4]), (12, [12])]
)
def test_versions_are_read(written: object, versions: list[int]) -> None:
    assert list(read_versions(written)) == versions


@pytest.mark.parametrize("written", [0, -1, "", "one", "2-1", "1-", "1,2", "1-2-3", True, 1.0, None, "１", [1]])
def test_anything_else_is_no_version(written: object) -> None:
    with pytest.raises(ValueError, match="version"):
        read_versions(written)


@pytest.mark.parametrize(
    ("written", "current", "version"),
    [("1", 1, 1), ("1-2", 1, 1), ("1-2", 2, 2), ("1", 2, 1), ("2", 3, 2), ("1-9", 5, 5)],
)
def test_the_current_version_and_the_one_before_are_served(written: str, current: int, version: int) -> None:
    assert version_for(read_versions(written), current) == version


@pytest.mark.parametrize(
    ("written", "current", "line"),
    [
        ("2", 1, "version 2 of the spec; this host serves 1: upgrade the host"),
        ("1", 3, "version 1 of the spec; this host serves 3 and 2: install a newer release"),
        ("1-2", 4, "version 1-2 of the spec; this host serves 4 and 3: install a newer release"),
    ],
)
def test_others_are_refused_in_one_line(written: str, current: int, line: str) -> None:
    with pytest.raises(SpecError, match=line) as refused:
        version_for(read_versions(written), current)
    assert "\n" not in str(refused.value)


# What an upgrade breaks


@pytest.mark.parametrize(
    ("uses", "version", "broken"),
    [
        ({PAGE_URL}, 1, []),
        ({PAGE_URL}, 2, []),
        ({PAGE_URL}, 3, ["the argument open.page_url is gone since version 3: use the argument open.links"]),
        ({LINKS}, 1, ["the argument open.links is new in version 2"]),
        ({LINKS}, 2, []),
        ({GRACE, LOOK_UP}, 3, []),
    ],
)
def test_what_a_version_breaks_is_told(uses: set[Use], version: int, broken: list[str]) -> None:
    assert list(breaks(uses, version, HISTORY)) == broken


@pytest.mark.parametrize(
    ("uses", "version", "told"),
    [
        ({PAGE_URL}, 1, []),
        ({PAGE_URL}, 2, ["the argument open.page_url is deprecated since version 2: use the argument open.links"]),
        ({PAGE_URL}, 3, []),
        ({GRACE}, 3, ["the manifest key actions.*.grace is different since version 3: it is counted in minutes"]),
        ({LOOK_UP}, 3, []),
    ],
)
def test_what_a_version_advises_is_told(uses: set[Use], version: int, told: list[str]) -> None:
    assert list(advice(uses, version, HISTORY)) == told


# The table


def test_the_table_keeps_its_promises() -> None:
    assert list(slips(CHANGES)) == []
    assert list(slips(HISTORY)) == []
    assert all(2 <= change.version <= CURRENT for change in CHANGES)


@pytest.mark.parametrize(
    ("history", "slip"),
    [
        ([HISTORY[2]], "without a version of warning"),
        ([Change(3, How.DEPRECATED, PAGE_URL, "links"), HISTORY[2]], "without a version of warning"),
        ([Change(2, How.DEPRECATED, PAGE_URL)], "does not say what to use instead"),
    ],
    ids=["no-warning", "warned-too-late", "no-way-out"],
)
def test_a_broken_promise_is_noticed(history: list[Change], slip: str) -> None:
    assert any(slip in line for line in slips(history))


def arguments() -> dict[str, list[str]]:
    """The hooks of today and their arguments."""
    functions = inspect.getmembers(hookspecs, inspect.isfunction)
    found = {name: one for name, one in functions if hasattr(one, f"{hookspecs.PROJECT}_spec")}
    return {name: list(inspect.signature(one).parameters) for name, one in found.items()}


def unannounced(first: dict[str, list[str]], today: dict[str, list[str]], history: tuple[Change, ...]) -> set[Use]:
    """What version 1 had and today has not, without a line in the table."""
    gone = {Use(Kind.HOOK, hook) for hook in first if hook not in today}
    gone |= {
        Use(Kind.ARGUMENT, f"{hook}.{name}")
        for hook, names in first.items()
        for name in names
        if hook in today and name not in today[hook]
    }
    return gone - {change.use for change in history if change.how is How.REMOVED}


def test_nothing_of_the_first_version_went_without_a_line() -> None:
    """Until version 1 is released, spec_1.json follows the code; from then on it stays as it is."""
    first = json.loads(Path(__file__).with_name("spec_1.json").read_text("utf-8"))
    assert unannounced(first, arguments(), tuple(CHANGES)) == set()


def test_what_went_without_a_line_is_noticed() -> None:
    today = arguments()
    without = {
        hook: [name for name in names if name != "page_url"] for hook, names in today.items() if hook != "lookup"
    }
    assert unannounced(today, without, ()) == {PAGE_URL, LOOK_UP}
    assert unannounced(today, without, HISTORY) == {LOOK_UP}
