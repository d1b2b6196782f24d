from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ulm_core.cli import app
from ulm_core.errors import UlmError
from ulm_core.timeline.publish import import_file
from ulm_core.workspace import Workspace, WorkspaceConfig


@pytest.fixture
def shop(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Return a workspace of 60 customers who buy every 5, 10 or 20 days for a while."""
    rng, lines = np.random.default_rng(0), ["user,time,event,value"]
    for user in range(60):
        for day in np.arange(user % 7, 40 + 60 * rng.random(), 5 * 2 ** (user % 3)):
            date = np.datetime64("2024-01-01") + int(day)
            lines.append(f"u{user},{date}T10:00:00,purchase,{10 + user % 5 + rng.random():.2f}")
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(lines))
    import_file(workspace, path)
    workspace.save_config(WorkspaceConfig(conversion_events=("purchase",)))
    return workspace


def ask(workspace: Workspace, command: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*command.split(), "-w", str(workspace.root), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


class TestValue:
    def test_json(self, shop: Workspace):
        answer = ask(shop, "value --horizon 26w --top 3 --by stage")
        assert answer["customers"] == 60
        assert len(answer["users"]) == 3
        assert answer["users"][0]["value"] >= answer["users"][1]["value"]
        assert answer["holdout"]["customers"] == 60
        assert sum(row["users"] for row in answer["by"]) == 60
        assert sum(row["users"] for row in answer["matrix"]) == 60

    def test_all_customers_and_another_model(self, shop: Workspace):
        answer = ask(shop, "value --model bg --top 0")
        assert (answer["model"]["kind"], len(answer["users"])) == ("bg", 60)

    def test_people_get_a_table(self, shop: Workspace):
        result = CliRunner().invoke(app, ["value", "-w", str(shop.root)], catch_exceptions=False)
        assert "60 customers" in result.stdout
        assert "holdout" in result.stdout

    def test_wrong_options_are_refused(self, shop: Workspace):
        result = CliRunner().invoke(app, ["value", "--discount", "3", "-w", str(shop.root)])
        assert isinstance(result.exception, UlmError)
