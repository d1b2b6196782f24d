import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.test_hazard import STAYS, arrays
from ulm_core.lifecycle.kaplan_meier import Curve, fit_curve, log_rank
from ulm_core.lifecycle.multiplicity import holm
from ulm_core.lifecycle.restricted_mean import compare_pairs, default_limit, restricted_mean


def curve_of(days: list[float], churned: list[bool], name: str = "x") -> Curve:
    return fit_curve(name, np.array(days, float), np.array(churned), 0.95)


class TestRestrictedMean:
    def test_is_the_area_under_the_curve(self):
        # S = 1 until 10, 3/4 until 20, 1/2 until 40.
        mean = restricted_mean(curve_of([10, 20, 40, 40], [True, True, False, False]), 40)
        assert mean.days == pytest.approx(10 * 1 + 10 * 3 / 4 + 20 * 1 / 2)

    def test_variance_by_hand(self):
        mean = restricted_mean(curve_of([10, 20, 40, 40], [True, True, False, False]), 40)
        after_10, after_20 = 10 * 3 / 4 + 20 * 1 / 2, 20 * 1 / 2
        assert mean.error**2 == pytest.approx(after_10**2 * 1 / (4 * 3) + after_20**2 * 1 / (3 * 2))

    def test_without_censoring_it_is_the_plain_mean_of_the_days_within_the_limit(self):
        days = [3.0, 8.0, 15.0, 30.0, 60.0]
        mean = restricted_mean(curve_of(days, [True] * 5), 30)
        assert mean.days == pytest.approx(np.mean([3, 8, 15, 30, 30]))
        # Without censoring Greenwood's variance is the plain one over n.
        assert mean.error == pytest.approx(np.std([3, 8, 15, 30, 30]) / math.sqrt(5))

    def test_a_group_not_followed_so_long_has_none(self):
        mean = restricted_mean(curve_of([10, 20], [True, False]), 30)
        assert math.isnan(mean.days)
        assert mean.followed_days == 20

    def test_a_curve_that_reached_zero_is_followed_for_ever(self):
        assert restricted_mean(curve_of([10, 20], [True, True]), 100).days == pytest.approx(15)

    @settings(max_examples=60, deadline=None)
    @given(STAYS, st.floats(0.5, 60))
    def test_equals_lifelines_and_a_fine_sum(self, stays, until):
        from lifelines import KaplanMeierFitter
        from lifelines.utils import restricted_mean_survival_time

        durations, observed = arrays(stays)
        mean = restricted_mean(fit_curve("x", durations, observed, 0.95), until)
        if math.isnan(mean.days):
            assert durations.max() < until
            return
        fitter = KaplanMeierFitter().fit(durations, observed)
        assert mean.days == pytest.approx(restricted_mean_survival_time(fitter, t=until), abs=1e-9)
        grid = (np.arange(20_000) + 0.5) * until / 20_000
        assert mean.days == pytest.approx(fitter.predict(grid).to_numpy().mean() * until, abs=0.02)
        assert mean.lower <= mean.days <= mean.upper


class TestDefaultLimit:
    def test_half_of_the_groups_are_followed_so_long_in_whole_weeks(self):
        curves = [curve_of([day], [False]) for day in (10, 40, 100)]
        assert default_limit(curves) == 35
        assert default_limit([curve_of([3.0], [False])]) == 3
        assert default_limit([]) == 0


class TestPairs:
    A, B, C = ([5, 9, 12, 30], [True] * 3 + [False]), ([20, 28, 30, 30], [True] * 2 + [False] * 2), ([4], [False])

    def pairs(self, *groups, until: float = 30):
        times = [(np.array(days, float), np.array(churned)) for days, churned in groups]
        return compare_pairs([curve_of(*g, name=str(k)) for k, g in enumerate(groups)], times, until)

    def test_difference_with_its_interval(self):
        (pair,) = self.pairs(self.A, self.B)
        first, second = (restricted_mean(curve_of(*group), 30) for group in (self.A, self.B))
        error = math.hypot(first.error, second.error)
        assert pair.difference == pytest.approx(first.days - second.days)
        assert pair.upper - pair.lower == pytest.approx(2 * 1.959964 * error, rel=1e-5)
        assert pair.p_value == pytest.approx(math.erfc(abs(pair.difference) / error / math.sqrt(2)))

    def test_log_rank_of_the_two(self):
        (pair,) = self.pairs(self.A, self.B)
        days, churned = np.array(self.A[0] + self.B[0], float), np.array(self.A[1] + self.B[1])
        test = log_rank(days, np.repeat([0, 1], 4), churned)
        assert test is not None
        assert pair.log_rank_p == pytest.approx(test.p_value)

    @settings(max_examples=60, deadline=None)
    @given(STAYS, STAYS)
    def test_log_rank_equals_lifelines(self, one, other):
        (days, churned), (days_2, churned_2) = arrays(one), arrays(other)
        curves = [fit_curve(name, *own, 0.95) for name, own in (("a", (days, churned)), ("b", (days_2, churned_2)))]
        (pair,) = compare_pairs(curves, [(days, churned), (days_2, churned_2)], 10)
        group = np.repeat([0, 1], [len(days), len(days_2)])
        test = log_rank(np.concatenate([days, days_2]), group, np.concatenate([churned, churned_2]))
        if test is not None and not math.isnan(pair.log_rank_p):
            assert pair.log_rank_p == pytest.approx(test.p_value, abs=1e-9)
        else:
            assert math.isnan(pair.log_rank_p)
            assert test is None or test.p_value == pytest.approx(1)

    def test_every_two_groups_once_and_corrected_over_those_that_can_be_compared(self):
        pairs = self.pairs(self.A, self.B, self.C)
        assert [(p.first, p.second) for p in pairs] == [("0", "1"), ("0", "2"), ("1", "2")]
        assert math.isnan(pairs[1].p_value)
        assert pairs[0].p_holm == pairs[0].p_value  # the only difference of means that is known
        # Nobody of the others churned while the third group was watched.
        assert pairs[0].log_rank_holm == pairs[0].log_rank_p
        assert math.isnan(pairs[1].log_rank_p)

    def test_p_values_are_corrected_over_all_pairs(self):
        pairs = self.pairs(self.A, self.B, ([7, 8, 30], [True, True, False]))
        assert [p.log_rank_holm for p in pairs] == pytest.approx(holm([p.log_rank_p for p in pairs]))
        assert [p.p_holm for p in pairs] == pytest.approx(holm([p.p_value for p in pairs]))

    def test_equal_groups_without_churn_do_not_differ(self):
        (pair,) = self.pairs(([30, 30], [False] * 2), ([30], [False]))
        assert pair.difference == 0
        assert math.isnan(pair.p_value)


class TestHolm:
    def test_by_hand(self):
        # Smallest x 3, next x 2, last x 1; never below a smaller one.
        assert holm([0.01, 0.04, 0.03]) == [0.01 * 3, 0.03 * 2, 0.03 * 2]
        assert holm([0.9, 0.8]) == [1, 1]
        assert holm([]) == []

    @given(st.lists(st.floats(0, 1), max_size=8))
    def test_equals_the_definition(self, p_values):
        adjusted = holm(p_values)
        for position, p in enumerate(p_values):
            not_larger = [
                (sum(other >= q for other in p_values)) * q for q in p_values if q <= p
            ]  # the k-th smallest of m times (m - k + 1), ties at their smallest rank
            assert adjusted[position] == pytest.approx(min(1, max(not_larger)))
