"""Who is one human: one answer, whoever asks and in whatever process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from app.people import contacts


@dataclass(frozen=True)
class Known:
    """One person as far as it tells who it is."""

    source: str
    contacts: str


TWO_CHOICES = [Known("a", "a@x.cz"), Known("b", "420777123456"), Known("c", "420777123456\na@x.cz")]


def by_hash(same: Iterable[Any]) -> Any:
    """The rule of before: whoever comes first in the order of a set."""
    return next(iter(same), None)


@pytest.mark.parametrize(("rule", "answers"), [(contacts.chosen, 1), (by_hash, 2)], ids=["guarded", "control"])
def test_the_order_of_a_set_decides_nothing(
    rule: Callable[..., Any], answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "chosen", rule)
    told = set()
    for lines in (TWO_CHOICES[-1].contacts.split("\n"), TWO_CHOICES[-1].contacts.split("\n")[::-1]):
        ordered = [*TWO_CHOICES[:-1], Known("c", "\n".join(lines))]
        monkeypatch.setattr(contacts, "keys", lambda one: dict.fromkeys(one.contacts.split("\n")).keys())
        told.add(tuple(tuple(one.source for one in human.people) for human in contacts.humans(ordered)))
    assert (("a", "c"), ("b",)) in told
    assert len(told) == answers
