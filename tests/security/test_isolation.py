"""Tenants are kept apart: at every address, in every statement, without a default, against hostile re-registrations."""

from __future__ import annotations

import json
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from borders import IDENTITIES, MATRIX, METRICS_TOKEN, bearer, crm, get, renamed, shop, signed, stranger
from customers import Customer, World, leave
from flask import Flask
from sqlalchemy import Select, delete, func, or_, select, text, update
from sqlguard import guarding
from stage import NAMES
from tenants import hosting
from wire import Got

from app.core import lifecycle, tickets
from app.core.database import MIRROR, db, reading, writing
from app.core.installations import InstallationsOf, credential, to_installation
from app.core.loading import load
from app.core.models import CredentialRow, DataKeyRow, InstallationRow, LinkRow, SessionRow, TicketRow
from app.core.pipeline import Request
from app.core.registry import Registry
from app.core.seal import SealBroken
from app.core.sources import discover
from app.jobs import credentials, heartbeats, worker
from app.pages import workspace
from app.people import mirror
from app.people.directory import PeopleDirectory
from app.people.merging import merge as merge_workspaces
from app.people.models import OrderRow, PersonRow, TermRow
from app.sdk import Answer, Claims, Health, Registration, State, Unknown
from app.sdk.simulation import Outgoing
from plugins.upgates import proof

HOSTILE = 1000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        hosting(tmp_path_factory.mktemp("host") / "instance", tenants=4, METRICS_TOKEN=METRICS_TOKEN) as host,
        host.app.app_context(),
    ):
        heartbeats.beat("worker", datetime.now(UTC))
        customers = [Customer(host, tenant, name) for tenant, name in zip(host.tenants, "ABCD", strict=True)]
        yield World(host, *customers)


# The marketplaces at which the world's two customers are. The conformance kit swaps the customers of every connector.
PLAYED = ("orlo", "retailcrm", "upgates", "wazzup")


def addresses(app: Flask, registry: Registry) -> set[str]:
    """Every address of the host: its own routes, and each connector's actions in place of the one that serves them."""
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "marketplaces.edge"
    }
    actions = {
        f"{method} {connector.name}/{action.name}"
        for connector in registry
        if connector.manifest and connector.name in PLAYED
        for action in connector.manifest.actions.values()
        for method in action.methods
    }
    return routes | actions


@dataclass
class Outcome:
    """What came of one address: who was served against the plan, who crashed it, and what crossed a border."""

    wrong: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)


def played(world: World, name: str) -> Outcome:
    """Every identity at one address; nobody but A reads or changes what is A's."""
    outcome, bodies = Outcome(), set()
    reset(world)
    for identity, attempt in MATRIX[name].attempts.items():
        outgoing = attempt(world)
        before, visits = world.a.stored(), world.a.visits()
        got = world.host.ask(outgoing)
        expected = identity in MATRIX[name].yes
        if got.accepted is not expected or got.status >= 500:
            outcome.wrong.append(f"{name}, {identity}: {got.status}")
        if identity != "own":
            outcome.crossed += crossings(world, got, f"{name}, {identity}")
            outcome.crossed += [f"{name}, {identity}: changed"] * (world.a.stored() != before)
            outcome.crossed += [f"{name}, {identity}: ended a visit"] * (not visits <= world.a.visits())
        bodies.add(got.body)
        reset(world)
    if MATRIX[name].public and len({without_nonce(body) for body in bodies}) != 1:
        outcome.crossed.append(f"{name}: not the same for everybody")
    return outcome


def crossings(world: World, got: Got, label: str) -> list[str]:
    """Traces of A in an answer: in its text, or behind the visit that it opens."""
    said = got.body.decode("utf-8", "replace") + repr(dict(got.headers))
    if world.a.canary in said or world.a.canary.encode("unicode-escape").decode() in said:
        return [f"{label}: read"]
    told = got.json
    if isinstance(told, dict) and "bearer" in told:
        overview = world.host.ask(get("/account/overview", **bearer(told["bearer"])))
        return [f"{label}: entered"] * (world.a.canary in overview.body.decode())
    url = got.headers.get("Location") or (told.get("url", "") if isinstance(told, dict) else "")
    if "#t=" in url:
        visitor = tickets.exchange(url.partition("#t=")[2], datetime.now(UTC)).visitor
        return [f"{label}: entered"] * (visitor.workspace == world.a.workspace)
    return []


