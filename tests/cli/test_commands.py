"""The command line, as a person and as a script use it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stage import Stage

import app
from app.core.database import writing
from app.people.sync_state import SyncRow


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"STALLHOLDER_INSTANCE": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_init_makes_private_keys_once(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    assert run(folder, "init").returncode == 0
    file = folder / "config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    refused = run(folder, "init")
    assert refused.returncode == 1
    assert "not replaced" in refused.stderr
    assert run(folder, "init", "--if-missing").returncode == 0
    assert file.read_text() == before


def test_what_is_written_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    run(folder, "init")
    run(folder, "migrate")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert "stallholder-mirror.db" in modes
    assert set(modes.values()) == {0o600}


def test_init_makes_no_new_keys_for_an_old_database(tmp_path: Path) -> None:
    (tmp_path / "stallholder.db").touch()
    refused = run(tmp_path, "init")
    assert refused.returncode == 1
    assert "put its keys back" in refused.stderr


def test_an_instance_without_keys_is_told_what_to_write(tmp_path: Path) -> None:
    refused = run(tmp_path, "migrate")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: SECRET_KEY: missing.")
    assert len(refused.stderr.splitlines()) == 1


def test_doctor_finds_what_is_wrong_and_how_to_mend_it(stage: Stage) -> None:
    found = stage.cli("doctor", "--json", check=False)
    assert found.returncode == 1
    wrong = {row["checked"]: row["mend"] for row in json.loads(found.stdout) if row["state"] == "wrong"}
    assert wrong == {
        "config.toml": f"chmod 600 {stage.folder / 'config.toml'}",
        "worker": "run `stallholder serve` or `stallholder worker`",
    }


def test_doctor_names_databases_that_are_behind(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    run(folder, "init")
    assert "run `stallholder migrate`" in run(folder, "doctor").stdout
    assert run(folder, "migrate").returncode == 0
    assert "run `stallholder migrate`" not in run(folder, "doctor").stdout


def test_connectors_are_listed_and_their_cabinets_filled_in(stage: Stage) -> None:
    listed = json.loads(stage.cli("connectors", "list", "--json").stdout)
    assert {row["name"]: row["state"] for row in listed} == {
        **dict.fromkeys(("orlo", "retailcrm", "shoptet", "upgates", "wazzup"), "serving"),
        "bigcommerce": "not configured",
        "example": "not configured",
    }
    sheet = json.loads(stage.cli("connectors", "show", "upgates", "--json").stdout)
    assert sheet["paste"]["Installation endpoint"] == f"{stage.url}/upgates/install"
    shown = stage.cli("connectors", "show", "retailcrm").stdout
    assert f"{stage.url}/retailcrm/config" in shown
    assert stage.simulators["retailcrm"].keys["secret"] not in shown


def test_installations_are_shown_without_secrets_and_removed_wholly(stage: Stage) -> None:
    upgates = stage.simulators["upgates"]
    upgates.play("install")
    [row] = stage.installations()
    shown = json.loads(stage.cli("installations", "show", row["id"], "--json").stdout)
    assert shown["credentials"] == ["api_key (current)", "api_user (current)"]
    assert upgates.keys["api_key"] not in json.dumps(shown)
    stage.cli("installations", "remove", row["id"])
    assert stage.installations() == []
    _, again = upgates.play("install")
    assert again.json() == {"error": False}
    assert len(stage.installations()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("installations", "show", "nobody"), "there is no installation 'nobody'"),
        (("installations", "add", "upgates", "--workspace", "new"), "Upgates installs itself"),
        (("installations", "add", "nobody", "--workspace", "new"), "is not serving"),
        (("installations", "add", "orlo", "--workspace", "nowhere"), "there is no workspace 'nowhere'"),
        (("installations", "add", "orlo", "--workspace", "new", "--set", "colour=red"), "known are search_secret"),
        (("workspaces", "merge", "nowhere", "elsewhere"), "there is no workspace"),
        (("people", "search", "x", "--workspace", "nowhere"), "there is no workspace"),
        (("connectors", "show", "nobody"), "there is no connector 'nobody'"),
        (("installations", "sync", "nobody", "--wait"), "there is no installation 'nobody'"),
        (("simulate", "upgates", "open"), "simulate plays the marketplaces of demo mode"),
    ],
)
def test_mistakes_are_told_in_one_line(stage: Stage, arguments: tuple[str, ...], told: str) -> None:
    refused = stage.cli(*arguments, check=False)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_secrets_that_orlo_was_not_given_are_made_and_told_once(stage: Stage) -> None:
    added = json.loads(stage.cli("installations", "add", "orlo", "--workspace", "new").stdout)
    assert len(added["search_secret"]) >= 32
    assert added["search_secret"] != added["open_secret"]


def test_a_bad_import_stores_nothing_and_names_the_lines(stage: Stage) -> None:
    workspace = stage.connect_orlo()["workspace"]
    file = stage.folder / "people.jsonl"
    file.write_text('{"external_id": "1", "name": "Jana"}\n{"external_id": "2"}\nno json\n', "utf-8")
    refused = stage.cli("people", "import", str(file), "--workspace", workspace, check=False)
    assert refused.returncode == 1
    assert "line 2" in refused.stderr
    assert "line 3" in refused.stderr
    assert json.loads(stage.cli("people", "search", "jana", "--workspace", workspace, "--json").stdout) == []
    file.write_text('{"external_id": "1", "name": "Jana"}\n', "utf-8")
    assert "1 new" in stage.cli("people", "import", str(file), "--workspace", workspace).stdout
    assert "Jana" in stage.cli("people", "search", "jana", "--workspace", workspace).stdout
    shown = json.loads(stage.cli("workspaces", "show", workspace, "--json").stdout)
    assert (shown["people"], len(shown["installations"])) == (1, 1)


def test_wazzups_own_commands_reach_wazzup(stage: Stage) -> None:
    wazzup = stage.simulators["wazzup"]
    assert stage.cli("wazzup", "register").returncode == 0
    logo = Path(app.__file__).with_name("static") / "stall.svg"
    assert stage.cli("wazzup", "brand", "--logo", str(logo)).returncode == 0
    assert f"{stage.url}/wazzup/install?state=" in stage.cli("wazzup", "simulate").stdout
    assert [f"{call.method} {call.path}" for call in wazzup.calls] == [
        "POST /v3/marketplace",
        "PATCH /v3/marketplace",
        "POST /v3/wauth",
    ]


def test_a_workspace_is_exported_and_erased(stage: Stage) -> None:
    orlo = stage.connect_orlo()
    file = stage.folder / "people.jsonl"
    file.write_text('{"external_id": "1", "name": "Jana", "orders": [{"number": "7", "total": "1.00"}]}\n', "utf-8")
    stage.cli("people", "import", str(file), "--workspace", orlo["workspace"])
    [line] = stage.cli("workspaces", "export", orlo["workspace"]).stdout.splitlines()
    assert json.loads(line) == {
        "external_id": "import:1",
        "source": "import",
        "name": "Jana",
        "orders": [{"number": "7", "total": "1.00"}],
    }
    assert stage.cli("workspaces", "erase", orlo["workspace"], check=False).returncode == 1, "it asks first"
    stage.cli("workspaces", "erase", orlo["workspace"], "--yes")
    assert stage.installations() == []
    assert stage.cli("workspaces", "show", orlo["workspace"], check=False).returncode == 1
    _, found = stage.simulators["orlo"].play("search", q="jana")
    assert found.status_code == 404


def stop(stage: Stage, id: str, *kinds: str) -> None:
    """These kinds of an installation's work have stopped."""
    assert stage.app is not None
    with stage.app.app_context(), writing() as session:
        for kind in kinds:
            values = {"state": "stopped", "reason": f"of {kind}", "ticket": "t", "since": datetime.now(UTC)}
            session.merge(SyncRow(installation_id=id, kind=kind, connector="wazzup", **values))


