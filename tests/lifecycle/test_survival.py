import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, RANDOM_START_US, days, index_of, random_rows, timelines
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.filters import NOT_KNOWN, UserLabels
from ulm_core.lifecycle.kaplan_meier import fit_curve, log_rank
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.survival import SurvivalSpec, compute_survival


def curve_of(*users, horizon: float = 10, end: float = 100, **fields):
    """Return the survival of users active on the given days; the log ends with an event of "zz" on day `end`."""
    rows = [row for k, when in enumerate(users) for row in days(f"u{k}", *when)]
    index = index_of([*rows, *days("zz", end)])
    mask = np.array([True] * len(users) + [False])
    return compute_survival(index, CONFIG, SurvivalSpec(horizon_days=horizon, users=mask, **fields))


class TestWhoChurnedWhen:
    def test_churn_is_the_day_the_silence_got_longer_than_the_horizon(self):
        survival = curve_of([0, 5])
        assert survival.days[0] == 5 + 10
        assert survival.has_churned[0]

    def test_users_within_the_horizon_at_the_end_are_censored_there(self):
        survival = curve_of([0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90])  # last event 10 days before the end
        assert not survival.has_churned[0]
        assert survival.days[0] == 100

    def test_coming_back_does_not_undo_churn(self):
        survival = curve_of([0, 5, 40, 95])
        assert (survival.days[0], bool(survival.has_churned[0])) == (5 + 10, True)

    def test_a_silence_of_exactly_the_horizon_is_no_churn(self):
        assert curve_of([0, 10, 20]).days[0] == 20 + 10

    def test_time_runs_from_each_users_own_first_event(self):
        survival = curve_of([0], [50])
        assert survival.days[:2].tolist() == [10, 10]

    def test_nothing_of_the_last_horizon_is_churn(self):
        # First event 6 days before the end: the horizon has not passed, whatever comes after the log.
        survival = curve_of([94])
        assert (survival.days[0], bool(survival.has_churned[0])) == (6, False)


class TestCommonOrigin:
    def test_time_runs_from_the_origin_and_silence_before_it_counts(self):
        survival = curve_of([0, 45], origin_us=50 * DAY_US)
        # Already churned on day 10 but back on day 45: at the origin it is alive; it churns on day 55.
        assert (survival.days[0], bool(survival.has_churned[0])) == (55 - 50, True)

    def test_users_churned_or_not_yet_seen_at_the_origin_are_at_no_risk(self):
        survival = curve_of([0], [60], origin_us=50 * DAY_US)
        assert np.isnan(survival.days[:2]).all()
        assert survival.curves == ()

    def test_a_user_silent_for_exactly_the_horizon_at_the_origin_churns_on_day_0(self):
        survival = curve_of([40], origin_us=50 * DAY_US)
        assert (survival.days[0], bool(survival.has_churned[0])) == (0, True)

    def test_by_stage_needs_an_origin(self):
        with pytest.raises(InputError, match="date"):
            curve_of([0], by="stage")

    def test_by_stage_groups_by_the_stage_at_the_origin(self):
        survival = curve_of([0, 1, 2, 3], [0], [94, 95], origin_us=4 * DAY_US, by="stage")
        assert [(c.group, c.n_users) for c in survival.curves] == [("new", 1), ("activated", 1)]
        assert survival.users(("activated", "all", 0)).tolist() == [0]

    def test_an_origin_after_the_log_is_refused(self):
        with pytest.raises(InputError, match="after the last event"):
            curve_of([0], origin_us=200 * DAY_US)


class TestGroups:
    def test_cohorts_are_calendar_periods_of_the_first_event(self):
        survival = curve_of([0], [20], [40], by="cohort")
        assert [(c.group, c.n_users) for c in survival.curves] == [("1970-01-01", 2), ("1970-02-01", 1)]

    def test_labels(self):
        labels = UserLabels("plan", ("free", "paid"), np.array([0, 1, -1, -1], np.int32))
        survival = curve_of([0], [20], [40], by="labels", labels=labels)
        assert [(c.group, c.n_users) for c in survival.curves] == [("free", 1), ("paid", 1)]
        with pytest.raises(InputError, match="attribute"):
            curve_of([0], by="labels")

    def test_an_unknown_group_is_refused(self):
        with pytest.raises(NotFoundError):
            curve_of([0]).users(("nobody", "all", 0))


