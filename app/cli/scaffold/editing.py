"""Source laid over other source by name, cut by name, and swept of what nobody uses."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from app.cli.scaffold.source import Module, Part, flat

# Laying over


def lay_over(below: Module, above: Module) -> Module:
    """``below``, in which the definitions of ``above`` take the place of those with the same name."""
    imports = {key: set(names) for key, names in below.imports.items()}
    for key, names in above.imports.items():
        imports.setdefault(key, set()).update(names)
    return Module(below.head, imports, laid_over(below.parts, above.parts))


def laid_over(below: tuple[Part, ...], above: tuple[Part, ...]) -> tuple[Part, ...]:
    """The same for parts; a new one goes to its `place_of`."""
    mine = {part.name: part for part in above}
    names = {part.name for part in below}
    parts = [merged(part, mine[part.name]) if part.name in mine else part for part in below]
    for part in above:
        if part.name not in names:
            parts.insert(place_of(part, parts), part)
    return tuple(parts)


def place_of(new: Part, parts: list[Part]) -> int:
    """Names come first, ``__init__`` before other methods, a function before what names it at once, else last."""
    if not new.is_block:
        return 0
    for number, part in enumerate(parts):
        if part.is_block if new.name == "__init__" else not part.is_block and names_it(part, new.name):
            return number
    return len(parts)


def names_it(part: Part, name: str) -> bool:
    """Whether a statement names something."""
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(part.node))


def merged(below: Part, above: Part) -> Part:
    """A class keeps its head and the members that were not replaced; anything else is replaced."""
    if isinstance(below.node, ast.ClassDef):
        return replace(below, parts=laid_over(below.parts, above.parts))
    return replace(above, gap=below.gap)


# Cutting


def cut(module: Module, names: set[str]) -> Module:
    """The file without the functions and methods of these names, and without their entries in tables and tuples."""
    return replace(module, parts=tuple(cut_parts(module.parts, names)))


def cut_parts(parts: Iterable[Part], names: set[str]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part.node, ast.FunctionDef) and part.name in names:
            continue
        if isinstance(part.node, ast.ClassDef):
            yield replace(part, parts=tuple(cut_parts(part.parts, names)))
        else:
            yield replace(part, text=cut_table(part, names))


def cut_table(part: Part, names: set[str]) -> str:
    """The text of a table or tuple without the entries of these names."""
    value = part.node.value if isinstance(part.node, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Dict):
        last = part.node.end_lineno or part.node.lineno
        first = last - len(part.text.splitlines()) + 1
        gone = {
            line
            for key, entry in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant) and key.value in names
            for line in range(key.lineno, (entry.end_lineno or key.lineno) + 1)
        }
        return "\n".join(text for line, text in enumerate(part.text.splitlines(), first) if line not in gone)
    if isinstance(value, ast.Tuple) and part.name == "actions":
        kept = [str(item.value) for item in value.elts if isinstance(item, ast.Constant) and item.value not in names]
        inside = ", ".join(f'"{name}"' for name in kept)
        return f"    actions = ({inside}{',' if len(kept) == 1 else ''})"
    return part.text


# Sweeping


def sweep(files: Mapping[str, Module]) -> dict[str, Module]:
    """The files of one package without the functions, names and imports that nobody uses, over and over."""
    swept = dict(files)
    while True:
        asked = {name for module in swept.values() for name in asked_of_others(module)}
        after = {file: without_idle(module, asked) for file, module in swept.items()}
        after = {file: module for file, module in after.items() if module.parts}
        gone = {(1, "", file.removesuffix(".py")) for file in swept.keys() - after.keys()}
        if after == swept:
            return swept
        swept = {file: without_imports(module, gone) for file, module in after.items()}


def asked_of_others(module: Module) -> set[str]:
    """The names that a file takes from its neighbours: imported, or behind a dot."""
    taken = {name for (level, source), names in module.imports.items() if level and source for name in names}
    return taken | {node.attr for node in nodes_of(module) if isinstance(node, ast.Attribute)}


def without_idle(module: Module, asked: set[str]) -> Module:
    """The file without the definitions that nothing in it and nobody else uses, and then without idle imports."""
    used_by = {part.name: names_in([part]) for part in module.parts}
    parts = tuple(
        part
        for part in module.parts
        if part.name == "Simulator"
        or getattr(part.node, "decorator_list", None)
        or any(name in asked for name in part.names)
        or any(used_by[name] & set(part.names) for name in used_by if name != part.name)
    )
    names = names_in(parts)
    imports = {key: {name for name in found if is_used(key, name, names)} for key, found in module.imports.items()}
    return Module(module.head, {key: found for key, found in imports.items() if found}, parts)


def is_used(key: tuple[int, str], name: str, names: set[str]) -> bool:
    """Whether an imported name stands in the code; a whole module is called by its first word."""
    return key[1] == "__future__" or (name or key[1].partition(".")[0]) in names


def without_imports(module: Module, gone: set[tuple[int, str, str]]) -> Module:
    """The file without the imports of files that are no more."""
    imports = {key: {name for name in names if (*key, name) not in gone} for key, names in module.imports.items()}
    return replace(module, imports={key: names for key, names in imports.items() if names})


def names_in(parts: Iterable[Part]) -> set[str]:
    """Every bare name in the code of these parts, as it is now."""
    trees = (ast.parse("\n".join(flat(part))) for part in parts)
    return {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}


def nodes_of(module: Module) -> Iterator[ast.AST]:
    for part in module.parts:
        yield from ast.walk(ast.parse("\n".join(flat(part))))
