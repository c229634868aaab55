"""Messages on the card: whose they are, in which order they may come, and when they are gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.core import lifecycle, messages
from app.core.database import db, reading, writing
from app.core.models import DataKeyRow, InstallationRow, MessageContactRow, MessageRow
from app.core.seal import SealBroken
from app.core.services import services
from app.jobs import housekeeping
from app.people import mirror
from app.people.directory import PeopleDirectory
from app.people.messages import MOST_SHOWN, contacts_of
from app.sdk import Answer, Delivery, Message, Outcome, Person, State

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
ELSEWHERE = "+79001112233"
PHONE = "+79001234567"


@pytest.fixture
def chat(installed: Callable[..., None]) -> Callable[..., None]:
    """Keeps messages and news of an installation that is made on the way, as a callback does."""

    def take(*told: Message | Delivery, id: str = "chat1", workspace: str = "w1", at: datetime = NOW) -> None:
        with reading() as session:
            known = session.get(InstallationRow, id) is not None
        if not known:
            installed(id, workspace)
            with writing() as session:
                services().ring.new_data_key(session, id, NOW)
        written = [one for one in told if isinstance(one, Message)]
        news = [one for one in told if isinstance(one, Delivery)]
        outcome = Outcome(Answer(), messages=written, deliveries=news)
        with writing() as session:
            messages.keep(session, services().ring, id, outcome, contacts_of, at)

    return take


def written(id: str = "m1", text: str = "Is it in stock?", minute: int = 0, **more: object) -> Message:
    told = {"phone": PHONE, "person": f"whatsapp:{PHONE[1:]}"} | more
    return Message(id, NOW + timedelta(minutes=minute), "WhatsApp", text=text, **told)  # type: ignore[arg-type]


def card(name: str = "Oleg", workspace: str = "w1") -> tuple[Message, ...]:
    directory = PeopleDirectory(workspace)
    (hit,) = directory.search(name)
    person = directory.person(hit.id)
    assert person is not None
    return tuple(person.messages)


def texts(name: str = "Oleg", workspace: str = "w1") -> list[str]:
    return [message.text for message in card(name, workspace)]


def add(phone: str, name: str = "Oleg", id: str = "1", workspace: str = "w1", source: str = "shop1") -> None:
    mirror.store(workspace, source, [Person(id, name, phone=phone)])


@pytest.mark.parametrize(
    "spelled",
    [PHONE, "007 900 123-45-67", "8 (900) 123-45-67", "9001234567", "79001234567", "+420 777 123 456, +79001234567"],
)
def test_any_spelling_of_the_phone(mine: PeopleDirectory, chat: Callable[..., None], spelled: str) -> None:
    add(spelled)
    add(ELSEWHERE, "Irina", "2")
    chat(written())
    assert texts() == ["Is it in stock?"]
    assert texts("Irina") == []


def test_newest_first_and_not_all(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add(PHONE)
    chat(*[written(f"m{number}", f"No. {number}", number) for number in range(MOST_SHOWN + 5)])
    assert texts() == [f"No. {number}" for number in reversed(range(5, MOST_SHOWN + 5))]


def test_never_another_workspaces(
    mine: PeopleDirectory, theirs: PeopleDirectory, chat: Callable[..., None], installed: Callable[..., None]
) -> None:
    add(PHONE)
    add(PHONE, workspace="w2", source="shop2")
    chat(written())
    assert texts() == ["Is it in stock?"]
    assert texts(workspace="w2") == []
    # The control: what keeps them apart is whose the installation is.
    installed("chat1", "w2")
    assert texts(workspace="w2") == ["Is it in stock?"]


def test_a_bare_number_yields_to_who_has_the_full_one(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add("9001234567")
    chat(written())
    assert texts() == ["Is it in stock?"]
    add(PHONE, "Irina", "2")
    assert texts() == []
    assert texts("Irina") == ["Is it in stock?"]


def test_whoever_the_connector_added_for_the_chat(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    chat(written(phone="", person="instagram:oleg"))
    add("", id="instagram:oleg", source="chat1")
    add("", "Irina", id="instagram:oleg", source="shop1")
    assert texts() == ["Is it in stock?"]
    assert texts("Irina") == []


STATUSES = ["sent", "delivered", "read"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2, 1], [2, 2, 3, 3, 0, 0]])
def test_news_in_any_order_and_twice(mine: PeopleDirectory, chat: Callable[..., None], order: list[int]) -> None:
    add(PHONE)
    told = [written(outgoing=True, status="sent"), *(Delivery("m1", status) for status in STATUSES)]
    for place in order:
        chat(told[place])
    (message,) = card()
    assert message.status == "read"
    assert message.outgoing


def test_an_error_keeps_its_code_until_it_was_delivered(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add(PHONE)
    chat(Delivery("m1", "error", "BAD_CONTACT"), written(outgoing=True, status="sent"))
    assert [(one.status, one.failure) for one in card()] == [("error", "BAD_CONTACT")]
    chat(Delivery("m1", "delivered"))
    assert [(one.status, one.failure) for one in card()] == [("delivered", "")]


def test_edits_and_deletions_hold(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add(PHONE)
    chat(written(text="Second", edited=True))
    chat(written(text="First"))
    assert [(one.text, one.edited) for one in card()] == [("Second", True)]
    chat(written(text="", deleted=True))
    chat(written(text="Third", edited=True))
    assert [(one.text, one.deleted) for one in card()] == [("", True)]
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MessageRow)) == 1


def test_nothing_is_readable_at_rest(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    chat(written("the-message-itself", text="Confidential words", author="Irina"))
    with reading() as session:
        rows = [*session.execute(select(*MessageRow.__table__.columns))]
        rows += session.execute(select(*MessageContactRow.__table__.columns))
    kept = repr(rows)
    assert len(rows) > 2
    for told in ("Confidential", PHONE[1:], "Irina", "the-message-itself"):
        assert told not in kept
    # The control: the row's own columns would be seen.
    assert "chat1" in kept


def test_gone_with_the_data_key(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add(PHONE)
    chat(written())
    with reading() as session:
        copy = session.scalars(select(MessageRow)).one()
        assert messages.unsealed(session, services().ring, copy) is not None
    with writing() as session:
        row = session.get_one(InstallationRow, "chat1")
        lifecycle.confirm_uninstall(session, row, NOW)
        row.state = State.ACTIVE
    assert texts() == []
    with reading() as session:
        for table in (MessageRow, MessageContactRow, DataKeyRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        with pytest.raises(SealBroken):
            messages.unsealed(session, services().ring, copy)


def test_kept_for_its_time(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add(PHONE)
    chat(written("old", "Old"), at=NOW)
    chat(written("new", "New", 5), at=NOW + timedelta(days=1))
    housekeeping.purge(NOW + messages.KEPT)
    assert texts() == ["New", "Old"]
    housekeeping.purge(NOW + messages.KEPT + timedelta(hours=1))
    assert texts() == ["New"]
    with reading() as session:
        assert session.scalar(select(func.count(MessageContactRow.digest.distinct()))) == 1


def test_they_move_with_a_reservation(mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    add(PHONE)
    chat(written(), Delivery("m2", "read"), id="waiting")
    chat(written("m0", "Before", -5))
    with writing() as session:
        messages.move(session, services().ring, "waiting", "chat1")
        lifecycle.remove(session, "waiting")
    chat(written("m2", "Answer", 5, outgoing=True, status="sent"))
    assert [(one.text, one.status) for one in card()] == [
        ("Answer", "read"),
        ("Is it in stock?", ""),
        ("Before", ""),
    ]


def test_a_card_reads_along_the_index(host: Flask, mine: PeopleDirectory, chat: Callable[..., None]) -> None:
    chat(written())
    if db.engine.dialect.name != "sqlite":
        pytest.skip("the plan is told in SQLite's words")
    asked = "SELECT digest, at FROM message_contact WHERE installation_id = 'a' AND contact IN ('b') ORDER BY at DESC"
    with reading() as session:
        plan = repr(session.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all())
    assert "SEARCH message_contact" in plan
    assert "TEMP B-TREE" not in plan
