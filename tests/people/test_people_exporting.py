"""An export imports again, whatever the shops told, and nothing of it is lost."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.core import lifecycle, messages
from app.core.database import reading, writing
from app.core.models import InstallationRow
from app.core.services import services
from app.people import exporting, importing, mirror
from app.people.directory import PeopleDirectory
from app.people.importing import LONGEST_LINE, ImportRefused, import_lines
from app.people.messages import contacts_of
from app.people.models import OrderRow, PersonRow
from app.people.schemas import LineSchema
from app.sdk import Answer, Batch, Message, Order, Outcome, Person

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = Order("1", "2026-01-01T10:00:00Z", "paid", "1290.50", "CZK", "https://x.cz/1", closed=True, external_id="e1")
PARTS = exporting.parts
FIELDS = [name for name in Person.__dataclass_fields__ if name in PersonRow.__table__.c and name != "id"]


def exported(workspace: str = "w1") -> list[bytes]:
    return [json.dumps(line, ensure_ascii=False).encode() for line in exporting.people(workspace)]


def imported(lines: list[bytes], workspace: str = "w2") -> mirror.Stored:
    return import_lines(io.BytesIO(b"\n".join(lines)), workspace)


def held(workspace: str) -> list[tuple[Any, ...]]:
    """All that is held of a workspace's people but by what name."""
    columns = [column for column in OrderRow.__table__.c if column.name not in ("person_id", "origin")]
    with reading() as session:
        people = session.scalars(select(PersonRow).where(PersonRow.workspace_id == workspace)).all()
        return sorted(
            (
                *(getattr(row, name) for name in FIELDS if name != "external_id"),
                (row.has_orders, row.last_order),
                sorted(map(tuple, session.execute(select(*columns).where(OrderRow.person_id == row.id)))),
            )
            for row in people
        )