def without_nonce(body: bytes) -> bytes:
    """A page without what is drawn anew for each answer."""
    parts = body.split(b'nonce="')
    return b"".join([parts[0], *(part.partition(b'"')[2] for part in parts[1:])])


def reset(world: World) -> None:
    """C has left; A and D are served whatever the former attempt did to them."""
    leave(world.c)
    with writing() as session:
        mine = InstallationRow.id.in_([*world.a.ids.values(), *world.b.ids.values(), *world.d.ids.values()])
        session.execute(
            update(InstallationRow).where(mine).values(state=State.ACTIVE, probe_at=None, uninstall_at=None)
        )


def test_every_address_has_its_row(world: World) -> None:
    assert addresses(world.host.app, world.host.services.registry) == set(MATRIX)
    assert all(tuple(row.attempts) == IDENTITIES for row in MATRIX.values())


def test_an_address_without_a_row_is_noticed(world: World) -> None:
    app = Flask("another")
    app.add_url_rule("/account/export", "export", lambda: "", methods=["GET"])
    assert "GET /account/export" in addresses(app, world.host.services.registry) - set(MATRIX)


@pytest.mark.parametrize("name", MATRIX)
def test_nobody_reads_or_changes_what_is_anothers(world: World, name: str) -> None:
    outcome = played(world, name)
    assert outcome == Outcome()


def no_filter(world: World) -> tuple[Any, str, Any, str]:
    return PeopleDirectory, "_mine", lambda self, rows, shown: list(rows), "GET /account/people/<id>"


def any_tenant(world: World) -> tuple[Any, str, Any, str]:
    mine = InstallationsOf("upgates", world.host.services.ring, datetime.now(UTC)).by_id(world.a.ids["upgates"])
    return InstallationsOf, "by_tenant", lambda self, tenant: mine, "POST upgates/open"


def any_link(world: World) -> tuple[Any, str, Any, str]:
    mine = InstallationsOf("upgates", world.host.services.ring, datetime.now(UTC)).by_id(world.a.ids["upgates"])
    return InstallationsOf, "by_link", lambda self, purpose, token: mine, "POST upgates/webhook"


def any_name(world: World) -> tuple[Any, str, Any, str]:
    return workspace, "about", lambda visitor: workspace.About(world.a.canary, 0), "GET /account/overview"


@pytest.mark.parametrize("broken", [no_filter, any_tenant, any_link, any_name])
def test_a_filter_that_is_taken_out_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: Callable[[World], tuple[Any, str, Any, str]]
) -> None:
    """The controls: without one filter, somebody crosses."""
    owner, attribute, replacement, name = broken(world)
    monkeypatch.setattr(owner, attribute, replacement)
    assert played(world, name).crossed


# D-2: every statement says whose rows it means


def whole_flow(world: World) -> None:
    """Every address with every identity, the worker's rounds, and what an operator does with customers."""
    for name in MATRIX:
        played(world, name)
    host, now = world.host, datetime.now(UTC)
    host.ask(signed(world.d, "uninstall"))
    host.ask(signed(world.d, "install", api_key="another-key"))
    host.ask(signed(world.d, "uninstall"))
    for minutes in (1, 90):
        worker.round_of_duties(now + timedelta(minutes=minutes))
        credentials.probe_due(now + timedelta(minutes=minutes))
    heartbeats.beat("worker", now)
    printed = host.add("orlo", host.stage.simulators["orlo"].operator_fields())
    with reading() as session:
        added = session.get_one(InstallationRow, printed["id"])
    merge_workspaces(added.workspace_id or "", world.b.workspace)
    with writing() as session:
        lifecycle.remove(session, printed["id"])
    mirror.forget(world.b.workspace, printed["id"])
    reset(world)


