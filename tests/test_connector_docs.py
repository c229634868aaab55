"""The pages for authors of connectors: the reference is the code's, and the tutorial leads where it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.scaffold import editing, manifest, source
from app.core.sources import GROUP

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "connectors"
BLOCK = re.compile(r"^```(sh|python|toml)\n(.*?)^```$", re.S | re.M)


def test_the_reference_is_the_codes() -> None:
    """After a change of the sdk: ``make docs``."""
    command = [
        sys.executable,
        "-c",
        "import runpy; print(runpy.run_path('docs/connectors/reference.py')['page'](), end='')",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (PAGES / "reference.md").read_text("utf-8"), "run `make docs`"


def steps() -> Iterator[tuple[str, str]]:
    """What the tutorial tells to do: a command, or a file with what is laid over it."""
    for kind, text in BLOCK.findall((PAGES / "tutorial.md").read_text("utf-8")):
        if kind == "sh":
            yield from (("", line) for line in text.splitlines())
        else:
            first, _, rest = text.partition("\n")
            yield first.removeprefix("# "), rest


class Reader:
    """Somebody who follows the tutorial in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.start = self.folder = folder
        self.ran: list[str] = []

    def follow(self, skip: str = "") -> None:
        """Every step but those for one file; an AssertionError where a command ends otherwise than the page says."""
        for file, text in steps():
            if not file:
                self.run(text)
            elif file != skip:
                self.lay(self.folder / file, text)

    def lay(self, file: Path, snippet: str) -> None:
        """Put a snippet in the place of what has its names."""
        text = file.read_text("utf-8")
        if file.suffix == ".toml":
            tables = manifest.lay_over(manifest.tables_of(text), manifest.tables_of(snippet))
            text = tables[0].text + "".join(f"\n\n{table.text}" for table in tables[1:]) + "\n"
        else:
            laid = editing.lay_over(source.read(text), source.read(f'"""Snippet."""\n\n{snippet}'))
            text = source.write(editing.without_idle(laid, {part.name for part in laid.parts}))
        file.write_text(text, "utf-8")

    def run(self, line: str) -> None:
        """A command line; one that ends with ``# fails`` must."""
        words = shlex.split(line, comments=True)
        self.ran.append(words[0])
        if words[0] == "cd":
            self.folder = self.folder / words[1]
            self.install()
            return
        programs = {
            "stallholder": ["app.cli"],
            "pytest": ["pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "app.kit.pytest_plugin"],
        }
        done = subprocess.run(
            [sys.executable, "-m", *programs[words[0]], *words[1:]],
            cwd=self.folder,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": f"{self.folder}:{ROOT}",
                "STALLHOLDER_INSTANCE": str(self.start / "instance"),
                "STALLHOLDER_SECRET_KEY": "a-signing-key-for-this-test-only",
                "STALLHOLDER_MASTER_KEYS": '["' + "A" * 43 + '="]',
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=250,
        )
        assert (done.returncode != 0) is line.endswith("# fails"), f"{line}\n{done.stdout[-2500:]}{done.stderr[-500:]}"

    def install(self) -> None:
        """What ``pip install --editable`` leaves behind, without asking a package index."""
        info = self.folder / "stallholder_petal-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stallholder-petal\nVersion: 0.1.0\n")
        entries = re.search(rf'"{GROUP}"\]\n(.*?)\n\n', (self.folder / "pyproject.toml").read_text(), re.S)
        assert entries is not None
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries[1]}\n".replace('"', ""))


def test_the_tutorial_leads_to_gold(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.follow()
    assert reader.ran == ["stallholder", "cd", "pytest", "pytest", "pytest", "stallholder"]
    assert 'level = "gold"' in (tmp_path / "petal" / "stallholder_petal" / "connector.toml").read_text()


@pytest.mark.parametrize("forgotten", ["stallholder_petal/schemas.py", "stallholder_petal/connector.toml"])
def test_a_forgotten_step_is_noticed(tmp_path: Path, forgotten: str) -> None:
    with pytest.raises(AssertionError, match=r"^pytest"):
        Reader(tmp_path).follow(skip=forgotten)
