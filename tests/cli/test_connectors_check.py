"""``connectors check`` and ``connectors show``: the verdict, and the sheets made of the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from tests.kit.mutants import MUTANTS, made


@pytest.fixture(autouse=True)
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An instance of an operator with one connector configured."""
    monkeypatch.setenv("STALLHOLDER_INSTANCE", str(tmp_path))
    monkeypatch.setenv("STALLHOLDER_SECRET_KEY", "a-signing-key-for-this-test-only")
    monkeypatch.setenv("STALLHOLDER_MASTER_KEYS", '["' + "A" * 43 + '="]')
    monkeypatch.setenv("STALLHOLDER_CONNECTORS__wazzup__crm_code", "acme")
    monkeypatch.setenv("STALLHOLDER_CONNECTORS__wazzup__secret", "a-secret-for-this-test-only")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["connectors", *arguments])


def test_a_connector_that_keeps_all_rules_is_told_so(tmp_path: Path) -> None:
    done = run("check", "orlo")
    assert done.exit_code == 0
    assert "Level reached: gold (the manifest claims gold)" in done.stdout
    assert "told_of_leaving (every action): A customer leaves by" in done.stdout
    # The operator's own instance was not touched.
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_told_and_the_status_says_it(tmp_path: Path) -> None:
    weak = next(mutant for mutant in MUTANTS if mutant.id == "anybody-may-frame")
    folder = str(made(weak, tmp_path))
    done = run("check", folder, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["level"], told["claimed"], told["missing"]) == (1, "silver", "gold", ["framed"])
    assert told["findings"][0]["mend"] == "List the origins of the platform's admin, and no other."
    done = run("check", folder, "--level", "silver")
    assert done.exit_code == 0
    assert "Missing for gold:\n\nframed (gold): Who may frame" in done.stdout


def test_no_connector_is_one_line() -> None:
    done = run("check", "nobody")
    assert done.exit_code == 1
    assert done.stderr == "Error: there is no connector 'nobody'; see `stallholder connectors list`\n"


def test_the_sheets_are_text_markdown_and_json() -> None:
    text, markdown = run("show", "orlo").stdout, run("show", "orlo", "--format", "markdown").stdout
    assert text.startswith("Orlo (orlo), level gold:")
    assert "    counts: from 65 min before expires to 0 s after it\n" in text
    assert "    proven by: HMAC-SHA256 under a shared secret, in sig, the key in the path\n" in text
    assert markdown.startswith("# Orlo (orlo), level gold:")
    assert "\n## Requests\n\n- `GET search`\n  - proven by: HMAC-SHA256" in markdown
    data = json.loads(run("show", "orlo", "--json").stdout)["data"]
    assert data == json.loads(run("show", "orlo", "--format", "json").stdout)["data"]
    assert data["actions"]["search"]["proof"]["signed"] == ["query"]
    assert data["secrets"].keys() == {"search_secret", "open_secret"}
    assert [weakness["rule"] for weakness in data["weaknesses"]] == ["told_of_leaving"]


@pytest.mark.parametrize("connector", ["retailcrm", "wazzup", "upgates", "orlo", "shoptet", "example"])
def test_every_sheet_names_what_is_signed_and_what_is_not(connector: str) -> None:
    data = json.loads(run("show", connector, "--json").stdout)["data"]
    for action in data["actions"].values():
        assert action["proof"] is not None or action["hook"] == "describe"
