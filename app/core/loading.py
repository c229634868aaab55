"""Loading: each connector into a plugin manager of its own; whatever is wrong with one quarantines that one alone."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import pluggy

from app.core.registry import Connector, Registry
from app.core.sources import PRIVATE, Source
from app.core.uses import uses_of
from app.sdk import hookspecs
from app.sdk.manifest import NAME, ManifestError, read_manifest
from app.sdk.spec import CHANGES, CURRENT, Change, SpecError, advice, breaks, version_for
from app.sdk.values import Setting

# The host's own first words of a path.
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
# Seconds that the code of one connector may take to load: one that hangs must not keep the others from serving.
LONGEST_LOAD = 10.0


def load(sources: Iterable[Source]) -> Registry:
    """Load every source; whatever goes wrong stays with its connector."""
    connectors: dict[str, Connector] = {}
    claimants: list[Connector] = []
    for source in sources:
        known = connectors.get(source.name)
        if known is None:
            connectors[source.name] = load_one(source)
            continue
        fault = f"two connectors claim this name: {known.source.origin} and {source.origin}"
        claimants.append(Connector(source.name, None, source, fault=fault))
        if not known.source.shipped:  # of two strangers neither may pass for the other, whichever was found first
            known.quarantine(fault)
    return Registry(connectors.values(), claimants)


def load_one(source: Source) -> Connector:
    """One connector, in quarantine when its manifest, its import or its hooks are not right."""
    connector = Connector(source.name, None, source)
    try:
        if not NAME.fullmatch(source.name) or source.name in RESERVED:
            raise ManifestError(f"the name {source.name!r} is not allowed or shadows a path of the host")
        if source.fault:
            raise ManifestError(source.fault)
        connector.manifest = read_manifest(source.name, source.folder)
        version = version_for(connector.manifest.spec)
        in_time(lambda: run_code(connector))
        check_hooks(connector)
        check_uses(connector, version)
    except (ManifestError, SpecError) as error:
        connector.quarantine(str(error))
    except ModuleNotFoundError as error:
        connector.quarantine(f"it needs {error.name}, which is not installed here")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code may raise anything, and must fail alone
        connector.quarantine(f"{type(error).__name__}: {error}")
    return connector


def in_time(work: Callable[[], None]) -> None:
    """Do ``work``, and raise what it raises; raises `ManifestError` when it takes too long, and leaves it to itself."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LONGEST_LOAD)
    if thread.is_alive():
        raise ManifestError(f"its code was not loaded within {LONGEST_LOAD:g} seconds")
    if raised:
        raise raised[0]


def run_code(connector: Connector) -> None:
    """Import it and ask it for its settings."""
    hooks = hooks_of(import_source(connector.source))
    declared = tuple(hooks.settings() or ())
    if not all(isinstance(setting, Setting) for setting in declared):
        raise ManifestError("the hook settings must return `Setting` values")
    connector.hooks, connector.declared = hooks, declared


def import_source(source: Source) -> ModuleType:
    """Import the connector's package, by path where it is not importable by name."""
    if not source.package.startswith(PRIVATE):
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


def check_uses(connector: Connector, version: int, current: int = CURRENT, changes: Sequence[Change] = CHANGES) -> None:
    """What it uses is there in its version of the spec. Raises `ManifestError`.

    What it should look at becomes its advice: what is deprecated by now, and what the current version would break.
    """
    if not changes:
        return
    uses = uses_of(connector)
    broken = list(breaks(uses, version, changes))
    if broken:
        raise ManifestError("; ".join(broken))
    connector.advice = (*breaks(uses, current, changes), *advice(uses, current, changes))


def check_hooks(connector: Connector) -> None:
    """The hooks that the manifest's actions need are there. Raises `ManifestError`."""
    actions = connector.manifest.actions.values() if connector.manifest else ()
    needed = {action.hook for action in actions}
    if needed - {"describe"}:
        needed.add("verify")
    missing = sorted(hook for hook in needed if not connector.implements(hook))
    if missing:
        raise ManifestError(f"the manifest names hooks that are not implemented: {', '.join(missing)}")