@pytest.mark.parametrize("strict", [False, True], ids=["guarded", "control"])
@pytest.mark.parametrize(
    "person",
    [
        pytest.param(Person("1", "", email="jan@x.cz"), id="no-name"),
        pytest.param(Person("1", ""), id="nothing"),
        pytest.param(Person("x" * 200, "Jan"), id="long-id"),
        pytest.param(Person("1", "Jan", url="https://x.cz/a b"), id="url"),
        pytest.param(Person("1", "Jan", updated_at="yesterday"), id="time"),
        pytest.param(Person("1", "Jan", orders=[Order("1", "tomorrow")]), id="date"),
        pytest.param(Person("1", "Jan", orders=[Order("1", total="1 290,50")]), id="total"),
        pytest.param(Person("1", "Jan", orders=[Order("1", currency="Kč")]), id="currency"),
        pytest.param(Person("1", "Jan", orders=[Order("", "2026-01-01"), FULL]), id="no-number"),
        pytest.param(Person("1", "Jan", orders=[Order("")]), id="nothing-of-an-order"),
        pytest.param(Person("1", "Jan", orders=[Order(f"{number}") for number in range(1500)]), id="many-orders"),
    ],
)
def test_whatever_a_shop_told_is_imported_again(
    mine: PeopleDirectory, person: Person, strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control reads it as it would what somebody wrote."""
    mirror.apply("w1", "shop1", Batch(people=[person], orders=[(person.external_id, one) for one in person.orders]))
    if strict:
        monkeypatch.setattr(importing, "TOLD_SCHEMA", LineSchema())
        with pytest.raises(ImportRefused):
            imported(exported())
        return
    assert imported(exported()).new == 1
    assert held("w2") == held("w1")
    # Once more, from the second: its names are longer.
    assert imported(exported("w2"), "w3").new == 1
    assert held("w3") == held("w1")


def test_two_long_ids_stay_two_and_are_told_whole(mine: PeopleDirectory) -> None:
    ids = ["x" * 199 + end for end in "ab"]
    mirror.store("w1", "shop1", [Person(id, "Jan") for id in ids])
    lines = exported()
    assert [json.loads(line)["known_as"] for line in lines] == [f"shop1:{id}" for id in ids]
    assert imported(lines).new == 2
    assert imported(lines).updated == 2


def test_very_much_of_one_person_is_several_lines(mine: PeopleDirectory) -> None:
    """Each of a length that an import reads, whatever the script."""
    with writing() as session:
        services().ring.new_data_key(session, "shop1", NOW)
    orders = [Order(str(number), "2026-01-01", "ж" * 200, url="https://x.cz/" + "ы" * 900) for number in range(900)]
    written = [Message(f"m{number}", NOW, "W", "w:1", "+420777123456", text="я" * 9000) for number in range(40)]
    for told in (Person("1", "Ян", phone="+420777123456", note="ю" * 5000), Person("2", "Eva")):
        mirror.apply("w1", "shop1", Batch(people=[told]))
    mirror.apply("w1", "shop1", Batch(orders=[("1", order) for order in orders]))
    with writing() as session:
        outcome = Outcome(Answer(), messages=written)
        lifecycle.apply(session, services().ring, session.get_one(InstallationRow, "shop1"), outcome, NOW)
        messages.keep(session, services().ring, "shop1", outcome, contacts_of, NOW)
    lines = exported()
    assert max(map(len, lines)) < LONGEST_LINE
    assert sum(map(len, lines)) > 2 * LONGEST_LINE
    told = [json.loads(line) for line in lines]
    assert sum(len(line.get("messages", ())) for line in told) == len(written)
    assert imported(lines).new == 2
    assert held("w2") == held("w1")


@pytest.mark.parametrize("whole", [PARTS, lambda line: iter([line])], ids=["guarded", "control"])
def test_a_line_that_is_too_long_would_be_refused(
    mine: PeopleDirectory, whole: Callable[..., Iterator[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "parts", whole)
    orders = [("1", Order(str(number), url="https://x.cz/" + "ы" * 1900)) for number in range(400)]
    mirror.apply("w1", "shop1", Batch(people=[Person("1", "Jan")], orders=orders))
    if whole is PARTS:
        imported(exported())
        assert held("w2") == held("w1")
    else:
        with pytest.raises(ImportRefused) as refused:
            imported(exported())
        assert refused.value.problems == ["line 1: longer than 1 MiB"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([{"external_id": "1", "source": "s", "continued": True}], "line 1: continued: the line before is another"),
        ([{"external_id": "1", "name": "Jan", "continued": True}], "line 1: continued: Unknown field."),
        ([{"external_id": "1", "source": "s"}] * 2, "line 2: external_id: already on line 1"),
        ([{"external_id": "1", "source": "s", "orders": [{"total": "x" * 41}]}], "line 1: orders.0.total: Longer"),
        ([{"external_id": "1", "source": "s", "x": 1}], "line 1: x: Unknown field."),
        ([{"external_id": " ", "source": "s"}], "line 1: external_id: Must not be blank."),
    ],
)
def test_what_no_export_writes_is_refused(mine: PeopleDirectory, lines: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        imported([json.dumps(line).encode() for line in lines])
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(told)


def test_any_people_are_imported_again(mine: PeopleDirectory) -> None:
    """Random texts of every length, with all that JSON and a database take ill."""
    dice = random.Random(5)

    def text(most: int) -> str:
        letters = 'aé ж\n\t"\\\0\u2028\x85\ufeff👍\ud800,;:/'
        return "".join(dice.choice(letters) for _ in range(dice.choice([0, 1, 5, most, most + 9])))

    def order() -> Order:
        return Order(*(text(most) for most in (200, 40, 200, 40, 8, 2000)), closed=dice.random() < 0.5)

    for number in range(60):
        person = Person(
            f"{number}" + "x" * dice.choice([0, 190]), *(text(most) for most in (300, 320, 100, 300, 9, 900))
        )
        bought = [(person.external_id, order()) for _ in range(dice.randrange(4))]
        mirror.apply("w1", "shop1", Batch(people=[person], orders=bought))
    imported(exported())
    assert held("w2") == held("w1")
