import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from ulm_core.lifecycle.kaplan_meier import fit_curve


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60))
def test_counting_equal_durations_together_changes_nothing(pairs):
    durations = np.array([days for days, _ in pairs], np.float64)
    observed = np.array([ended for _, ended in pairs])
    curve = fit_curve("all", durations, observed, 0.95)
    fitter = KaplanMeierFitter(alpha=0.05).fit(durations, observed)
    assert curve.days.tolist() == fitter.survival_function_.index.tolist()
    assert curve.survival == pytest.approx(fitter.survival_function_.to_numpy()[:, 0], abs=1e-9)
    assert curve.at_risk.tolist() == fitter.event_table["at_risk"].tolist()
    lower, upper = fitter.confidence_interval_.to_numpy().T
    known = ~np.isnan(lower)
    assert curve.lower[known] == pytest.approx(lower[known], abs=1e-9)
    assert curve.upper[known] == pytest.approx(upper[known], abs=1e-9)
    assert (curve.n_users, curve.n_churned) == (len(pairs), int(observed.sum()))
