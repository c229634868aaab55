"""What many connectors cost, in seconds of work: start-up, and a signed request, with 100 loaded against 4."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "stage")]

from stage import Stage, toml  # noqa: E402 - the paths come first

from app import create_app  # noqa: E402 - as above
from app.cli.scaffold.package import LANGUAGES, Wish, files_of  # noqa: E402 - as above

MORE = 96
QUICK = os.environ.get("QUICK") == "1"
ROUNDS = 9 if QUICK else 25
STARTS = 5 if QUICK else 9
REQUESTS = 60 if QUICK else 200
START = "import sys, app; sys.stderr = open('/dev/null', 'w'); app.create_app()"


def plant(folder: Path) -> list[str]:
    """Connectors as the scaffold writes them, in all languages; returns their names."""
    names = [f"fair_{number}" for number in range(MORE)]
    for name in names:
        wish = Wish(name, name.title(), "hmac-body", languages=LANGUAGES)
        for path, content in files_of(wish).items():
            if path.startswith(wish.package):
                file = folder / name / Path(path).relative_to(wish.package)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
    return names


def prepared(folder: Path, stack: ExitStack, plugins: str, names: list[str]) -> Stage:
    """A host with the shipped connectors, and with these besides."""
    stage = Stage(folder, stack, PLUGINS=plugins)
    stage.settings["CONNECTORS"] |= {name: {"secret": "a-secret-of-this-bench-alone"} for name in names}
    (folder / "config.toml").write_text(toml(stage.settings), "utf-8")
    stage.make_app()
    return stage


def started(stage: Stage) -> float:
    """Seconds of work until a process of its own has made the app."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", START], env=stage.environment(), cwd=ROOT, check=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def asked(stage: Stage, stack: ExitStack) -> Callable[[], float]:
    """Seconds of work for a round of signed searches in a process of its own, which keeps nothing of the other host."""
    stage.connect_orlo()
    command = [sys.executable, __file__, "answer", stage.simulators["orlo"].search(q="nov").path]
    child = stack.enter_context(
        subprocess.Popen(command, env=stage.environment(), cwd=ROOT, text=True, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    )
    assert child.stdin is not None
    assert child.stdout is not None
    stack.callback(child.stdin.close)
    asking, told = child.stdin, child.stdout

    def round_of() -> float:
        print("go", file=asking, flush=True)
        return float(told.readline())

    return round_of


def answer(path: str) -> None:
    """The child: a round of requests for every line that comes, and how long it worked."""
    client = create_app().test_client()
    for _ in sys.stdin:
        began = time.process_time()
        for _ in range(REQUESTS):
            assert client.get(path).status_code == 200
        print(time.process_time() - began, flush=True)  # noqa: T201 - what the parent reads


def compare(
    name: str, few: Callable[[], float], many: Callable[[], float], rounds: int, scale: float
) -> dict[str, Any]:
    """Alternate both; the median ratio, and each side's median milliseconds."""
    few(), many()
    pairs = [(few(), many()) for _ in range(rounds)]
    return {
        "figure": name,
        "ratio": round(statistics.median(after / before for before, after in pairs), 3),
        "many_ms": round(statistics.median(after for _, after in pairs) * scale, 2),
        "few_ms": round(statistics.median(before for before, _ in pairs) * scale, 2),
        "rounds": rounds,
    }


def measure() -> list[dict[str, Any]]:
    """Both figures; ``few`` is the host with the shipped connectors alone."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        names = plant(Path(folder) / "plugins")
        few = prepared(Path(folder) / "few", stack, "", [])
        many = prepared(Path(folder) / "many", stack, str(Path(folder) / "plugins"), names)
        return [
            compare("start-up with 100 connectors", lambda: started(few), lambda: started(many), STARTS, 1000),
            compare(
                "a signed search with 100 connectors", asked(few, stack), asked(many, stack), ROUNDS, 1000 / REQUESTS
            ),
        ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["answer"]:
        answer(sys.argv[2])
    else:
        print(json.dumps(measure(), indent=1))  # noqa: T201 - the figures are what this prints
