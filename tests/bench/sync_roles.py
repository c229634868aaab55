"""The other processes of the sync's bench: ``shop`` plays an Upgates shop, ``worker`` works without its limit.

With the limit on, both sides of the comparison would measure nothing but the limit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from app import create_app  # noqa: E402 - the paths come first
from app.core.loading import load  # noqa: E402
from app.core.services import services  # noqa: E402
from app.core.sources import discover  # noqa: E402
from app.jobs.worker import work  # noqa: E402
from app.sdk.manifest import Limits  # noqa: E402
from app.sdk.simulation import Call, Reply, serving  # noqa: E402


def shop(told: dict[str, Any]) -> None:
    """Serve a shop on ``port`` until the input ends; a line of input is its new size and how long an answer takes."""
    simulator = load(discover()).simulator("upgates")(told["host"], told["keys"])
    os.nice(5)  # it stands for a machine elsewhere, whose work is not the host's
    pause = [0.0]

    def answer(call: Call) -> Reply:
        time.sleep(pause[0])
        reply: Reply = simulator.received(call)
        simulator.calls.clear()
        return reply

    with serving(answer, told["port"]) as simulator.home:
        for line in sys.stdin:
            simulator.size, pause[0] = json.loads(line)
            sys.stdout.write("ready\n")
            sys.stdout.flush()


def worker(told: dict[str, Any]) -> None:
    """``stallholder worker``, with limits that never hold it back; ends with the input."""
    threading.Thread(target=lambda: (sys.stdin.read(), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
    with create_app(Path(told["instance"])).app_context():
        for connector in services().registry:
            if connector.manifest:
                connector.manifest = replace(connector.manifest, limits=Limits(1_000_000, 1.0, 3, 100))
        work()


if __name__ == "__main__":
    {"shop": shop, "worker": worker}[sys.argv[1]](json.loads(sys.stdin.readline()))
