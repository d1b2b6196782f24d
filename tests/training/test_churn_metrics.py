from __future__ import annotations

import numpy as np
import pytest

from ulm_core.model.scorer import Calibration
from ulm_core.training.churn_metrics import auc, brier, fit_platt


def test_auc_by_hand_ties_count_half() -> None:
    labels, scores = np.array([1, 0, 0, 1.0]), np.array([0.9, 0.1, 0.5, 0.5])
    # pairs (churner, stayer): .9>.1, .9>.5, .5>.1 won; .5=.5 half
    assert auc(labels, scores) == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    assert np.isnan(auc(np.ones(3), np.arange(3.0)))


def test_brier_by_hand() -> None:
    assert brier(np.array([1.0, 0.0]), np.array([0.8, 0.4])) == pytest.approx((0.2**2 + 0.4**2) / 2)


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