def test_every_statement_names_its_tenant(world: World) -> None:
    with guarding(db.engines.values()) as guard:
        whole_flow(world)
    assert sorted(set(guard.loose)) == []
    assert guard.heard > 1000, "a guard that hears nothing finds nothing"


LOOSE: dict[str, Select[Any]] = {
    "all": select(CredentialRow),
    "by-what-it-says": select(PersonRow).where(PersonRow.name == "Jana"),
    "by-half-a-name": select(InstallationRow).where(InstallationRow.tenant == "shop-1"),
    "one-branch-of-an-or": select(SessionRow).where(or_(SessionRow.bearer == "x", SessionRow.language == "en")),
    "not-equal": select(PersonRow).where(PersonRow.workspace_id != "w1"),
    "like": select(PersonRow).where(PersonRow.workspace_id.like("w%")),
    "joined-with-everybody": select(LinkRow).join(InstallationRow, InstallationRow.id == LinkRow.installation_id),
    "joined-with-another-column": select(OrderRow)
    .join(PersonRow, PersonRow.name == OrderRow.number)
    .where(PersonRow.id == 1),
    "inside": select(func.count()).select_from(select(TermRow).where(TermRow.term == "jana").subquery()),
    "counted": select(func.count()).select_from(PersonRow),
    "an-errand-that-learns-more": select(InstallationRow).where(InstallationRow.probe_at.is_not(None)),
}


@pytest.mark.parametrize("statement", LOOSE.values(), ids=LOOSE)
def test_a_loose_statement_is_noticed(world: World, statement: Select[Any]) -> None:
    """The controls: one planted query each."""
    with guarding(db.engines.values()) as guard, reading() as session:
        session.execute(statement, bind_arguments={"bind": db.engines[bind_of(statement)]}).all()
    assert guard.loose


def bind_of(statement: Any) -> str | None:
    return MIRROR if "person" in str(statement) or "term" in str(statement) else None


@pytest.mark.parametrize(
    "change",
    [
        delete(TicketRow).where(TicketRow.language == "xx"),
        update(CredentialRow).where(CredentialRow.slot == "none").values(slot="x"),
        update(InstallationRow).where(InstallationRow.state == "none").values(alarm=""),
        text("SELECT id FROM installation"),
        text("DELETE FROM data_key WHERE 1 = 0"),
    ],
    ids=["delete", "update", "update-by-state", "raw-select", "raw-delete"],
)
def test_a_loose_change_is_noticed(world: World, change: Any) -> None:
    with guarding(db.engines.values()) as guard, writing() as session:
        session.execute(change)
        session.rollback()
    assert guard.loose


def test_what_names_its_tenant_is_let_through(world: World) -> None:
    """The other control: the guard is no alarm that always rings."""
    fine: list[Any] = [
        select(CredentialRow).where(CredentialRow.installation_id == "i1"),
        select(InstallationRow).where(InstallationRow.connector == "x", InstallationRow.tenant == "y"),
        select(SessionRow).where(or_(SessionRow.bearer == "x", SessionRow.cookie == "y")),
        select(DataKeyRow)
        .join(LinkRow, LinkRow.installation_id == DataKeyRow.installation_id)
        .where(LinkRow.digest == "x"),
        select(InstallationRow.id).where(
            InstallationRow.connector == "orlo", InstallationRow.probe_at <= datetime.now(UTC)
        ),
    ]
    with guarding(db.engines.values()) as guard, reading() as session:
        for statement in fine:
            session.execute(statement).all()
    assert (guard.loose, guard.heard) == ([], len(fine))


# D-3: no tenant is nobody


def acting() -> list[Any]:
    """Every action that is about a tenant who is known; an install makes one, and a description is the same for all."""
    return [
        pytest.param(found.name, action.name, id=f"{found.name}/{action.name}")
        for found in load(discover())
        if found.manifest and found.name in NAMES
        for action in found.manifest.actions.values()
        if action.hook not in ("install", "describe")
    ]


