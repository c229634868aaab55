"""One-time tickets: of many uses at the same moment one is let in, and none after a minute."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from effects import changed, effects
from messages import upgates
from sqlalchemy import update
from tenants import Host
from volley import together

from app.core import tickets
from app.core.database import reading, writing
from app.core.models import InstallationRow, SessionRow, TicketRow
from app.core.seal import digest, new_token
from app.core.tickets import Admission
from app.sdk import Unverified
from app.sdk.simulation import Outgoing


def ticket(host: Host) -> str:
    """A fresh ticket, as an opening hands it out."""
    url = host.ask(upgates(host.tenants[0], "open").outgoing()).json["url"]
    return str(url.partition("#t=")[2])


def use(host: Host, token: str) -> bool:
    """Whether a page that spends this ticket is let in."""
    own = {"X-Stallholder": "1", "Origin": host.stage.url, "Sec-Fetch-Site": "same-origin"}
    body = json.dumps({"ticket": token}).encode()
    got = host.ask(Outgoing("POST", "/account/session", {**own, "Content-Type": "application/json"}, body))
    assert got.accepted or got.status == 403, got.status
    return got.accepted


def admissions(host: Host, number: int) -> int:
    """How many of ten uses of one ticket were let in: two in a row and eight at once, either first."""
    token = ticket(host)
    serial = lambda: [use(host, token), use(host, token)]  # noqa: E731 - two ways of one thing, side by side
    parallel = lambda: together(8, lambda: use(host, token))  # noqa: E731
    return sum(sum(way()) for way in ((serial, parallel) if number % 2 else (parallel, serial)))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.soak)])
def test_a_ticket_admits_one(host: Host, count: int) -> None:
    before = effects(host)
    assert [number for number in range(count) if admissions(host, number) != 1] == []
    assert changed(before, effects(host))["session"] == count


def test_a_ticket_admits_one_on_either_database(either: Callable[..., Host]) -> None:
    host = either()
    assert [admissions(host, number) for number in range(20)] == [1] * 20


def test_a_ticket_lives_for_a_minute(host: Host) -> None:
    now = datetime.now(UTC)
    for seconds, admitted in ((0, True), (59.999, True), (60, False), (61, False), (3600, False), (86_400, False)):
        with time_machine.travel(now, tick=False):
            token = ticket(host)
        with time_machine.travel(now + timedelta(seconds=seconds), tick=False):
            assert use(host, token) is admitted, seconds


def test_invented_tickets_admit_nobody(host: Host) -> None:
    assert not any(use(host, token) for token in (new_token(), ticket(host)[:-1], ticket(host).swapcase(), "0", "é"))


def look_then_mark(token: str, now: datetime) -> Admission:
    """A ticket's exchange without the condition in its update."""
    key = digest("ticket", token)
    with reading() as session:
        row = session.get(TicketRow, key)
    if row is None or row.used_at is not None or row.expires_at <= now:
        raise Unverified("ticket_not_valid")
    time.sleep(0.1)
    with writing() as session:
        session.execute(update(TicketRow).where(TicketRow.digest == key).values(used_at=now))
        installation = session.get_one(InstallationRow, row.installation_id)
        bearer, cookie = new_token(), new_token()
        visit = SessionRow(bearer=digest("bearer", bearer), cookie=digest("cookie", cookie), language="")
        visit.installation_id, visit.created_at, visit.seen_at = installation.id, now, now
        session.add(visit)
        return Admission(bearer, cookie, tickets.to_visitor(installation, ""), first=True)


def test_an_exchange_of_two_steps_is_noticed(either: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: all eight look before the first has marked the ticket."""
    host = either()
    monkeypatch.setattr(tickets, "exchange", look_then_mark)
    assert admissions(host, 0) > 1


def test_an_endless_ticket_is_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: with a longer life a late ticket is let in."""
    monkeypatch.setattr(tickets, "TICKET_LIFE", timedelta(seconds=61))
    now = datetime.now(UTC)
    with time_machine.travel(now, tick=False):
        token = ticket(host)
    with time_machine.travel(now + timedelta(seconds=60), tick=False):
        assert use(host, token)
