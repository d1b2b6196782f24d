"""Charts are pure functions of small frames: what is drawn can be read from the figure."""

from __future__ import annotations

import math
from datetime import datetime

import pandas as pd
import pytest

from pages.parts.charts import data, drivers, funnel, risk, stages, survival, training, user, value
from pages.parts.palette import MUTED, NEGATIVE, POSITIVE, faded, series_colors, stage_color
from ulm_core.lifecycle.rules import STAGES

MIX = pd.DataFrame(
    {
        "period": ["2024-01-01"] * 2 + ["2024-01-08"] * 2,
        "stage": ["new", "loyal"] * 2,
        "users": [3, 1, 1, 3],
        "is_complete": [True, True, False, False],
    }
)


class TestStages:
    def test_each_stage_is_one_trace_in_house_order(self) -> None:
        figure = stages.stage_mix(MIX, order=STAGES)
        assert [trace.marker.color for trace in figure.data] == [stage_color("new"), stage_color("loyal")]
        assert list(figure.data[0].y) == [3, 1]

    def test_shares_of_a_period_sum_to_one(self) -> None:
        figure = stages.stage_mix(MIX, order=STAGES, share=True)
        assert [sum(values) for values in zip(*(trace.y for trace in figure.data), strict=True)] == [1.0, 1.0]

    def test_a_running_period_is_faded(self) -> None:
        opacity = stages.stage_mix(MIX, order=STAGES).data[0].marker.opacity
        assert opacity[0] == 1.0
        assert opacity[1] < 0.5

    def test_removing_a_stage_recolours_nothing(self) -> None:
        one = stages.stage_mix(MIX[MIX["stage"] == "loyal"], order=STAGES)
        assert one.data[0].marker.color == stage_color("loyal")

    def test_clicks_name_period_and_stage(self) -> None:
        assert list(stages.stage_mix(MIX, order=STAGES).data[0].customdata[0]) == ["new", 3, "2024-01-01"]

    def test_dormant_users_lie_below_zero(self) -> None:
        frame = pd.DataFrame(
            {
                "period": ["2024-01-01"] * 4,
                "status": ["new", "returning", "resurrecting", "dormant"],
                "users": [1, 2, 3, 4],
                "is_complete": [True] * 4,
            }
        )
        figure = stages.lifecycle_columns(frame)
        assert [trace.y[0] for trace in figure.data] == [1, 2, 3, -4]
        assert figure.data[3].customdata[0][1] == 4

    def test_flow_links_carry_the_counts_of_the_matrix(self) -> None:
        matrix = pd.DataFrame([[2, 1], [0, 4]], index=["new", "loyal"], columns=["loyal", "churned"])
        link = stages.stage_flow(matrix, "then", "now").data[0].link
        assert sorted(link.value) == [1, 2, 4]
        assert set(link.color) == {faded(stage_color("new"), 0.42), faded(stage_color("loyal"), 0.42)}

    def test_heat_map_rows_sum_to_one(self) -> None:
        matrix = pd.DataFrame([[2, 2], [0, 4]], index=["new", "loyal"], columns=["loyal", "churned"])
        assert stages.matrix_heatmap(matrix).data[0].z.sum(axis=1).tolist() == [1.0, 1.0]

    def test_an_empty_frame_draws_an_empty_chart(self) -> None:
        assert len(stages.stage_mix(MIX.iloc[:0], order=STAGES).data) == 0

    def test_the_period_before_is_dashed(self) -> None:
        frame = pd.DataFrame(
            {
                "period": ["2024-01-01"] * 2,
                "group": ["now", "before"],
                "value": [5, 4],
                "dashed": [False, True],
            }
        )
        assert [trace.line.dash for trace in stages.trend(frame, unit="users").data] == ["solid", "dash"]


class TestFunnel:
    def test_the_largest_drop_is_the_step_that_loses_most(self) -> None:
        assert funnel.largest_drop([100, 60, 50]) == 1
        assert funnel.largest_drop([100, 100]) is None
        assert funnel.largest_drop([]) is None

    def test_bars_say_users_and_share_of_the_first_step(self) -> None:
        figure = funnel.funnel_bars(pd.DataFrame({"step": ["view", "buy"], "users": [4, 1]}))
        assert list(figure.data[1].y) == [4, 1]
        assert "25.0%" in figure.data[1].text[1]

    def test_nobody_in_the_funnel_draws(self) -> None:
        assert funnel.funnel_bars(pd.DataFrame({"step": ["view", "buy"], "users": [0, 0]})).data


