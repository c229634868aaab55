"""Secrets stay where they belong: none reaches a host that was not verified, none is in what the host leaves behind."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

import pytest
import requests
from sqlalchemy import select
from stage import NAMES, Stage, serving_gunicorn, serving_here, toml, wait_until

from app.core.database import reading
from app.core.installations import to_installation
from app.core.models import InstallationRow
from app.core.services import Services
from app.jobs import credentials
from app.sdk.simulation import Call, Outgoing, Reply, serving

SHORTEST = 8


# Finding a secret, however it is written


def spellings(secret: str) -> dict[str, set[bytes]]:
    """The secret in every spelling in which it could be left behind."""
    raw = secret.encode()
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {
        "raw": {raw},
        "base64": {found for shift in range(3) for found in in_base64(raw, shift)},
        "hex": {raw.hex().encode(), raw.hex().upper().encode()},
        "url": {quote(secret, safe="").encode(), quote_plus(secret).encode(), quote(secret).encode()},
        "json": {text.encode() for one in escaped for text in (one, one.replace("/", "\\/"))},
    }


def in_base64(raw: bytes, shift: int) -> Iterator[bytes]:
    """What stands in a base64 text of which this is a part: without the letters that its neighbours share."""
    padded = b"\0" * shift + raw
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(padded).rstrip(b"=")
        first = (0, 2, 3)[shift]
        yield text[first : len(text) - (len(padded) % 3 != 0)]


def hits(known: dict[str, str], artefacts: dict[str, bytes]) -> list[str]:
    """Which secret is found where, and how it is written."""
    return [
        f"{name} as {how} in {place}"
        for name, secret in known.items()
        for how, forms in spellings(secret).items()
        for place, content in artefacts.items()
        if any(len(form) >= SHORTEST and form in content for form in forms)
    ]


SECRET = 'kanárek/+&=?"\\ %7e'


@pytest.mark.parametrize("how", ["raw", "base64", "hex", "url", "json"])
@pytest.mark.parametrize("around", [b"", b"a", b"ab", b"Basic user:"], ids=["alone", "one", "two", "behind-a-user"])
def test_a_planted_leak_is_found_in_every_spelling(how: str, around: bytes) -> None:
    whole = around.decode() + SECRET + "tail"
    written = {
        "raw": whole.encode(),
        "base64": base64.b64encode(whole.encode()),
        "hex": whole.encode().hex().encode(),
        "url": quote_plus(whole).encode(),
        "json": json.dumps(whole).encode(),
    }[how]
    found = hits({"planted": SECRET}, {"log": b"... " + written + b" ..."})
    assert f"planted as {how} in log" in found
    assert hits({"planted": SECRET}, {"log": b"nothing but honest words"}) == []


# E7: a host that was not verified sees nothing


@dataclass
class Canary:
    """A host that somebody would like the keys to go to; it answers as it is told and keeps what it hears."""

    answer: Callable[[Call], Reply] = lambda call: Reply(404, b"{}")
    home: str = ""
    heard: list[Call] = field(default_factory=list)

    def received(self, call: Call) -> Reply:
        self.heard.append(call)
        return self.answer(call)

    def said(self) -> bytes:
        """Every byte that arrived."""
        parts = [
            f"{call.method} {call.path}?{call.query} {dict(call.headers)}".encode() + call.body for call in self.heard
        ]
        return b"\n".join(parts)


class Scene:
    """A host with two customers connected, and two canaries: one that the host may call at all, one that it may not."""

    def __init__(self, stage: Stage, known: Canary, unknown: Canary) -> None:
        assert stage.app is not None
        self.stage, self.app = stage, stage.app
        self.services: Services = stage.app.extensions["stallholder"]
        self.known, self.unknown = known, unknown
        self.account: Any = stage.simulators["retailcrm"]
        self.shop: Any = stage.simulators["upgates"]
        self.wazzup: Any = stage.simulators["wazzup"]
        self.seconds = 60

    def ahead(self) -> str:
        self.seconds += 1
        moment = datetime.now(ZoneInfo("Europe/Prague")) + timedelta(seconds=self.seconds)
        return moment.isoformat(timespec="seconds")

    def secrets(self) -> dict[str, str]:
        """What no stranger may hear."""
        account, shop, wazzup = self.account.keys, self.shop.keys, self.wazzup.keys
        named = {"account key": account["api_key"], "account secret": account["secret"]}
        named |= {"shop key": shop["api_key"], "shop token": shop["signature_token"]}
        named |= {
            "wazzup secret": wazzup["secret"],
            "wazzup key": self.wazzup.api_key,
            "client id": self.account.client_id,
        }
        return {name: value for name, value in named.items() if value}

    def row(self, connector: str) -> InstallationRow:
        with reading() as session:
            return session.scalars(select(InstallationRow).where(InstallationRow.connector == connector)).one()

    def use(self) -> None:
        """What comes next in real life: each key is used where its installation is said to be."""
        now = datetime.now(UTC)
        with self.app.app_context():
            row = self.row("retailcrm")
            key = to_installation(row, self.services.ring, now).secret("api_key")
            outbound = self.services.outgate.within(5)
            outbound.request("GET", f"{row.address}/api/credentials", headers={"X-API-KEY": key})
            credentials.probe_due(now + timedelta(minutes=5))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        known, unknown = Canary(), Canary()
        for canary in (known, unknown):
            canary.home = stack.enter_context(serving(lambda call, canary=canary: canary.received(call)))
        stage = Stage(tmp_path / "instance", stack)
        stage.settings["OUTBOUND_ALLOW"].append(known.home.removeprefix("http://"))
        (stage.folder / "config.toml").write_text(toml(stage.settings), "utf-8")
        stack.enter_context(serving_here(stage))
        made = Scene(stage, known, unknown)
        made.account.keys = dict(made.account.keys)
        assert made.account.play("install")[1].json()["success"] is True
        assert made.shop.play("install", time=made.ahead())[1].json() == {"error": False}
        yield made


def told(**fields: Any) -> Callable[[Call], Reply]:
    return lambda call: Reply(200, json.dumps({"success": True, **fields}).encode())


def moves(scene: Scene) -> None:
    """A genuine callback brings a new address, at which somebody else answers."""
    scene.known.answer = told(technicalUrl=scene.known.home, publicUrl=scene.known.home)
    scene.account.play("activity", system_url=scene.known.home)


def moves_to_silence(scene: Scene) -> None:
    scene.account.play("activity", system_url=scene.known.home)


def moves_nowhere(scene: Scene) -> None:
    scene.account.play("activity", system_url=scene.unknown.home)


def replays(scene: Scene) -> None:
    """The captured token with another address, which it does not cover."""
    scene.known.answer = told(technicalUrl=scene.known.home)
    assert scene.account.play("install", system_url=scene.known.home)[1].json()["success"] is False


def connects_a_stranger(scene: Scene) -> None:
    """A first connection, at an address that is none of the marketplace's."""
    scene.account.keys["api_key"] = secrets.token_urlsafe(18)
    for address in (scene.unknown.home, "https://crm.example", "https://simla.com.evil.example", "https://127.0.0.1"):
        assert scene.account.play("install", system_url=address)[1].json()["success"] is False


