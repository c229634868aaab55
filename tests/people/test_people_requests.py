"""A person's requests: all that is held is told; the erased are gone everywhere and stay away until there is news."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app import people
from app.core import lifecycle, messages
from app.core.database import Base, MirrorBase, reading, writing
from app.core.models import ErasedRow, EventRow, InstallationRow
from app.core.seal import SealBroken
from app.core.services import services
from app.people import erased, exporting, importing, mirror, requests
from app.people.directory import PeopleDirectory
from app.people.messages import contacts_of
from app.people.models import IMPORT, PushedRow
from app.people.sync_state import PUSH, SyncRow
from app.sdk import Answer, Batch, Event, Message, Order, Outcome, Person
from tests.people.truth import check_terms_are_true

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLEG = Person("1", "Oleg Ivanov", "oleg@example.com", "+7 900 123-45-67", note="VIP")
TWIN = Person("x", "O. Ivanov", "OLEG@example.com")
OTHER = Person("2", "Irina", phone="+7 900 000-00-00")


@pytest.fixture
def full(mine: PeopleDirectory, theirs: PeopleDirectory, installed: Callable[..., None]) -> PeopleDirectory:
    """A human whom a shop, a file and a messenger know, somebody else, and the same human in another workspace."""
    installed("chat1", "w1")
    with writing() as session:
        for id in ("shop1", "shop2", "chat1"):
            services().ring.new_data_key(session, id, NOW)
    pull([OLEG, OTHER], orders=[("1", Order("ORDER-A1", "2026-01-01", external_id="a1"))])
    mirror.store("w1", IMPORT, [TWIN])
    mirror.store("w2", "shop2", [OLEG])
    for id in ("chat1", "shop2"):
        take(id, written("m1", "+79001234567", "To Oleg"), written("m2", "+79000000000", "To Irina"))
    return mine


def pull(people: list[Person], source: str = "shop1", **more: Any) -> None:
    mirror.apply("w1", source, Batch(people=people, **more))


def written(id: str, phone: str, text: str) -> Message:
    return Message(id, NOW, "WhatsApp", f"whatsapp:{phone[1:]}", phone, text=text)


def take(id: str, *told: Message) -> None:
    """A callback with messages, and an event that names the person."""
    events = [Event(f"c:{one.id}", "contact", {"chatId": one.phone[1:]}) for one in told]
    outcome = Outcome(Answer(), events, messages=told)
    with writing() as session:
        lifecycle.apply(session, services().ring, session.get_one(InstallationRow, id), outcome, NOW)
        messages.keep(session, services().ring, id, outcome, contacts_of, NOW)


def events(id: str) -> list[Any]:
    """What is kept of an installation's events."""
    ring = services().ring
    with reading() as session:
        rows = session.scalars(select(EventRow).where(EventRow.installation_id == id))
        return [json.loads(ring.open(session, id, "event", row.digest, row.sealed)) for row in rows]


def held(directory: PeopleDirectory, query: str = "oleg") -> requests.Held:
    found = requests.find(directory.workspace_id, directory.search(query)[0].id)
    assert found is not None
    return found


def traces(*words: str) -> list[str]:
    """The words that still stand in some table, or inside what is sealed, of the workspace ``w1``."""
    with reading() as session:
        texts = [
            repr(row)
            for base in (Base, MirrorBase)
            for table in base.metadata.sorted_tables
            for row in session.connection(bind_arguments={"clause": table}).execute(select(table))
            if "w2" not in repr(row) and table.name != "term"  # of the index says `check_terms_are_true`
        ]
    told = json.dumps([*exporting.people("w1")], ensure_ascii=False)
    return [word for word in words if any(word in text for text in (*texts, told))]


def test_everything_is_told(full: PeopleDirectory) -> None:
    told = requests.export(held(full))
    assert {(one["source"], one["name"]) for one in told["records"]} == {
        ("shop1", "Oleg Ivanov"),
        (IMPORT, "O. Ivanov"),
    }
    assert [order["number"] for one in told["records"] for order in one.get("orders", ())] == ["ORDER-A1"]
    assert [one["text"] for one in told["messages"]] == ["To Oleg"]
    assert told["events"] == [{"kind": "contact", "body": {"chatId": "79001234567"}}]
    assert "Irina" not in json.dumps(told)


def test_the_erased_are_gone_and_nobody_else(full: PeopleDirectory, theirs: PeopleDirectory) -> None:
    words = ("Oleg", "Ivanov", "oleg@example.com", "900 123-45-67", "ORDER-A1", "To Oleg", "VIP")
    assert set(traces(*words)) == set(words)
    requests.erase(held(full), NOW)
    assert traces(*words) == []
    assert events("chat1") == [{"chatId": "79000000000"}]
    assert full.search("ivanov") == []
    assert full.by_contact(email="oleg@example.com") is None
    check_terms_are_true()
    assert [one.text for one in full.person(full.search("irina")[0].id).messages] == ["To Irina"]  # type: ignore[union-attr]
    person = theirs.person(theirs.search("oleg")[0].id)
    assert person is not None
    assert [one.text for one in person.messages] == ["To Oleg"]
    assert requests.export(held(theirs))["events"]


