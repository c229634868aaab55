"""A shop of Upgates connected to a host, whose work is done step by step at the times that a test names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from stage import Stage, serving_here

from app.core.database import reading
from app.core.models import EventRow, InstallationRow, LinkRow
from app.jobs.kinds import kinds_of
from app.people import hints, mirror, sync
from app.people.sync_state import SyncRow
from tests.postgres import new_database, postgres_url

__all__ = ["postgres_url"]


class Shop:
    """The shop in its box, its installation, and the worker's hands."""

    def __init__(self, stage: Stage) -> None:
        assert stage.app is not None
        self.stage = stage
        self.box: Any = stage.simulators["upgates"]
        self.kinds = kinds_of(stage.app)
        with reading() as session:
            self.id = session.scalars(select(InstallationRow.id)).one()

    def work(self, *kinds: str, at: datetime | None = None, after: timedelta = timedelta(0)) -> int:
        """Do what is due of these kinds, to the end; returns the number of runs."""
        now = (at or datetime.now(UTC)) + after
        done = 0
        hints.wake(now)
        for kind in kinds:
            self.kinds[kind].wanted(now)  # what is new gets its row
            for run in self.kinds[kind].wanted(now):
                while self.kinds[kind].step(run, now):
                    pass
                self.kinds[kind].over(run, "", now)
                done += 1
        return done

    def row(self, kind: str) -> SyncRow:
        """The row of one kind of work."""
        with reading() as session:
            return session.get_one(SyncRow, (self.id, kind))

    def installed(self) -> InstallationRow:
        with reading() as session:
            return session.get_one(InstallationRow, self.id)

    def hints(self) -> int:
        """How many hints wait."""
        with reading() as session:
            return len(session.scalars(select(EventRow.digest).where(EventRow.installation_id == self.id)).all())

    def links(self) -> list[LinkRow]:
        with reading() as session:
            mine = LinkRow.installation_id == self.id
            return list(session.scalars(select(LinkRow).where(mine).order_by(LinkRow.expires_at)))

    def people(self) -> int:
        return mirror.count(self.installed().workspace_id or "", self.id)

    def found(self, query: str) -> list[str]:
        """Who is found, in the installation's workspace."""
        assert self.stage.app is not None
        services = self.stage.app.extensions["stallholder"]
        return [hit.name for hit in services.directory(self.installed().workspace_id or "").search(query)]

    def asked(self, resource: str, method: str = "GET") -> int:
        """How often the box was asked for a resource."""
        return sum(call.method == method and call.path.endswith(f"/{resource}") for call in self.box.calls)


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop of 20 customers that was subscribed to and pulled; its regular turn comes but once a day."""
    monkeypatch.setattr(sync, "POLL", timedelta(days=1))
    settings = {}
    if request.param == "postgresql":
        settings["SQLALCHEMY_DATABASE_URI"] = new_database(request.getfixturevalue("postgres_url"))
    with ExitStack() as stack:
        stage = Stage(tmp_path / "instance", stack, **settings)
        stage.simulators["upgates"].size = 20
        stack.enter_context(serving_here(stage))
        assert stage.app is not None
        with stage.app.app_context():
            assert stage.simulators["upgates"].play("install")[1].ok
            shop = Shop(stage)
            shop.work("subscribe", "pull", "reread")
            yield shop


SQLITE = pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
Answer = Callable[[Any], Any]
