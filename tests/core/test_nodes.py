"""A connector that is on one node and not on another is noticed, and who tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import requests
from flask import Flask
from sqlalchemy import select
from stage import Stage, wait_until

from app.core import nodes
from app.core.database import reading, writing
from app.core.models import NodeRow
from app.core.nodes import GONE, NOTED, Note

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BOTH = {"tea": "1.0 serving", "rugs": "2.0 serving"}


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"a": BOTH, "b": BOTH}, []),
        ({"a": BOTH}, []),
        ({}, []),
        ({"a": BOTH, "b": {"tea": "1.0 serving"}}, ["connector rugs is missing on b"]),
        (
            {"a": BOTH, "b": BOTH | {"rugs": "2.1 serving"}},
            ["connector rugs differs: 2.0 serving on a; 2.1 serving on b"],
        ),
        (
            {"a": BOTH, "b": BOTH | {"tea": "1.0 quarantined"}},
            ["connector tea differs: 1.0 quarantined on b; 1.0 serving on a"],
        ),
    ],
    ids=["alike", "alone", "nobody", "missing", "other-version", "other-state"],
)
def test_what_differs_is_told(stage: Stage, held: Mapping[str, Mapping[str, str]], told: list[str]) -> None:
    with app_of(stage).app_context():
        note(held, NOW)
        assert nodes.differences(NOW) == told


def test_a_node_that_is_gone_is_no_difference(stage: Stage) -> None:
    with app_of(stage).app_context():
        note({"a": BOTH}, NOW)
        note({"b": {}}, NOW - GONE - timedelta(seconds=1))
        assert nodes.differences(NOW) == []


def test_a_process_notes_what_it_has_and_not_too_often(stage: Stage) -> None:
    requests.get(f"{stage.url}/healthz")
    with app_of(stage).app_context():
        wait_until(lambda: rows() != [])
        [row] = rows()
        mine: Note = app_of(stage).extensions[nodes.NODE]
        assert json.loads(row.connectors)["orlo"].endswith(" serving")
        assert json.loads(row.connectors)["example"].endswith(" not configured")
        moment = datetime.now(UTC)
        assert not mine.is_due(moment)
        assert mine.is_due(moment + NOTED)
        assert not mine.is_due(moment + NOTED)


def test_readiness_and_the_doctor_tell_of_it(stage: Stage) -> None:
    requests.get(f"{stage.url}/healthz")
    with app_of(stage).app_context():
        wait_until(lambda: rows() != [])
        assert requests.get(f"{stage.url}/readyz").json()["nodes"] == []
        note({"other": {}}, datetime.now(UTC))
    told = requests.get(f"{stage.url}/readyz").json()["nodes"]
    assert "connector orlo is missing on other" in told
    findings = json.loads(stage.cli("doctor", "--json", check=False).stdout)
    assert {"connector orlo is missing on other"} <= {row["found"] for row in findings if row["checked"] == "nodes"}


def app_of(stage: Stage) -> Flask:
    assert stage.app is not None
    return stage.app


def note(held: Mapping[str, Mapping[str, str]], at: datetime) -> None:
    with writing() as session:
        for name, connectors in held.items():
            session.merge(NodeRow(name=name, connectors=json.dumps(connectors), seen_at=at))


def rows() -> list[NodeRow]:
    with reading() as session:
        return list(session.scalars(select(NodeRow)))
