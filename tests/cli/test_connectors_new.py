"""``connectors new`` writes a package that serves before a line is changed, and overwrites nothing."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from stage import Stage, serving_here

import app
from app.cli import main
from app.cli.scaffold.package import ACTIONS, LANGUAGES, PROOFS, Wish, files_of
from app.core.pipeline import Request
from app.core.sources import GROUP
from app.sdk import Answer, Claims
from app.sdk.simulation import Outgoing

SETS = [actions for count in range(5) for actions in itertools.combinations(ACTIONS, count)]
ALL = ["--action=open", "--action=search", "--action=uninstall", "--action=webhook", "--language=en"]


def new(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["connectors", "new", *arguments])


def lay_out(folder: Path, *wishes: Wish) -> Path:
    """Packages as installed distributions: their files, and the entry points as pip writes them."""
    for wish in wishes:
        for name, content in files_of(wish).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        info = folder / f"{wish.package}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {wish.package}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{wish.name} = {wish.package}\n")
    return folder


def named(proof: str) -> str:
    return f"fair_{proof.replace('-', '_')}"


# What it writes serves


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A host with a connector of every proof, none of them changed by a letter."""
    folder = tmp_path_factory.mktemp("packages")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(lay_out(folder, *(Wish(named(proof), "Fair & Co", proof) for proof in PROOFS))))
        stage = Stage(tmp_path_factory.mktemp("host") / "instance", stack, more=[named(proof) for proof in PROOFS])
        yield stack.enter_context(serving_here(stage))
    for module in [name for name in sys.modules if name.startswith("stallholder_fair")]:
        del sys.modules[module]


def connect(stage: Stage, platform: Any) -> None:
    """Connect a shop as the platform does, or as the operator does where nothing is proven."""
    if platform.operator_fields() is None:
        assert platform.play("install")[1].json() == {"ok": True}
        return
    assert stage.app is not None
    host = stage.app.extensions["stallholder"]
    found = host.registry.find(platform.connector)
    with stage.app.app_context():
        work = Request(host, found, found.manifest.actions["install"], datetime.now(UTC))
        reply = work.act(Claims(fields=platform.operator_fields()))
    assert isinstance(reply, Answer)
    platform.connected(json.loads(reply.body))


@pytest.mark.parametrize("proof", PROOFS)
def test_what_it_writes_serves_unchanged(fair: Stage, proof: str) -> None:
    platform = fair.simulators[named(proof)]
    connect(fair, platform)
    assert platform.play("webhook")[1].json() == {"ok": True}
    assert [one["name"] for one in platform.play("search", q="nov")[1].json()["people"]] == ["Jana Nováková"]
    assert "/account/open/" in platform.play("open")[1].json()["url"]
    forged = platform.send(forgery(platform.request("search")))
    assert (forged.status_code in (403, 404), forged.json()["ok"]) == (True, False)
    assert platform.play("uninstall")[1].json() == {"ok": True}
    assert platform.play("search")[1].status_code == 404


def forgery(genuine: Outgoing) -> Outgoing:
    """The call with another query, or with another secret where nothing is signed."""
    other = replace(genuine, body=genuine.body.replace(b"novak", b"novas"), path=genuine.path.replace("novak", "novas"))
    headers = {name: value.replace("Bearer ", "Bearer x") for name, value in genuine.headers.items()}
    return replace(other, headers=headers, path=other.path.replace("fair_none/search/", "fair_none/search/x"))


# What it writes passes its own tests


RUNS = [
    *(pytest.param(proof, ACTIONS, id=f"{proof}-all") for proof in PROOFS),
    *(
        pytest.param(proof, actions, id=f"{proof}-{'-'.join(actions) or 'install'}", marks=pytest.mark.soak)
        for proof in PROOFS
        for actions in SETS[:-1]
    ),
]


def own_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a package, as its author would beside an installed host."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "app.kit.pytest_plugin",
        "--no-header",
    ]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}:{Path(app.__file__).parents[1]}"}
    return subprocess.run(
        [*command, str(folder)], cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
    )


