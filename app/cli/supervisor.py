"""Keep the host's programs running in the foreground, and end them together."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

PR_SET_PDEATHSIG = 1
GRACE = 30.0
PAUSE = 0.2
# A program that dies at once is not started again faster than this.
RESTART_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Program:
    """One program: arguments for this Python. When a vital one ends, everything ends."""

    name: str
    arguments: tuple[str, ...]
    vital: bool = False

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it ends when we are killed."""
        arguments = [sys.executable, *self.arguments]
        return subprocess.Popen(arguments, preexec_fn=die_with_parent)  # noqa: S603 - our own programs, no threads yet


def die_with_parent() -> None:
    """Ask the kernel to end the child with its parent, even when that is killed outright."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def supervise(programs: Sequence[Program]) -> int:
    """Run until SIGTERM, SIGINT or the end of a vital program; returns the exit status."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    running = {program: program.start() for program in programs}
    status = 0
    while not stopping:
        time.sleep(PAUSE)
        for program, process in list(running.items()):
            if process.poll() is None:
                continue
            if program.vital:
                status = process.returncode or 0
                stopping.append(0)
            else:
                time.sleep(RESTART_AFTER)
                running[program] = program.start()
    end(list(running.values()))
    return status


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End all gracefully; what has not ended in time is killed."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
