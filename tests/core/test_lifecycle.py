"""An installation's life: connected, connected again, uninstalled in two stages, merged, removed; by real requests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, select
from tenants import Host, hosting

from app.core import lifecycle, tickets
from app.core.database import reading, writing
from app.core.installations import to_installation
from app.core.models import (
    CredentialRow,
    DataKeyRow,
    ErasedRow,
    EventRow,
    InstallationRow,
    JournalRow,
    LinkRow,
    MessageRow,
    SessionRow,
    TicketRow,
    WorkspaceRow,
)
from app.core.outbound import Outgate
from app.core.seal import SealBroken
from app.jobs import credentials, housekeeping
from app.jobs.logins import LoginRow
from app.people import mirror
from app.people.merging import merge as merge_workspaces
from app.sdk import Conflict, Person, State
from app.sdk.simulation import serving

WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
OF_TENANT = (CredentialRow, DataKeyRow, ErasedRow, EventRow, LinkRow, MessageRow, SessionRow, TicketRow)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class World:
    """A host, and as many shops as a test wants, each with an API of its own."""

    def __init__(self, host: Host, stack: ExitStack) -> None:
        self.host = host
        self.stack = stack
        self.seconds = 0

    def ahead(self, seconds: int | None = None) -> str:
        """A validity of its own for each call: those of one second share a signature."""
        self.seconds += 1
        ends = datetime.now(ZoneInfo("Europe/Prague")) + timedelta(seconds=seconds or 60 + self.seconds)
        return ends.isoformat(timespec="seconds")

    def opened(self, name: str, keys: Mapping[str, Any]) -> Any:
        """Another customer of a marketplace, whose API the host may call."""
        simulator: Any = None
        home = self.stack.enter_context(serving(lambda call: simulator.received(call)))
        simulator = self.host.another(name, keys, home)
        allowed = self.host.stage.settings["OUTBOUND_ALLOW"]
        allowed.append(home.removeprefix("http://"))
        self.host.services.outgate = Outgate(allowed)
        return simulator

    def shop(self, **behaviour: Any) -> Any:
        """A shop that has installed the add-on."""
        keys = {"token": f"shop-{secrets.token_hex(6)}", "api_user": "10001", "api_key": secrets.token_urlsafe(12)}
        shop = self.opened("upgates", keys)
        self.install(shop)
        shop.behaviour.update(behaviour)
        return shop

    def account(self) -> Any:
        """An account that has connected."""
        account = self.opened("retailcrm", {"api_key": secrets.token_urlsafe(18)})
        assert account.play("install")[1].json()["success"] is True
        return account

    def install(self, shop: Any, **changes: str) -> None:
        response = shop.play("install", time=changes.pop("time", self.ahead()), **changes)[1]
        assert (response.status_code, response.json()) == (200, {"error": False})

    def uninstall(self, shop: Any) -> None:
        response = shop.play("uninstall", time=self.ahead())[1]
        assert (response.status_code, response.json()) == (200, {"error": False})

    def probe(self, after: timedelta = timedelta(seconds=3)) -> None:
        """What the worker does ``after`` now."""
        credentials.probe_due(datetime.now(UTC) + after)

    def row(self, simulator: Any) -> InstallationRow:
        """The installation of this customer."""
        mine = InstallationRow.tenant == (simulator.keys.get("token") or simulator.home)
        with reading() as session:
            return session.scalars(select(InstallationRow).where(mine)).one()

    def held(self, id: str) -> dict[tuple[str, str], str]:
        """Every credential by name and slot, unsealed."""
        with reading() as session:
            rows = session.scalars(select(CredentialRow).where(CredentialRow.installation_id == id)).all()
            opened = {
                row: self.host.services.ring.open(session, id, "credential", row.name, row.sealed) for row in rows
            }
        return {(row.name, row.slot): value.decode() for row, value in opened.items()}

    def usable(self, row: InstallationRow, name: str, now: datetime) -> Sequence[str]:
        """What a connector is given under ``name`` at that time."""
        return to_installation(row, self.host.services.ring, now).secrets(name)

    def visit(self, simulator: Any) -> tickets.Admission:
        """A person opens the add-on in the shop's admin."""
        url: str = simulator.play("open", time=self.ahead())[1].json()["url"]
        return tickets.exchange(url.partition("#t=")[2], datetime.now(UTC))

    def visitor(self, admission: tickets.Admission) -> tickets.Visitor | None:
        return tickets.visitor(admission.bearer, "", datetime.now(UTC))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(tmp_path_factory.mktemp("host") / "instance", tenants=0) as host, host.app.app_context():
        yield host