class TestKaplanMeier:
    # Freireich's 6-MP remission times, by hand: at t = 6, 3 of 21 end, ...
    DURATIONS = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], float)
    OBSERVED = np.array([True] * 9 + [False] * 12)

    def test_equals_the_hand_computation(self):
        curve = fit_curve("6-MP", self.DURATIONS, self.OBSERVED, 0.95)
        s6 = 1 - 3 / 21
        s7 = s6 * (1 - 1 / 17)
        s10 = s7 * (1 - 1 / 15)
        s13 = s10 * (1 - 1 / 12)
        s16 = s13 * (1 - 1 / 11)
        s22 = s16 * (1 - 1 / 7)
        s23 = s22 * (1 - 1 / 6)
        expected = [1, s6, s7, s10, s13, s16, s22, s23, s23]
        assert curve.survival_at([5, 6, 7, 10, 13, 16, 22, 23, 35]) == pytest.approx(expected, abs=1e-12)
        assert np.isnan(curve.survival_at([36])).all()
        assert curve.at_risk_at([0, 6, 7, 10, 13, 23, 35, 36]).tolist() == [21, 21, 17, 15, 12, 6, 1, 0]
        assert curve.median_days == 23
        assert (curve.n_users, curve.n_churned) == (21, 9)

    def test_the_interval_is_greenwoods_on_the_log_log_scale(self):
        curve = fit_curve("6-MP", self.DURATIONS, self.OBSERVED, 0.95)
        s = 1 - 3 / 21
        error = math.sqrt(3 / (21 * 18)) / math.log(s)  # standard error of log(-log S)
        lower, upper = curve.interval_at([6])
        assert lower[0] == pytest.approx(s ** math.exp(-1.959963984540054 * error))
        assert upper[0] == pytest.approx(s ** math.exp(1.959963984540054 * error))

    def test_before_anyone_churned_the_estimate_has_no_width(self):
        curve = fit_curve("x", np.array([5.0, 9.0]), np.array([False, True]), 0.95)
        assert (curve.survival[0], curve.lower[0], curve.upper[0]) == (1, 1, 1)

    def test_a_median_that_is_not_reached_is_infinite_and_null_in_json(self):
        survival = curve_of([0], range(0, 100, 9), range(0, 100, 8), range(0, 100, 7))
        assert survival.curves[0].median_days == math.inf
        assert survival.to_json()["groups"][0]["median_days"] is None

    def test_log_rank_of_two_groups_by_hand(self):
        # Two users a group; churn at 1 (A) and 2 (A), 3 (B), 4 censored (B).
        test = log_rank(np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1]), np.array([True, True, True, False]))
        expected_a = 2 / 4 + 1 / 3 + 0 / 2
        variance = (2 / 4) * (2 / 4) + (1 / 3) * (2 / 3) + 0
        assert test is not None
        assert test.statistic == pytest.approx((2 - expected_a) ** 2 / variance)
        assert test.degrees_of_freedom == 1

    def test_there_is_nothing_to_compare_with_one_group_or_without_churn(self):
        assert log_rank(np.array([1.0, 2]), np.array([0, 0]), np.array([True, True])) is None
        assert log_rank(np.array([1.0, 2]), np.array([0, 1]), np.array([False, False])) is None