def test_a_push_that_stopped_is_told_and_goes_on_when_it_is_asked_for(stage: Stage) -> None:
    orlo, state = stage.connect_orlo(), stage.simulators["wazzup"].state()
    added = ("installations", "add", "wazzup", "--workspace", orlo["workspace"], "--set", f"state={state}")
    id = json.loads(stage.cli(*added).stdout)["id"]
    stop(stage, id, "push")
    push = json.loads(stage.cli("installations", "show", id, "--json").stdout)["push"]
    assert (push["state"], push["text"], push["people"], push["last"]) == (
        "stopped",
        "stopped because of push",
        0,
        None,
    )
    assert "stopped because of push; 0 people handed on" in stage.cli("installations", "show", id).stdout
    assert json.loads(stage.cli("installations", "sync", id, "--json").stdout)["state"] == "waiting"


def test_whatever_else_stopped_is_told_with_its_reason(stage: Stage) -> None:
    stage.simulators["upgates"].play("install")
    [row] = stage.installations()
    assert "troubles" not in json.loads(stage.cli("installations", "show", row["id"], "--json").stdout)
    kinds = ("reread", "subscribe", "forget")
    stop(stage, row["id"], *kinds)
    shown = json.loads(stage.cli("installations", "show", row["id"], "--json").stdout)
    assert shown["troubles"] == [f"{kind}: stopped because of {kind}" for kind in kinds]


def test_what_brings_nobody_is_not_waited_for(stage: Stage) -> None:
    orlo = stage.connect_orlo()
    refused = stage.cli("installations", "sync", orlo["id"], "--wait", check=False)
    assert refused.returncode == 1
    assert "nothing is synchronised here" in refused.stderr
    assert "sync" not in json.loads(stage.cli("installations", "show", orlo["id"], "--json").stdout)
