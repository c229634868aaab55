"""Messages come by the messenger's webhook and are read on the card in the helpdesk and nowhere else."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import delete, select
from stage import Stage

from app.core.database import writing
from app.core.models import DataKeyRow, InstallationRow
from app.people import mirror
from app.people.models import IMPORT
from app.sdk import Order, Person

PHONE = "8 (900) 123-45-67"


@pytest.fixture
def workspace(any_stage: Stage) -> str:
    """A workspace with one person, the messenger and the helpdesk."""
    workspace = str(any_stage.connect_orlo()["workspace"])
    state = any_stage.simulators["wazzup"].state()
    any_stage.cli("installations", "add", "wazzup", "--workspace", workspace, "--set", f"state={state}")
    with any_stage.app.app_context():  # type: ignore[union-attr]
        mirror.store(workspace, IMPORT, [Person("1", "Oleg Ivanov", phone=PHONE, orders=(Order("A1", "2026-01-02"),))])
    return workspace


def card(stage: Stage) -> str:
    """The text of the card as the helpdesk's frame shows it, without the markup."""
    orlo = stage.simulators["orlo"]
    (hit,) = orlo.play("search", q="ivanov")[1].json()["results"]
    page = orlo.play("open", id=hit["id"])[1]
    assert page.status_code == 200
    return " ".join(unescape(re.sub("<[^>]*>", " ", page.text)).split())


def test_messages_and_their_delivery_are_on_the_card(any_stage: Stage, workspace: str) -> None:
    wazzup = any_stage.simulators["wazzup"]
    assert "Messages" not in card(any_stage)
    assert wazzup.play("status", message_id="answer-1", status="read")[1].status_code == 200
    assert wazzup.play("message", text="Is <b>it</b> in stock?")[1].status_code == 200
    assert wazzup.play("message", message_id="answer-1", text="Yes, 3 left", author="Irina")[1].status_code == 200
    assert wazzup.play("message", text="Not his", chat_id="79990001122")[1].status_code == 200
    shown = card(any_stage)
    assert "WhatsApp Received 15 Jan 2026, 09:12:44 UTC Is <b>it</b> in stock?" in shown
    assert "WhatsApp Irina 15 Jan 2026, 09:12:44 UTC Read Yes, 3 left" in shown
    assert "Not his" not in shown
    assert "A1" in shown


def test_a_message_twice_is_there_once_and_gone_with_its_key(any_stage: Stage, workspace: str) -> None:
    wazzup = any_stage.simulators["wazzup"]
    for _ in range(2):
        wazzup.play("message", message_id="m-1", text="Once")
    assert card(any_stage).count("Once") == 1
    with any_stage.app.app_context(), writing() as session:  # type: ignore[union-attr]
        its = select(InstallationRow.id).where(InstallationRow.connector == "wazzup")
        session.execute(delete(DataKeyRow).where(DataKeyRow.installation_id.in_(its)))
    assert "Once" not in card(any_stage)


def test_a_stranger_with_the_wrong_bearer_writes_nothing(any_stage: Stage, workspace: str) -> None:
    wazzup = any_stage.simulators["wazzup"]
    told = {"messages": [{"messageId": "m-1", "chatType": "whatsapp", "chatId": "79001234567", "text": "Forged"}]}
    assert wazzup.send(wazzup.callback(told, bearer="x" * 43)).status_code == 401
    assert "Forged" not in card(any_stage)
    # The control: with the right one the same is written.
    assert wazzup.send(wazzup.callback(told)).status_code == 200
    assert "Forged" in card(any_stage)