@pytest.mark.parametrize(("name", "action_name"), acting())
def test_an_action_without_a_tenant_serves_nobody(world: World, name: str, action_name: str) -> None:
    """Claims that name nobody: an action raises, unless it is declared to answer strangers, and then opens nothing."""
    connector = world.host.services.registry.find(name)
    assert connector is not None
    assert connector.manifest is not None
    action = connector.manifest.actions[action_name]
    work = Request(world.host.services, connector, action, datetime.now(UTC))
    claims = Claims(fields={"version": "1"}, proof=secrets.token_bytes(8))
    if not action.unknown:
        with pytest.raises(Unknown):
            work.act(claims)
        return
    before = world.a.stored()
    answer = work.act(claims)
    assert isinstance(answer, Answer)
    assert b"#t=" not in answer.body
    assert world.a.stored() == before


def test_a_registration_without_a_tenant_is_refused(world: World) -> None:
    """Two accounts without a name would share one installation."""
    nameless = Registration(tenant="", title="Nobody", reply=Answer.json({}), credentials={"api_key": "x"})
    with pytest.raises(ValueError, match="tenant"), writing() as session:
        lifecycle.register(
            session, world.host.services.ring, "upgates", nameless, None, None, timedelta(0), datetime.now(UTC)
        )


@pytest.mark.parametrize("lookup", ["by_id", "by_tenant"])
def test_nobodys_name_finds_nobody(world: World, lookup: str) -> None:
    for connector in ("upgates", "retailcrm", "wazzup", "orlo"):
        found = InstallationsOf(connector, world.host.services.ring, datetime.now(UTC))
        assert getattr(found, lookup)("") is None
        assert found.by_link("", "") is None
        assert found.by_link("path", "") is None


def test_one_connector_does_not_find_anothers_installations(world: World) -> None:
    now, ring = datetime.now(UTC), world.host.services.ring
    for connector in ("retailcrm", "wazzup", "orlo"):
        found = InstallationsOf(connector, ring, now)
        assert found.by_id(world.a.ids["upgates"]) is None
        assert found.by_tenant(shop(world.a).keys["token"]) is None
        assert found.by_link("path", world.a.link("upgates", "path", timedelta(hours=1))) is None


def test_without_a_workspace_there_are_no_people(world: World) -> None:
    nobody = PeopleDirectory("")
    assert list(nobody.search("kanarek")) == []
    assert nobody.person(world.a.person) is None
    assert nobody.by_contact(email="jana@example.com", phone="+420777123456") is None
    assert mirror.count("") == 0


def test_without_an_installation_nothing_is_sealed_or_opened(world: World) -> None:
    ring, now = world.host.services.ring, datetime.now(UTC)
    with reading() as session:
        with pytest.raises(SealBroken):
            ring.seal(session, "", "credential", "api_key", b"x")
        sealed = session.scalars(
            select(CredentialRow.sealed).where(CredentialRow.installation_id == world.a.ids["upgates"])
        ).first()
        with pytest.raises(SealBroken):
            ring.open(session, "", "credential", "api_key", sealed or "")
        assert credential(session, ring, "", "api_key", "current", now) == ""


@pytest.mark.parametrize("connector", ["upgates", "wazzup"])
def test_there_is_no_default_credential(world: World, connector: str) -> None:
    """An installation whose credentials are gone calls nobody: not with another's, and not with the operator's."""
    host, now = world.host, datetime.now(UTC)
    with reading() as session:
        row = session.get_one(InstallationRow, world.a.ids[connector])
    bare = replace(to_installation(row, host.services.ring, now), secrets=lambda name: ())
    found = host.services.registry.find(connector)
    assert found is not None
    before = sum(len(simulator.calls) for simulator in host.simulators)
    health = found.call("probe", installation=bare, settings=found.settings, outbound=host.services.outgate.within(5))
    assert health == Health.UNSURE
    assert sum(len(simulator.calls) for simulator in host.simulators) == before


# D-5: hostile re-registrations