class TestSurvival:
    CURVE = pd.DataFrame(
        {"days": [0.0, 10.0, 20.0], "survival": [1.0, 0.8, 0.4], "lower": [1, 0.7, 0.3], "upper": [1, 0.9, 0.5],
         "at_risk": [10, 9, 3]}
    )  # fmt: skip

    def test_every_group_has_a_band_and_a_line(self) -> None:
        figure = survival.survival_curves({"loyal": self.CURVE, "new": self.CURVE}, origin="days")
        lines = [trace for trace in figure.data if trace.line.width]
        assert [trace.line.color for trace in lines] == [stage_color("loyal"), stage_color("new")]
        assert len(figure.data) == 6

    def test_at_risk_is_who_is_observed_just_before_a_day(self) -> None:
        table = survival.at_risk_table({"loyal": self.CURVE}, [0, 10, 15, 99])
        assert table.iloc[0].tolist() == [10, 9, 3, 0]


class TestTraining:
    FRAME = pd.DataFrame({"step": [1, 2, 3], "series": ["loss"] * 3, "value": [4.0, 2.0, 3.0]})

    def test_without_smoothing_the_curve_is_raw(self) -> None:
        figure = training.loss_curves(self.FRAME)
        assert [list(trace.y) for trace in figure.data] == [[4.0, 2.0, 3.0]]

    def test_with_smoothing_the_raw_curve_stays_faint_behind(self) -> None:
        raw, smoothed = training.loss_curves(self.FRAME, smoothing=0.5).data
        assert list(raw.y) == [4.0, 2.0, 3.0]
        assert raw.opacity < 0.5
        assert smoothed.y[1] == pytest.approx((4 * 0.5 + 2) / 1.5)

    def test_the_model_stands_out_and_bars_are_sorted(self) -> None:
        frame = pd.DataFrame({"name": ["ours", "popularity"], "value": [0.5, 0.2]})
        bar = training.metric_bars(frame, model="ours", unit="NDCG@10").data[0]
        assert list(bar.y) == ["popularity", "ours"]
        assert bar.marker.color[1] == POSITIVE


class TestWaterfall:
    def test_base_and_parts_end_at_the_score(self) -> None:
        parts = [user.Contribution("a", 0.5), user.Contribution("b", -0.2)]
        figure = user.waterfall(0.1, parts)
        assert figure.data[-1].x[0] == pytest.approx(0.1 + 0.5 - 0.2)
        assert [trace.base[0] for trace in figure.data[1:-1]] == pytest.approx([0.1, 0.6])
        assert [trace.marker.color for trace in figure.data[1:-1]] == [POSITIVE, NEGATIVE]

    def test_small_parts_are_summed_not_dropped(self) -> None:
        parts = [user.Contribution(str(n), float(n)) for n in range(1, 13)]
        shown = user.group_small(parts, shown=8)
        assert len(shown) == 9
        assert sum(part.value for part in shown) == sum(range(1, 13))

    def test_two_parts_of_the_same_name_stay_two_bars(self) -> None:
        figure = user.waterfall(0.0, [user.Contribution("tea", 0.5), user.Contribution("tea", 0.2)])
        assert len({trace.y[0] for trace in figure.data}) == 4

    def test_a_score_without_parts_is_its_base(self) -> None:
        assert user.waterfall(0.3, []).data[-1].x[0] == 0.3


def test_stage_spans_cover_the_time_without_gaps() -> None:
    days = [datetime(2024, 1, day) for day in (1, 5, 9)]
    spans = user.stage_spans([(days[0], "new"), (days[1], "loyal")], days[2])
    assert spans["end"].tolist() == [days[1], days[2]]


def test_the_timeline_has_one_row_a_kind_of_event() -> None:
    events = pd.DataFrame(
        {"day": pd.to_datetime(["2024-01-01", "2024-01-02"]), "event": ["view", "buy"], "n": [1, 4], "text": ["", ""]}
    )
    spans = user.stage_spans([(datetime(2024, 1, 1), "new")], datetime(2024, 1, 3))
    figure = user.timeline(events, spans)
    assert list(figure.layout.yaxis.ticktext) == ["stage", "view", "buy"]


