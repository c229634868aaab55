"""The import: every line is checked, and a bad one keeps all out."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.people.directory import PeopleDirectory
from app.people.importing import LONGEST_LINE, ImportRefused, import_file, import_lines
from app.people.mirror import Stored, count
from app.sdk import Refused

GOOD = {
    "external_id": "1",
    "name": "Jan Novák",
    "email": "jan@x.cz",
    "phone": "+420 777 123 456",
    "company": "Acme",
    "url": "https://x.cz/1",
    "note": "a note",
    "updated_at": "2026-01-01T00:00:00Z",
    "orders": [
        {
            "number": "A1",
            "date": "2026-01-01",
            "status": "paid",
            "total": "10.50",
            "currency": "CZK",
            "url": "https://x",
        }
    ],
}


def lines(*people: object) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps(person, ensure_ascii=False).encode() + b"\n" for person in people))


def problems(stream: io.BytesIO) -> list[str]:
    with pytest.raises(ImportRefused) as refused:
        import_lines(stream, "w1")
    assert count("w1") == 0
    return refused.value.problems


def test_a_file_is_imported_and_imported_again(mine: PeopleDirectory, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_bytes(lines(GOOD, {"external_id": "2", "name": "Eva"}).getvalue())
    assert import_file(file, "w1") == Stored(2, 0)
    assert import_file(file, "w1") == Stored(0, 2)
    card = mine.person(mine.search("novák")[0].id)
    assert card is not None
    assert card.orders[0].total == "10.50"
    assert (card.name, card.note, card.updated_at) == ("Jan Novák", "a note", "2026-01-01T00:00:00Z")


def test_blank_lines_and_line_endings(mine: PeopleDirectory) -> None:
    stream = io.BytesIO(b'\n  \r\n{"external_id": "1", "name": "Jan"}\r\n\n{"external_id": "2", "name": "Eva"}')
    assert import_lines(stream, "w1") == Stored(2, 0)
    assert import_lines(io.BytesIO(b""), "w1") == Stored()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"external_id": None}, "external_id: ", id="no id"),
        pytest.param({"external_id": " "}, "external_id: Must not be blank.", id="blank id"),
        pytest.param({"external_id": 7}, "external_id: Not a valid string.", id="id no text"),
        pytest.param({"external_id": "x" * 201}, "external_id: Longer than maximum length 200.", id="long id"),
        pytest.param({"name": ""}, "name: Must not be blank.", id="no name"),
        pytest.param({"nickname": "x"}, "nickname: Unknown field.", id="unknown key"),
        pytest.param({"url": "javascript:alert(1)"}, "url: Must begin with http", id="script"),
        pytest.param({"updated_at": "yesterday"}, "updated_at: Must be a date", id="time"),
        pytest.param({"updated_at": "20260101"}, "updated_at: Must be written as", id="basic format"),
        pytest.param({"orders": {}}, "orders: Not a valid list.", id="orders no list"),
        pytest.param({"orders": [{}]}, "orders.0.number: Missing data", id="order without number"),
        pytest.param({"orders": [{"number": "1", "x": 1}]}, "orders.0.x: Unknown field.", id="unknown key of order"),
        pytest.param({"orders": [{"number": "1", "date": "1.1.2026"}]}, "orders.0.date: Must be a date", id="date"),
        pytest.param({"orders": [{"number": "1", "total": "1,50"}]}, "orders.0.total: Must be a decimal", id="total"),
        pytest.param({"orders": [{"number": "1", "total": True}]}, "orders.0.total: Must be a decimal", id="true"),
        pytest.param(
            {"orders": [{"number": "1", "currency": "Kč"}]}, "orders.0.currency: Must be three", id="currency"
        ),
    ],
)
def test_a_bad_line_is_told_and_keeps_all_out(mine: PeopleDirectory, changes: dict[str, object], told: str) -> None:
    found = problems(lines({"external_id": "0", "name": "Eva"}, GOOD | changes))
    assert len(found) == 1
    assert found[0].startswith(f"line 2: {told}")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        pytest.param(b"{", "is not JSON that can be read", id="cut"),
        pytest.param(b"[]", "must be a JSON object", id="list"),
        pytest.param(b"\xff", "is not JSON that can be read", id="no UTF-8"),
        pytest.param(b'{"name": "a", "name": "b"}', "is not JSON that can be read", id="a key twice"),
        pytest.param(b'{"external_id": "1", "name": "\\ud800"}', "is not JSON that can be read", id="lone surrogate"),
        pytest.param(b" " * (LONGEST_LINE + 1), "longer than 1 MiB", id="long"),
    ],
)
def test_a_line_that_cannot_be_read(mine: PeopleDirectory, raw: bytes, told: str) -> None:
    good = json.dumps(GOOD).encode()
    assert problems(io.BytesIO(good + b"\n\n" + raw + b"\n" + good + b"\n")) == [
        f"line 3: {told}",
        "line 4: external_id: already on line 1",
    ]


def test_several_problems_of_one_line_and_no_values(mine: PeopleDirectory) -> None:
    found = problems(lines({"external_id": "", "email": ["secret@x.cz"], "phone": 777123456}))
    assert len(found) == 1
    for field in ("external_id", "name", "email", "phone"):
        assert f"{field}: " in found[0]
    assert "secret" not in found[0]
    assert "777123456" not in found[0]


@pytest.mark.parametrize("again", ["1", " 1", "1 "])
def test_the_same_id_twice_is_refused(mine: PeopleDirectory, again: str) -> None:
    first, second = {"external_id": "1", "name": "Jan"}, {"external_id": again, "name": "Eva"}
    assert problems(lines(first, second)) == ["line 2: external_id: already on line 1"]


def test_the_list_of_problems_ends(mine: PeopleDirectory) -> None:
    found = problems(io.BytesIO(b"{\n" * 5000))
    assert len(found) == 101
    assert found[-1] == "… and more"


def test_a_refused_import_is_a_refusal() -> None:
    refused = ImportRefused(["line 1: x", "line 2: y"])
    assert isinstance(refused, Refused)
    assert refused.message == "line 1: x\nline 2: y"


class Endless(io.RawIOBase):
    """Many lines that are made as they are read."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.seek(0)

    def seek(self, *place: int) -> int:
        self.remaining: Iterator[int] = iter(range(self.total))
        return 0

    def readline(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        number = next(self.remaining, None)
        person = {"external_id": str(number), "name": "Jan", "note": "x" * 5000}
        return b"" if number is None else json.dumps(person).encode() + b"\n"


@pytest.mark.parametrize("host", ["sqlite"], indirect=True)
def test_an_import_is_streamed(mine: PeopleDirectory) -> None:
    total = 4000  # 20 MB of notes
    tracemalloc.start()
    try:
        assert import_lines(Endless(total), "w1") == Stored(total, 0)  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 15_000_000