class TestResult:
    def test_users_of_each_side_at_a_day(self):
        survival = curve_of([0], [0, 8], [97])
        assert survival.users(("everyone", "all", 0)).tolist() == [0, 1, 2]
        assert survival.users(("everyone", "churned", 10)).tolist() == [0]
        assert survival.users(("everyone", "churned", 18)).tolist() == [0, 1]
        assert survival.users(("everyone", "censored", 4)).tolist() == [2]
        assert survival.users(("everyone", "at risk", 11)).tolist() == [1]
        assert survival.curve("everyone").at_risk_at(11) == 1

    def test_at_risk_table(self):
        table = curve_of([0], [0, 8], [97]).at_risk_table([0, 11]).to_pylist()
        assert table == [{"group": "everyone", "0": 3, "11": 1}]

    def test_the_definition_states_the_horizon(self):
        assert "more than 10 days" in str(curve_of([0]).sentence())

    def test_a_group_without_users_has_no_curve(self):
        index = index_of(days("u", 0, event="mail"))
        survival = compute_survival(index, CONFIG, SurvivalSpec(horizon_days=5))
        assert survival.curves == ()
        assert survival.to_arrow().num_rows == 0


@settings(max_examples=80, deadline=None)
@given(random_rows(), st.sampled_from([3, 10, 30]), st.one_of(st.none(), st.integers(0, 40)))
def test_durations_equal_the_oracle(rows, horizon, origin_day):
    rows = [*rows, ("zz", RANDOM_START_US + 72 * DAY_US, "a")]
    origin = None if origin_day is None else RANDOM_START_US + origin_day * DAY_US
    spec = SurvivalSpec(horizon_days=horizon, origin_us=origin)
    index = index_of(rows, 3)
    survival = compute_survival(index, CONFIG, spec)
    found = [
        None if np.isnan(d) else (round(d * DAY_US), bool(c))
        for d, c in zip(survival.days, survival.has_churned, strict=True)
    ]
    end = index.manifest.last_us
    assert found == [oracle.churn(t, horizon * DAY_US, end, origin) for t in timelines(rows).values()]
    for curve in survival.curves:
        for day in (0.0, 5.0, 20.0, 60.0):
            assert len(survival.users((curve.group, "at risk", day))) == curve.at_risk_at(day)
        assert len(survival.users((curve.group, "churned", math.inf))) == curve.n_churned
        assert (np.diff(curve.survival) <= 0).all()


@settings(max_examples=15, deadline=None)
@given(random_rows())
def test_one_answer_however_many_partitions(rows):
    one, many = (
        compute_survival(index_of(rows, n), CONFIG, SurvivalSpec(by="cohort", horizon_days=9)) for n in (1, 50)
    )
    assert one.days.tobytes() == many.days.tobytes()
    assert one.to_arrow().equals(many.to_arrow())


class TestComparisons:
    def groups(self, *codes):
        labels = UserLabels("plan", ("free", "paid", NOT_KNOWN), np.array([*codes, -1], np.int32))
        return curve_of([0], [0, 30], [0, 8, 16], range(0, 98, 9), by="labels", labels=labels)

    def test_users_of_whom_nothing_is_known_have_a_curve_but_are_not_compared(self):
        survival = self.groups(0, 1, 2, 2)
        assert [curve.group for curve in survival.compared] == ["free", "paid"]
        assert survival.test is not None
        assert survival.test.degrees_of_freedom == 1
        assert [(pair.first, pair.second) for pair in survival.pairs(20)] == [("free", "paid")]
        assert self.groups(0, 0, 2, 2).test is None

    def test_hazards_open_those_who_churned_in_the_interval(self):
        survival = self.groups(0, 0, 0, 1)
        for group, rates in survival.hazards(15).items():
            for rate in rates:
                after = rate.from_days or -math.inf
                assert len(survival.users((group, "churned", rate.to_days, after))) == rate.churned

    def test_json_holds_hazards_means_and_pairs(self):
        answer = self.groups(0, 1, 2, 2).to_json(until_days=20)
        free = answer["groups"][0]
        assert free["cumulative_hazard"][-1] == 1
        assert free["hazard"][0]["churned"] == 1
        assert free["restricted_mean"]["days"] == 10
        assert answer["pairs"][0]["first"] == "free"
