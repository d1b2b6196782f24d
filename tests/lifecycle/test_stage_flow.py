import numpy as np
import pytest
from hypothesis import given, settings

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, days, index_of, random_rows, whole_timelines
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import NOT_YET_SEEN, UNSEEN, StageRules, default_rules
from ulm_core.lifecycle.stage_flow import StageFlowSpec, compute_stage_flow
from ulm_core.lifecycle.stage_forecast import RateChange, StageForecastSpec, compute_stage_forecast

ACTIVE_OR_GONE = StageRules.checked(
    {
        "rules": [
            {
                "name": "here",
                "conditions": [{"feature": "calendar_days_since_last", "op": "==", "value": 0}],
            },
            {"name": "gone", "active": False},
        ]
    }
)


@settings(max_examples=30, deadline=None)
@given(random_rows())
def test_flows_equal_the_oracle_and_every_row_sums_to_its_stage(rows):
    index, rules = index_of(rows, 4), default_rules(14)
    flow = compute_stage_flow(index, NEW_YORK, StageFlowSpec(interval="week", rules=rules))
    bounds = np.minimum(flow.periods.starts_us, index.manifest.last_us + 1).tolist()
    names = [[oracle.stage(rules, t, at, "America/New_York") for at in bounds] for t in whole_timelines(rows).values()]
    for k in range(len(flow.periods)):
        for i, source in enumerate(flow.sources):
            before = None if source == NOT_YET_SEEN else source
            for j, target in enumerate(flow.stages):
                wanted = [user for user, row in enumerate(names) if row[k] == before and row[k + 1] == target]
                assert flow.users((k, source, target)).tolist() == wanted
                assert flow.counts[k, i, j] == len(wanted)
            if before is not None:
                assert flow.counts[k, i].sum() == sum(row[k] == before for row in names)
    one = compute_stage_flow(index_of(rows, 1), NEW_YORK, StageFlowSpec(interval="week", rules=rules))
    assert one.counts.tobytes() == flow.counts.tobytes()
    assert one.codes.tobytes() == flow.codes.tobytes()


class TestFlow:
    ROWS = (*days("u", 0.5, 1.5, 3.5), *days("v", 1.5), *days("w", 2.5, 3.6))

    def flow(self, **fields):
        spec = StageFlowSpec(interval="day", rules=ACTIVE_OR_GONE, **fields)
        return compute_stage_flow(index_of(self.ROWS), CONFIG, spec)

    def test_by_hand(self):
        # Day by day: u here, here, gone, here; v -, here, gone, gone; w -, -, here, here.
        flow = self.flow()
        assert flow.counts.tolist() == [
            [[0, 0], [0, 0], [1, 0]],
            [[1, 0], [0, 0], [1, 0]],
            [[0, 2], [0, 0], [1, 0]],
            [[1, 0], [1, 1], [0, 0]],
        ]
        assert flow.users(("1970-01-04", "gone", "here")).tolist() == [0]
        assert flow.ends.tolist() == [[1, 0], [2, 0], [1, 2], [2, 1]]
        assert flow.active_at_ends().tolist() == [1, 2, 1, 2]
        assert flow.to_json()["flows"][2][0] == [0, 2]
        assert flow.to_arrow().num_rows == 8

    def test_a_filter_leaves_the_others_out(self):
        assert self.flow(users=np.array([False, True, False])).counts.sum() == 3

    def test_a_name_nobody_has_is_refused(self):
        with pytest.raises(NotFoundError):
            self.flow().users((0, "sleepy", "here"))


class TestForecast:
    def forecast(self, **fields):
        # Sixteen users are active on day 0; on every later day half of those of the day before.
        rows = [
            row for user in range(16) for row in days(f"u{user:02}", *[d + 0.5 for d in range(6) if user < 16 >> d])
        ]
        spec = StageForecastSpec(interval="day", rules=ACTIVE_OR_GONE, **{"ahead": 3} | fields)
        return compute_stage_forecast(index_of([*rows, *days("late", 6.5)]), CONFIG, spec)

    def test_a_chain_of_two_stages_by_hand(self):
        # Days 0 to 5 are over: 16, 8, 4, 2, 1, 0 of 16 are here. Day 6, with one newcomer, still runs.
        forecast = self.forecast(window=3)
        assert forecast.start.tolist() == [0, 16]
        # Days 3 to 5: of 4 + 2 + 1 users here at the start, 2 + 1 + 0 are here at the end: 3 / 7.
        assert forecast.chain.rates[0].tolist() == pytest.approx([3 / 7, 4 / 7])
        assert forecast.users_ahead.tolist() == [[0, 16]] * 3
        assert [label.isoformat() for label in forecast.labels] == ["1970-01-07", "1970-01-08", "1970-01-09"]
        assert len(forecast.users("gone")) == 16
        assert (forecast.codes == UNSEEN).sum() == 1

    def test_two_points_more_reactivation(self):
        change = RateChange(source="gone", target="here", points=25)
        forecast = self.forecast(window=3, ahead=2, changes=(change,))
        # here: 16 * 0.25 = 4; then 4 * 3/7 + 12 * 0.25
        assert forecast.changed_active.tolist() == pytest.approx([4, 12 / 7 + 3])
        assert forecast.to_json()["what_if"]["active_difference"] == pytest.approx([4, 12 / 7 + 3])

    def test_a_forecast_from_an_earlier_day_does_not_see_later_ones(self):
        forecast = self.forecast(to_us=4 * DAY_US, ahead=1, window=3)
        assert forecast.start.tolist() == [2, 14]
        assert forecast.users_ahead[0].tolist() == pytest.approx([1, 15])
        assert forecast.test.n_origins.tolist() == [3]  # made at the end of days 0, 1 and 2

    def test_too_short_a_log_says_how_long_it_must_be(self):
        with pytest.raises(InputError, match="needs 3 periods"):
            self.forecast(to_us=2 * DAY_US)

    def test_the_first_churn_horizon_of_a_log_is_not_learnt_from(self):
        # Longest silence 0: the horizon is 7 days. Everybody is first met on day 0, and comes every day.
        rows = [row for user in range(4) for row in days(f"u{user}", *[day + 0.5 for day in range(12)])]
        spec = StageForecastSpec(interval="day", rules=ACTIVE_OR_GONE, ahead=1)
        forecast = compute_stage_forecast(index_of(rows), CONFIG, spec)
        assert (forecast.n_skipped, forecast.n_learnt) == (7, 4)
        assert forecast.chain.newcomers.tolist() == [0, 0]

    def test_a_move_is_changed_once(self):
        change = RateChange(source="gone", target="here", points=1)
        with pytest.raises(InputError, match="only once"):
            self.forecast(changes=(change, change))

    def test_json_and_table_hold_the_same_numbers(self):
        forecast = self.forecast(window=2)
        answer = forecast.to_json()
        assert answer["stages"]["gone"] == forecast.to_pandas().query("stage == 'gone'")["users"].tolist()
        assert answer["active"] == forecast.users_ahead[:, 0].tolist()
        assert [row["ahead"] for row in answer["back_test"]] == [1, 2, 3]
