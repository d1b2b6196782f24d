import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ulm_core.cli import app
from ulm_core.errors import UlmError
from ulm_core.timeline.publish import import_file
from ulm_core.workspace import Workspace, WorkspaceConfig

LOG = """user,time,event
u,2024-01-01T10:00:00,view
u,2024-01-01T11:00:00,cart
u,2024-01-02T10:00:00,purchase
v,2024-01-01T12:00:00,view
v,2024-01-08T12:00:00,view
w,2024-01-09T09:00:00,view
w,2024-01-09T09:00:00,cart
w,2024-02-20T00:00:00,view
"""


@pytest.fixture
def log(workspace: Workspace, tmp_path: Path) -> Workspace:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    import_file(workspace, path)
    workspace.save_config(WorkspaceConfig(conversion_events=("purchase",)))
    return workspace


def ask(log: Workspace, command: str) -> dict[str, Any]:
    """Return the JSON answer; it must be the only thing on stdout."""
    result = CliRunner().invoke(app, [*command.split(), "--workspace", str(log.root), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(log: Workspace, command: str) -> str:
    result = CliRunner().invoke(app, [*command.split(), "--workspace", str(log.root), "--json"])
    assert isinstance(result.exception, UlmError), result.output
    assert result.stdout == ""
    return str(result.exception)


class TestFunnel:
    def test_json_as_in_the_contract(self, log: Workspace):
        answer = ask(log, "funnel --steps view,cart,purchase --window 14d")
        assert answer["steps"] == [
            {"event": "view", "users": 3, "conversion": 1.0, "from_previous": 1.0,
             "mean_seconds": None, "median_seconds": None},
            # u took an hour; w did both at the same instant, which says nothing about time.
            {"event": "cart", "users": 2, "conversion": 2 / 3, "from_previous": 2 / 3,
             "mean_seconds": 3600.0, "median_seconds": 3600.0},
            {"event": "purchase", "users": 1, "conversion": 1 / 3, "from_previous": 1 / 2,
             "mean_seconds": 23 * 3600.0, "median_seconds": 23 * 3600.0},
        ]  # fmt: skip
        assert answer["as_of"] == "2024-02-20T00:00:00+00:00"
        assert answer["elapsed_seconds"] > 0

    def test_times_between_two_steps(self, log: Workspace):
        answer = ask(log, "funnel --steps view,cart,purchase --from-step 1 --to-step 3 --times")
        assert answer["times"] == {"seconds": [86_400.0], "mean": 86_400.0, "median": 86_400.0}

    def test_a_range_ends_with_the_day_it_names(self, log: Workspace):
        assert ask(log, "funnel --steps view,cart --to 2024-01-01")["steps"][0]["users"] == 2
        assert ask(log, "funnel --steps view,cart --from 2024-01-09")["steps"][0]["users"] == 1

    def test_exclusions(self, log: Workspace):
        answer = ask(log, "funnel --steps view,purchase --exclude cart:1-2")
        # u had a cart between; w's cart is at the instant of the view, and a tie favours conversion.
        assert [step["users"] for step in answer["steps"]] == [2, 0]

    def test_trend_counts_entries_by_period(self, log: Workspace):
        answer = ask(log, "funnel --steps view,cart --trend week --to 2024-01-10")
        assert answer["trend"] == [
            {"period": "2024-01-01", "entered": 2, "converted": 1},
            {"period": "2024-01-08", "entered": 2, "converted": 1},
        ]
        assert answer["trend"] == ask(log, "funnel --steps view,cart --trend week --to 2024-01-14")["trend"]

    def test_steps_carry_conditions_windows_and_may_be_optional(self, log: Workspace):
        steps = "view,cart[!item.id],purchase"
        answer = ask(log, f"funnel --steps {steps} --optional 2 --step-window 3:1h")
        assert [step["event"] for step in answer["steps"]] == ["view", "cart[!item.id]", "purchase"]
        assert [step["users"] for step in answer["steps"]] == [3, 2, 0]  # u bought a day after the view

    def test_presets_and_what_is_counted(self, log: Workspace):
        assert ask(log, "funnel --steps view,cart --preset mixpanel")["steps"][0]["users"] == 3
        assert ask(log, "funnel --steps view,cart --count totals")["steps"][0]["users"] >= 3

    def test_two_ranges_compared(self, log: Workspace):
        answer = ask(log, "funnel --steps view,cart --to 2024-01-07 --compare-from 2024-01-09")
        # 1 of 2 against 1 of 1
        assert answer["compare"][1]["users"] == [1, 1]
        assert answer["compare"][1]["of"] == [2, 1]
        assert answer["compare"][1]["difference"] == -0.5

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ("--steps view,cart --step-window 1:1h", "not a window of a step"),
            ("--steps view,cart --optional 2", "cannot be optional"),
            ("--steps view,cart --hold colour", "cannot be held constant"),
            ("--steps view,cart --grace 3s", "grace_seconds"),
            ("--steps view[item.x],cart", "x"),
            ("--steps view,crat", "Did you mean: cart"),
            ("--steps view", "at least 2"),
            ("--steps view,cart --window soon", "not a duration"),
            ("--steps view,cart --from noon", "not a date"),
            ("--steps view,cart --exclude cart", "not an exclusion"),
            ("--steps view,cart --exclude cart:1-7", "between two steps"),
            ("--steps view,cart --timezone Mars", "not a time zone"),
            ("--steps view,cart --from-step 2 --to-step 1 --times", "Steps run from 1"),
        ],
    )
    def test_what_cannot_be_computed_is_said(self, log: Workspace, options: str, says: str):
        assert says in refused(log, f"funnel {options}")


