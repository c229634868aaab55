"""Three customers, each connected at every marketplace of one host: what a test of borders between them needs."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import select
from stage import Stage, serving_here
from wire import Got, ask

from app.core.database import db, reading, writing
from app.core.installations import link_digest
from app.core.models import InstallationRow, LinkRow
from app.core.outbound import Outgate
from app.core.pipeline import Request
from app.core.seal import new_token
from app.core.services import Services
from app.sdk import Answer, Claims, Person
from app.sdk.simulation import Outgoing, serving

PRAGUE = ZoneInfo("Europe/Prague")


class Tenant:
    """One customer: a simulator of each marketplace that plays this customer alone, and the ids that name it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.upgates: Any = None
        self.retailcrm: Any = None
        self.wazzup: Any = None
        self.orlo: Any = None
        self.person = ""
        self.hint_key = ""
        # Upgates' requests of one second share a signature: each gets a second of its own.
        self._seconds = itertools.count(300)

    def time(self) -> str:
        """A `time` of Upgates that no other request of this customer has."""
        return (datetime.now(PRAGUE) + timedelta(seconds=next(self._seconds))).isoformat(timespec="seconds")


class Host:
    """A host that is served from a thread, and its tenants."""

    def __init__(self, stage: Stage, stack: ExitStack, tenants: int) -> None:
        assert stage.app is not None
        self.stage = stage
        self.app: Flask = stage.app
        self.services: Services = self.app.extensions["stallholder"]
        self.tenants = [Tenant(number) for number in range(tenants)]
        for tenant in self.tenants:
            self.connect(tenant, stack)

    @property
    def simulators(self) -> list[Any]:
        """Every simulator that the host may call."""
        return [*self.stage.simulators.values(), *(tenant.retailcrm for tenant in self.tenants)]

    def ask(self, outgoing: Outgoing) -> Got:
        """Send a request into the app's WSGI door."""
        return ask(self.app, outgoing)

    def connect(self, tenant: Tenant, stack: ExitStack) -> None:
        """Connect one customer everywhere, as the platforms and the operator do."""
        self.connect_upgates(tenant)
        self.connect_retailcrm(tenant, stack)
        self.connect_wazzup(tenant)
        self.connect_orlo(tenant)

    def connect_upgates(self, tenant: Tenant) -> None:
        """A shop of its own, with the address of a webhook, which no call of the platform hands out."""
        shop = {"token": f"shop-{secrets.token_hex(6)}", "api_user": f"2000{tenant.number}", "api_key": new_token()}
        tenant.upgates = self.another("upgates", shop)
        assert self.ask(tenant.upgates.install()).accepted
        tenant.hint_key = new_token()
        with self.app.app_context(), writing() as session:
            mine = InstallationRow.tenant == shop["token"]
            id = session.scalars(select(InstallationRow.id).where(mine)).one()
            digest = link_digest("upgates", "path", tenant.hint_key)
            session.add(LinkRow(digest=digest, installation_id=id, purpose="path"))

    def connect_retailcrm(self, tenant: Tenant, stack: ExitStack) -> None:
        """An account with a home of its own, which the operator lets through."""
        home = stack.enter_context(serving(lambda call: tenant.retailcrm.received(call)))
        tenant.retailcrm = self.another("retailcrm", {"api_key": new_token()}, home)
        homes = [home.removeprefix("http://"), *self.stage.settings["OUTBOUND_ALLOW"]]
        self.stage.settings["OUTBOUND_ALLOW"] = homes
        self.services.outgate = Outgate(homes)
        assert self.ask(tenant.retailcrm.install()).accepted

    def connect_wazzup(self, tenant: Tenant) -> None:
        """An account whose state the operator redeems."""
        platform = self.stage.simulators["wazzup"]
        tenant.wazzup = self.another("wazzup", {"account_id": 10_000_000 + tenant.number})
        self.add("wazzup", tenant.wazzup.operator_fields())
        tenant.wazzup.connections = {platform.api_key: platform.connection}

    def connect_orlo(self, tenant: Tenant) -> None:
        """A customer that the operator adds, with one person to be found."""
        tenant.orlo = self.another("orlo", type(self.stage.simulators["orlo"]).make_keys())
        printed = self.add("orlo", tenant.orlo.operator_fields())
        tenant.orlo.connected(printed)
        with self.app.app_context():
            with reading() as session:
                row = session.get_one(InstallationRow, printed["id"])
            self.services.store_people(row.workspace_id or "", row.id, [Person("1", f"Jana Nováková {tenant.number}")])
            hits = self.services.directory(row.workspace_id or "").search("novak")
            tenant.person = hits[0].id

    def another(self, name: str, keys: Mapping[str, Any], home: str = "") -> Any:
        """A second customer of a played marketplace: other keys of its own, the same keys of the platform."""
        platform = self.stage.simulators[name]
        return type(platform)(self.stage.url, {**platform.keys, **keys}, home or platform.home)

    def add(self, connector: str, fields: Mapping[str, str], workspace: str | None = None) -> dict[str, Any]:
        """What ``installations add`` does; returns what it prints."""
        found = self.services.registry.find(connector)
        assert found is not None
        assert found.manifest is not None
        with self.app.app_context():
            work = Request(self.services, found, found.manifest.actions["install"], datetime.now(UTC))
            reply = work.act(Claims(fields=dict(fields)), workspace)
        told = json.loads(reply.body) if isinstance(reply, Answer) else {}
        return {"id": work.installed, **told}


@contextmanager
def hosting(folder: Path, tenants: int = 1, **settings: Any) -> Iterator[Host]:
    """A host with connected customers while the block runs."""
    with ExitStack() as stack:
        stage = Stage(folder, stack, **settings)
        stack.callback(lambda: let_go(stage.app))
        stack.enter_context(serving_here(stage))
        yield Host(stage, stack, tenants)


def let_go(app: Flask | None) -> None:
    """Close the app's connections to its databases."""
    if app is not None:
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()