def redirects(status: int) -> Callable[[Scene], None]:
    """Every platform answers "over there"."""

    def play(scene: Scene) -> None:
        away = Reply(status, headers={"Location": f"{scene.known.home}/api/system-info"})
        scene.account.keys["api_key"] = secrets.token_urlsafe(18)
        for call in ("system_info", "credentials", "edit"):
            scene.account.behaviour = {call: away}
            scene.account.play("install")
        scene.account.behaviour = {}
        for call in ("POST connect", "PATCH webhooks"):
            scene.wazzup.behaviour = {call: away}
            browser = requests.Session()
            scene.wazzup.agree(browser, browser.get(scene.stage.url + scene.wazzup.install().path, timeout=10))
        scene.shop.behaviour = {"status": away}
        scene.shop.play("uninstall", time=scene.ahead())

    return play


def installs_elsewhere(scene: Scene) -> None:
    """A genuine activation that names an address which is not one of the platform's."""
    response = scene.shop.play("install", time=scene.ahead(), api_url=f"{scene.unknown.home}/api/v2")[1]
    assert response.status_code == 400


FLOWS: dict[str, Callable[[Scene], None]] = {
    "an-account-moves-to-somebody-else": moves,
    "an-account-moves-to-silence": moves_to_silence,
    "an-account-moves-nowhere": moves_nowhere,
    "a-token-with-another-address": replays,
    "a-first-connection-elsewhere": connects_a_stranger,
    "redirected-302": redirects(302),
    "redirected-307": redirects(307),
    "a-shop-elsewhere": installs_elsewhere,
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_no_secret_reaches_a_host_that_was_not_verified(scene: Scene, flow: Callable[[Scene], None]) -> None:
    before = scene.secrets()
    flow(scene)
    scene.use()
    heard = {"known": scene.known.said(), "unknown": scene.unknown.said()}
    assert hits({**before, **{f"new {name}": value for name, value in scene.secrets().items()}}, heard) == []
    assert not scene.unknown.heard, "an address that may not be called is not even connected to"


def test_an_address_taken_from_a_callback_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: applied directly, the new address gets the key at its next use."""
    monkeypatch.setattr("plugins.retailcrm.api.moved", lambda installation, url, settings, outbound: url)
    moves(scene)
    scene.use()
    assert hits({"account key": scene.account.keys["api_key"]}, {"canary": scene.known.said()})


# J1: what the host leaves behind


class Leavings:
    """A host under gunicorn with a canary in every field that holds a secret, and everything that it said."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stage = Stage(folder / "instance", stack)
        self.fixed = {name: f"kanari/{name}+{secrets.token_hex(6)}=&" for name in FIELDS}
        self.links: dict[str, str] = {}
        self.visits: dict[str, str] = {}
        self.pages: dict[str, bytes] = {}
        self.errors: dict[str, bytes] = {}
        self.seconds = 60
        self.prepare(folder)

    def prepare(self, folder: Path) -> None:
        """Write the canaries into the simulators' keys and the settings."""
        given, simulators = self.fixed, self.stage.simulators
        fields: dict[str, dict[str, str]] = {name: {} for name in NAMES}
        for name, value in given.items():
            connector, _, key = name.partition(".")
            if connector in fields:
                fields[connector][key] = value
        for name, keys in fields.items():
            simulators[name].keys = {**simulators[name].keys, **keys}
        simulators["upgates"].access = (given["upgates.api_user"], given["upgates.api_key"])
        plant_crashing(folder / "plugins")
        more = {
            "SECRET_KEY": given["SECRET_KEY"],
            "METRICS_TOKEN": given["METRICS_TOKEN"],
            "PLUGINS": str(folder / "plugins"),
        }
        self.stage.settings = self.stage.defaults() | more | {"SECRET_KEY_FALLBACKS": [given["SECRET_KEY_FALLBACKS"]]}
        (self.stage.folder / "config.toml").write_text(toml(self.stage.settings), "utf-8")
        self.fixed["MASTER_KEYS"] = self.stage.settings["MASTER_KEYS"][0]
        self.fixed["wazzup.developer_key"] = simulators["wazzup"].developer_key

    def ahead(self) -> str:
        self.seconds += 1
        moment = datetime.now(ZoneInfo("Europe/Prague")) + timedelta(seconds=self.seconds)
        return moment.isoformat(timespec="seconds")

    def keep(self, label: str, response: requests.Response) -> requests.Response:
        """Note what was said; of a refusal everything counts, of a page all that is not meant for its reader."""
        text = response.content + repr(dict(response.headers)).encode()
        refused = response.status_code >= 400 or b'"success": false' in text or b'"error": true' in text
        (self.errors if refused else self.pages)[f"{label} #{len(self.errors) + len(self.pages)}"] = text
        return response

    def play(self, name: str, action: str, **changes: str) -> requests.Response:
        timed = {"time": self.ahead()} if name == "upgates" else {}
        return self.keep(f"{name}/{action}", self.stage.simulators[name].play(action, **timed, **changes)[1])

    def send(self, name: str, outgoing: Outgoing) -> requests.Response:
        return self.keep(f"{name} {outgoing.path[:20]}", self.stage.simulators[name].send(outgoing))

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.keep(path, requests.request(method, self.stage.url + path, timeout=30, **more))

    def left_in_files(self) -> dict[str, bytes]:
        """The log and every database file, as they lie there while the host runs."""
        folder = self.stage.folder
        files = [file for file in sorted(folder.iterdir()) if file.name != "config.toml" and file.is_file()]
        return {file.name: file.read_bytes() for file in files}

    def everything(self) -> dict[str, str]:
        return {**self.fixed, **self.links, **self.visits}


FIELDS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "METRICS_TOKEN",
    "retailcrm.secret",
    "retailcrm.api_key",
    "wazzup.secret",
    "upgates.signature_token",
    "upgates.api_user",
    "upgates.api_key",
    "orlo.search_secret",
    "orlo.open_secret",
    "crash.body",
)
CRASHING = """
from app.sdk import Claims, Malformed, hookimpl

@hookimpl
def verify(request):
    if request.header("x-crash") == "verify":
        raise RuntimeError(request.body.decode())
    if request.header("x-crash") == "refused":
        raise Malformed("bad", "Something is wrong.", told=request.body.decode())
    return Claims(fields={"body": request.body.decode()})

@hookimpl
def webhook(verified, installation):
    raise ValueError(verified.fields["body"])
"""
MANIFEST = """
spec = 1
title = "Crash"
[actions.webhook]
methods = ["POST"]
unknown = true
"""


