from __future__ import annotations

import numpy as np
import pytest

from ulm_core.model.scorer import Calibration
from ulm_core.training.churn_metrics import auc, average_precision, brier, calibration_error, fit_platt, top_decile_lift


def test_auc_by_hand_ties_count_half() -> None:
    labels, scores = np.array([1, 0, 0, 1.0]), np.array([0.9, 0.1, 0.5, 0.5])
    # pairs (churner, stayer): .9>.1, .9>.5, .5>.1 won; .5=.5 half
    assert auc(labels, scores) == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    assert np.isnan(auc(np.ones(3), np.arange(3.0)))


def test_brier_by_hand() -> None:
    assert brier(np.array([1.0, 0.0]), np.array([0.8, 0.4])) == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_average_precision_by_hand_ties_are_taken_together() -> None:
    labels, scores = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1])
    # the first churner at precision 1/1, the second among three: 2/3
    assert average_precision(labels, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(labels, np.ones(4)) == pytest.approx(2 / 4)
    assert np.isnan(average_precision(np.zeros(2), np.arange(2.0)))


def test_average_precision_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    labels, scores = (rng.random(200) < 0.2).astype(float), rng.integers(0, 20, 200) / 20
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))


def test_calibration_error_by_hand() -> None:
    # two groups: probabilities .1 and .3 with one churner, .8 and .8 with two
    labels, p = np.array([0.0, 1, 1, 1]), np.array([0.1, 0.3, 0.8, 0.8])
    assert calibration_error(labels, p, bins=2) == pytest.approx((abs(0.5 - 0.2) * 2 + abs(1 - 0.8) * 2) / 4)
    assert calibration_error(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.0


def test_top_decile_lift_by_hand() -> None:
    labels = np.array([1.0, 1] + [0] * 18)
    assert top_decile_lift(labels, labels) == pytest.approx(1.0 / 0.1)
    assert top_decile_lift(labels, -labels) == 0.0


def test_platt_recovers_slope_and_offset() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(float)
    found = fit_platt(labels, logits)
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.offset == pytest.approx(-1, abs=0.1)


def test_platt_leaves_alone_what_cannot_be_fitted() -> None:
    assert fit_platt(np.array([1.0, 0, 0, 0]), np.zeros(4)) == Calibration()
    worse_than_chance = np.concatenate([np.ones(50), np.zeros(50)])
    assert fit_platt(worse_than_chance, -worse_than_chance) == Calibration()
