from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from ulm_core.cli import app
from ulm_core.errors import InputError
from ulm_core.workspace import Workspace


def ask(workspace: Workspace, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["sql", *words, "--workspace", str(workspace.root), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_query_its_limit_and_its_file(small_workspace: Workspace, tmp_path: Path) -> None:
    sql = "SELECT user_id, time FROM events ORDER BY time"
    answer = ask(small_workspace, sql, "--rows", "2")
    assert answer["columns"] == ["user_id", "time"]
    assert answer["data"][0] == {"user_id": "ann", "time": "2024-01-01T10:00:00"}
    assert (answer["rows"], answer["cut"]) == (2, True)
    target = tmp_path / "out.csv"
    assert ask(small_workspace, sql, "--out", str(target))["rows"] == 6
    assert len(target.read_text().splitlines()) == 7


def test_without_a_query_the_tables_are_listed(small_workspace: Workspace) -> None:
    tables = ask(small_workspace)["tables"]
    assert tables["events"]["user_id"] == "VARCHAR"


def test_writing_is_refused(small_workspace: Workspace) -> None:
    result = CliRunner().invoke(app, ["sql", "DROP VIEW events", "--workspace", str(small_workspace.root)])
    assert isinstance(result.exception, InputError)
