"""Python source taken apart into its imports and parts, and written again, formatted."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

WIDEST = 120
Imports = dict[tuple[int, str], set[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """One statement with the comments above it; a class has its head here and its members as ``parts``."""

    name: str
    text: str
    node: ast.stmt
    gap: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def names(self) -> list[str]:
        """Each name that it defines."""
        return self.name.strip("()").split(", ")

    @property
    def is_block(self) -> bool:
        """Whether it is a function or a class, which stands apart."""
        return isinstance(self.node, ast.FunctionDef | ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Module:
    """A file. ``imports`` maps (level, module) to the names taken from it; "" is the module itself."""

    head: str
    imports: Imports
    parts: tuple[Part, ...] = field(default=())


def read(source: str) -> Module:
    """A file of the template or of a scheme, taken apart."""
    lines, tree = source.splitlines(), ast.parse(source)
    imports: Imports = {}
    body = tree.body[1:]
    for node in body:
        if isinstance(node, ast.Import):
            imports.update({(0, alias.name): {""} for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            imports.setdefault((node.level, node.module or ""), set()).update(alias.name for alias in node.names)
    rest = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return Module(ast.get_docstring(tree, clean=False) or "", imports, tuple(parts_of(lines, rest, tree.body[0])))


def parts_of(lines: list[str], nodes: Iterable[ast.stmt], before: ast.stmt) -> Iterator[Part]:
    """The statements, each with the comments directly above it."""
    for node in nodes:
        start = min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", []))]) - 1
        while lines[start - 1].lstrip().startswith("#"):
            start -= 1
        gap = 0
        while not lines[start - gap - 1].strip():
            gap += 1
        end = node.end_lineno or node.lineno
        members: tuple[Part, ...] = ()
        if isinstance(node, ast.ClassDef):
            documented = ast.get_docstring(node) is not None
            members = tuple(parts_of(lines, node.body[documented:], node))
            end = (node.body[0].end_lineno or end) if documented else node.lineno
        yield Part(
            name_of(node),
            "\n".join(lines[start:end]).replace("  # noqa: F821 - the template's", ""),
            node,
            gap,
            members,
        )


def name_of(node: ast.stmt) -> str:
    """What a statement defines, several names with a comma between; empty for one that defines nothing."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [ast.unparse(target) for target in targets]
    return names[0] if names else ""


# Writing


def flat(part: Part) -> Iterator[str]:
    """The lines of a part, its members included."""
    yield from part.text.splitlines()
    for number, member in enumerate(part.parts):
        apart = member.is_block or (number and part.parts[number - 1].is_block)
        yield from [""] * (1 if apart or not number or member.gap else 0)
        yield from flat(member)


def write(module: Module) -> str:
    """The file as source, formatted."""
    lines = [f'"""{module.head}"""', "", *import_lines(module.imports)]
    for number, part in enumerate(module.parts):
        apart = part.is_block or (number and module.parts[number - 1].is_block)
        lines += [""] * (2 if apart else 1 if not number else min(part.gap, 1))
        lines += flat(part)
    return "\n".join(lines) + "\n"


def import_lines(imports: Imports) -> Iterator[str]:
    """The imports in their groups: the future, the standard library, other libraries, the host, the neighbours."""
    groups: list[list[str]] = [[], [], [], [], []]
    for (level, module), names in sorted(imports.items(), key=lambda item: (item[1] != {""}, item[0])):
        groups[group_of(level, module)].append(import_line(level, module, names))
    filled = [group for group in groups if group]
    for number, group in enumerate(filled):
        yield from [""] * bool(number)
        yield from group


def group_of(level: int, module: str) -> int:
    top = module.partition(".")[0]
    tests: list[Callable[[], bool]] = [
        lambda: top == "__future__",
        lambda: not level and top in sys.stdlib_module_names,
        lambda: not level and top != "app",
        lambda: not level,
    ]
    return next((number for number, test in enumerate(tests) if test()), 4)


def import_line(level: int, module: str, names: set[str]) -> str:
    """One import statement, on one line where it fits."""
    if names == {""}:
        return f"import {module}"
    ordered = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {'.' * level}{module} import {', '.join(ordered)}"
    if len(line) <= WIDEST:
        return line
    return "\n".join([f"from {'.' * level}{module} import (", *(f"    {name}," for name in ordered), ")"])
