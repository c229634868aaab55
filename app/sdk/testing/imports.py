"""What a connector may reach for: an allow-list, held by reading the code without running it."""

from __future__ import annotations

import ast
import sys

from ... import sdk

LIBRARIES = {"marshmallow", "cryptography"}
# What would let a connector leave its box: load code, run programs, reach the net or the files past the host's guards.
CLOSED = {
    "asyncio", "builtins", "code", "codeop", "concurrent", "ctypes", "dbm", "ftplib", "gc", "http", "imaplib", "imp",
    "importlib", "inspect", "marshal", "mmap", "multiprocessing", "os", "pickle", "pkgutil", "poplib", "posix", "pty",
    "runpy", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys",
    "telnetlib", "tempfile", "xmlrpc", "zipimport",
}  # fmt: skip
CLOSED_BUILTINS = {"__import__", "compile", "eval", "exec"}
# The platform's side needs more: it is a platform, and plays it over real HTTP.
FOR_SIMULATORS = {"requests"}


def foreign(source: str, *, simulator: bool = False) -> list[str]:
    """What a connector's file reaches for beyond its box."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if not is_open(alias.name, simulator=simulator)]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [] if is_open(node.module or "", node, simulator=simulator) else [node.module or ""]
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            found.append("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Name) and node.id in CLOSED_BUILTINS:
            found.append(node.id)
    return found


def is_open(module: str, node: ast.ImportFrom | None = None, *, simulator: bool) -> bool:
    """Whether a connector may import this module: the front door alone, harmless standard library, two libraries."""
    if module == "app.sdk" and node is not None:
        return simulator or all(alias.name in sdk.__all__ for alias in node.names)
    top = module.partition(".")[0]
    if top == "urllib":
        return module == "urllib.parse"
    if simulator and (module == "app.sdk.simulation" or top in FOR_SIMULATORS):
        return True
    return top in LIBRARIES or (top in sys.stdlib_module_names and top not in CLOSED)
