"""The registry: finds connectors, loads each into a plugin manager of its own, quarantines the bad ones alone."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import structlog

from app.sdk import hookspecs
from app.sdk.manifest import NAME, Manifest, ManifestError, read_manifest
from app.sdk.values import Setting

log = structlog.get_logger()

GROUP = "stallholder.connectors"
RESERVED = frozenset(
    {
        "account",
        "api",
        "console",
        "favicon",
        "healthz",
        "metrics",
        "readyz",
        "robots",
        "sandbox",
        "static",
        "well_known",
    }
)
CRASHES_BEFORE_QUARANTINE = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where a connector was found: a package name that can be imported, and its folder."""

    name: str
    package: str
    folder: Path
    origin: str


@dataclass(slots=True)
class Connector:
    """One connector, loaded or in quarantine (then ``fault`` says why)."""

    name: str
    manifest: Manifest | None
    source: Source
    hooks: Any = None
    declared: tuple[Setting, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    enabled: bool = True
    crashes: int = 0

    @property
    def serving(self) -> bool:
        """Whether its code may run."""
        return self.enabled and not self.fault

    def implements(self, hook: str) -> bool:
        """Whether it has this hook."""
        return self.hooks is not None and bool(getattr(self.hooks, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook with those of ``arguments`` that its spec has; None when it is not implemented."""
        caller = getattr(self.hooks, hook)
        return caller(**{name: arguments.get(name) for name in caller.spec.argnames})

    def quarantine(self, fault: str) -> None:
        """Stop running its code; its addresses go on answering from the manifest."""
        self.fault = fault
        log.error("connector.quarantined", connector=self.name, fault=fault)

    def crashed(self) -> None:
        """Count a crash in a row; too many are a quarantine."""
        self.crashes += 1
        if self.crashes >= CRASHES_BEFORE_QUARANTINE and not self.fault:
            self.quarantine(f"crashed {self.crashes} times in a row")

    def ancestors(self) -> tuple[str, ...]:
        """The origins that may frame its pages."""
        if self.manifest is None:
            return ()
        chosen = self.settings.get(self.manifest.frame_ancestors_setting)
        return tuple(chosen) if chosen else self.manifest.frame_ancestors


class Registry:
    """All connectors by name."""

    def __init__(self, connectors: Iterable[Connector]) -> None:
        self._connectors = {connector.name: connector for connector in connectors}

    def __iter__(self) -> Iterator[Connector]:
        return iter(self._connectors.values())

    def find(self, name: str) -> Connector | None:
        """The connector of that name, quarantined ones too, disabled ones not."""
        connector = self._connectors.get(name)
        return connector if connector is not None and connector.enabled else None

    def simulator(self, name: str) -> Any:
        """The connector's `Simulator` class; raises LookupError when it brings none."""
        connector = self._connectors.get(name)
        if connector is None:
            raise LookupError(f"there is no connector {name!r}")
        try:
            return importlib.import_module(f"{connector.source.package}.simulator").Simulator
        except ModuleNotFoundError as error:
            raise LookupError(f"the connector {name!r} brings no simulator") from error


def discover(extra_folders: str = "") -> list[Source]:
    """Every connector on this machine: the plugins folder, the folders named by the operator, entry points."""
    shipped = Path(__file__).resolve().parents[2] / "plugins"
    sources = list(in_folder(shipped, "plugins"))
    for folder in filter(None, extra_folders.split(os.pathsep)):
        sources += in_folder(Path(folder), "")
    return sources + list(in_distributions())


def in_folder(folder: Path, package: str) -> Iterator[Source]:
    """The connectors in one folder; outside our own package each becomes a top-level module of a private name."""
    for child in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (child / "__init__.py").is_file() and not child.name.startswith(("_", ".")):
            dotted = f"{package}.{child.name}" if package else f"stallholder_connector_{child.name}"
            yield Source(child.name, dotted, child, str(folder))


def in_distributions() -> Iterator[Source]:
    """The connectors that installed distributions offer."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        spec = importlib.util.find_spec(entry.module.partition(".")[0])
        if spec is not None and spec.submodule_search_locations:
            root = Path(next(iter(spec.submodule_search_locations)))
            origin = entry.dist.name if entry.dist else "entry point"
            yield Source(entry.name, entry.module, root.joinpath(*entry.module.split(".")[1:]), origin)


def load(sources: Iterable[Source]) -> Registry:
    """Load every source; whatever goes wrong stays with its connector."""
    connectors: dict[str, Connector] = {}
    for source in sources:
        known = connectors.get(source.name)
        if known is not None:
            known.quarantine(f"two connectors claim this name: {known.source.origin} and {source.origin}")
        else:
            connectors[source.name] = load_one(source)
    return Registry(connectors.values())


def load_one(source: Source) -> Connector:
    """One connector, in quarantine when its manifest, its import or its hooks are not right."""
    connector = Connector(source.name, None, source)
    try:
        if not NAME.fullmatch(source.name) or source.name in RESERVED:
            raise ManifestError(f"the name {source.name!r} is not allowed or shadows a path of the host")
        connector.manifest = read_manifest(source.name, source.folder)
        connector.hooks = hooks_of(import_source(source))
        connector.declared = declared_by(connector)
    except ManifestError as error:
        connector.quarantine(str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code may raise anything, and must fail alone
        connector.quarantine(f"{type(error).__name__}: {error}")
    missing = missing_hooks(connector)
    if not connector.fault and missing:
        connector.quarantine(f"the manifest names hooks that are not implemented: {', '.join(missing)}")
    return connector


def declared_by(connector: Connector) -> tuple[Setting, ...]:
    """The settings that the connector declares."""
    declared = tuple(connector.call("settings") or ())
    if not all(isinstance(setting, Setting) for setting in declared):
        raise ManifestError("the hook settings must return `Setting` values")
    return declared


def import_source(source: Source) -> ModuleType:
    """Import the connector's package, by path where it is not importable by name."""
    if not source.package.startswith("stallholder_connector_"):
        return importlib.import_module(source.package)
    spec = importlib.util.spec_from_file_location(
        source.package, source.folder / "__init__.py", submodule_search_locations=[str(source.folder)]
    )
    if spec is None or spec.loader is None:
        raise ManifestError("the folder is no package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.package] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[source.package]
        raise
    return module


def hooks_of(module: ModuleType) -> Any:
    """The hook callers of one connector in a manager of its own: no other connector can answer for it."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    misspelt = [
        name
        for name in dir(module)
        if getattr(getattr(module, name), f"{hookspecs.PROJECT}_impl", None) and not hasattr(manager.hook, name)
    ]
    if misspelt:
        raise ManifestError(f"no such hook: {', '.join(misspelt)}")
    return manager.hook


def missing_hooks(connector: Connector) -> list[str]:
    """Hooks that the manifest's actions need and the code lacks."""
    if connector.manifest is None or connector.hooks is None:
        return []
    needed = {action.hook for action in connector.manifest.actions.values()}
    if needed - {"describe"}:
        needed.add("verify")
    return sorted(hook for hook in needed if not connector.implements(hook))
