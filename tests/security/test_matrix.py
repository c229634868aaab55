"""No message passes for another: every captured message at every endpoint of three customers, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from effects import Effects, changed, effects
from matrix import Pair, pairs, trespasses
from messages import Message, callback, deliver, everything
from tenants import Host, hosting

from app.core import journal
from app.core.seal import digest
from plugins.orlo import proof

ACROSS = {
    ("upgates/open", "upgates/uninstall"),
    ("upgates/open", "upgates/version"),
    ("upgates/uninstall", "upgates/open"),
    ("upgates/version", "upgates/uninstall"),
    ("upgates/install", "upgates/open"),
    ("orlo/search", "orlo/open"),
    ("orlo/open", "orlo/search"),
    ("retailcrm/open", "retailcrm/install"),
    ("wazzup/webhook", "wazzup/install"),
}
# A repeat of these is answered as the first one was.
REPEATED = ("upgates/", "retailcrm/install", "retailcrm/activity", "wazzup/webhook", "orlo/")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Three customers at every marketplace."""
    with hosting(tmp_path / "instance", 3) as host:
        yield host


def captured(host: Host) -> list[Message]:
    """A message of every kind of every customer, each delivered where it belongs."""
    messages = []
    for tenant in host.tenants:
        for message in everything(tenant):
            assert deliver(host, message.outgoing()).accepted, message.endpoint
            messages.append(message)
    return messages


def stored(host: Host) -> Effects:
    """The rows alone: only Wazzup can say that a `state` is none, so it must be asked."""
    return {**effects(host), "calls": ()}


def check(host: Host) -> list[Pair]:
    """Capture everything, aim everything everywhere: nothing is accepted, nothing is stored; returns the pairs."""
    messages = captured(host)
    found = list(pairs(messages, host.tenants))
    before = stored(host)
    assert [str(pair) for pair in trespasses(host, found)] == []
    assert changed(before, stored(host)) == {}
    # What was captured is good still, where it belongs.
    again = [message for message in messages if message.endpoint.startswith(REPEATED)]
    assert [message.endpoint for message in again if not deliver(host, message.outgoing()).accepted] == []
    return found


def test_no_captured_message_passes_for_another(host: Host) -> None:
    found = check(host)
    assert len(found) >= 900
    assert {pair.kinds for pair in found} >= ACROSS


def test_nor_does_it_on_either_database(either: Callable[..., Host]) -> None:
    assert {pair.kinds for pair in check(either(2))} >= ACROSS


def test_the_journal_alone_keeps_upgates_calls_apart(
    either: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: opening, deactivation and version sign the same bytes; without the journal each passes for the other."""
    host = either(2)
    messages = captured(host)
    monkeypatch.setattr(journal, "claim", lambda *args: None)
    monkeypatch.setattr(journal, "settle", lambda *args: None)
    kinds = {pair.kinds for pair in trespasses(host, within(messages, host, "upgates"))}
    assert kinds >= {("upgates/open", "upgates/uninstall"), ("upgates/open", "upgates/version")}


def test_a_missing_proof_or_grammar_of_orlo_is_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without the proof customers pass for each other, without the parameters' names searches for pages."""
    messages, person = captured(host), host.tenants[0].person
    monkeypatch.setattr(proof, "check_proof", lambda *args: None)
    kinds = {pair.kinds for pair in trespasses(host, within(messages, host, "orlo"))}
    assert kinds == {("orlo/search", "orlo/search"), ("orlo/open", "orlo/open")}
    monkeypatch.setattr(proof, "READERS", {"search": lambda params: {"q": "x"}, "open": lambda params: {"id": person}})
    kinds = {pair.kinds for pair in trespasses(host, within(messages, host, "orlo"))}
    assert kinds >= {("orlo/search", "orlo/open"), ("orlo/open", "orlo/search")}


def test_a_link_secret_without_a_purpose_is_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: were links kept without their purpose, the key of Wazzup's address would do for its bearer."""
    for module in ("installations", "lifecycle"):
        monkeypatch.setattr(f"app.core.{module}.link_digest", lambda connector, purpose, token: digest("link", token))
    tenant = host.tenants[0]
    host.connect_wazzup(tenant)
    message = callback(tenant)
    assert deliver(host, message.changed(bearer=message.fields["key"]).outgoing()).accepted
    monkeypatch.undo()
    host.connect_wazzup(tenant)
    message = callback(tenant)
    assert not deliver(host, message.changed(bearer=message.fields["key"]).outgoing()).accepted


def within(messages: list[Message], host: Host, connector: str) -> list[Pair]:
    """The pairs of one marketplace."""
    mine = [message for message in messages if message.connector == connector]
    return [pair for pair in pairs(mine, host.tenants) if pair.endpoint.startswith(f"{connector}/")]
