"""One served demo for all of the sandbox's tests, with a connector that the project does not know."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from demo import Demo, serving_demo, stranger


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    strangers = stranger(tmp_path_factory.mktemp("strangers"))
    with serving_demo(Demo(tmp_path_factory.mktemp("demo"), STALLHOLDER_PLUGINS=str(strangers))) as demo:
        yield demo