def test_the_same_again_is_not_stored_and_something_new_is(full: PeopleDirectory) -> None:
    requests.erase(held(full), NOW)
    old = Order("ORDER-A1", "2026-01-01", external_id="a1")
    for _ in range(2):
        pull([OLEG, OTHER], orders=[("1", old)])
    assert full.search("ivanov") == []
    assert full.search("irina") != []
    pull([Person("1", "Oleg Petrov", OLEG.email, OLEG.phone)])
    assert [hit.name for hit in full.search("oleg")] == ["Oleg Petrov"]
    # From then on the shop's word counts as ever.
    pull([OLEG])
    assert [hit.name for hit in full.search("oleg")] == ["Oleg Ivanov"]


def test_a_new_order_brings_the_person_back(full: PeopleDirectory) -> None:
    requests.erase(held(full), NOW)
    pull([OLEG], orders=[("1", Order("A2", "2026-03-01"))])
    assert full.search("oleg") == []
    pull([OLEG], orders=[("1", Order("A3", "2026-03-02"))])
    person = full.person(full.search("oleg")[0].id)
    assert person is not None
    assert [order.number for order in person.orders] == ["A3"]


def test_what_an_order_tells_of_its_buyer_is_nothing_new(full: PeopleDirectory) -> None:
    requests.erase(held(full), NOW)
    told = Person("1", "O. I.", "oleg@example.com")
    pull([], orders=[("1", Order("ORDER-A1", "2026-01-01"))], buyers=[told])
    assert traces("O. I.", "ORDER-A1") == []
    pull([], orders=[("1", Order("A3", "2026-03-02"))], buyers=[told])
    assert set(traces("O. I.", "A3")) == {"O. I.", "A3"}


