"""Finds the texts that refusals and alarms carry: plain strings in the code, translated only where they are shown."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from app.sdk import Refused

# A module may derive further ones, see `refusals`.
TRANSLATED = {"gettext", "lazy_gettext"}
KNOWN = {"Refused", *(kind.__name__ for kind in Refused.__subclasses__()), "Expired", "LoginRefused"}


class Unreadable(Exception):
    """A message is made in a way that cannot be followed: it would reach its reader untranslated."""


def find_messages(source: str) -> list[tuple[int, str]]:
    """Line and text of each message in a module. Raises `Unreadable` rather than miss one."""
    tree = ast.parse(source)
    kinds = refusals(tree)
    values = [value for node in ast.walk(tree) for value in expressions(node, kinds)]
    return [(value.lineno, text) for value in values for text in texts(value, tree)]


def extract(fileobj: IO[bytes], keywords: Any, tags: Any, options: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The same for ``pybabel extract``."""
    for line, text in find_messages(fileobj.read().decode("utf-8")):
        yield line, None, text, []


def extract_guide(
    fileobj: IO[bytes], keywords: Any, tags: Any, options: Mapping[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """The texts of a manifest's ``[guide]`` for ``pybabel extract``."""
    guide = tomllib.loads(fileobj.read().decode("utf-8")).get("guide", {})
    for text in filter(None, [*guide.get("steps", ()), guide.get("disconnect", "")]):
        yield 1, None, text, []


def refusals(tree: ast.Module) -> set[str]:
    """The names of what refuses: the classes of the sdk, and those that the module derives from them."""
    kinds = set(KNOWN)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(last_name(parent) in kinds for parent in node.bases):
            kinds.add(node.name)
    return kinds


def expressions(node: ast.AST, kinds: set[str]) -> Iterator[ast.expr]:
    """Where a message stands: in a refusal, ``message`` of a class, an alarm, what is to be translated."""
    if isinstance(node, ast.Call) and last_name(node.func) in TRANSLATED:
        # What is translated as it comes was found where it was made.
        yield from (value for value in node.args[:1] if isinstance(value, ast.Constant))
    elif isinstance(node, ast.Call) and last_name(node.func) in kinds:
        yield from node.args[1:2]
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "message")
    elif isinstance(node, ast.ClassDef):
        yield from (value for name, value in assigned(node.body) if name == "message")
    elif isinstance(node, ast.Assign):
        yield from (node.value for target in node.targets if getattr(target, "attr", "") == "alarm")


def last_name(called: ast.expr) -> str:
    """``Unknown`` of ``sdk.Unknown``."""
    return str(getattr(called, "id", getattr(called, "attr", "")))


def texts(value: ast.expr, tree: ast.Module) -> Sequence[str]:
    """The texts that an expression may become: a literal, a constant of the module, or one of its table."""
    match value:
        case ast.Constant(value=str() as text):
            return [text] if text else []
        case ast.Constant(value=None):
            return []
        case ast.Name(id=name):
            return [text for found in meanings(name, tree) for text in texts(found, tree)]
        case ast.IfExp(body=body, orelse=other):
            return [*texts(body, tree), *texts(other, tree)]
        case ast.Subscript(value=ast.Name(id=name)) | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get")):
            return [text for found in tables(name, tree) for text in texts(found, tree)]
    raise Unreadable(f"line {value.lineno}: {ast.unparse(value)}")


def meanings(name: str, tree: ast.Module) -> Sequence[ast.expr]:
    """What a name stands for: a constant of the module, or each value that a loop over a literal gives it."""
    found = [value for key, value in assigned(tree.body) if key == name]
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Tuple):
            places = [at for at, target in enumerate(node.target.elts) if getattr(target, "id", "") == name]
            found += [row.elts[at] for at in places for row in node.iter.elts if isinstance(row, ast.Tuple)]
    if not found:
        raise Unreadable(f"nothing says what {name} is")
    return found


def tables(name: str, tree: ast.Module) -> Sequence[ast.expr]:
    """The values of a table of the module."""
    found = [value for key, value in assigned(tree.body) if key == name and isinstance(value, ast.Dict)]
    if not found:
        raise Unreadable(f"{name} is no table of the module")
    return [value for table in found for value in table.values]


def assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of the plain assignments in a body."""
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