def plant_crashing(folder: Path) -> None:
    """A connector that says what it was sent whenever it can."""
    (folder / "crash").mkdir(parents=True)
    (folder / "crash" / "__init__.py").write_text(CRASHING, "utf-8")
    (folder / "crash" / "connector.toml").write_text(MANIFEST, "utf-8")


@pytest.fixture(scope="module")
def leavings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leavings]:
    """Every flow and every failure has happened; the host still runs."""
    with ExitStack() as stack:
        left = Leavings(tmp_path_factory.mktemp("leavings"), stack)
        stack.enter_context(serving_gunicorn(left.stage))
        connected(left)
        visited(left)
        refused(left)
        echoed(left)
        crashed(left)
        uninstalled(left)
        yield left


def connected(left: Leavings) -> None:
    """Every marketplace is connected and calls."""
    simulators = left.stage.simulators
    assert left.play("upgates", "install").status_code == 200
    assert left.play("retailcrm", "install").json()["success"] is True
    left.links["retailcrm client id"] = simulators["retailcrm"].client_id
    browser = requests.Session()
    page = browser.get(left.stage.url + simulators["wazzup"].install().path, timeout=30)
    left.visits["consent"] = page.text.partition('name="consent" value="')[2].partition('"')[0]
    left.visits["consent cookie"] = browser.cookies["consent"]
    left.keep("wazzup/install", simulators["wazzup"].agree(browser, page))
    left.links["wazzup path"] = simulators["wazzup"].connection.uri.rpartition("/")[2]
    left.links["wazzup crm key"] = simulators["wazzup"].connection.crm_key
    left.links["wazzup key"] = simulators["wazzup"].api_key
    left.links["orlo path"] = left.stage.connect_orlo()["key"]
    for action in ("message", "status", "create_contact", "create_deal", "channel", "test"):
        assert left.play("wazzup", action).status_code == 200
    for name, action in (("retailcrm", "activity"), ("upgates", "version"), ("retailcrm", "config")):
        assert left.play(name, action).status_code == 200


