"""The limits at every single call, whoever asks; time is passed in."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from flask import Flask

from app.jobs import logins, pace
from app.jobs.entrance import Entrance
from app.jobs.outgoing import Metered
from app.sdk import Response, Stopped, UpstreamFailed
from app.sdk.manifest import Limits
from tests.jobs.fake_platform import most_in

NOW = 1_800_000_000.0


def starts(limits: Limits, calls: int, lasting: float) -> list[float]:
    """When so many calls may begin, each asked for as soon as the one before is over."""
    found, now = [], NOW
    for _ in range(calls):
        slot = pace.take("shop", limits, now)
        assert slot is not None
        found.append(slot.at)
        pace.release("shop", slot, slot.at)
        now = slot.at + lasting
    return found


@pytest.mark.parametrize(
    "limits",
    [Limits(10, 1.0, 1), Limits(10, 1.0, 3), Limits(400, 5.0, 2), Limits(3, 60.0, 8), Limits(1, 0.5, 1)],
    ids=str,
)
def test_no_window_has_more_than_the_rate(any_host: Flask, limits: Limits) -> None:
    moments = starts(limits, 3 * min(limits.rate, 40), 0.0)
    assert most_in(moments, limits.per) <= limits.rate


def test_the_rate_is_used_well(host: Flask) -> None:
    moments = starts(Limits(20, 1.0, 2), 100, 0.0)
    assert moments[-1] - moments[0] <= 1.15 * 100 / 20


def test_a_pace_that_is_not_kept_is_noticed(host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MARGIN", 0.5)
    assert most_in(starts(Limits(10, 1.0, 1), 40, 0.0), 1.0) > 10


def test_no_more_together_than_allowed(any_host: Flask) -> None:
    limits = Limits(100, 1.0, 3)
    taken = [pace.take("shop", limits, NOW) for _ in range(4)]
    assert [slot is not None for slot in taken] == [True, True, True, False]
    assert pace.take("other", limits, NOW) is not None
    assert taken[1] is not None
    pace.release("shop", taken[1], NOW)
    assert pace.take("shop", limits, NOW) is not None


@pytest.mark.parametrize(("late", "apart"), [(0.0, 0.11), (0.5, 0.61)], ids=["in-time", "late"])
def test_after_a_call_that_a_busy_machine_began_late_the_next_is_later_too(
    any_host: Flask, late: float, apart: float
) -> None:
    limits = Limits(10, 1.0, 1)
    slot = pace.take("shop", limits, NOW)
    assert slot is not None
    pace.release("shop", slot, slot.at + late)
    then = pace.take("shop", limits, NOW)
    assert then is not None
    assert then.at - slot.at == pytest.approx(apart)


def test_what_a_dead_process_held_is_free_again_in_time(host: Flask) -> None:
    assert pace.take("shop", Limits(), NOW) is not None
    assert pace.take("shop", Limits(), NOW + pace.LONGEST_CALL - 1) is None
    assert pace.take("shop", Limits(), NOW + pace.LONGEST_CALL + 1) is not None


def test_a_clock_that_was_set_back_does_not_stop_everything(host: Flask) -> None:
    slot = pace.take("shop", Limits(), NOW)
    assert slot is not None
    assert pace.take("shop", Limits(), NOW - 10_000) is not None


def test_many_threads_never_exceed_what_is_allowed(any_host: Flask) -> None:
    """Measured with real time, since it is about what happens at once."""
    limits, began, under_way = Limits(50, 1.0, 2), [], []
    most, lock = [0], threading.Lock()

    def call() -> None:
        with any_host.app_context():
            for _ in range(5):
                with pace.slot("shop", limits, time.time() + 60):
                    with lock:
                        began.append(time.time())
                        under_way.append(1)
                        most[0] = max(most[0], len(under_way))
                    time.sleep(0.005)
                    with lock:
                        under_way.pop()

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(began) == 30
    assert most[0] <= 2
    assert most_in(began, 1.0) <= 50


class Answering:
    """An outbound that answers with these statuses."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.calls = 0

    def request(self, method: str, url: str, **parts: object) -> Response:
        self.calls += 1
        return Response(self.statuses.pop(0), headers={"retry-after": "60"})

    def exempts(self, url: str) -> bool:
        return False


def entrance() -> Entrance:
    return Entrance("fakeshop", "shop", datetime.now(UTC), 10.0)


def test_the_third_call_after_two_401_is_never_made(host: Flask) -> None:
    inner = Answering(401, 401, 200)
    outbound = Metered(inner, entrance(), Limits(), 10.0)
    for _ in range(2):
        outbound.request("GET", "https://shop.example/")
    with pytest.raises(Stopped):
        outbound.request("GET", "https://shop.example/")
    assert (inner.calls, outbound.refused) == (2, True)


def test_a_previous_secret_that_still_works_is_no_refusal(host: Flask) -> None:
    outbound = Metered(Answering(401, 200, 401), entrance(), Limits(), 10.0)
    outbound.request("GET", "https://shop.example/")
    outbound.request("GET", "https://shop.example/")
    assert outbound.refused is False
    assert outbound.wish is None
    assert logins.spent(datetime.now(UTC)) == {}


def test_a_wish_is_noted(host: Flask) -> None:
    outbound = Metered(Answering(429), entrance(), Limits(), 10.0)
    outbound.request("GET", "https://shop.example/")
    assert outbound.wish is not None


def test_a_turn_that_does_not_come_in_time_is_a_failure(host: Flask) -> None:
    assert pace.take("shop", Limits(), time.time()) is not None
    inner = Answering(200)
    with pytest.raises(UpstreamFailed) as caught:
        Metered(inner, entrance(), Limits(), 0.1).request("GET", "https://shop.example/")
    assert (caught.value.reason, inner.calls) == ("own_limit", 0)
