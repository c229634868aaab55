"""The shape of the project: who imports whom, who names what, how long things are; each check notices a break."""

from __future__ import annotations

import ast
import importlib
import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from inspect import getdoc, getmembers, isfunction
from pathlib import Path
from types import ModuleType

import pytest

import app.sdk
from app.core.loading import load
from app.core.sources import discover
from app.sdk import hookspecs
from app.sdk.testing.imports import foreign

ROOT = Path(__file__).resolve().parents[1]
APP, PLUGINS = ROOT / "app", ROOT / "plugins"
CONNECTORS = sorted(folder for folder in PLUGINS.iterdir() if (folder / "connector.toml").is_file())
LONGEST_FILE, LONGEST_FUNCTION = 300, 40
# What every connector is made of, and what filling the directory takes beyond it.
TALKING, FILLING = 300, 380
TALKS = {"__init__.py", "proof.py", "schemas.py", "api.py"}


# Import contracts


def lint_imports(folder: Path) -> str:
    """What import-linter says of the project in ``folder``."""
    command = [str(Path(sysconfig.get_path("scripts")) / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def broken(report: str) -> list[str]:
    """The contracts that a report calls broken."""
    plain = re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", report))
    contracts = re.findall(r'name = "([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    return [name for name in contracts if f"{name} BROKEN" in plain]


def test_every_import_contract_is_kept() -> None:
    report = lint_imports(ROOT)
    assert "7 kept, 0 broken" in report, report


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's code at another place, to be broken on purpose."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("app", "plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


BREAKS = [
    pytest.param("The picture", {"app/core/seal.py": "import app.people.mirror"}, id="the-core-looks-up"),
    pytest.param("The picture", {"app/stray.py": ""}, id="a-module-outside-the-picture"),
    pytest.param("Inside the core", {"app/core/database.py": "import app.core.pipeline"}, id="upside-down-in-the-core"),
    pytest.param("Inside the core", {"app/core/stray.py": ""}, id="a-module-of-the-core-without-a-place"),
    pytest.param(
        "Connectors stand on", {"plugins/orlo/proof.py": "import app.core.seal"}, id="a-connector-in-the-core"
    ),
    pytest.param("Connectors stand on", {"plugins/orlo/proof.py": "import flask"}, id="a-connector-with-flask"),
    pytest.param("The app knows no", {"app/people/text.py": "import plugins.orlo"}, id="the-app-names-a-connector"),
    pytest.param("Connectors do not", {"plugins/orlo/proof.py": "import plugins.upgates.api"}, id="between-connectors"),
    pytest.param("The sdk does no", {"app/sdk/values.py": "import sqlalchemy"}, id="a-database-in-the-sdk"),
    pytest.param(
        "No cycles",
        {"app/pages/formats.py": "import app.pages.views", "app/pages/views.py": "import app.pages.formats"},
        id="a-cycle",
    ),
]


@pytest.mark.parametrize(("contract", "planted"), BREAKS)
def test_a_broken_contract_is_noticed(copy: Path, contract: str, planted: dict[str, str]) -> None:
    before = {name: (copy / name).read_text("utf-8") if (copy / name).exists() else None for name in planted}
    try:
        for name, line in planted.items():
            (copy / name).write_text(f"{before[name] or ''}\n{line}\n", "utf-8")
        report = lint_imports(copy)
    finally:
        for name, text in before.items():
            (copy / name).unlink() if text is None else (copy / name).write_text(text, "utf-8")
    assert any(name.startswith(contract) for name in broken(report)), report


# The app knows no platform


def platform_names() -> set[str]:
    """What the shipped platforms are called, by folder and by title, and their second brands; the template is none."""
    found = [one.manifest for one in load(discover()) if one.manifest and one.manifest.enabled]
    return {name for one in found for name in (one.name, one.title.lower())} | {"simla", "wauth", "socialsignin"}


def naming(folder: Path, names: set[str]) -> list[str]:
    """The files below ``folder`` that name a platform, declined too, in their text or in their own name."""
    pattern = re.compile(rf"(?<![a-z])({'|'.join(sorted(names))})", re.IGNORECASE)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    texts = {file: f"{file.name}\n{file.read_bytes().decode('latin-1')}" for file in files}
    return [
        f"{file.relative_to(folder)}: {found[0]}" for file, text in texts.items() if (found := pattern.search(text))
    ]


def test_nothing_in_the_app_names_a_platform() -> None:
    assert naming(APP, platform_names()) == []


@pytest.mark.parametrize("name", ["cs.po", "cs.mo", "page.html", "style.css", "deep/er/module.py", "orlo.svg"])
def test_a_platform_named_in_the_app_is_noticed(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    said = {".svg": "", ".po": 'msgid "Welcome"\nmsgstr "Vítejte ve Wazzupu"\n', ".mo": "\0Vítejte ve Wazzupu\0"}
    file.write_text(said.get(file.suffix, 'if connector == "Wazzup":'), "utf-8")
    assert naming(tmp_path, platform_names())


# One door to `Verified`


def makers(folder: Path) -> set[str]:
    """The files in which a `Verified` is made."""
    return {
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Verified"
    }


def test_only_the_pipeline_makes_verified() -> None:
    assert makers(APP) == {"core/pipeline.py"}
    assert makers(PLUGINS) == set()


def test_a_second_maker_of_verified_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "door.py").write_text("from app import sdk\n\n\ndef forge():\n    return sdk.Verified('a', 'b', 0)\n")
    assert makers(tmp_path) == {"door.py"}


# Hooks


def hooks() -> dict[str, str]:
    """Every hook and its docstring."""
    functions = getmembers(hookspecs, isfunction)
    return {name: getdoc(one) or "" for name, one in functions if hasattr(one, f"{hookspecs.PROJECT}_spec")}


def test_every_hook_says_what_it_is() -> None:
    assert len(hooks()) >= 9
    assert [name for name, doc in hooks().items() if len(doc) < 30] == []


def test_every_hook_is_needed_by_a_shipped_connector() -> None:
    registry = load(discover())
    assert [found.name for found in registry if found.fault] == []
    assert [name for name in hooks() if not any(found.implements(name) for found in registry)] == []


# The front door


def unlisted(module: ModuleType) -> set[str]:
    """Public names that the module gathers but does not list, and the other way round."""
    tree = ast.parse(Path(module.__file__ or "").read_bytes())
    gathered = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return gathered ^ set(module.__all__)


def test_the_front_door_is_sorted_and_complete() -> None:
    assert list(app.sdk.__all__) == sorted(app.sdk.__all__)
    assert len(set(app.sdk.__all__)) == len(app.sdk.__all__)
    assert unlisted(app.sdk) == set()
    assert all(hasattr(app.sdk, name) for name in app.sdk.__all__)


def test_a_name_missing_at_the_front_door_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.sdk, "__all__", [name for name in app.sdk.__all__ if name != "Refused"])
    assert unlisted(app.sdk) == {"Refused"}


# Sizes


def sources() -> Iterator[Path]:
    """The files whose length counts: a simulator plays a whole platform and may be longer."""
    yield from (file for file in sorted(APP.rglob("*.py")) if "__pycache__" not in file.parts)
    yield from (file for file in sorted(PLUGINS.rglob("*.py")) if file.name != "simulator.py")


def long_files(files: Iterator[Path]) -> list[str]:
    lengths = {file: len(file.read_text("utf-8").splitlines()) for file in files}
    return [f"{file.name}: {length} lines" for file, length in lengths.items() if length > LONGEST_FILE]


def long_functions(files: Iterator[Path]) -> list[str]:
    """Functions longer than a screen; a migration is a list, not a function."""
    return [
        f"{file.name}: {node.name} has {length} lines"
        for file in files
        if "migrations" not in file.parts
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def lines_of_code(source: str) -> int:
    """Lines that are neither blank, nor comment, nor docstring."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    documented = {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = (range(token.start[0], token.end[0] + 1) for token in tokens if token.type not in skipped)
    return len({number for span in spans for number in span} - documented)


def size_of(folder: Path) -> int:
    return sum(lines_of_code(file.read_text("utf-8")) for file in folder.glob("*.py") if file.name != "simulator.py")


def test_every_file_is_short() -> None:
    assert long_files(sources()) == []


def test_every_function_fits_a_screen() -> None:
    assert long_functions(sources()) == []


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda folder: folder.name)
def test_a_connector_is_small(folder: Path) -> None:
    own = [file for file in folder.glob("*.py") if file.name != "simulator.py"]
    talking = sum(lines_of_code(file.read_text("utf-8")) for file in own if file.name in TALKS)
    assert talking <= TALKING
    assert size_of(folder) - talking <= FILLING


def test_growth_is_noticed(tmp_path: Path) -> None:
    body = "".join(f"    x = {number}\n" for number in range(LONGEST_FILE))
    (tmp_path / "grown.py").write_text(f'"""Doc."""\n\n# why\ndef grown():\n{body}')
    assert long_files(iter([tmp_path / "grown.py"]))
    assert long_functions(iter([tmp_path / "grown.py"]))
    assert size_of(tmp_path) == LONGEST_FILE + 1


# What a connector may import


FILES = [file for folder in CONNECTORS for file in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_connector_imports_what_is_allowed(file: Path) -> None:
    assert foreign(file.read_text("utf-8"), simulator=file.name == "simulator.py") == []


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from os import system",
        "import importlib.util",
        "import subprocess",
        "import socket",
        "from urllib.request import urlopen",
        "import urllib",
        "import http.client",
        "import requests",
        "import flask",
        "import sqlalchemy.orm",
        "from app.core import seal",
        "import app.sdk.proofs",
        "from app.sdk.proofs import hmac_hex",
        "from app.sdk import proofs",
        "from app.sdk.simulation import Simulator",
        "from plugins.orlo import proof",
        "from .. import upgates",
        "def f():\n    import pickle",
        "eval('1')",
        "run = exec",
        "__import__('os')",
    ],
)
def test_a_forbidden_import_is_noticed(line: str) -> None:
    assert foreign(line)


@pytest.mark.parametrize("line", ["from app.sdk.proofs import hmac_hex", "import os", "from app.core import seal"])
def test_a_simulator_is_in_a_box_too(line: str) -> None:
    assert foreign(line, simulator=True)


# The rule of the house: nothing happens at import


def test_importing_the_app_and_the_connectors_reads_no_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An instance that could not start is no obstacle to an import."""
    monkeypatch.setenv("STALLHOLDER_INSTANCE", str(tmp_path))
    monkeypatch.setenv("STALLHOLDER_MASTER_KEYS", "no key")
    code = "import app, app.cli, app.core.pipeline, plugins.upgates, plugins.orlo; print('imported')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "imported"
    assert list(tmp_path.iterdir()) == []


def test_every_module_says_what_it_is_for() -> None:
    documented = [file for file in sources() if file.name != "__init__.py" or file.read_bytes().strip()]
    assert [str(file) for file in documented if not ast.get_docstring(ast.parse(file.read_bytes()))] == []
    assert importlib.import_module("app").__doc__
