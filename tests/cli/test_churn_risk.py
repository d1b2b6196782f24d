from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training.test_churn_risk import ROWS
from ulm_core.cli import app
from ulm_core.errors import UlmError
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.timeline.publish import import_file
from ulm_core.workspace import Workspace


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    path = tmp_path_factory.mktemp("risk") / "log.csv"
    lines = [f"{user},{to_datetime(time).isoformat()},{event}" for user, time, event in ROWS]
    path.write_text("\n".join(["user,time,event", *lines]))
    workspace = Workspace(path.parent / "workspace")
    import_file(workspace, path)
    return workspace


def ask(log: Workspace, command: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*command.split(), "-w", str(log.root), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_users_by_risk_and_how_honest_it_was(log: Workspace):
    answer = ask(log, "churn-risk --horizon 20d --top 5")
    risks = [row["risk"] for row in answer["users_by_risk"]]
    assert len(risks) == 5
    assert risks == sorted(risks, reverse=True)
    assert len(answer["tests"]) == 3
    assert len(answer["reliability"]) == 10


def test_filters(log: Workspace):
    everyone = ask(log, "churn-risk --horizon 20d --top 0")
    some = ask(log, "churn-risk --horizon 20d --top 0 --stage loyal --at-least 0.1")
    expected = [row for row in everyone["users_by_risk"] if row["stage"] == "loyal" and row["risk"] >= 0.1]
    assert some["users_by_risk"] == expected


def test_people_get_a_table(log: Workspace):
    result = CliRunner().invoke(app, ["churn-risk", "--horizon", "20d", "-w", str(log.root)], catch_exceptions=False)
    assert "expected to churn" in result.stdout
    assert "checked at" in result.stdout


def test_a_log_too_short_is_refused(log: Workspace):
    result = CliRunner().invoke(app, ["churn-risk", "--horizon", "250d", "-w", str(log.root)])
    assert isinstance(result.exception, UlmError)
