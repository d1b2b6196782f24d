import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulm_core.lifecycle.hazard import hazard_rates
from ulm_core.lifecycle.kaplan_meier import fit_curve

STAYS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=30)


def arrays(stays) -> tuple[np.ndarray, np.ndarray]:
    return np.array([float(day) for day, _ in stays]), np.array([churned for _, churned in stays])


class TestHazardRates:
    def test_churned_over_the_time_everybody_was_at_risk(self):
        # 30-day intervals. Churn on days 10 and 40, one watched for 60 days.
        first, second = hazard_rates(np.array([10.0, 40.0, 60.0]), np.array([True, True, False]), 30)
        assert (first.churned, first.user_days) == (1, 10 + 30 + 30)
        assert (second.churned, second.user_days) == (1, 10 + 30)
        assert first.rate == pytest.approx(30 * 1 / 70)

    def test_an_interval_holds_its_end_and_the_first_holds_day_0(self):
        first, second = hazard_rates(np.array([0.0, 30.0, 31.0]), np.array([True, True, True]), 30)
        assert (first.churned, second.churned) == (2, 1)

    def test_the_interval_is_the_exact_one_of_a_poisson_count(self):
        (rate,) = hazard_rates(np.array([10.0] * 3), np.array([True] * 3), 30)
        # Garwood 1936: 3 events, 0.619 to 8.767.
        assert rate.lower == pytest.approx(30 * 0.618672 / 30, abs=1e-5)
        assert rate.upper == pytest.approx(30 * 8.767273 / 30, abs=1e-5)

    def test_nobody_and_no_time(self):
        assert hazard_rates(np.array([]), np.array([], bool), 30) == ()
        (rate,) = hazard_rates(np.array([0.0]), np.array([True]), 30)
        assert rate.churned == 1
        assert math.isnan(rate.rate)


class TestNelsonAalen:
    @settings(max_examples=40, deadline=None)
    @given(STAYS)
    def test_equals_lifelines(self, stays):
        from lifelines import NelsonAalenFitter

        durations, observed = arrays(stays)
        curve = fit_curve("x", durations, observed, 0.9)
        fitter = NelsonAalenFitter(alpha=0.1, nelson_aalen_smoothing=False).fit(durations, observed)
        assert curve.cumulative_hazard == pytest.approx(fitter.cumulative_hazard_.to_numpy()[:, 0], abs=1e-9)
        bounds = fitter.confidence_interval_.to_numpy()
        known = ~np.isnan(bounds[:, 0])
        assert curve.hazard_lower[known] == pytest.approx(bounds[known, 0], abs=1e-9)
        assert curve.hazard_upper[known] == pytest.approx(bounds[known, 1], abs=1e-9)

    @settings(max_examples=40, deadline=None)
    @given(STAYS)
    def test_kaplan_meier_equals_the_product_by_hand(self, stays):
        durations, observed = arrays(stays)
        curve = fit_curve("x", durations, observed, 0.95)
        share, hazard = 1.0, 0.0
        for day in sorted(set(durations)):
            at_risk = sum(d >= day for d in durations)
            churned = sum(bool(o) and d == day for d, o in zip(durations, observed, strict=True))
            share, hazard = share * (1 - churned / at_risk), hazard + churned / at_risk
            place = np.flatnonzero(curve.days == day)[-1]
            assert curve.survival[place] == pytest.approx(share, abs=1e-9)
            assert curve.cumulative_hazard[place] == pytest.approx(hazard, abs=1e-9)

    @settings(max_examples=40, deadline=None)
    @given(STAYS, st.sampled_from([1, 5, 28]))
    def test_hazard_rates_share_out_all_churn_and_all_time(self, stays, width):
        durations, observed = arrays(stays)
        rates = hazard_rates(durations, observed, width)
        assert sum(rate.churned for rate in rates) == observed.sum()
        assert sum(rate.user_days for rate in rates) == pytest.approx(durations.sum())
