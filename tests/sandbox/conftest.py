"""One served demo for all of the sandbox's tests, with a connector that the project does not know."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest
from demo import Demo, stranger
from stage import wait_until


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    demo = Demo(folder, STALLHOLDER_PLUGINS=str(stranger(tmp_path_factory.mktemp("strangers"))))
    assert demo.cli("init").returncode == 0
    process = demo.serve()
    try:
        wait_until(lambda: "demo workspace" in demo.log.read_text() or process.poll() is not None)
        yield demo
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        left = subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True, text=True, check=False).stdout
        assert left == "", "no process outlives the one that was told to stop"