class TestLifecycle:
    def test_json_as_in_the_contract(self, log: Workspace):
        answer = ask(log, "lifecycle --period week --from 2024-01-01 --to 2024-01-15")
        assert answer["periods"] == ["2024-01-01", "2024-01-08", "2024-01-15"]
        assert answer["new"] == [2, 1, 0]
        assert answer["returning"] == [0, 1, 0]
        assert answer["resurrecting"] == [0, 0, 0]
        assert answer["dormant"] == [0, -1, -2]

    def test_week_start_and_timezone_can_be_set(self, log: Workspace):
        answer = ask(log, "lifecycle --period week --week-start sunday --to 2024-01-08")
        assert answer["periods"] == ["2023-12-31", "2024-01-07"]
        assert ask(log, "lifecycle --period day --timezone Asia/Tokyo --from 2024-02-20")["periods"] == ["2024-02-20"]


class TestRetention:
    def test_json_as_in_the_contract(self, log: Workspace):
        answer = ask(log, "retention --start view --return view --period week --from 2024-01-01 --cohorts 2")
        assert answer["cohorts"] == [
            {"start": "2024-01-01", "size": 2, "counts": [2, 1]},
            {"start": "2024-01-08", "size": 1, "counts": [1]},
        ]
        assert answer["mean"] == [1.0, 1 / 2]

    def test_the_last_cohorts_without_from(self, log: Workspace):
        answer = ask(log, "retention --period week --cohorts 2")
        assert [cohort["start"] for cohort in answer["cohorts"]] == ["2024-02-12", "2024-02-19"]

    def test_on_or_after(self, log: Workspace):
        answer = ask(log, "retention --period week --kind first-ever --mode on-or-after")
        assert answer["cohorts"][1]["counts"] == [1, 1, 1, 1, 1, 1, 1]  # w, back in the last week

    def test_as_many_cohorts_as_asked_for_from_a_day_on(self, log: Workspace):
        answer = ask(log, "retention --period week --from 2024-02-12 --cohorts 3")
        assert [cohort["start"] for cohort in answer["cohorts"]] == ["2024-02-12", "2024-02-19", "2024-02-26"]
        assert [len(cohort["counts"]) for cohort in answer["cohorts"]] == [3, 2, 1]
        assert answer["mean"][2] is None or answer["mean"][2] == 0.0

    def test_square_follows_every_cohort_past_the_range(self, log: Workspace):
        options = "--start view --period week --from 2024-01-01 --to 2024-01-08 --cohorts 2"
        answer = ask(log, f"retention {options} --square")
        assert [cohort["counts"] for cohort in answer["cohorts"]] == [[2, 1], [1, 0]]

    def test_rolling_windows_begin_with_the_users_own_start(self, log: Workspace):
        # u: view on the 1st at 10:00, purchase on the 2nd at 10:00, 24 hours later to the second.
        options = "--start view --return purchase --period day --from 2024-01-01 --to 2024-01-03"
        assert ask(log, f"retention {options} --rolling")["cohorts"][0]["counts"] == [2, 1, 0]

    def test_brackets_values_conditions_and_streaks(self, log: Workspace):
        answer = ask(log, "retention --period day --brackets 1,2-10 --values --return view")
        assert answer["columns"] == ["0", "1", "2-10"]
        assert answer["cohorts"][0]["counts"] == [2, 0, 1]
        assert answer["cohorts"][0]["sums"] == [0, 0, 0]
        assert ask(log, "retention --period week --mode streak")["cohorts"][0]["counts"][:3] == [2, 1, 0]
        assert "no brackets" in refused(log, "retention --brackets a-b")

    def test_by_an_entity(self, log: Workspace):
        assert "property or attribute" in refused(log, "retention --entity account")


