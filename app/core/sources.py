"""Where connectors come from: the shipped folder, folders of the operator's, installed distributions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUP = "stallholder.connectors"
SHIPPED = Path(__file__).resolve().parents[2] / "plugins"
# Below this prefix stand the connectors that no import statement would find.
PRIVATE = "stallholder_connector_"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a connector was found: a package that can be imported, and its folder; ``fault`` says why it cannot."""

    name: str
    package: str
    folder: Path
    origin: str
    release: str = ""
    fault: str = ""

    @property
    def shipped(self) -> bool:
        """Whether it came with the host."""
        return self.folder.parent == SHIPPED

    def version(self) -> str:
        """Its distribution's version; for a folder a short digest of its code and manifest."""
        if self.release:
            return self.release
        files = [self.folder / "connector.toml", *sorted(self.folder.glob("*.py"))]
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in files if file.is_file())).hexdigest()[:8]


def discover(extra_folders: str = "") -> list[Source]:
    """Every connector on this machine, those of the host first."""
    sources = list(in_folder(SHIPPED, "plugins"))
    for folder in filter(None, extra_folders.split(os.pathsep)):
        sources += in_folder(Path(folder), "")
    return sources + list(in_distributions())


def in_folder(folder: Path, package: str) -> Iterator[Source]:
    """The connectors in one folder; outside our own package each becomes a top-level module of a private name."""
    for child in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (child / "__init__.py").is_file() and not child.name.startswith(("_", ".")):
            yield Source(child.name, f"{package}.{child.name}" if package else PRIVATE + child.name, child, str(folder))


def in_distributions() -> Iterator[Source]:
    """The connectors that installed distributions offer; one whose package is not there is offered with its fault."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        origin, release = (entry.dist.name, entry.dist.version) if entry.dist else ("entry point", "")
        folder = folder_of(entry.module)
        fault = "" if folder else f"its package {entry.module!r} is not there; install {origin} again"
        yield Source(entry.name, entry.module, folder or Path(entry.module), origin, release, fault)


def folder_of(module: str) -> Path | None:
    """The folder of a package, found without running any of it; None when there is none."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]).joinpath(*inner) if places else None
