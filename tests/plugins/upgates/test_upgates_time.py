"""`time`: accepted from five minutes past to a day ahead, in any spelling that the platform might use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.sdk import Claims, Expired, Malformed, Refused
from plugins.upgates import proof
from plugins.upgates.simulator import Simulator

Prove = Callable[..., Claims]
MINUTE, DAY, SECOND = timedelta(minutes=1), timedelta(hours=24), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [
        (timedelta(0), ""),
        (5 * MINUTE, ""),
        (-5 * MINUTE, ""),
        (-5 * MINUTE - SECOND, "too_old"),
        (-DAY, "too_old"),
        (DAY, ""),
        (DAY + SECOND, "too_far_ahead"),
        (365 * DAY, "too_far_ahead"),
    ],
    ids=["now", "usual", "past-edge", "past", "long-past", "future-edge", "future", "far-future"],
)
@pytest.mark.parametrize("zone", ["Europe/Prague", "UTC", "Asia/Tokyo"])
def test_edges(shop: Simulator, prove: Prove, now: datetime, ahead: timedelta, refused: str, zone: str) -> None:
    call = shop.open(time=(now + ahead).astimezone(ZoneInfo(zone)).isoformat())
    if refused:
        with pytest.raises(Expired, match=refused):
            prove(call)
    else:
        assert prove(call).valid_until == now + ahead + 5 * MINUTE


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("2030-01-01T12:05:00", ""),  # Prague's clock
        ("2030-01-01T11:05:00", ""),  # UTC
        ("2030-01-01T10:55:00", ""),
        ("2030-01-01T10:54:59", "too_old"),
        ("2030-01-02T12:00:00", ""),
        ("2030-01-02T12:00:01", "too_far_ahead"),
    ],
    ids=["prague", "utc", "past-edge", "past", "future-edge", "future"],
)
def test_a_naive_time_holds_in_either_zone(shop: Simulator, prove: Prove, text: str, refused: str) -> None:
    if refused:
        with pytest.raises(Expired, match=refused):
            prove(shop.open(time=text))
    else:
        assert prove(shop.open(time=text)).tenant == shop.keys["token"]


def test_a_proof_ends_after_every_moment_at_which_it_is_accepted(shop: Simulator, prove: Prove) -> None:
    call = shop.install(time="2030-01-01T12:05:00")
    last = datetime(2030, 1, 1, 12, 10, tzinfo=UTC)  # read as UTC
    assert prove(call, at=last).valid_until == last
    with pytest.raises(Expired):
        prove(call, at=last + SECOND)


def test_the_order_of_installs_does_not_depend_on_the_arrival(shop: Simulator, prove: Prove, now: datetime) -> None:
    call = shop.install(time="2030-01-01T12:05:00")
    early, late = prove(call), prove(call, at=now + timedelta(hours=1))
    assert early.fields["issued_at"] == late.fields["issued_at"] == now + 5 * MINUTE


@pytest.mark.parametrize(
    "text",
    ["2030-01-01T12:05:00+0100", "2030-01-01T11:05:00Z", "2030-01-01T12:05:00.5+01:00"],
    ids=["short", "z", "dot"],
)
def test_other_spellings(shop: Simulator, prove: Prove, text: str) -> None:
    assert prove(shop.open(time=text)).tenant == shop.keys["token"]


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-01",
        "1893495900",
        "2030-13-01T12:05:00Z",
        "2030-01-01T12:05:00+99:00",
        "\u0662030-01-01T12:05:00Z",
        "soon",
    ],
)
def test_signed_but_no_time(shop: Simulator, prove: Prove, text: str) -> None:
    with pytest.raises(Malformed):
        prove(shop.open(time=text))


def test_the_signature_is_checked_before_the_time_is_read(shop: Simulator, prove: Prove) -> None:
    foreign = {"signature_token": ("another-signature-token",)}
    with pytest.raises(Refused, match="signature_mismatch"):
        prove(shop.open(time="soon"), changed=foreign)


def test_control_without_a_window_an_old_call_passes(
    shop: Simulator, prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "check_window", lambda *moments, past, future: None)
    assert prove(shop.open(time="2024-02-29T14:24:49+01:00")).tenant == shop.keys["token"]
