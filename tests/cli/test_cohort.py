from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ulm_core.cli import app
from ulm_core.errors import InputError, NotFoundError
from ulm_core.workspace import Workspace

RULE = '{"kind": "behaviour", "clauses": [{"event": "purchase"}]}'


def ask(workspace: Workspace, *words: str) -> dict[str, Any]:
    """Return the JSON answer; it must be the only thing on stdout."""
    result = CliRunner().invoke(
        app, ["cohort", *words, "--workspace", str(workspace.root), "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_create_list_show_export_delete(small_workspace: Workspace, tmp_path: Path) -> None:
    made = ask(small_workspace, "create", "buyers", "--rule", RULE, "--owner", "eve")
    assert (made["users"], made["live"], made["owner"]) == (2, True, "eve")
    early = ask(small_workspace, "show", "buyers", "--at", "2024-02-01")
    assert early["users"] == 1  # bob buys on 20 February
    assert early["rule"]["kind"] == "behaviour"
    listed = ask(small_workspace, "list")["cohorts"]
    assert [(entry["name"], entry["users"]) for entry in listed] == [("buyers", 2)]
    target = tmp_path / "out.csv"
    assert ask(small_workspace, "export", "buyers", "--out", str(target))["users"] == 2
    assert target.read_text() == "user_id\nann\nbob\n"
    assert ask(small_workspace, "export", "buyers")["ids"] == ["ann", "bob"]
    assert ask(small_workspace, "delete", "buyers") == {"deleted": "buyers"}
    assert ask(small_workspace, "list")["cohorts"] == []


def test_lists_of_ids_and_frozen_cohorts(small_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("user_id\nann\nzoe\n")
    made = ask(small_workspace, "create", "vip", "--ids", str(tmp_path / "ids.csv"))
    assert (made["users"], made["unmatched"], made["live"]) == (1, ["zoe"], False)
    frozen = ask(small_workspace, "create", "then", "--rule", RULE, "--static", "--at", "2024-02-01")
    assert frozen["users"] == 1
    assert ask(small_workspace, "show", "then")["users"] == 1


def test_a_cohort_needs_a_rule_or_a_list(small_workspace: Workspace) -> None:
    result = CliRunner().invoke(app, ["cohort", "create", "x", "--workspace", str(small_workspace.root)])
    assert isinstance(result.exception, InputError)
    assert "--ids" in str(result.exception)


@pytest.mark.parametrize("words", [("show", "ghost"), ("export", "ghost"), ("delete", "ghost")])
def test_an_unknown_cohort_is_named(small_workspace: Workspace, words: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["cohort", *words, "--workspace", str(small_workspace.root)])
    assert isinstance(result.exception, NotFoundError)
    assert "ghost" in str(result.exception)


def test_an_unknown_event_is_refused_before_anything_is_saved(small_workspace: Workspace) -> None:
    bad = RULE.replace("purchase", "purchse")
    result = CliRunner().invoke(app, ["cohort", "create", "x", "--rule", bad, "--workspace", str(small_workspace.root)])
    assert "purchase" in str(result.exception)
    assert ask(small_workspace, "list")["cohorts"] == []