def visited(left: Leavings) -> None:
    """People open the pages and search."""
    own = {"X-Stallholder": "1", "Sec-Fetch-Site": "same-origin", "Origin": left.stage.url}
    for name in ("upgates", "retailcrm"):
        opened = left.stage.simulators[name].play("open", **({"time": left.ahead()} if name == "upgates" else {}))[1]
        url = opened.headers.get("Location") or opened.json()["url"]
        ticket = url.partition("#t=")[2]
        begun = requests.post(left.stage.url + "/account/session", json={"ticket": ticket}, headers=own, timeout=30)
        left.visits |= {f"{name} ticket": ticket, f"{name} bearer": begun.json()["bearer"]}
        left.visits[f"{name} cookie"] = begun.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
        visit = {"Authorization": f"Bearer {left.visits[f'{name} bearer']}"}
        for path in ("/account/overview", "/account/people?q=a", "/account/people/999"):
            left.ask("GET", path, headers=visit)
        left.ask("POST", "/account/session", json={"ticket": ticket}, headers=own)
        left.ask("GET", "/account/overview", headers={"Authorization": f"Bearer {ticket}"})
    for action in ("search", "open"):
        left.play("orlo", action)
    left.ask("GET", "/metrics", headers={"Authorization": f"Bearer {left.fixed['METRICS_TOKEN']}"})
    for path in ("/readyz", "/healthz", "/account/", "/nothing", "/metrics"):
        left.ask("GET", path)