def test_event_bars_show_every_event() -> None:
    assert list(data.event_bars(pd.DataFrame({"event": ["a", "b"], "rows": [2, 1]})).data[0].x) == [2, 1]


def test_groups_that_are_no_stage_get_colours_of_their_own() -> None:
    colors = series_colors(["loyal", "North", "South"])
    assert colors["loyal"] == stage_color("loyal")
    assert len(set(colors.values())) == 3


class TestChurn:
    CURVE = pd.DataFrame(
        {
            "days": [0.0, 10.0, 20.0],
            "survival": [1.0, 0.5, 0.0],
            "hazard": [0.0, 0.5, 1.5],
            "hazard_lower": [0.0, 0.1, 0.4],
            "hazard_upper": [0.0, 1.1, 2.9],
        }
    )

    def test_users_of_whom_nothing_is_known_are_grey(self) -> None:
        colors = survival.group_colors(["free", "(not known)", "paid"])
        assert colors["(not known)"] == MUTED
        assert MUTED not in (colors["free"], colors["paid"])

    def test_log_log_leaves_out_where_it_is_not_defined(self) -> None:
        [line] = survival.log_log({"a": self.CURVE}, origin="days").data
        assert list(line.x) == [10.0]
        assert list(line.y) == [math.log(-math.log(0.5))]

    def test_cumulative_hazard_has_a_line_and_two_bounds(self) -> None:
        figure = survival.cumulative_hazard({"a": self.CURVE}, origin="days")
        assert [list(trace.y)[-1] for trace in figure.data] == [2.9, 0.4, 1.5]

    def test_a_hazard_knows_its_group_and_interval(self) -> None:
        rates = pd.DataFrame(
            {"from_days": [0, 28], "to_days": [28, 56], "rate": [0.1, 0.2], "lower": [0.0, 0.1], "upper": [0.2, 0.4]}
        )
        [line] = survival.hazard_rates({"a": rates}, origin="days").data
        assert [list(data) for data in line.customdata] == [["a", 0, 28], ["a", 28, 56]]
        assert line.error_y.arrayminus[1] == pytest.approx(0.2 - 0.1)

    def test_the_forest_colours_what_differs_from_one(self) -> None:
        frame = pd.DataFrame(
            {
                "name": ["x", "y", "z"], "label": ["X", "Y", "Z"], "ratio": [2.0, 0.5, 1.1], "lower": [1.5, 0.3, 0.9],
                "upper": [3.0, 0.8, 1.3], "is_shown": [True, True, False],
            }
        )  # fmt: skip
        assert [trace.marker.color for trace in drivers.forest(frame).data] == [NEGATIVE, POSITIVE, MUTED]

    def test_the_reliability_curve_knows_its_bins(self) -> None:
        frame = pd.DataFrame(
            {
                "bin": [1, 2],
                "users": [5, 5],
                "said": [0.1, 0.4],
                "churned": [0.0, 0.4],
                "lower": [0, 0.2],
                "upper": [0.3, 0.7],
            }
        )
        points = risk.reliability(frame).data[1]
        assert [list(data) for data in points.customdata] == [[1, 5], [2, 5]]


class TestValue:
    def test_the_matrix_leaves_cells_without_customers_empty(self) -> None:
        frame = pd.DataFrame(
            {"frequency": ["0", "1"], "silence": ["0", "4-7"], "order": [0, 1], "users": [3, 2], "expected": [1.0, 2.5]}
        )
        cells, marks = value.matrix(frame, "expected", unit="purchases").data
        assert [list(line) for line in cells.z] == [[1.0, None], [None, 2.5]]
        assert [list(data)[:3] for data in marks.customdata] == [["0", "0", 3], ["1", "4-7", 2]]

    def test_holdout_and_groups(self) -> None:
        frame = pd.DataFrame({"frequency": ["0", "1"], "users": [3, 2], "expected": [1.0, 2.0], "actual": [1.5, 2.0]})
        assert [trace.type for trace in value.holdout(frame).data] == ["bar", "scatter"]
        groups = pd.DataFrame({"group": ["loyal"], "users": [2], "value": [10.0], "label": ["10"]})
        assert list(value.by_group(groups).data[0].x) == [10.0]
