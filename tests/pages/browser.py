"""A real Chromium, spoken to over a pipe: it opens a page, runs a script in it, and tells what it refused."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


def find_chromium() -> str:
    """The path of a Chromium on this machine; empty when there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


class Browser:
    """One Chromium with one page; ``complaints`` is what it wrote to its console, refusals of the policy among it."""

    def __init__(self, profile: Path, *flags: str) -> None:
        (read_end, self._input), (self._output, write_end) = os.pipe(), os.pipe()
        # A shell puts the pipe's ends at 3 and 4, where Chromium looks for them.
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", *flags, "about:blank"]
        joined = ["/bin/sh", "-c", f'exec "$@" 3<&{read_end} 4>&{write_end}', "sh", *command]
        self._process = subprocess.Popen(
            joined, pass_fds=(read_end, write_end), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        os.close(read_end)
        os.close(write_end)
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol; raises `RuntimeError` when the browser refuses it."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._input, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def open(self, url: str) -> None:
        """Go to an address; returns at once."""
        self.send("Page.navigate", url=url)

    def run(self, script: str, frame: str = "") -> Any:
        """The value of an expression in the page, or in its frame with that word in its address; awaits a promise."""
        inside = {"contextId": self._context(frame)} if frame else {}
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, **inside)
        return told["result"].get("value")

    def wait(self, script: str, frame: str = "", seconds: float = 20.0) -> Any:
        """Wait until an expression is true; raises `AssertionError` with the page's text when it stays false."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError, LookupError):
                if value := self.run(script, frame):
                    return value
            time.sleep(0.05)
        raise AssertionError(f"{script} stayed false; the page says: {self.run('document.body.innerText')!r}")

    def close(self) -> None:
        """End this browser and wait for it."""
        with contextlib.suppress(RuntimeError, OSError):
            self._session = None
            self.send("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        os.close(self._input)
        os.close(self._output)

    def _context(self, word: str) -> int:
        """The isolated world of a frame of this page."""
        tree = self.send("Page.getFrameTree")["frameTree"]
        child = next(node["frame"] for node in tree.get("childFrames", ()) if word in node["frame"]["url"])
        return int(self.send("Page.createIsolatedWorld", frameId=child["id"])["executionContextId"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._output, 65536)
            if not piece:
                raise RuntimeError("the browser went away")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("text", "exception"))