def refused(left: Leavings) -> None:
    """Genuine content with a broken proof, in every way of being broken."""
    simulators = left.stage.simulators
    install = simulators["upgates"].install(time=left.ahead())
    for body in (
        install.body[:-20],
        install.body.replace(b'"token"', b'"token":"x","token"'),
        install.body + b" " * 300_000,
    ):
        left.send("upgates", replace(install, body=body))
    left.send("upgates", replace(install, body=install.body.replace(b"signature_v2", b"signature_v1")))
    left.send("upgates", replace(install, method="PUT"))
    left.send("upgates", replace(install, path="/upgates/install/" + left.fixed["upgates.api_key"].replace("/", "_")))
    left.play("upgates", "install", api_url="https://" + left.fixed["upgates.api_key"])
    left.play("retailcrm", "install", token=left.fixed["retailcrm.secret"])
    left.play("retailcrm", "install", system_url="https://crm.example/" + left.fixed["retailcrm.api_key"])
    left.play("retailcrm", "activity", active='"' + left.fixed["retailcrm.api_key"] + '"')
    left.play("retailcrm", "open", client_id=left.links["retailcrm client id"] + "x")
    message = simulators["wazzup"].message()
    wrong = {**message.headers, "Authorization": f"Bearer {left.links['wazzup crm key']}x"}
    left.send("wazzup", replace(message, headers=wrong))
    left.send("wazzup", replace(message, body=left.fixed["wazzup.secret"].encode()))
    for path in ("/wazzup/install", "/wazzup/install?state=" + quote(left.fixed["wazzup.secret"], safe="")):
        left.ask("GET", path)
    search = simulators["orlo"].search(q=left.fixed["orlo.search_secret"])
    for path in (search.path[:-1] + "g", search.path.partition("&sig=")[0], search.path.replace("/search/", "/open/")):
        left.send("orlo", replace(search, path=path))
    left.play("orlo", "search", expires="1577836800")


def echoed(left: Leavings) -> None:
    """The platforms answer with errors that repeat what they were sent."""
    account, wazzup = left.stage.simulators["retailcrm"], left.stage.simulators["wazzup"]
    repeated = " ".join(left.fixed.values()).encode()
    bodies = (json.dumps({"success": False, "errorMsg": repeated.decode()}).encode(), repeated, b"<h1>" + repeated)
    for status in (200, 400, 403, 500):
        for call in ("system_info", "credentials", "edit"):
            account.behaviour = {call: Reply(status, bodies[status % 3], headers={"X-Echo": "kanari"})}
            account.keys["api_key"] = left.fixed["retailcrm.api_key"] + "2"
            left.play("retailcrm", "install")
    account.behaviour, account.keys["api_key"] = {}, left.fixed["retailcrm.api_key"]
    for call in ("POST connect", "PATCH webhooks"):
        wazzup.behaviour = {call: Reply(500, bodies[0])}
        failing = left.stage.cli(
            "installations", "add", "wazzup", "--workspace", "new", "--set", f"state={wazzup.state()}", check=False
        )
        left.errors[f"cli {call}"] = (failing.stdout + failing.stderr).encode()
    wazzup.behaviour = {}


def crashed(left: Leavings) -> None:
    """A connector's code fails with the body in its hands."""
    for how in ("verify", "refused", "hook"):
        body = left.fixed["crash.body"].encode()
        left.ask("POST", "/crash/webhook", data=body, headers={"X-Crash": how, "Content-Type": "text/plain"})


