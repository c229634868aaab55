"""Connectors are found, loaded each for itself, and put into quarantine alone; their addresses answer all the same."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pluggy
import pytest
import requests
from stage import NAMES, Stage, serving_here

from app.core import loading
from app.core.loading import RESERVED, load
from app.core.pipeline import Request
from app.core.registry import CRASHES_BEFORE_QUARANTINE, CUSTOMERS_BEFORE_QUARANTINE, Connector, Registry
from app.core.services import Services
from app.core.sources import GROUP, discover
from app.sdk import Answer, Claims, hookspecs
from app.sdk.manifest import NAME

MANIFEST = """
spec = 1
title = "Fairground"
[refusal]
body = { oops = "$message" }
status = { quarantined = 523, unverified = 461, crashed = 561, unknown = 464 }
[actions.search]
methods = ["GET"]
[actions.config]
methods = ["GET"]
hook = "describe"
[actions.page]
methods = ["GET"]
hook = "open"
[actions.page.refusal]
media_type = "text/html"
"""

CODE = """
from app.sdk import Answer, Claims, hookimpl

@hookimpl
def verify(request):
    return Claims(fields={"how": request.query.decode()})

@hookimpl
def describe():
    return Answer.json({"name": __name__})

@hookimpl
def search(verified, installation):
    return Answer.json({})

@hookimpl
def open(verified):
    return Answer.json({})
"""

# Every way to be wrong that a stranger's folder may have: its code, its manifest, and a word of the fault.
WRONG: dict[str, tuple[str, str, str]] = {
    "raises": (CODE + "\nraise RuntimeError('at import')", MANIFEST, "at import"),
    "exits": (CODE + "\nraise SystemExit(3)", MANIFEST, "SystemExit"),
    "unparsable": ("def verify(:", MANIFEST, "SyntaxError"),
    "needs_more": ("import no_such_library", MANIFEST, "it needs no_such_library, which is not installed here"),
    "misspelt": (CODE + "\n@hookimpl\ndef serch(verified):\n    pass", MANIFEST, "serch"),
    "wrong_argument": (CODE.replace("verify(request)", "verify(reqest)"), MANIFEST, "reqest"),
    "no_verify": (
        CODE.replace("def verify", "def unused").replace("@hookimpl\ndef unused", "def unused"),
        MANIFEST,
        "verify",
    ),
    "no_search": (CODE.replace("@hookimpl\ndef search", "def search"), MANIFEST, "search"),
    "bad_settings": (CODE + "\n@hookimpl\ndef settings():\n    return ['secret']", MANIFEST, "settings"),
    "settings_raise": (CODE + "\n@hookimpl\ndef settings():\n    return 1 / 0", MANIFEST, "ZeroDivisionError"),
    "no_manifest": (CODE, "", "connector.toml"),
    "no_toml": (CODE, "spec = ", "connector.toml"),
    "unknown_key": (CODE, MANIFEST + "\n[extra]\nx = 1\n", "extra"),
    "other_spec": (
        CODE,
        MANIFEST.replace("spec = 1", "spec = 9"),
        "version 9 of the spec; this host serves 1: upgrade",
    ),
    "no_version": (CODE, MANIFEST.replace("spec = 1", 'spec = "one"'), "write the version"),
    "needs_late": (CODE + "\n\n@hookimpl\ndef settings():\n    import no_such_library", MANIFEST, "not installed here"),
    "bad_method": (CODE, MANIFEST.replace('["GET"]', '["DELETE"]', 1), "methods"),
    "bad_hook": (CODE, MANIFEST.replace('hook = "open"', 'hook = "opne"'), "hook"),
    "bad_status": (CODE, MANIFEST.replace("523", "1000"), "status"),
}
UNREADABLE = ("no_manifest", "no_toml", "unknown_key", "no_version", "bad_method", "bad_hook", "bad_status")
SHADOWS = ("account", "console", "sandbox", "static", "api", "healthz", "readyz", "metrics")
MISNAMED = ("Fairground", "x", "fair-ground", "2fair", "fair.ground")
CRASHES = (
    CODE.replace('Answer.json({"name": __name__})', "1 / 0")
    .replace("return Answer.json({})", "return answer(verified)")
    .replace('fields={"how": request.query.decode()}', "**asked(request.query.decode())")
    + """