def test_a_page_that_was_on_its_way_brings_nobody_back(full: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    real = mirror.syncing.apply

    def meanwhile(*page: Any, **how: Any) -> tuple[int, int]:
        monkeypatch.setattr(mirror.syncing, "apply", real)
        done = real(*page, **how)
        with reading() as session:
            erased.remember(session, services().ring, "shop1", OLEG, NOW)
        return done

    monkeypatch.setattr(mirror.syncing, "apply", meanwhile)
    pull([OLEG, OTHER])
    assert [hit.name for hit in full.search("ivanov")] == ["O. Ivanov"]
    assert full.search("irina") != []


def test_control_without_the_note_they_come_back(full: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erased, "remember", lambda *asked, **how: None)
    requests.erase(held(full), NOW)
    pull([OLEG])
    assert full.search("oleg") != []


def as_a_record(*noted: Any, is_record: bool, real: Callable[..., None] = erased.remember) -> None:
    """The rule of before."""
    real(*noted)


@pytest.mark.parametrize(
    ("rule", "stays_away"), [(erased.remember, True), (as_a_record, False)], ids=["guarded", "control"]
)
def test_the_first_record_of_an_erased_buyer_is_nothing_new(
    mine: PeopleDirectory, rule: Callable[..., None], stays_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop changed nothing: its old record is told only later than the order."""
    monkeypatch.setattr(erased, "remember", rule)
    with writing() as session:
        services().ring.new_data_key(session, "shop1", NOW)
    pull([], orders=[("1", Order("A1", "2026-01-01"))], buyers=[Person("1", "Oleg", OLEG.email)])
    requests.erase(held(mine), NOW)
    for _ in range(2):
        pull([OLEG], orders=[("1", Order("A1", "2026-01-01"))], buyers=[Person("1", "Oleg", OLEG.email)])
        assert (mine.search("oleg") == []) is stays_away
    pull([Person("1", "Oleg Petrov", OLEG.email)])
    assert [hit.name for hit in mine.search("oleg")] == ["Oleg Petrov"]


def test_a_record_takes_the_place_of_what_an_order_told(mine: PeopleDirectory) -> None:
    """Then it was a record that was erased, and another is news."""
    with writing() as session:
        services().ring.new_data_key(session, "shop1", NOW)
    pull([], orders=[("1", Order("A1", "2026-01-01"))], buyers=[Person("1", "Oleg", OLEG.email)])
    pull([OLEG])
    requests.erase(held(mine), NOW)
    pull([OLEG])
    assert mine.search("oleg") == []
    pull([Person("1", "Oleg Petrov", OLEG.email)])
    assert mine.search("oleg") != []


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01"])
def test_an_order_of_no_day_brings_nobody_back(full: PeopleDirectory, day: str) -> None:
    requests.erase(held(full), NOW)
    pull([OLEG], orders=[("1", Order("A2", day))])
    assert full.search("oleg") == []


@pytest.mark.parametrize(("rule", "found"), [(erased.to_storable_id, 0), (str.strip, 1)], ids=["guarded", "control"])
def test_an_id_is_compared_as_it_is_kept(
    full: PeopleDirectory, rule: Callable[[str], str], found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erased, "to_storable_id", rule)
    requests.erase(held(full), NOW)
    pull([replace(OLEG, external_id="1\0")])
    assert len(full.search("oleg")) == found


class Never(Exception):
    """What nothing raises."""


@pytest.mark.parametrize("caught", [SealBroken, Never], ids=["guarded", "control"])
def test_who_came_from_a_shop_whose_key_is_destroyed_is_erased(
    full: PeopleDirectory, caught: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the end of an uninstall and the forgetting; there is nothing more to be kept away."""
    monkeypatch.setattr(erased, "SealBroken", caught)
    asked = held(full)
    with writing() as session:
        lifecycle.confirm_uninstall(session, session.get_one(InstallationRow, "shop1"), NOW)
    if caught is Never:
        with pytest.raises(SealBroken):
            requests.erase(asked, NOW)
        return
    requests.erase(asked, NOW)
    assert traces("Oleg", "Ivanov", "ORDER-A1") == []


@pytest.mark.parametrize("caught", [SealBroken, Never], ids=["guarded", "control"])
def test_an_event_that_cannot_be_read_hinders_nobody(
    full: PeopleDirectory, caught: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "SealBroken", caught)
    with writing() as session:
        session.add(EventRow(installation_id="shop1", digest="x", kind="contact", sealed="key.AAAA", received_at=NOW))
    asked = held(full)
    if caught is Never:
        with pytest.raises(SealBroken):
            requests.export(asked)
        return
    assert len(requests.export(asked)["events"]) == 1
    requests.erase(asked, NOW)
    assert traces("Oleg", "To Oleg") == []


@pytest.mark.parametrize("rule", [people.store_people, mirror.store], ids=["guarded", "control"])
def test_what_a_webhook_brings_is_a_page(full: PeopleDirectory, rule: Callable[..., Any]) -> None:
    """It replaces no orders, and who was erased stays away."""
    services().store_people = rule
    services().store_people("w1", "shop1", [replace(OLEG, note="VIP")])
    asked = held(full)
    assert ("ORDER-A1" in json.dumps(requests.export(asked))) is (rule is people.store_people)
    requests.erase(asked, NOW)
    services().store_people("w1", "shop1", [OLEG])
    assert (full.search("oleg") == []) is (rule is people.store_people)


def test_an_order_that_a_webhook_brings_is_kept(full: PeopleDirectory) -> None:
    services().store_people("w1", "shop1", [replace(OLEG, orders=[Order("B1", "2026-02-01")])])
    records = requests.export(held(full))["records"]
    assert [[order["number"] for order in one.get("orders", ())] for one in records] == [["B1", "ORDER-A1"], []]


def test_whom_a_webhook_brings_is_told_to_the_platforms_soon(full: PeopleDirectory) -> None:
    with writing() as session:
        session.add(SyncRow(installation_id="taker", kind=PUSH, workspace_id="w1", ticket="t", since=NOW))
    services().store_people("w1", "shop1", [OLEG])
    with reading() as session:
        assert session.scalars(select(PushedRow.mark)).one() > 0


def test_the_note_tells_nothing_and_goes_with_the_shop(full: PeopleDirectory) -> None:
    requests.erase(held(full), NOW)
    with reading() as session:
        (row,) = session.scalars(select(ErasedRow))
        assert {len(row.digest), len(row.content)} == {64}
        assert row.digest != row.content
    with writing() as session:
        lifecycle.confirm_uninstall(session, session.get_one(InstallationRow, "shop1"), NOW + timedelta(days=1))
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(ErasedRow)) == 0


@pytest.mark.parametrize("id", ["0", "999999", "x", "", "9" * 30, "-1", "١"])
def test_an_id_that_is_nobodys(full: PeopleDirectory, id: str) -> None:
    assert requests.find("w1", id) is None


def test_another_workspaces_id_is_nobodys(full: PeopleDirectory, theirs: PeopleDirectory) -> None:
    id = theirs.search("oleg")[0].id
    assert requests.find("w1", id) is None
    assert requests.find("w2", id) is not None


def test_an_export_has_messages_and_can_be_imported(full: PeopleDirectory, tmp_path: Any) -> None:
    take("chat1", written("m3", "+420777000000", "Who are you?"))
    lines = [*exporting.people("w1")]
    texts = {line["name"]: [one["text"] for one in line.get("messages", ())] for line in lines}
    assert texts == {
        "Oleg Ivanov": ["To Oleg"],
        "Irina": ["To Irina"],
        "O. Ivanov": [],
        "+420777000000": ["Who are you?"],
    }
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    assert importing.import_file(file, "w2").new == len(lines)
