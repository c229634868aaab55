"""The registry: all connectors by name, each loaded or in quarantine alone."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import structlog

from app.core.sources import Source
from app.sdk.manifest import Manifest
from app.sdk.values import Setting

log = structlog.get_logger()

CRASHES_BEFORE_QUARANTINE = 20
CUSTOMERS_BEFORE_QUARANTINE = 3


@dataclass(slots=True)
class Connector:
    """One connector, loaded or in quarantine (then ``fault`` says why); ``advice`` is for its author."""

    name: str
    manifest: Manifest | None
    source: Source
    hooks: Any = None
    declared: tuple[Setting, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    advice: tuple[str, ...] = ()
    enabled: bool = True
    crashes: int = 0
    crashed_for: set[str] = field(default_factory=set)

    @property
    def serving(self) -> bool:
        """Whether its code may run."""
        return self.enabled and not self.fault

    @property
    def state(self) -> str:
        """In a word."""
        return "quarantined" if self.fault else "serving" if self.enabled else "not configured"

    def implements(self, hook: str) -> bool:
        """Whether it has this hook."""
        return self.hooks is not None and bool(getattr(self.hooks, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook with those of ``arguments`` that its spec has; None when it is not implemented."""
        caller = getattr(self.hooks, hook)
        return caller(**{name: arguments.get(name) for name in caller.spec.argnames})

    def quarantine(self, fault: str) -> None:
        """Stop running its code; its addresses go on answering from the manifest."""
        self.fault = " ".join(fault.split())
        log.error("connector.quarantined", connector=self.name, fault=self.fault)

    def crashed(self, customer: str) -> None:
        """Count a crash in a row; too many are a quarantine, but only if they befell several customers.

        One whose own data crashes the code would else switch the connector off for all. Where there is no
        customer yet a stranger may have asked, so that does not count.
        """
        if not customer or self.fault:
            return
        self.crashes += 1
        self.crashed_for.add(customer)
        befell = len(self.crashed_for)
        if self.crashes >= CRASHES_BEFORE_QUARANTINE and befell >= CUSTOMERS_BEFORE_QUARANTINE:
            self.quarantine(f"crashed {self.crashes} times in a row, for {befell} customers")

    def worked(self) -> None:
        """It served somebody: the row of crashes is broken."""
        self.crashes = 0
        self.crashed_for.clear()

    def ancestors(self, address: str = "") -> tuple[str, ...]:
        """The origins that may frame its pages; of an installation whose own admin is among them, that one alone.

        A platform's other shops are strangers to this one. ``address`` is where the installation is called.
        """
        if self.manifest is None:
            return ()
        chosen = self.settings.get(self.manifest.frame_ancestors_setting)
        declared = tuple(chosen) if chosen else self.manifest.frame_ancestors
        own = f"https://{urlsplit(address).hostname}"
        return (own,) if any(is_among(own, origin) for origin in declared) else declared


def is_among(origin: str, declared: str) -> bool:
    """Whether an origin is the declared one, or of one of its sub-domains where it begins with ``https://*.``."""
    scheme, wildcard, domain = declared.partition("*.")
    return origin.startswith(scheme) and origin.endswith(f".{domain}") if wildcard else origin == declared


class Registry:
    """All connectors by name. ``claimants`` claimed the name of a shipped one: they are told of, and never run."""

    def __init__(self, connectors: Iterable[Connector], claimants: Sequence[Connector] = ()) -> None:
        self._connectors = {connector.name: connector for connector in connectors}
        self.claimants = tuple(claimants)

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
