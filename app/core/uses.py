"""What a connector uses of the host, read from its hooks, its manifest and its code."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.core.registry import Connector
from app.sdk.spec import Kind, Use

# Under these keys stand names of the connector's own.
OPEN = ("actions.", "secrets.")


def uses_of(connector: Connector) -> set[Use]:
    """Everything that a change of the spec could concern."""
    folder = connector.source.folder
    return {*of_hooks(connector), *of_manifest(folder), *of_code(folder)}


def of_hooks(connector: Connector) -> Iterator[Use]:
    """Its hooks, and the arguments that it asks for; as written, where its code was not run."""
    for name, arguments in asked_for(connector.hooks) if connector.hooks else written(connector.source.folder):
        yield Use(Kind.HOOK, name)
        yield from (Use(Kind.ARGUMENT, f"{name}.{argument}") for argument in arguments)


def asked_for(hooks: Any) -> Iterator[tuple[str, Sequence[str]]]:
    """Every implementation with its arguments."""
    for name, caller in vars(hooks).items():
        for implementation in [] if name.startswith("_") else caller.get_hookimpls():
            yield name, implementation.argnames


def written(folder: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """The same, read from the table of contents."""
    for node in ast.parse((folder / "__init__.py").read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and any("hookimpl" in ast.unparse(mark) for mark in node.decorator_list):
            yield node.name, [argument.arg for argument in node.args.args]


def of_manifest(folder: Path) -> Iterator[Use]:
    """The keys of its manifest, ``actions.*.grace`` for that of any action."""
    table = tomllib.loads((folder / "connector.toml").read_text("utf-8"))
    yield from (Use(Kind.KEY, name) for name in keys_of(table))


def keys_of(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The keys of a table and of those in it."""
    for key, value in table.items():
        name = f"{path}{'*' if path in OPEN else key}"
        yield name
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, Mapping):
                yield from keys_of(inner, f"{name}.")


def of_code(folder: Path) -> Iterator[Use]:
    """The names that its files take from the sdk."""
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "app.sdk":
                yield from (Use(Kind.NAME, alias.name) for alias in node.names)