def asked(query):
    how, _, shop = query.partition("&")
    return {"fields": {"how": how}, "tenant": shop}

def answer(verified):
    return {"crash": lambda: 1 / 0, "nothing": lambda: None}.get(verified.fields["how"], lambda: Answer.json({}))()
"""
)
NONE = CODE.replace('Claims(fields={"how": request.query.decode()})', "None")
VERIFY_CRASHES = CODE.replace('Claims(fields={"how": request.query.decode()})', "request.nothing")


def plant(folder: Path, name: str, code: str = CODE, manifest: str = MANIFEST) -> Path:
    """A connector's folder; without a manifest where the text is empty."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code, "utf-8")
    if manifest:
        (folder / name / "connector.toml").write_text(manifest, "utf-8")
    return folder


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    """Planted modules leave with their test."""
    before = set(sys.modules)
    yield
    for name in {name for name in set(sys.modules) - before if name.startswith(("stallholder_connector_", "fair_"))}:
        del sys.modules[name]


def loaded(folder: Path) -> Registry:
    return load(discover(str(folder)))


def known(found: Registry, name: str) -> Connector:
    return next(connector for connector in found if connector.name == name)


# Finding


def test_the_shipped_connectors_are_found() -> None:
    found = load(discover())
    assert {connector.name for connector in found} >= set(NAMES)
    assert [connector.fault for connector in found if connector.fault] == []


def test_a_folder_of_the_operators_is_searched(tmp_path: Path) -> None:
    plant(tmp_path / "one", "fairground")
    plant(tmp_path / "two", "market_hall")
    (tmp_path / "two" / "_drafts").mkdir()
    (tmp_path / "two" / "notes.txt").write_text("no connector")
    found = load(discover(f"{tmp_path}/one:{tmp_path}/two:{tmp_path}/nowhere"))
    assert {connector.name for connector in found} == {*NAMES, "bigcommerce", "example", "fairground", "market_hall"}
    assert known(found, "fairground").serving


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STALLHOLDER_PLUGINS", str(plant(tmp_path / "plugins", "fairground")))
    with ExitStack() as stack, serving_here(Stage(tmp_path / "instance", stack)) as stage:
        assert requests.get(f"{stage.url}/fairground/config").json() == {"name": "stallholder_connector_fairground"}


def test_a_connector_may_have_several_files(tmp_path: Path) -> None:
    plant(tmp_path, "fairground", CODE + "\nfrom . import proof\n")
    (tmp_path / "fairground" / "proof.py").write_text("CHECKED = True\n")
    assert known(loaded(tmp_path), "fairground").serving


def distribution(folder: Path, entry: str) -> Path:
    """An installed distribution as the import system sees it."""
    info = folder / "fair_dist-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fair-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nfairground = {entry}\n")
    return folder


