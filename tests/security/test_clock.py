"""The clock: what is accepted from a day before a request was signed to a day after, to the second at each edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from messages import Message, callback, deliver, hint, posted, read, register, upgates
from tenants import Host, Tenant

DAY, SECOND = timedelta(hours=24), timedelta(seconds=1)
WINTER = datetime(2026, 1, 15, 12, tzinfo=UTC)
SUMMER = datetime(2026, 7, 15, 12, tzinfo=UTC)
LONGEST_ORLO = timedelta(seconds=3900)
PAST, FUTURE = timedelta(minutes=5), DAY
EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Scheme:
    """A request that was signed about ``noon``, and the first and the last moment at which it counts."""

    noon: datetime
    make: Callable[[Tenant], Message]
    first: datetime = EVER[0]
    last: datetime = EVER[1]

    def clocks(self) -> Iterator[datetime]:
        """What the host's clock may say: 41 steps over two days, and a second around each edge."""
        yield from (self.noon + DAY * step / 20 for step in range(-20, 21))
        for edge in {self.first, self.last} - set(EVER):
            yield from (edge - SECOND, edge, edge + SECOND)


def shop(action: str, text: str, **changes: str) -> Callable[[Tenant], Message]:
    """A call of Upgates whose `time` reads ``text``, for a shop that nobody else uses."""
    return lambda tenant: upgates(tenant, action, token=f"clock {action} {text}", time=text, **changes)


def orlo(action: str, expires: datetime) -> Callable[[Tenant], Message]:
    """A signed address of Orlo that lives until ``expires``."""
    return lambda tenant: read(tenant, action, expires=str(int(expires.timestamp())))


def told(noon: datetime, zone: str) -> str:
    """``noon`` in ISO 8601 with an offset."""
    return noon.astimezone(ZoneInfo(zone)).isoformat()


SCHEMES: dict[str, Scheme] = {
    f"upgates-{action}": Scheme(WINTER, shop(action, told(WINTER, "Europe/Prague")), WINTER - FUTURE, WINTER + PAST)
    for action in ("install", "open", "uninstall", "version")
}
SCHEMES |= {
    "upgates-summer": Scheme(SUMMER, shop("open", told(SUMMER, "Europe/Prague")), SUMMER - FUTURE, SUMMER + PAST),
    "upgates-utc": Scheme(WINTER, shop("open", "2026-01-15T12:00:00Z"), WINTER - FUTURE, WINTER + PAST),
    # Without an offset it may be noon in Prague or in UTC: either reading counts.
    "upgates-naive-winter": Scheme(
        WINTER, shop("open", "2026-01-15T12:00:00"), WINTER - timedelta(hours=1) - FUTURE, WINTER + PAST
    ),
    "upgates-naive-summer": Scheme(
        SUMMER, shop("open", "2026-07-15T12:00:00"), SUMMER - timedelta(hours=2) - FUTURE, SUMMER + PAST
    ),
    "orlo-search": Scheme(WINTER, orlo("search", WINTER), WINTER - LONGEST_ORLO, WINTER),
    "orlo-open": Scheme(WINTER, orlo("open", WINTER), WINTER - LONGEST_ORLO, WINTER),
    # These carry no time, so no clock may refuse them.
    "upgates-webhook": Scheme(WINTER, hint),
    "retailcrm-install": Scheme(WINTER, register),
    "retailcrm-open": Scheme(WINTER, lambda tenant: posted(tenant, "open")),
    "retailcrm-activity": Scheme(WINTER, lambda tenant: posted(tenant, "activity")),
    "wazzup-webhook": Scheme(WINTER, callback),
}


def decisions(host: Host, scheme: Scheme) -> tuple[int, list[str]]:
    """How often was decided, and which decisions were wrong."""
    message, wrong = scheme.make(host.tenants[0]), []
    if scheme.first == EVER[0]:
        assert deliver(host, message.outgoing()).accepted
    clocks = list(scheme.clocks())
    for clock in clocks:
        with time_machine.travel(clock, tick=False):
            got = host.ask(message.outgoing())
        expected = scheme.first <= clock <= scheme.last
        if got.accepted != expected or got.status not in (200, 303, 403):
            wrong.append(f"{clock} {got.status}")
    return len(clocks), wrong


@pytest.mark.parametrize("name", SCHEMES)
def test_no_decision_is_wrong(host: Host, name: str) -> None:
    decided, wrong = decisions(host, SCHEMES[name])
    assert wrong == []
    assert decided == (41 if SCHEMES[name].first == EVER[0] else 47)


def test_a_fraction_of_a_second_does_not_expire_an_address(host: Host) -> None:
    """Orlo counts in whole seconds, so the last second counts to its end."""
    message = orlo("search", WINTER)(host.tenants[0])
    for fraction, accepted in ((0.999, True), (1.0, False)):
        with time_machine.travel(WINTER + timedelta(seconds=fraction), tick=False):
            assert host.ask(message.outgoing()).accepted is accepted


def only_stale(moment: datetime, now: datetime, *, past: timedelta, future: timedelta) -> None:
    """A window that is open towards the future, as some libraries have it."""
    if now - moment > past:
        raise AssertionError("too old")


BROKEN: Sequence[Any] = [
    pytest.param("upgates-open", "plugins.upgates.proof.check_window", lambda *args, **spans: None, 22, id="no-window"),
    pytest.param("upgates-open", "plugins.upgates.proof.check_window", only_stale, 1, id="no-future-bound"),
    pytest.param("upgates-open", "plugins.upgates.proof.PAST", PAST + SECOND, 1, id="a-second-late"),
    pytest.param("upgates-open", "plugins.upgates.proof.FUTURE", FUTURE - SECOND, 2, id="a-second-early"),
    pytest.param("upgates-naive-summer", "plugins.upgates.proof.ZONES", ("Europe/Prague",), 1, id="prague-alone"),
    pytest.param("upgates-naive-winter", "plugins.upgates.proof.ZONES", ("UTC",), 1, id="utc-alone"),
    pytest.param("orlo-search", "plugins.orlo.proof.check_time", lambda *args: None, 38, id="no-expiry"),
]


@pytest.mark.parametrize(("name", "target", "broken", "at_least"), BROKEN)
def test_a_broken_clock_is_noticed(
    host: Host, monkeypatch: pytest.MonkeyPatch, name: str, target: str, broken: Any, at_least: int
) -> None:
    monkeypatch.setattr(target, broken)
    assert len(decisions(host, SCHEMES[name])[1]) >= at_least