@pytest.fixture
def world(host: Host) -> Iterator[World]:
    """Nothing is installed yet."""
    with writing() as session:
        for table in (*OF_TENANT, JournalRow, InstallationRow, WorkspaceRow, LoginRow):
            session.execute(delete(table))
    with ExitStack() as stack:
        yield World(host, stack)


def counted(table: Any, id: str) -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(table).where(table.installation_id == id)) or 0


def snapshot(id: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every stored value of an installation."""
    with reading() as session:
        tables = [(InstallationRow, InstallationRow.id), *((table, table.installation_id) for table in OF_TENANT)]
        return {
            table.__tablename__: sorted(
                map(tuple, session.execute(select(*table.__table__.c).where(mine == id))), key=repr
            )
            for table, mine in tables
        }


# Connected


def test_an_install_makes_one_account_with_a_workspace_of_its_own(world: World) -> None:
    one, other = world.row(world.shop()), world.row(world.shop())
    assert (one.state, one.alarm, one.probe_at) == (State.ACTIVE, "", None)
    assert one.workspace_id != other.workspace_id
    assert counted(DataKeyRow, one.id) == 1


def test_the_credentials_are_held_sealed(world: World) -> None:
    shop = world.shop()
    row = world.row(shop)
    assert world.held(row.id) == {
        ("api_user", "current"): shop.keys["api_user"],
        ("api_key", "current"): shop.keys["api_key"],
    }
    with reading() as session:
        sealed = list(session.scalars(select(CredentialRow.sealed)))
    assert not any(shop.keys["api_key"] in text for text in sealed)


# Connected again


def test_the_same_credentials_again_change_no_credential(world: World) -> None:
    shop = world.shop()
    before = snapshot(world.row(shop).id)
    world.install(shop, version="2")
    after = snapshot(world.row(shop).id)
    for table in ("credential", "data_key", "link"):
        assert before[table] == after[table]
    assert world.row(shop).facts == {"version": "2"}
    assert not shop.calls, "an installation answers without asking anybody"


def test_new_credentials_wait_until_they_are_seen_to_work(world: World) -> None:
    shop = world.shop()
    admission = world.visit(shop)
    former = shop.keys["api_key"]
    world.install(shop, api_user="10002", api_key="a-new-key-of-the-shop")
    row, now = world.row(shop), datetime.now(UTC)
    assert world.held(row.id)[("api_key", "next")] == "a-new-key-of-the-shop"
    assert world.usable(row, "api_key", now) == [former], "the former stays in use"
    assert world.visitor(admission) is not None

    world.probe()
    row = world.row(shop)
    assert world.usable(row, "api_key", now) == ["a-new-key-of-the-shop", former]
    assert world.usable(row, "api_key", now + WEEK + HOUR) == ["a-new-key-of-the-shop"]
    assert (row.probe_at, row.alarm, row.state) == (None, "", State.ACTIVE)
    assert world.visitor(admission) is None, "who came in with the former ones comes in again"


def test_new_credentials_that_do_not_work_never_count(world: World) -> None:
    shop = world.shop()
    former = shop.keys["api_key"]
    world.install(shop, api_key="a-key-that-does-not-work")
    shop.access = (shop.keys["api_user"], former)
    world.probe()
    row = world.row(shop)
    assert world.usable(row, "api_key", datetime.now(UTC)) == [former]
    assert row.probe_at is None
    assert "do not work" in row.alarm


def test_new_credentials_wait_on_while_the_shop_does_not_answer(world: World) -> None:
    shop = world.shop()
    former = shop.keys["api_key"]
    world.install(shop, api_key="a-new-key-of-the-shop")
    shop.behaviour["status"] = 503
    world.probe()
    row = world.row(shop)
    assert world.usable(row, "api_key", datetime.now(UTC)) == [former]
    assert row.probe_at is not None
    assert row.probe_at > datetime.now(UTC)
    del shop.behaviour["status"]
    world.probe(HOUR)
    assert world.usable(world.row(shop), "api_key", datetime.now(UTC))[0] == "a-new-key-of-the-shop"


def test_new_credentials_that_are_taken_back_count_no_more(world: World) -> None:
    """The newest install tells the ones in use: what still waits is older than it."""
    shop = world.shop()
    world.install(shop, api_key="a-new-key-of-the-shop")
    world.install(shop)
    row = world.row(shop)
    assert row.probe_at is None
    assert set(world.held(row.id)) == {("api_user", "current"), ("api_key", "current")}
    world.probe(HOUR)
    assert not shop.calls


def test_an_older_install_changes_nothing(world: World) -> None:
    """Genuine, signed and still valid, but behind the one that counts: a rollback of credentials."""
    shop = world.shop()
    late, early = world.ahead(900), world.ahead(600)
    world.install(shop, time=late, version="3")
    before = snapshot(world.row(shop).id)
    world.install(shop, time=early, api_key="the-key-of-long-ago", version="1")
    assert snapshot(world.row(shop).id) == before
    world.probe()
    assert snapshot(world.row(shop).id) == before


def test_without_that_rule_an_older_install_would_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(lifecycle, "is_stale", lambda row, registration: False)
    shop = world.shop()
    late, early = world.ahead(900), world.ahead(600)
    world.install(shop, time=late)
    before = snapshot(world.row(shop).id)
    world.install(shop, time=early, api_key="the-key-of-long-ago")
    assert snapshot(world.row(shop).id) != before


# Uninstalled, stage one


def test_an_uninstall_stops_serving_at_once_and_destroys_nothing(world: World) -> None:
    shop = world.shop()
    admission, unused = world.visit(shop), shop.play("open", time=world.ahead())[1].json()["url"]
    before = world.held(world.row(shop).id)
    world.uninstall(shop)
    row = world.row(shop)
    assert row.state == State.UNINSTALLING
    assert world.visitor(admission) is None
    assert counted(TicketRow, row.id) == counted(SessionRow, row.id) == 0
    assert "/account/closed/" in shop.play("open", time=world.ahead())[1].json()["url"]
    assert unused.partition("#t=")[2]
    assert world.held(row.id) == before


def test_the_shop_has_two_seconds_to_take_the_access_away(world: World) -> None:
    shop = world.shop()
    world.uninstall(shop)
    world.probe(timedelta(seconds=1))
    assert not shop.calls


# Uninstalled, stage two


def test_a_dead_key_confirms_and_destroys(world: World) -> None:
    shop = world.shop()
    row = world.row(shop)
    with reading() as session:
        sealed = session.scalars(select(CredentialRow.sealed).where(CredentialRow.name == "api_key")).one()
    world.uninstall(shop)
    world.probe()
    assert [call.path.rpartition("/")[2] for call in shop.calls] == ["status"]
    assert world.row(shop).state == State.UNINSTALLED
    assert {table.__tablename__: counted(table, row.id) for table in OF_TENANT} == {
        table.__tablename__: 0 for table in OF_TENANT
    }
    with reading() as session, pytest.raises(SealBroken):
        world.host.services.ring.open(session, row.id, "credential", "api_key", sealed)
    world.probe(HOUR)
    assert len(shop.calls) == 1, "nobody asks again"


def test_an_uninstall_that_was_not_one_is_taken_back_after_an_hour(world: World) -> None:
    shop = world.shop(keeps_access=True)
    world.uninstall(shop)
    for after in (timedelta(seconds=3), timedelta(minutes=5), timedelta(minutes=20)):
        world.probe(after)
        assert world.row(shop).state == State.UNINSTALLING
    world.probe(HOUR + timedelta(minutes=15))
    row = world.row(shop)
    assert (row.state, row.probe_at, row.uninstall_at) == (State.ACTIVE, None, None)
    assert "still work" in row.alarm
    assert world.usable(row, "api_key", datetime.now(UTC)) == [shop.keys["api_key"]]
    assert "#t=" in shop.play("open", time=world.ahead())[1].json()["url"]


UNSURE = [403, 404, 301, 429, 500, 503]


@pytest.mark.parametrize("status", UNSURE)
def test_an_unsure_answer_destroys_nothing(world: World, status: int) -> None:
    shop = world.shop()
    world.uninstall(shop)
    shop.behaviour["status"] = status
    before = world.held(world.row(shop).id)
    for minutes in (1, 5, 30, 120, 600):
        world.probe(timedelta(minutes=minutes))
        assert world.row(shop).state == State.UNINSTALLING
    assert world.held(world.row(shop).id) == before
    assert len(shop.calls) == 5


def test_a_shop_that_cannot_be_reached_is_asked_less_and_less_often(world: World) -> None:
    shop = world.shop(status=503)
    world.uninstall(shop)
    asked = []
    for seconds in range(0, 4 * 3600, 10):
        before = len(shop.calls)
        world.probe(timedelta(seconds=seconds))
        if len(shop.calls) > before:
            asked.append(seconds)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert len(asked) <= 8
    assert world.row(shop).state == State.UNINSTALLING


def test_a_connector_that_cannot_be_asked_confirms_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = world.shop()
    world.uninstall(shop)
    found = world.host.services.registry.find("upgates")
    assert found is not None
    monkeypatch.setattr(found, "fault", "in quarantine for this test")
    world.probe()
    assert world.row(shop).state == State.UNINSTALLING
    assert not shop.calls


def test_a_crash_of_the_probe_confirms_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = world.shop()
    world.uninstall(shop)
    monkeypatch.setattr("plugins.upgates.api.HEALTH", None)
    world.probe()
    assert world.row(shop).state == State.UNINSTALLING


@pytest.mark.parametrize("overtaken_by", ["install", "uninstall"])
def test_an_answer_that_was_overtaken_means_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, overtaken_by: str
) -> None:
    """The shop comes back, or leaves, while its former credentials are being asked about."""
    shop = world.shop()
    if overtaken_by == "install":
        world.uninstall(shop)
    else:
        world.install(shop, api_key="a-key-that-does-not-work")
        shop.access = (shop.keys["api_user"], shop.keys["api_key"])
    ask = credentials.ask

    def slow(connector: Any, row: Any, now: datetime) -> Any:
        health = ask(connector, row, now)
        shop.play(overtaken_by, time=world.ahead())
        return health

    monkeypatch.setattr(credentials, "ask", slow)
    world.probe()
    row = world.row(shop)
    assert row.state == (State.ACTIVE if overtaken_by == "install" else State.UNINSTALLING)
    assert (row.alarm, world.held(row.id)[("api_key", "current")]) == ("", shop.keys["api_key"])


def test_credentials_that_are_gone_are_never_asked_with_others(world: World) -> None:
    """No credential is no default: nothing is sent, and nothing follows."""
    shop = world.shop()
    world.uninstall(shop)
    with writing() as session:
        session.execute(delete(CredentialRow).where(CredentialRow.installation_id == world.row(shop).id))
    world.probe()
    assert not shop.calls
    assert world.row(shop).state == State.UNINSTALLING


def test_the_platform_is_not_driven_into_a_lock_out(world: World) -> None:
    """Three failed logins an hour are what it stands; the fourth shop waits for the next hour."""
    shops = [world.shop() for _ in range(4)]
    for shop in shops:
        world.uninstall(shop)
    world.probe()
    assert sorted(world.row(shop).state for shop in shops) == ["uninstalled"] * 3 + ["uninstalling"]
    world.probe(timedelta(minutes=59))
    assert sum(len(shop.calls) for shop in shops) == 3
    world.probe(timedelta(hours=2))
    assert [world.row(shop).state for shop in shops] == ["uninstalled"] * 4


def test_new_credentials_are_tried_although_shops_have_left(world: World) -> None:
    """Those of a shop that has left are expected to fail, new ones are not: these do not wait for an hour."""
    left = [world.shop() for _ in range(3)]
    for shop in left:
        world.uninstall(shop)
    world.probe()
    stays = world.shop()
    world.install(stays, api_key="the-key-that-lives")
    world.probe()
    assert world.usable(world.row(stays), "api_key", datetime.now(UTC))[0] == "the-key-that-lives"


def test_dead_new_credentials_count_as_failed_logins_too(world: World) -> None:
    shops = [world.shop() for _ in range(6)]
    for shop in shops:
        alive = shop.keys["api_key"]
        world.install(shop, api_key="a-key-that-does-not-work")
        shop.access = (shop.keys["api_user"], alive)
    world.probe()
    assert sum(len(shop.calls) for shop in shops) == 4, "the fifth failed login within an hour would lock us out"


def test_a_new_address_waits_with_its_credentials(world: World) -> None:
    shop = world.shop()
    former = world.row(shop).address
    moved = world.opened("upgates", {**shop.keys, "api_key": "the-key-of-the-new-server"})
    world.install(shop, api_key="the-key-of-the-new-server", api_url=f"{moved.home}/api/v2")
    assert world.row(shop).address == former
    world.probe()
    row = world.row(shop)
    assert row.address == f"{moved.home}/api/v2"
    assert [call.path for call in shop.calls] == []
    assert ("address", "current") not in world.held(row.id)


def test_an_uninstall_from_before_the_newest_install_is_taken_back_at_the_first_sign_of_life(world: World) -> None:
    shop = world.shop()
    shop.behaviour["keeps_access"] = True
    world.install(shop, api_key=shop.keys["api_key"], time=world.ahead(600))
    response = shop.play("uninstall", time=world.ahead(100))[1]
    assert response.json() == {"error": False}
    assert world.row(shop).state == State.UNINSTALLING
    world.probe()
    row = world.row(shop)
    assert (row.state, bool(row.alarm)) == (State.ACTIVE, True)


def test_two_who_open_in_one_second_both_get_in(world: World) -> None:
    shop = world.shop()
    at = world.ahead()
    urls = [shop.play("open", time=at)[1].json()["url"] for _ in range(2)]
    assert urls[0] == urls[1], "the same request gets the same answer while its ticket waits"
    tickets.exchange(urls[0].partition("#t=")[2], datetime.now(UTC))
    third = shop.play("open", time=at)[1].json()["url"]
    assert third != urls[0]
    tickets.exchange(third.partition("#t=")[2], datetime.now(UTC))


def test_what_a_removed_installation_proved_stays_used(world: World) -> None:
    shop = world.shop()
    at = world.ahead()
    world.install(shop, time=at)
    with writing() as session:
        lifecycle.remove(session, world.row(shop).id)
    assert shop.play("install", time=at)[1].status_code == 403
    world.install(shop)


def test_of_two_workers_one_asks(world: World) -> None:
    shop = world.shop()
    world.uninstall(shop)
    now = datetime.now(UTC) + timedelta(seconds=3)
    assert credentials.take_turn(world.row(shop).id, now) is not None
    assert credentials.take_turn(world.row(shop).id, now) is None


# Connected after an uninstall


@pytest.mark.parametrize("confirmed", [True, False], ids=["after-it-was-confirmed", "before"])
def test_a_shop_that_comes_back_is_the_same_account(world: World, confirmed: bool) -> None:
    shop = world.shop()
    before = world.row(shop)
    with reading() as session:
        former_keys = set(session.scalars(select(DataKeyRow.id).where(DataKeyRow.installation_id == before.id)))
    world.uninstall(shop)
    if confirmed:
        world.probe()
    world.install(shop, api_key="the-key-of-the-return")
    row = world.row(shop)
    assert (row.id, row.workspace_id, row.state) == (before.id, before.workspace_id, State.ACTIVE)
    assert (row.probe_at, row.uninstall_at) == (None, None)
    assert world.usable(row, "api_key", datetime.now(UTC)) == ["the-key-of-the-return"]
    with reading() as session:
        keys = set(session.scalars(select(DataKeyRow.id).where(DataKeyRow.installation_id == row.id)))
    assert len(keys) == 1
    assert not keys & former_keys
    world.probe(HOUR)
    assert world.row(shop).state == State.ACTIVE
    assert "#t=" in shop.play("open", time=world.ahead())[1].json()["url"]


def test_an_uninstall_captured_before_the_return_is_spent(world: World) -> None:
    shop = world.shop()
    captured = shop.uninstall(time=world.ahead())
    shop.send(captured)
    world.probe()
    world.install(shop)
    assert shop.send(captured).json() == {"error": False}
    assert world.row(shop).state == State.ACTIVE


# An account with a link secret


def test_a_new_key_updates_the_account_and_rotates_its_link(world: World) -> None:
    account = world.account()
    before, former, former_key = world.row(account), account.client_id, account.keys["api_key"]
    account.keys["api_key"] = secrets.token_urlsafe(18)
    assert account.play("install")[1].json()["success"] is True
    row = world.row(account)
    assert (row.id, row.workspace_id) == (before.id, before.workspace_id)
    assert world.usable(row, "api_key", datetime.now(UTC)) == [account.keys["api_key"], former_key]
    assert account.client_id != former
    assert account.play("open")[1].status_code == 303
    assert account.play("activity")[1].status_code == 200
    for action in ("open", "activity"):
        assert account.play(action, client_id=former)[1].status_code == 403


REFUSALS: list[tuple[str, Any]] = [
    ("edit", 500),
    ("edit", 402),
    ("credentials", 403),
    ("system_info", 500),
    ("edit", "html"),
]


@pytest.mark.parametrize(("call", "answer"), REFUSALS, ids=lambda value: str(value))
def test_a_refused_reconnect_leaves_everything_as_it_was(world: World, call: str, answer: Any) -> None:
    account = world.account()
    client_id, before = account.client_id, snapshot(world.row(account).id)
    account.keys["api_key"] = secrets.token_urlsafe(18)
    account.behaviour[call] = answer
    assert account.play("install")[1].json()["success"] is False
    assert snapshot(world.row(account).id) == before
    with reading() as session:
        assert session.scalars(select(InstallationRow.state)).all() == [State.ACTIVE]
    assert account.play("activity", client_id=client_id)[1].status_code == 200
    account.behaviour.clear()
    assert account.play("install")[1].json()["success"] is True


def test_a_reservation_of_a_process_that_died_is_forgotten(world: World) -> None:
    now = datetime.now(UTC)
    with writing() as session:
        for age in (timedelta(minutes=5), timedelta(minutes=11)):
            lifecycle.reserve(session, world.host.services.ring, "retailcrm", ("client_id",), now - age)
    housekeeping.purge(now)
    with reading() as session:
        assert session.scalars(select(InstallationRow.created_at)).all() == [now - timedelta(minutes=5)]


def test_an_account_of_another_workspace_is_not_taken_over(world: World) -> None:
    wazzup = world.host.another("wazzup", {"account_id": 77})
    first = world.host.add("wazzup", wazzup.operator_fields())
    other = world.row(world.shop()).workspace_id
    before = snapshot(first["id"])
    with pytest.raises(Conflict):
        world.host.add("wazzup", wazzup.operator_fields(), workspace=other)
    assert snapshot(first["id"]) == before


# Merged


def test_a_merge_moves_everything_and_ends_the_visits_that_showed_the_old(world: World) -> None:
    source, target = world.shop(), world.shop()
    one, other = world.row(source), world.row(target)
    moved, stays = world.visit(source), world.visit(target)
    world.host.services.store_people(one.workspace_id or "", one.id, [Person("1", "Jana Malá")])
    world.host.services.store_people(other.workspace_id or "", other.id, [Person("1", "Petr Velký")])
    merge_workspaces(one.workspace_id or "", other.workspace_id or "")
    assert world.row(source).workspace_id == world.row(target).workspace_id == other.workspace_id
    people = world.host.services.directory(other.workspace_id or "")
    assert [hit.name for word in ("mala", "velky") for hit in people.search(word)] == ["Jana Malá", "Petr Velký"]
    assert mirror.count(one.workspace_id or "") == 0
    assert world.visitor(moved) is None
    assert world.visitor(stays) is not None
    visitor = world.visitor(world.visit(source))
    assert visitor is not None
    assert visitor.workspace == other.workspace_id
    with reading() as session:
        assert session.get(WorkspaceRow, one.workspace_id) is None


def test_a_merged_shop_stays_where_it_is_when_it_connects_again(world: World) -> None:
    source, target = world.shop(), world.shop()
    merge_workspaces(world.row(source).workspace_id or "", world.row(target).workspace_id or "")
    world.install(source)
    assert world.row(source).workspace_id == world.row(target).workspace_id


# Removed


def remove(world: World, simulator: Any) -> str:
    id = world.row(simulator).id
    with writing() as session:
        lifecycle.remove(session, id)
    return id


def connect_shop(world: World, shop: Any) -> None:
    world.install(shop)


def connect_account(world: World, account: Any) -> None:
    """The platform makes a new key for every connection."""
    account.keys["api_key"] = secrets.token_urlsafe(18)
    assert account.play("install")[1].json()["success"] is True


@pytest.mark.parametrize(
    ("make", "connect"), [(World.shop, connect_shop), (World.account, connect_account)], ids=["shop", "account"]
)
def test_what_was_removed_can_be_connected_again(
    world: World, make: Callable[[World], Any], connect: Callable[[World, Any], None]
) -> None:
    simulator = make(world)
    former = remove(world, simulator)
    for table in (*OF_TENANT, JournalRow):
        assert counted(table, former) == 0
    connect(world, simulator)
    row = world.row(simulator)
    assert row.id != former
    assert row.state == State.ACTIVE
    assert world.usable(row, "api_key", datetime.now(UTC)) == [simulator.keys["api_key"]]


@pytest.mark.parametrize("make", [World.shop, World.account], ids=["shop", "account"])
def test_a_captured_install_does_not_bring_back_what_was_removed(world: World, make: Callable[[World], Any]) -> None:
    simulator = make(world)
    captured = simulator.install(**({"time": world.ahead()} if simulator.connector == "upgates" else {}))
    simulator.send(captured)
    remove(world, simulator)
    simulator.send(captured)
    with reading() as session:
        assert session.scalars(select(InstallationRow.id)).all() == []


def test_the_link_of_a_removed_account_is_refused(world: World) -> None:
    account = world.account()
    remove(world, account)
    for action in ("open", "activity"):
        assert account.play(action)[1].status_code == 403


def test_removing_one_leaves_the_others(world: World) -> None:
    gone, stays = world.shop(), world.shop()
    before = snapshot(world.row(stays).id)
    remove(world, gone)
    assert snapshot(world.row(stays).id) == before
