"""The versions of what connectors are written for: what each added, deprecated, changed and removed, as data.

A connector names the versions that it was written for: ``spec = 1``, or ``spec = "1-2"``. The host serves the current
version and the one before. What is removed was deprecated in an earlier version, which named its replacement. A mere
addition makes no new version while nothing else does: an older connector does not notice it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

CURRENT = 1


class Kind(StrEnum):
    """What a connector uses of the host."""

    HOOK = "hook"  # search
    ARGUMENT = "argument"  # search.people
    KEY = "manifest key"  # limits.rate, actions.*.grace
    NAME = "name"  # text_field, from `app.sdk`


class How(StrEnum):
    """What happened to it."""

    ADDED = "added"
    DEPRECATED = "deprecated"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One thing of the host that a connector uses."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """What a version did to one thing; ``instead`` names the replacement, or says what is different."""

    version: int
    how: How
    use: Use
    instead: str = ""


# Version 1 is all that there is today. From version 2 on, each change has its line here, for example:
# Change(2, How.DEPRECATED, Use(Kind.ARGUMENT, "open.page_url"), "the argument open.links")
CHANGES: Sequence[Change] = ()


class SpecError(ValueError):
    """A connector was written for versions that this host does not serve; the text says what to do."""


def read_versions(value: object) -> range:
    """``1``, ``"1"`` or ``"1-2"`` as versions. Raises `ValueError`."""
    found = re.fullmatch("([1-9][0-9]?)(?:-([1-9][0-9]?))?", str(value), re.ASCII)
    if found is None or isinstance(value, bool | float):
        raise ValueError('write the version that it was written for, 1, or several, "1-2"')
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError("the first version comes first")
    return range(first, last + 1)


def version_for(versions: range, current: int = CURRENT) -> int:
    """The newest version that a connector and this host share; raises `SpecError` in one line when there is none."""
    served = [version for version in (current, current - 1) if version in versions and version > 0]
    if served:
        return served[0]
    serves = f"this host serves {current}" + (f" and {current - 1}" if current > 1 else "")
    written = f"it was written for version {spoken(versions)} of the spec; {serves}"
    if versions[0] > current:
        raise SpecError(f"{written}: upgrade the host, or install an older release of the connector")
    raise SpecError(f"{written}: install a newer release of the connector")


def spoken(versions: range) -> str:
    """``1``, or ``1-2``."""
    return str(versions[0]) if len(versions) == 1 else f"{versions[0]}-{versions[-1]}"


def breaks(uses: Collection[Use], version: int, changes: Iterable[Change] = CHANGES) -> Iterator[str]:
    """What of ``uses`` is not there, or not as it was, in ``version``: a line each."""
    for change in changes:
        if change.use not in uses:
            continue
        if change.how is How.ADDED and change.version > version:
            yield f"{change.use} is new in version {change.version}"
        elif change.how is How.REMOVED and change.version <= version:
            yield f"{change.use} is gone since version {change.version}: use {change.instead}"


def advice(uses: Collection[Use], version: int, changes: Iterable[Change] = CHANGES) -> Iterator[str]:
    """What of ``uses`` works in ``version``, but should be looked at: a line each."""
    gone = {change.use for change in changes if change.how is How.REMOVED and change.version <= version}
    for change in changes:
        if change.use not in uses or change.use in gone or change.version > version:
            continue
        if change.how is How.DEPRECATED:
            yield f"{change.use} is deprecated since version {change.version}: use {change.instead}"
        elif change.how is How.CHANGED:
            yield f"{change.use} is different since version {change.version}: {change.instead}"


def slips(changes: Sequence[Change]) -> Iterator[str]:
    """What breaks the promises of this table: a removal without a version of warning, a warning without a way out."""
    for change in changes:
        if change.how is not How.ADDED and not change.instead:
            yield f"{change.use}: version {change.version} does not say what to use instead"
        warned = [one.version for one in changes if one.use == change.use and one.how is How.DEPRECATED]
        if change.how is How.REMOVED and not any(version < change.version for version in warned):
            yield f"{change.use}: removed in version {change.version} without a version of warning"
