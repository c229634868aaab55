"""Races: sixteen identical requests at the same moment have one effect and one answer."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from effects import changed, effects
from messages import Message, register, upgates
from stage import Stage, serving_gunicorn
from tenants import Host, Tenant, let_go
from volley import together, volley

from app import create_app
from app.core import journal
from app.core.database import reading, writing
from app.core.models import JournalRow
from app.core.pipeline import Request
from app.sdk import Claims
from app.sdk.simulation import Outgoing

AT_ONCE = 16
ROUNDS = [40, pytest.param(200, marks=pytest.mark.soak)]
EACH_INSTALL = {"workspace": 1, "installation": 1, "data_key": 1, "credential": 2, "journal": 1}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host served by gunicorn with two workers, and a customer who is connected nowhere yet."""
    with ExitStack() as stack:
        stage = Stage(tmp_path_factory.mktemp("race") / "instance", stack)
        stack.callback(lambda: let_go(stage.app))
        stack.enter_context(serving_gunicorn(stage, "--workers", "2", "--no-worker"))
        stage.app = create_app(stage.folder)
        host = Host(stage, stack, 0)
        host.tenants = [Tenant(0)]
        host.tenants[0].upgates = stage.simulators["upgates"]
        host.tenants[0].retailcrm = stage.simulators["retailcrm"]
        yield host


Volley = Callable[[Outgoing], list[tuple[int, bytes]]]


def rounds(host: Host, fire: Volley, count: int, make: Callable[[int], Message]) -> dict[str, int]:
    """Fire ``count`` volleys, each of one fresh message; all answers of a volley are the same yes. What they left."""
    before = effects(host)
    for number in range(count):
        answers = Counter(fire(make(number).outgoing()))
        assert len(answers) == 1, f"round {number}: {answers}"
        ((status, body),) = answers
        assert status == 200
        assert not refusing(body), body
    return changed(before, effects(host))


def refusing(body: bytes) -> bool:
    """Whether an answer with 200 says no."""
    told = json.loads(body)
    return told.get("error") is True or told.get("success") is False


def over_http(host: Host) -> Volley:
    """Volleys to the two workers."""
    return lambda outgoing: volley(host.stage.url, outgoing, AT_ONCE)


def in_process(host: Host) -> Volley:
    """Volleys into the WSGI door."""

    def one(outgoing: Outgoing) -> tuple[int, bytes]:
        got = host.ask(outgoing)
        return got.status, got.body

    return lambda outgoing: together(AT_ONCE, lambda: one(outgoing))


def times(count: int, each: dict[str, int]) -> dict[str, int]:
    """The effects of ``count`` rounds."""
    return {name: number * count for name, number in each.items()}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", ROUNDS)
def test_one_installation_for_sixteen_requests(served: Host, count: int) -> None:
    def make(number: int) -> Message:
        return upgates(served.tenants[0], "install", token=f"race {count} {number}")

    left = rounds(served, over_http(served), count, make)
    assert left == times(count, EACH_INSTALL)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", ROUNDS)
def test_one_ticket_for_sixteen_openings(served: Host, count: int) -> None:
    tenant = served.tenants[0]
    volley(served.stage.url, upgates(tenant, "install").outgoing(), 1)
    left = rounds(served, over_http(served), count, lambda number: upgates(tenant, "open"))
    assert left == times(count, {"ticket": 1, "journal": 1})


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.soak)])
def test_one_edit_for_sixteen_connections(served: Host, count: int) -> None:
    """RetailCRM is told of the module once, though each request comes with a right to be told."""
    tenant = served.tenants[0]
    account, sent = tenant.retailcrm, itertools.count()

    def make(number: int) -> Message:
        assert edits(account) == next(sent)
        return register(tenant)

    account.calls.clear()
    rounds(served, over_http(served), count, make)
    assert edits(account) == count


def edits(account: Any) -> int:
    """How often the module was registered."""
    return sum(call.path.endswith("/edit") for call in account.calls)


def test_one_effect_on_either_database(either: Callable[..., Host]) -> None:
    host = either()
    tenant = host.tenants[0]
    left = rounds(host, in_process(host), 5, lambda number: upgates(tenant, "install", token=f"race {number}"))
    assert left == times(5, EACH_INSTALL)
    left = rounds(host, in_process(host), 5, lambda number: upgates(tenant, "open"))
    assert left == times(5, {"ticket": 1, "journal": 1})
    tenant.retailcrm.calls.clear()
    rounds(host, in_process(host), 3, lambda number: register(tenant))
    assert edits(tenant.retailcrm) == 3


def check_then_insert(self: Request, claims: Claims, effect: Any, is_over: Any = None) -> Any:
    """The journal as two steps: looked up in one transaction, written in another."""
    key = journal.proof_digest(self.connector.name, claims)
    with reading() as session:
        known = session.get(JournalRow, key)
    if known is not None:
        return journal.to_result(self.host.ring.unwrap(known.result or ""))
    time.sleep(0.2)
    with writing() as session:
        result, _ = effect(session)
        if session.get(JournalRow, key) is None:
            row = JournalRow(digest=key, connector=self.connector.name, action=self.action.name, unsigned="")
            row.created_at, row.result = self.at, self.host.ring.wrap(journal.from_result(result))
            session.add(row)
    return result


def test_a_journal_of_two_steps_is_noticed(either: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: all sixteen look before the first has written."""
    host = either()
    monkeypatch.setattr(Request, "once", check_then_insert)
    opening = upgates(host.tenants[0], "open").outgoing()
    before = effects(host)
    answers = {body for _, body in in_process(host)(opening)}
    assert len(answers) > 1
    assert changed(before, effects(host))["ticket"] > 1
