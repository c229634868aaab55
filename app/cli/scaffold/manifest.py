"""The scaffold's ``connector.toml``: the template's, with a scheme's tables over it and without what is not wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

HEADER = re.compile(r"\[{1,2}([^\]]+)\]{1,2}")
EVERY = "actions.*."


@dataclass(frozen=True, slots=True)
class Table:
    """One table with the comments above it, as text; the first has no ``header``, a ``tight`` one no line before it."""

    header: str
    text: str
    tight: bool = False

    @property
    def is_list(self) -> bool:
        """Whether it is one of several with this header."""
        return re.search(r"(?m)^\[\[", self.text) is not None


def tables_of(text: str) -> list[Table]:
    """A manifest's tables, in order."""
    found, header, lines, tight = [], "", list[str](), False
    for line in text.splitlines():
        if head := HEADER.match(line):
            above = list[str]()
            while lines and lines[-1].startswith("#"):
                above.insert(0, lines.pop())
            found.append(Table(header, "\n".join(lines).strip("\n"), tight))
            header, tight, lines = head[1], bool(lines and lines[-1]), above
        lines.append(line)
    return [*found, Table(header, "\n".join(lines).strip("\n"), tight)]


def lay_over(below: Sequence[Table], above: Sequence[Table]) -> list[Table]:
    """The tables of a scheme in the place of those with the same header; ``[actions.*.x]`` stands for each action's."""
    lists = {table.header for table in above if table.is_list}
    result = [table for table in below if table.header not in lists]
    result[0] = with_keys(result[0], above[0].text)
    for table in above[1:]:
        if table.header.startswith(EVERY):
            tail = table.header.removeprefix(EVERY)
            result = [for_action(table, one.header) if ends_in(one.header, tail) else one for one in result]
        elif not table.is_list and table.header in {one.header for one in result}:
            result = [table if one.header == table.header else one for one in result]
        else:
            result.append(table)
    return result


def with_keys(head: Table, lines: str) -> Table:
    """The keys before the first table, with the values that a scheme has for them."""
    text = head.text
    for line in lines.splitlines():
        key = line.partition(" = ")[0]
        text = "\n".join(line if one.startswith(f"{key} = ") else one for one in text.splitlines())
    return replace(head, text=text)


def ends_in(header: str, tail: str) -> bool:
    """Whether this is the table ``tail`` of an action."""
    return re.fullmatch(rf"actions\.[a-z_]+\.{re.escape(tail)}", header) is not None


def for_action(table: Table, header: str) -> Table:
    """The table that stands for each action's, for one of them."""
    return replace(table, header=header, text=table.text.replace(table.header, header), tight=True)


def without(tables: Iterable[Table], actions: set[str], headers: Iterable[str] = ()) -> Iterator[Table]:
    """The tables but these, and but those of these actions and the cabinet's fields that tell their addresses."""
    for table in tables:
        if table.header in headers:
            continue
        words = table.header.split(".")
        of_action = words[0] == "actions" and words[1:2] and words[1] in actions
        told = table.header == "cabinet" and any(re.search(rf"\b{action}(_url)?\b", table.text) for action in actions)
        weak = re.search(r"(?m)^actions = \[(.*)\]$", table.text) if table.header == "weakness" else None
        about = set(re.findall(r'"(\w+)"', weak[1])) if weak else set()
        if not (of_action or told or (about and about <= actions)):
            yield table


def headed(tables: Sequence[Table], title: str, languages: Sequence[str]) -> str:
    """The manifest's text, with title and languages of its own."""
    head = tables[0].text
    head = re.sub(r"(?m)^enabled = .*\n", "", head)
    head = re.sub(r"(?m)^title = .*$", lambda _: f"title = {quoted(title)}", head)
    head = re.sub(r"(?m)^languages = .*$", f"languages = [{', '.join(map(quoted, languages))}]", head)
    return head + "".join("\n" * (1 if table.tight else 2) + table.text for table in tables[1:]) + "\n"


def quoted(text: str) -> str:
    """A TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
