"""The import: people from JSON Lines, every line checked before the first is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from marshmallow import ValidationError

from app.people import mirror
from app.people.models import IMPORT
from app.people.schemas import LineSchema, ToldSchema
from app.sdk import Malformed, Order, Person, read_object

LONGEST_LINE = 1024 * 1024
MOST_PROBLEMS = 100
SCHEMA, TOLD_SCHEMA = LineSchema(), ToldSchema()
# What an export has of a person and an import does not keep.
NOT_KEPT = ("messages", "source", "known_as", "continued")


class ImportRefused(Malformed):
    """The file has bad lines and nothing of it was stored; ``problems`` says for each its line and what is wrong.

    A problem names fields, never their values: the lines are people.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("bad_import", "\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank: what it holds, or what is wrong with it."""

    number: int
    fields: dict[str, Any]
    problem: str = ""


def import_file(path: Path, workspace_id: str) -> mirror.Stored:
    """Upsert the people of a JSON Lines file into the workspace; raises `ImportRefused` when any line is bad."""
    with path.open("rb") as stream:
        return import_lines(stream, workspace_id)


def import_lines(stream: BinaryIO, workspace_id: str) -> mirror.Stored:
    """`import_file` from a stream that can be rewound: read twice, it is never held in memory."""
    problems = _problems(stream)
    if problems:
        raise ImportRefused(problems)
    stream.seek(0)
    return mirror.store(workspace_id, IMPORT, map(to_person, _people(stream)))


def _people(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """The people of checked lines, each with the orders of the lines that continue it."""
    person: dict[str, Any] = {}
    for line in _lines(stream):
        if line.fields.get("continued"):
            person.setdefault("orders", []).extend(line.fields.get("orders", ()))
            continue
        if person:
            yield person
        person = line.fields
    if person:
        yield person


def _problems(stream: BinaryIO) -> list[str]:
    """What is wrong, line by line; the list ends after 100."""
    problems: list[str] = []
    first_at: dict[str, int] = {}
    last = ""
    for line in _lines(stream):
        problem = line.problem or _misplaced(line, first_at, last)
        last = line.fields.get("external_id", "").strip()
        if problem:
            problems.append(f"line {line.number}: {problem}")
        if len(problems) > MOST_PROBLEMS:
            return [*problems[:MOST_PROBLEMS], "… and more"]
    return problems


def _misplaced(line: Line, first_at: dict[str, int], last: str) -> str:
    """What is wrong with the line where it stands, if anything is."""
    id = line.fields["external_id"].strip()
    if line.fields.get("continued"):
        return "" if id == last else "continued: the line before is another person's"
    earlier = first_at.setdefault(id, line.number)
    return f"external_id: already on line {earlier}" if earlier != line.number else ""


def _lines(stream: BinaryIO) -> Iterator[Line]:
    for number, raw in enumerate(_raw_lines(stream), start=1):
        if len(raw) > LONGEST_LINE:
            yield Line(number, {}, "longer than 1 MiB")
        elif raw.strip():
            yield _read(number, raw)


def _raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines without holding an endless one: of a line that is too long only the beginning."""
    while raw := stream.readline(LONGEST_LINE + 1):
        rest = raw
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(LONGEST_LINE + 1)
        yield raw


def _read(number: int, raw: bytes) -> Line:
    try:
        told = read_object(raw)
        fields: dict[str, Any] = (TOLD_SCHEMA if "source" in told else SCHEMA).load(told)
    except Malformed as refused:
        known = {"no_json_object": "must be a JSON object"}
        return Line(number, {}, known.get(refused.reason, "is not JSON that can be read"))
    except ValidationError as error:
        return Line(number, {}, "; ".join(_told(error.messages)))
    return Line(number, fields)


def _told(messages: Any, where: str = "") -> Iterator[str]:
    """``orders.0.date: Not a date.`` from marshmallow's nested messages."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            yield from _told(inner, f"{where}.{name}" if where else str(name))
    else:
        yield f"{where}: {' '.join(map(str, messages))}"


def to_person(fields: dict[str, Any]) -> Person:
    """The person of a checked line."""
    told = {name: value for name, value in fields.items() if name not in NOT_KEPT}
    return Person(**told | {"orders": tuple(Order(**order) for order in fields.get("orders", ()))})