@pytest.mark.parametrize(("proof", "actions"), RUNS)
def test_what_it_writes_passes_its_own_tests(tmp_path: Path, proof: str, actions: tuple[str, ...]) -> None:
    done = own_tests(lay_out(tmp_path, Wish("fair", "Fair & Co", proof, actions, ("en", "cs"))))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_its_own_tests_notice_a_verifier_that_believes_everything(tmp_path: Path) -> None:
    lay_out(tmp_path, Wish("fair", "Fair", "hmac-body", ("search",)))
    file = tmp_path / "stallholder_fair" / "proof.py"
    weak = file.read_text().replace(
        'check_hmac_hex(request.header("x-fair-signature"), request.body, settings["secret"])', 'b""'
    )
    assert weak != file.read_text()
    file.write_text(weak)
    done = own_tests(tmp_path)
    assert done.returncode == 1
    assert "tampered-search" in done.stdout


# What it writes is tidy, whatever is left out


@pytest.mark.parametrize("proof", PROOFS)
def test_what_it_writes_is_tidy_whatever_is_left_out(tmp_path: Path, proof: str) -> None:
    for number, actions in enumerate(SETS):
        lay_out(
            tmp_path / str(number), Wish(f"fair_{number}", 'The "Fair"', proof, actions, LANGUAGES[: number % 5 + 1])
        )
    assert ruff("check", tmp_path) == ruff("format", tmp_path, "--check") == ""


def test_untidiness_is_noticed(tmp_path: Path) -> None:
    lay_out(tmp_path, Wish("fair", "Fair", "bearer"))
    with (tmp_path / "stallholder_fair" / "proof.py").open("a") as file:
        file.write("import os\n")
    assert "F401" in ruff("check", tmp_path)


def ruff(command: str, folder: Path, *options: str) -> str:
    """What ruff finds; empty when it is content."""
    program = str(Path(sysconfig.get_path("scripts")) / "ruff")
    done = subprocess.run(
        [program, command, "--no-cache", *options, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    return "" if done.returncode == 0 else done.stdout


@pytest.mark.parametrize("proof", PROOFS)
def test_nothing_of_the_template_is_left_in_it(proof: str) -> None:
    files = files_of(Wish("fair", "Fair", proof))
    text = b"\n".join(content for name, content in files.items() if not name.endswith((".po", ".mo"))).decode()
    assert not [
        word for word in ("bazaar", "template for a", '"example"', "README.md,", "enabled =") if word in text.lower()
    ]


# The command


def test_it_is_written_once_and_never_over_anything(tmp_path: Path) -> None:
    into = tmp_path / "mine"
    assert new("fair", "--proof=bearer", *ALL, f"--into={into}").exit_code == 0
    assert 'fair = "stallholder_fair"' in (into / "pyproject.toml").read_text()
    (into / "README.md").write_text("mine")
    again = new("fair", "--proof=none", *ALL, f"--into={into}")
    assert again.exit_code == 1
    assert "nothing was written" in again.output
    assert (into / "README.md").read_text() == "mine"


def test_a_title_may_hold_the_templates_own_word(tmp_path: Path) -> None:
    assert new("fair", "--proof=hmac-body", "--title=My Bazaar", f"--into={tmp_path / 'a'}").exit_code == 0
    written = [file.read_text() for file in (tmp_path / "a").rglob("*.py")]
    written += [file.read_text() for file in (tmp_path / "a").rglob("*.toml")]
    assert not [text for text in written if "My My" in text]
    assert any('title = "My Bazaar"' in text for text in written)
    assert any("X-My-Bazaar-" in text for text in written)


def test_what_is_not_said_is_not_guessed_where_it_matters(tmp_path: Path) -> None:
    """A script that does not name the proof is told; the rest has defaults."""
    assert "say --proof: hmac-body" in new("fair", f"--into={tmp_path / 'a'}").output
    assert new("fair", "--proof=hmac-query", f"--into={tmp_path / 'b'}").exit_code == 0
    assert 'title = "Fair"' in (tmp_path / "b" / "stallholder_fair" / "connector.toml").read_text()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Fair", "small letters"),
        ("class", "small letters"),
        ("account", "a path of the host's own"),
        ("example", "there is a connector 'example' already"),
    ],
)
def test_a_name_that_no_host_would_load_is_refused(tmp_path: Path, name: str, told: str) -> None:
    refused = new(name, "--proof=bearer", f"--into={tmp_path / 'x'}")
    assert refused.exit_code == 1
    assert told in refused.output
    assert not (tmp_path / "x").exists()