def hostile(world: World) -> dict[str, Callable[[int], Outgoing]]:
    """Ways to register A again that are not A's newest word."""
    chance = random.Random(20260102)
    keys = {"api_user": "66666", "api_key": f"attacker-{secrets.token_hex(4)}"}
    fresh = type(shop(world.a)).make_keys()
    liar = world.host.another("upgates", {**shop(world.a).keys, "private_key": fresh["private_key"]})

    def flipped(number: int) -> Outgoing:
        genuine = json.loads(signed(world.a, "install", **keys).body)["signature_v2"]
        place = chance.randrange(len(genuine) - 4)
        letter = "A" if genuine[place] != "A" else "B"
        return renamed(signed(world.a, "install", **keys), signature_v2=genuine[:place] + letter + genuine[place + 1 :])

    return {
        "wrong class": lambda n: renamed(
            replace(signed(world.a, "open"), path="/upgates/install"),
            apiUser=keys["api_user"],
            apiKey=keys["api_key"],
            apiUrl=shop(world.a).home + "/api/v2",
        ),
        "wrong key": lambda n: liar.install(time=world.a.tenant.time(), **keys),
        "retired token": lambda n: stranger(world.a, "install"),
        "other tenant": lambda n: renamed(signed(world.b, "install", **keys), token=shop(world.a).keys["token"]),
        "unsigned": lambda n: renamed(signed(world.a, "install", **keys), signature_v2=[None, "", "AAAA"][n % 3]),
        "one bit off": flipped,
        "other fields": lambda n: renamed(signed(world.a, "install"), apiKey=f"the-key-of-an-attacker-{n}"),
        "older time": lambda n: signed(world.a, "install", **keys, time=older(n)),
        "account, other token": lambda n: crm(world.a).install(api_key=f"attacker-{n}", token=secrets.token_hex(32)),
        "account, other key": lambda n: crm(world.b).install(system_url=crm(world.a).home),
    }


def older(number: int) -> str:
    """A time that has not passed yet, but lies before the one that counts."""
    return (datetime.now(UTC) + timedelta(seconds=10 + number % 200)).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("owner", "attribute", "replacement", "way"),
    [
        (lifecycle, "is_stale", lambda row, registration: False, "older time"),
        (
            proof,
            "check_proof",
            lambda given, texts, settings, documents: secrets.token_bytes(8),
            "unsigned",
        ),
    ],
    ids=["older", "unsigned"],
)
def test_a_rule_that_is_taken_out_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: Any, attribute: str, replacement: Any, way: str
) -> None:
    """The controls, first because of the clock: without the rule, a row changes."""
    before = world.a.stored()
    monkeypatch.setattr(owner, attribute, replacement)
    world.host.ask(hostile(world)[way](0))
    assert world.a.stored() != before


def test_no_hostile_re_registration_changes_a_row(world: World) -> None:
    reset(world)
    ahead = datetime.now(UTC) + timedelta(hours=12)
    assert world.host.ask(shop(world.a).install(time=ahead.isoformat(timespec="seconds"))).accepted
    before, sent, accepted = world.a.stored(), Counter[str](), Counter[str]()
    ways = hostile(world)
    while sent.total() < HOSTILE:
        for name, made in ways.items():
            got = world.host.ask(made(sent[name]))
            assert got.status < 500
            accepted[name] += got.accepted
            sent[name] += 1
    assert world.a.stored() == before
    # An older install is genuine, so it is answered politely; no other way is.
    assert {name for name, count in accepted.items() if count} == {"older time"}
    assert min(sent.values()) >= HOSTILE // len(ways)


def test_the_newest_word_of_the_tenant_itself_counts(world: World) -> None:
    """The other control: what is refused above is not everything."""
    reset(world)
    later = (datetime.now(UTC) + timedelta(hours=13)).isoformat(timespec="seconds")
    before = world.a.stored()
    assert world.host.ask(shop(world.a).install(time=later, api_key="the-shops-own-new-key")).accepted
    after = world.a.stored()
    assert before["credential"] != after["credential"]