class TestStickiness:
    def test_json_as_in_the_contract(self, log: Workspace):
        options = "--event view --period day --from 2024-01-01 --to 2024-01-08"
        assert ask(log, f"stickiness {options}")["users_by_active_periods"] == {
            "1": 1, "2": 1, "3": 0, "4": 0, "5": 0, "6": 0, "7": 0, "8": 0
        }  # fmt: skip
        cumulative = ask(log, f"stickiness {options} --cumulative --every 4")
        assert cumulative["users_by_active_periods"] == {"1": 2, "2": 1}

    def test_criteria(self, log: Workspace):
        options = "--event * --period day --from 2024-01-01 --to 2024-01-02"
        assert ask(log, f"stickiness {options} --criteria gte:2")["users_by_active_periods"] == {"1": 1, "2": 0}
        assert ask(log, f"stickiness {options} --criteria lte:1")["users_by_active_periods"] == {"1": 2, "2": 0}
        assert "no criterion" in refused(log, "stickiness --criteria two")


class TestActivity:
    def test_active_users_by_day(self, log: Workspace):
        answer = ask(log, "active-users --from 2024-01-08 --to 2024-01-09")
        assert answer["period"] == ["2024-01-08", "2024-01-09"]
        assert (answer["dau"], answer["wau"], answer["mau"]) == ([1, 1], [2, 2], [2, 3])
        assert answer["dau_mau"] == [1 / 2, 1 / 3]

    def test_sessions(self, log: Workspace):
        answer = ask(log, "sessions --period week --gap 2h --to 2024-01-01")
        assert (answer["sessions"], answer["users"], answer["median_seconds"]) == ([3], [2], [3600.0])
        assert ask(log, "sessions --period week")["gap_seconds"] == 1800


class TestStages:
    def test_at_a_time(self, log: Workspace):
        answer = ask(log, "stages --at 2024-01-10")
        assert sum(answer["stages"].values()) == 3
        assert answer["definitions"][-1] == "active: everyone else"

    def test_per_period(self, log: Workspace):
        answer = ask(log, "stages --period week --to 2024-01-08")
        assert answer["periods"] == ["2024-01-01", "2024-01-08"]
        assert [sum(row) for row in zip(*answer["stages"].values(), strict=True)] == [2, 3]

    def test_transitions(self, log: Workspace):
        answer = ask(log, "transitions --from 2024-01-05 --to 2024-01-10")
        assert answer["transitions"]["not yet seen"]["new"] == 1


class TestSurvival:
    def test_curves(self, log: Workspace):
        answer = ask(log, "survival --horizon 10d")
        [everyone] = answer["groups"]
        assert (everyone["users"], everyone["churned"]) == (3, 3)
        assert answer["horizon_days"] == 10
        assert answer["log_rank"] is None

    def test_by_cohort_and_stage(self, log: Workspace):
        assert [g["group"] for g in ask(log, "survival --by cohort")["groups"]] == ["2024-01-01"]
        assert sum(g["users"] for g in ask(log, "survival --by stage --at 2024-01-10 --horizon 30d")["groups"]) == 3

    def test_by_stage_time_runs_from_the_middle_of_a_short_log_unless_told(self, log: Workspace):
        # First event on 1 January, last on 20 February: the middle is 26 January, when all are silent but w comes back.
        assert [g["users"] for g in ask(log, "survival --by stage --horizon 30d")["groups"]] == [3]

    def test_means_hazards_and_pairs(self, log: Workspace):
        answer = ask(log, "survival --horizon 10d --until 15d")
        [everyone] = answer["groups"]
        assert everyone["restricted_mean"]["until_days"] == 15
        assert everyone["hazard"][0]["churned"] == 3
        assert everyone["cumulative_hazard"][-1] > 0
        assert answer["pairs"] == []

    def test_too_little_churn_for_a_regression_is_said(self, log: Workspace):
        assert "Too little" in refused(log, "survival --horizon 30d --cox")

    def test_an_unknown_attribute_is_refused(self, log: Workspace):
        assert "attribute" in refused(log, "survival --by income")


@pytest.mark.parametrize(
    "command",
    [
        "funnel --steps view,cart", "lifecycle", "retention", "stages", "stages --period week", "survival",
        "transitions --from 2024-01-05 --to 2024-01-10",
    ],
)  # fmt: skip
def test_people_get_a_table(log: Workspace, command: str):
    result = CliRunner().invoke(app, [*command.split(), "-w", str(log.root)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "---" in result.stdout


def test_an_empty_workspace_says_what_to_do(workspace: Workspace):
    assert "Load the sample" in refused(workspace, "stages")