@pytest.mark.parametrize("module", ["fair_package", "fair_package.inner.connector"])
def test_an_installed_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    plant(distribution(tmp_path, module) / Path(*module.split(".")[:-1]), module.rpartition(".")[2])
    for folder in list(Path(*module.split(".")).parents)[:-1]:
        (tmp_path / folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [entry.name for entry in importlib.metadata.entry_points(group=GROUP)] == ["fairground"]
    found = known(load(discover()), "fairground")
    assert found.serving, found.fault
    assert (found.source.origin, found.call("describe").body) == ("fair-dist", f'{{"name": "{module}"}}'.encode())


def test_a_distribution_that_is_broken_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(distribution(tmp_path, "fair_package"), "fair_package", "raise RuntimeError('at import')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = load(discover())
    assert "at import" in known(found, "fairground").fault
    assert all(known(found, name).serving for name in NAMES)


# Loading


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_and_stays_alone(tmp_path: Path, name: str) -> None:
    code, manifest, word = WRONG[name]
    found = loaded(plant(tmp_path, name, code, manifest))
    wrong = known(found, name)
    assert not wrong.serving
    assert word in wrong.fault
    assert all(known(found, shipped).serving for shipped in NAMES)


@pytest.mark.parametrize("name", [*SHADOWS, *MISNAMED])
def test_a_name_that_is_not_free_is_refused(tmp_path: Path, name: str) -> None:
    found = loaded(plant(tmp_path, name))
    assert f"the name {name!r} is not allowed" in known(found, name).fault
    assert all(known(found, shipped).serving for shipped in NAMES)


def test_two_that_claim_one_name_are_both_refused(tmp_path: Path) -> None:
    """Neither may pass for the other, whichever was found first."""
    for folder in ("one", "two"):
        plant(tmp_path / folder, "fairground")
    found = load(discover(f"{tmp_path}/one:{tmp_path}/two"))
    fault = known(found, "fairground").fault
    assert str(tmp_path / "one") in fault
    assert str(tmp_path / "two") in fault
    assert all(known(found, shipped).serving for shipped in NAMES)


@pytest.mark.parametrize("module", ["fair_package", "fair_module"], ids=["gone", "no-package"])
def test_a_distribution_without_its_package_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    distribution(tmp_path, module)
    (tmp_path / "fair_module.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "is not there; install fair-dist again" in known(load(discover()), "fairground").fault


def test_the_hosts_own_paths_are_reserved(stage: Stage) -> None:
    """Whatever the host serves below its root, no connector can be called so."""
    assert stage.app is not None
    words = {rule.rule.strip("/").partition("/")[0] for rule in stage.app.url_map.iter_rules()}
    assert {word for word in words if NAME.fullmatch(word)} <= RESERVED
    assert {"account", "healthz"} <= words


def test_nobody_answers_for_another(tmp_path: Path) -> None:
    """One plugin manager for each: a hook is called in the connector that was asked, and in no other."""
    for name in ("fairground", "market_hall"):
        plant(tmp_path, name)
    found = loaded(tmp_path)
    for name in ("fairground", "market_hall"):
        assert known(found, name).call("describe").body.decode() == f'{{"name": "stallholder_connector_{name}"}}'
        assert not known(found, name).implements("probe")
        assert known(found, name).call("probe") is None


def test_one_manager_for_all_would_let_others_answer(tmp_path: Path) -> None:
    """The control: in a common manager the connector that was registered last answers first."""

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plant(tmp_path, "fairground")
    plant(tmp_path, "market_hall")
    for source in discover(str(tmp_path)):
        if source.name in ("fairground", "market_hall"):
            manager.register(loading.import_source(source))
    answers = manager.hook.describe(settings={}, links=None)
    assert b"market_hall" in answers.body


# Over HTTP


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A host with the four marketplaces, every wrong connector, and some that load and then misbehave."""
    folder, more = tmp_path_factory.mktemp("plugins"), tmp_path_factory.mktemp("more")
    for name, (code, manifest, _) in WRONG.items():
        plant(folder, name, code, manifest)
    for name in SHADOWS:
        plant(folder, name)
    plant(folder, "twin")
    plant(more, "twin")
    for name, code in (
        ("crashes", CRASHES),
        ("describes", CRASHES),
        ("none", NONE),
        ("verify_crashes", VERIFY_CRASHES),
    ):
        plant(folder, name, code)
    with ExitStack() as stack:
        stage = Stage(tmp_path_factory.mktemp("host") / "instance", stack, PLUGINS=f"{folder}:{more}")
        yield stack.enter_context(serving_here(stage))


@pytest.fixture
def get(crowded: Stage) -> Callable[[str], requests.Response]:
    return lambda path: requests.get(crowded.url + path, timeout=10)


@pytest.fixture
def services(crowded: Stage) -> Services:
    assert crowded.app is not None
    found: Services = crowded.app.extensions["stallholder"]
    return found


def add_orlo(stage: Stage, services: Services) -> None:
    """What the operator does, once."""
    orlo: Any = stage.simulators["orlo"]
    found = services.registry.find("orlo")
    if orlo.link or found is None or found.manifest is None or stage.app is None:
        return
    with stage.app.app_context():
        work = Request(services, found, found.manifest.actions["install"], datetime.now(UTC))
        reply = work.act(Claims(fields=orlo.operator_fields()))
    assert isinstance(reply, Answer)
    orlo.connected({"key": found_key(reply)})


def found_key(reply: Answer) -> str:
    return reply.body.decode().partition('"key": "')[2].partition('"')[0]


def answering(stage: Stage, services: Services) -> set[str]:
    """The marketplaces whose genuine requests are served."""
    add_orlo(stage, services)
    played = {name: stage.simulators[name].play(action)[1] for name, action in GENUINE.items()}
    return {name for name, response in played.items() if response.status_code == 200 and REFUSED not in response.text}


REFUSED = '"success": false'  # one platform wants its refusals with 200
GENUINE = {"retailcrm": "config", "wazzup": "install", "upgates": "open", "orlo": "search", "shoptet": "install"}


@pytest.mark.parametrize("name", [name for name in WRONG if name not in UNREADABLE] + ["twin"])
def test_a_quarantined_connector_answers_in_its_declared_shape(
    crowded: Stage, get: Callable[[str], requests.Response], name: str
) -> None:
    for path in ("search", "config"):
        response = get(f"/{name}/{path}")
        assert (response.status_code, list(response.json())) == (523, ["oops"])
        assert "unavailable" in response.json()["oops"]
    page = get(f"/{name}/page")
    assert (page.status_code, page.headers["Content-Type"]) == (523, "text/html; charset=utf-8")
    assert get(f"/{name}/nothing").status_code == 404


@pytest.mark.parametrize("name", UNREADABLE)
def test_without_a_manifest_the_hosts_own_shape_is_left(get: Callable[[str], requests.Response], name: str) -> None:
    response = get(f"/{name}/search")
    assert (response.status_code, list(response.json())) == (503, ["error"])


def test_a_refusal_over_http_tells_nothing_of_the_fault(get: Callable[[str], requests.Response]) -> None:
    for name in WRONG:
        assert not any(word in get(f"/{name}/search").text for word in ("Traceback", "import", "toml", "Error"))


@pytest.mark.parametrize(
    ("path", "status"), [("/account/", 200), ("/healthz", 200), ("/static/stall.svg", 200), ("/sandbox/", 404)]
)
def test_the_hosts_own_paths_stay_its_own(get: Callable[[str], requests.Response], path: str, status: int) -> None:
    response = get(path)
    assert response.status_code == status
    assert "oops" not in response.text


def test_the_shipped_marketplaces_keep_answering(crowded: Stage, services: Services) -> None:
    assert answering(crowded, services) == set(NAMES)


def test_readiness_names_those_in_quarantine_and_is_not_lost_by_them(get: Callable[[str], requests.Response]) -> None:
    told = get("/readyz").json()
    assert set(told["connectors"]["quarantined"]) >= {*WRONG, *SHADOWS, "twin"}
    assert set(told["connectors"]["serving"]) >= set(NAMES)
    assert not any("connector" in reason for reason in told["reasons"])


@pytest.mark.parametrize("sabotaged", NAMES)
def test_a_shipped_name_claimed_by_a_stranger_stays_the_shipped_ones(tmp_path: Path, sabotaged: str) -> None:
    """The stranger never answers in its place, does not stop it, and is told of."""
    plant(tmp_path / "plugins", sabotaged, f"raise RuntimeError('{sabotaged} ran')")
    with ExitStack() as stack:
        stage = Stage(tmp_path / "instance", stack, PLUGINS=str(tmp_path / "plugins"))
        stack.enter_context(serving_here(stage))
        assert stage.app is not None
        assert answering(stage, stage.app.extensions["stallholder"]) == set(NAMES)
        [claimant] = stage.app.extensions["stallholder"].registry.claimants
        assert "two connectors claim this name" in claimant.fault
        rows = json.loads(stage.cli("connectors", "list", "--json").stdout)
        assert [row["state"] for row in rows if row["name"] == sabotaged] == ["serving", "quarantined"]


def test_a_connector_that_hangs_at_import_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LONGEST_LOAD", 0.2)
    release = threading.Event()
    monkeypatch.setattr(loading, "hanging_until", release, raising=False)
    plant(tmp_path, "hangs", "from app.core import loading\nloading.hanging_until.wait(60)\n" + CODE)
    plant(tmp_path, "hurries")
    found = loaded(tmp_path)
    release.set()
    assert "was not loaded within 0.2 seconds" in known(found, "hangs").fault
    assert known(found, "hurries").serving
    assert all(known(found, name).serving for name in NAMES)


# Misbehaving later


def test_a_verify_that_says_nothing_is_a_refusal(get: Callable[[str], requests.Response], services: Services) -> None:
    for _ in range(CRASHES_BEFORE_QUARANTINE + 5):
        response = get("/none/search")
        assert (response.status_code, list(response.json())) == (461, ["oops"])
    assert known(services.registry, "none").serving


def test_a_crash_in_verify_never_quarantines(get: Callable[[str], requests.Response], services: Services) -> None:
    """Strangers reach it: they could switch a connector off with it."""
    for _ in range(3 * CRASHES_BEFORE_QUARANTINE):
        assert get("/verify_crashes/search").status_code == 461
    assert known(services.registry, "verify_crashes").serving
    assert known(services.registry, "verify_crashes").crashes == 0


@pytest.mark.parametrize("how", ["crash", "nothing"], ids=["raises", "returns-none"])
def test_a_crash_now_and_then_is_forgiven(
    monkeypatch: pytest.MonkeyPatch, get: Callable[[str], requests.Response], services: Services, how: str
) -> None:
    reachable(monkeypatch)
    for number in range(3 * CRASHES_BEFORE_QUARANTINE):
        assert get(f"/crashes/search?{how}&shop{number}").status_code == 561
        assert get("/crashes/search?well&shop").status_code == 200
    assert known(services.registry, "crashes").serving


def test_one_customer_cannot_switch_a_connector_off(
    monkeypatch: pytest.MonkeyPatch, get: Callable[[str], requests.Response], services: Services
) -> None:
    """Nor can a few, however often; nor somebody who is no customer yet."""
    reachable(monkeypatch)
    for number in range(3 * CRASHES_BEFORE_QUARANTINE):
        few = number % (CUSTOMERS_BEFORE_QUARANTINE - 1)
        assert get(f"/crashes/search?crash&shop{few}").status_code == 561
        assert get("/crashes/search?crash&").status_code == 561
        assert get("/describes/config").status_code == 561
    assert known(services.registry, "crashes").serving
    assert known(services.registry, "describes").serving


def test_crash_upon_crash_quarantines_that_one_alone(
    monkeypatch: pytest.MonkeyPatch, crowded: Stage, get: Callable[[str], requests.Response], services: Services
) -> None:
    reachable(monkeypatch)
    assert get("/crashes/search?well&shop").status_code == 200
    for number in range(CRASHES_BEFORE_QUARANTINE):
        assert get(f"/crashes/search?crash&shop{number % CUSTOMERS_BEFORE_QUARANTINE}").status_code == 561
    response = get("/crashes/search?well&shop")
    assert (response.status_code, list(response.json())) == (523, ["oops"])
    assert "in a row" in known(services.registry, "crashes").fault
    assert answering(crowded, services) == set(NAMES)
    assert "crashes" in get("/readyz").json()["connectors"]["quarantined"]


def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted connector has no installations: let its actions take what it claims."""
    monkeypatch.setattr(Request, "installation", lambda work, claims: None)