def uninstalled(left: Leavings) -> None:
    """A shop leaves, and the worker destroys what it left here."""
    left.play("upgates", "uninstall")
    wait_until(lambda: "uninstalled" in {row["state"] for row in left.stage.installations()}, 30)


def test_the_flows_have_left_something_to_search(leavings: Leavings) -> None:
    """The control: an empty log would hold no secret either."""
    files = leavings.left_in_files()
    log = files["serve.log"]
    for word in (b"request.served", b"request.refused", b"hook.crashed", b"verify.crashed", b"probe.answered"):
        assert word in log
    assert {"stallholder.db", "stallholder.db-wal", "stallholder-mirror.db"} <= set(files)
    assert (len(leavings.errors) > 30, len(leavings.pages) > 15, len(leavings.everything()) > 20) == (True, True, True)


def test_no_secret_is_in_the_log_or_in_a_database_file(leavings: Leavings) -> None:
    assert hits(leavings.everything(), leavings.left_in_files()) == []


def test_no_refusal_carries_a_secret(leavings: Leavings) -> None:
    assert hits(leavings.everything(), leavings.errors) == []


def test_no_page_carries_anything_but_what_is_meant_for_its_reader(leavings: Leavings) -> None:
    assert hits({**leavings.fixed, **leavings.links}, leavings.pages) == []


def test_the_command_line_tells_no_secret(leavings: Leavings) -> None:
    rows = leavings.stage.installations()
    commands = [
        ["doctor"],
        ["installations", "list"],
        ["connectors", "list", "--json"],
        ["workspaces", "list", "--json"],
    ]
    commands += [["installations", "show", row["id"]] for row in rows]
    commands += [["connectors", "show", name] for name in NAMES]
    commands += [["workspaces", "show", rows[0]["workspace"], "--json"], ["installations", "show", "no-such-id"]]
    output = said_by(leavings.stage, commands)
    assert len(output) == len(commands)
    assert b'"serving"' in output["connectors list --json"]
    assert b"api_key (current)" in b"".join(output.values())
    assert hits(leavings.everything(), output) == []


MANY = """
import json, sys
from app.cli import main
for number, command in enumerate(json.loads(sys.argv[1])):
    print(f"<<{number}>>", flush=True)
    try:
        main.main(args=command)
    except SystemExit as ended:
        print("ended with", ended.code, flush=True)
"""


def said_by(stage: Stage, commands: list[list[str]]) -> dict[str, bytes]:
    """What each command says, errors too; one process runs them all."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(commands)],
        env=stage.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=120,
    )
    parts = done.stdout.split(b"<<")[1:]
    return {" ".join(command): part.partition(b">>")[2] for command, part in zip(commands, parts, strict=True)}


def test_a_planted_leak_in_what_is_left_is_found(leavings: Leavings, tmp_path: Path) -> None:
    """The control: the same search over a log, a page and a database file into which somebody wrote."""
    secret = leavings.fixed["retailcrm.api_key"]
    files = leavings.left_in_files()
    files["serve.log"] += b'{"event": "x", "header": "' + base64.b64encode(f"user:{secret}".encode()) + b'"}'
    assert hits(leavings.everything(), files) == ["retailcrm.api_key as base64 in serve.log"]
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.execute("PRAGMA journal_mode=WAL")
        copy.execute("CREATE TABLE facts (value TEXT)")
        copy.execute("INSERT INTO facts VALUES (?)", (json.dumps({"key": secret}),))
        copy.commit()
        wal = (tmp_path / "copy.db-wal").read_bytes()
    assert "retailcrm.api_key as raw in wal" in hits({"retailcrm.api_key": secret}, {"wal": wal})


def test_after_the_host_has_ended_its_files_hold_no_secret_either(tmp_path: Path) -> None:
    """A checkpoint moves the write-ahead log into the main file."""
    with ExitStack() as stack:
        left = Leavings(tmp_path, stack)
        with serving_gunicorn(left.stage, "--no-worker", "--workers", "1"):
            assert left.play("upgates", "install").status_code == 200
            assert left.play("retailcrm", "install").json()["success"] is True
        assert hits(left.fixed, left.left_in_files()) == []
