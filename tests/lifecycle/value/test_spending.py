import math

import numpy as np
import pandas as pd
import pytest

from ulm_core.errors import InputError
from ulm_core.events.samples import package_dir
from ulm_core.lifecycle.value.spending import SpendingModel, fit_spending


def test_published_values_on_cdnow():
    # Fader and Hardie 2013, The Gamma-Gamma model: p = 6.25, q = 3.74, gamma = 15.44 on 946 repeat customers.
    path = package_dir("lifetimes") / "datasets" / "cdnow_customers_summary_with_transactions.csv"
    table = pd.read_csv(path)
    model = fit_spending(table["x"].to_numpy(), table["zbar"].to_numpy(float))
    assert int((table["x"] > 0).sum()) == 946
    assert (model.p, model.q, model.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)
    assert model.correlation == pytest.approx(0.11, abs=0.005)


class TestExpected:
    MODEL = SpendingModel(p=6.0, q=4.0, v=15.0)

    def test_lies_between_the_customers_mean_and_everybodys(self):
        # p (v + x m) / (p x + q - 1)
        expected = self.MODEL.expected(np.array([0, 1, 100]), np.array([math.nan, 60.0, 60.0]))
        assert expected[0] == pytest.approx(6 * 15 / (4 - 1))
        assert expected[1] == pytest.approx(6 * (15 + 60) / (6 * 1 + 3))
        assert 59 < expected[2] < 60
        assert self.MODEL.mean == expected[0]

    def test_a_repeat_purchase_without_value_says_nothing(self):
        assert self.MODEL.expected(np.array([3]), np.array([0.0]))[0] == self.MODEL.mean

    def test_without_a_finite_mean_the_observed_ones_stand_in(self):
        wild = SpendingModel(p=1.0, q=0.5, v=1.0)
        assert wild.mean == math.inf
        assert wild.expected(np.array([0, 2]), np.array([math.nan, 8.0])).tolist() == [8, 8]


def test_finds_what_it_was_simulated_from_in_any_currency():
    rng = np.random.default_rng(0)
    n = 20_000
    frequency = rng.integers(1, 12, n)
    scale = rng.gamma(4.0, 1 / 15.0, n)  # q, v
    spend = np.array([rng.gamma(6.0 * x, 1 / (x * s)) for x, s in zip(frequency, scale, strict=True)])
    model = fit_spending(frequency, spend)
    assert (model.p, model.q, model.v) == pytest.approx((6.0, 4.0, 15.0), rel=0.1)
    assert fit_spending(frequency, spend * 1000).mean == pytest.approx(model.mean * 1000, rel=1e-4)


def test_too_few_spenders_are_refused():
    with pytest.raises(InputError, match="of some value"):
        fit_spending(np.array([1] * 9 + [0] * 50), np.array([5.0] * 59))
