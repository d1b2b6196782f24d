import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.test_analyses import ask, log, refused
from ulm_core.cli import app
from ulm_core.lifecycle.rules import STAGES
from ulm_core.lifecycle.stage_presets import get_preset
from ulm_core.workspace import Workspace

__all__ = ["log"]  # the fixture


class TestTransitions:
    def test_rates_have_wilson_intervals(self, log: Workspace):
        answer = ask(log, "transitions --from 2024-01-05 --to 2024-01-10")
        for source, row in answer["transitions"].items():
            users = sum(row.values())
            for target, count in row.items():
                rate, low, high = (answer[name][source][target] for name in ("rates", "lower", "upper"))
                assert rate == (count / users if users else None)
                assert (low <= rate <= high) if users else low is high is None

    def test_flows_of_every_period(self, log: Workspace):
        answer = ask(log, "transitions --period week --to 2024-01-08")
        assert answer["periods"] == ["2024-01-01", "2024-01-08"]
        mix = ask(log, "stages --period week --to 2024-01-08")["stages"]
        # A column sums to the stage at the period's end.
        for code, stage in enumerate(answer["stages"]):
            assert [sum(row[code] for row in week) for week in answer["flows"]] == mix[stage]

    def test_two_times_or_a_period_are_needed(self, log: Workspace):
        assert "--period" in refused(log, "transitions --from 2024-01-05")


class TestOtherRules:
    def test_a_preset_can_be_tried_without_being_put_in_force(self, log: Workspace):
        tried = ask(log, "stages --rules growth --at 2024-01-10")
        assert list(tried["stages"]) == list(get_preset("growth").rules.stages)
        assert sum(tried["stages"].values()) == 3
        assert list(ask(log, "stages")["stages"]) == list(STAGES)

    def test_so_can_a_file(self, log: Workspace, tmp_path: Path):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps({"rules": [{"name": "everyone"}]}))
        assert ask(log, f"stages --rules {path}")["stages"] == {"everyone": 3}

    def test_what_is_neither_is_refused(self, log: Workspace, tmp_path: Path):
        assert "growth" in refused(log, "stages --rules grwth")
        path = tmp_path / "broken.json"
        path.write_text("{")
        assert "cannot be read" in refused(log, f"stages --rules {path}")


class TestStageRules:
    def test_a_fresh_workspace_shows_the_default_ones(self, log: Workspace):
        answer = ask(log, "stage-rules")
        assert answer["version"] == 1
        assert answer["history"] == []
        assert answer["definitions"][-1] == {"name": "active", "definition": "active: everyone else", "active": True}

    def test_put_in_force_and_restored(self, log: Workspace):
        answer = ask(log, "stage-rules --set e-commerce --owner ann")
        assert (answer["version"], [v["owner"] for v in answer["history"]]) == (2, ["", "ann"])
        assert "window shopper" in ask(log, "stages")["stages"]
        assert ask(log, "stage-rules --restore 1")["version"] == 3
        assert list(ask(log, "stages")["stages"]) == list(STAGES)

    def test_what_is_printed_can_be_put_in_force_again(self, log: Workspace, tmp_path: Path):
        path = tmp_path / "rules.json"
        path.write_text(json.dumps(ask(log, "stage-rules --set social")))
        ask(log, "stage-rules --set finance")
        assert ask(log, f"stage-rules --set {path}")["definitions"][0]["name"] == "dormant"

    def test_one_thing_at_a_time(self, log: Workspace):
        assert "not both" in refused(log, "stage-rules --set social --restore 1")
        assert "There is no version “4”" in refused(log, "stage-rules --restore 4")


class TestDwellAndForecast:
    def test_dwell_times(self, log: Workspace):
        answer = ask(log, "dwell")
        assert all(row["ended"] == sum(row["next"].values()) for row in answer["stages"])
        assert answer["stages"][0]["stage"] == "new"

    def test_forecast_sums_to_the_users_and_states_its_error(self, log: Workspace):
        answer = ask(log, "forecast --period week --ahead 2 --window 4")
        assert sum(answer["start"]["stages"].values()) == 3
        totals = [sum(stage[k] for stage in answer["stages"].values()) for k in range(2)]
        assert totals == pytest.approx([3 + n * sum(answer["newcomers"].values()) for n in (1, 2)])
        assert [row["ahead"] for row in answer["back_test"]] == [1, 2]

    def test_what_if(self, log: Workspace):
        command = ["forecast", "--ahead", "1", "--what-if", "at risk>active:+10", "--json", "-w", str(log.root)]
        answer = json.loads(CliRunner().invoke(app, command, catch_exceptions=False).stdout)
        at_risk = answer["start"]["stages"]["at risk"]
        assert answer["what_if"]["active_difference"] == pytest.approx([at_risk * 0.1])

    @pytest.mark.parametrize("text", ["active", "a>b", "a>b:c", "a:3"])
    def test_a_change_that_is_none_is_refused(self, log: Workspace, text: str):
        assert "is not a change" in refused(log, f"forecast --what-if {text}")


@pytest.mark.parametrize("command", ["dwell", "forecast --ahead 2", "stage-rules", "transitions --period week"])
def test_people_get_a_table(log: Workspace, command: str):
    result = CliRunner().invoke(app, [*command.split(), "-w", str(log.root)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "---" in result.stdout
