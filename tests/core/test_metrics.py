"""Metrics are told to this machine and to whoever holds the token."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from stage import Stage

TOKEN = "a-token-for-the-scraper"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    with ExitStack() as stack:
        return Stage(tmp_path / "instance", stack, METRICS_TOKEN=TOKEN).make_app().test_client()


def test_requests_are_counted(client: FlaskClient) -> None:
    client.get("/retailcrm/config")
    client.post("/upgates/open", data=b"{")
    told = client.get("/metrics").text
    assert 'stallholder_requests_total{action="config",connector="retailcrm",outcome="served"}' in told
    assert 'stallholder_requests_total{action="open",connector="upgates",outcome="malformed"}' in told
    assert 'stallholder_quarantined{connector="orlo"} 0.0' in told


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("203.0.113.9", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("203.0.113.9", {"Authorization": "Bearer "}, 403),
        ("203.0.113.9", {"Authorization": f"Bearer {TOKEN}x"}, 403),
    ],
)
def test_who_may_read(client: FlaskClient, address: str, headers: dict[str, str], status: int) -> None:
    assert client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code == status


def test_without_a_token_nobody_from_outside_may_read(tmp_path: Path) -> None:
    with ExitStack() as stack:
        client = Stage(tmp_path / "instance", stack).make_app().test_client()
    outside = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/metrics", headers={"Authorization": "Bearer "}, environ_base=outside).status_code == 403
