"""Churn risks: nothing of the future in them, and tests that are counted right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.lifecycle.logs import CONFIG, days, index_of
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.training.churn_risk import ChurnRisk, RiskSpec, RiskTest, compute_churn_risk
from ulm_core.training.promoted_risk import PromotedRisks
from ulm_core.training.risk_model import MAX_ROWS, Outcomes, RiskLog, fit_risk

HORIZON, END = 20, 200


def leavers(n: int = 300, seed: int = 0) -> list:
    """Return rows of users who come every 2, 4 or 8 days; the rarer they come, the sooner they stop."""
    rng, rows = np.random.default_rng(seed), days("zz", *range(0, END + 1, 5))
    for user in range(n):
        step = int(rng.choice([2, 4, 8]))
        start, length = rng.uniform(0, 80), rng.exponential(700 / step)
        rows += days(f"u{user:03}", *np.arange(start, min(start + length, END), step))
    return rows


ROWS = leavers()
INDEX = index_of(ROWS, 3)
LOG = RiskLog(INDEX, INDEX.active_mask(CONFIG), HORIZON)
END_US = INDEX.manifest.last_us + 1


@pytest.fixture(scope="module")
def risk() -> ChurnRisk:
    return compute_churn_risk(INDEX, CONFIG, RiskSpec(horizon_days=HORIZON))


class TestOutcomes:
    INDEX = index_of([*days("a", 70, 95), *days("b", 85), *days("c", 60), *days("d", 95, 125), *days("zz", 200)])
    LOG = RiskLog(INDEX, INDEX.active_mask(CONFIG), 20)

    def test_with_us_at_the_cut_and_silent_for_a_horizon(self):
        found = self.LOG.outcomes(100 * DAY_US, 200 * DAY_US)
        # c was silent for 40 days already; d came back only after 25.
        assert [self.LOG.index.user_ids[user] for user in found.users] == ["a", "b", "d"]
        assert found.churned.tolist() == [1, 1, 1]
        assert self.LOG.outcomes(90 * DAY_US, 200 * DAY_US).churned.tolist() == [0, 1]

    def test_an_outcome_that_is_not_in_yet_is_none(self):
        assert len(self.LOG.outcomes(100 * DAY_US, 119 * DAY_US).users) == 0

    def test_silence_in_days(self):
        users = np.array([0, 1])
        assert self.LOG.silence(users, 100 * DAY_US) == pytest.approx([5, 15], abs=1e-4)

    def test_a_sample_is_seeded_and_small_ones_stay_whole(self):
        outcomes = Outcomes(np.arange(100), np.zeros(100))
        assert outcomes.sample(MAX_ROWS, 0) is outcomes
        assert outcomes.sample(10, 0).users.tolist() == outcomes.sample(10, 0).users.tolist()


class TestModel:
    def test_nothing_after_its_moment_reaches_a_model(self):
        cut = END_US - 2 * HORIZON * DAY_US
        past = index_of([*(row for row in ROWS if row[1] < cut), *days("zz", END)], 2)
        before = RiskLog(past, past.active_mask(CONFIG), HORIZON)
        users = LOG.with_us(cut)
        ours, theirs = fit_risk(LOG, cut), fit_risk(before, cut)
        assert ours is not None
        assert theirs is not None
        names = [INDEX.user_ids[user] for user in users]
        same = np.array([past.user_code(name) for name in names])
        assert theirs.predict(before.features(same, cut)) == pytest.approx(ours.predict(LOG.features(users, cut)))

    def test_the_latest_cut_calibrates_and_older_ones_teach(self):
        model = fit_risk(LOG, END_US)
        assert model is not None
        assert model.calibration_cut == END_US - HORIZON * DAY_US
        assert max(model.train_cuts) == END_US - 2 * HORIZON * DAY_US

    def test_with_one_cut_only_there_is_no_calibration(self):
        short = index_of([row for row in ROWS if row[1] < 65 * DAY_US])
        log = RiskLog(short, short.active_mask(CONFIG), HORIZON)
        model = fit_risk(log, short.manifest.last_us + 1)
        assert model is not None
        assert (model.calibration_cut, len(model.train_cuts)) == (None, 1)


class TestRisk:
    def test_everyone_with_us_has_one_the_highest_first(self, risk: ChurnRisk):
        assert risk.users(("all", None)).tolist() == LOG.with_us(END_US).tolist()
        assert (np.diff(risk.risk) <= 0).all()
        assert ((risk.risk > 0) & (risk.risk < 1)).all()

    def test_orders_better_than_a_coin_and_says_about_as_many_as_left(self, risk: ChurnRisk):
        latest = risk.tests[0]
        assert latest.auc > 0.6
        assert latest.brier < latest.constant_brier
        assert risk.is_calibrated
        assert latest.risk.mean() == pytest.approx(latest.churned.mean(), abs=0.06)

    def test_bands_split_everyone(self, risk: ChurnRisk):
        edges = [0, 0.1, 0.3, 1]
        sizes = [len(risk.users(("between", pair))) for pair in pairwise(edges)]
        assert sum(sizes) == len(risk.scored)

    def test_each_bin_of_the_curve_opens_its_users(self, risk: ChurnRisk):
        for row in risk.tests[0].reliability().to_pylist():
            assert len(risk.users(("bin", row["bin"]))) == row["users"]

    def test_a_filter_narrows_the_list_and_not_the_test(self, risk: ChurnRisk):
        mask = np.arange(INDEX.n_users) % 2 == 0
        some = risk.only(mask)
        assert some.scored.tolist() == [code for code in risk.scored.tolist() if code % 2 == 0]
        assert some.tests is risk.tests
        assert risk.only(None) is risk

    def test_json(self, risk: ChurnRisk):
        answer = risk.to_json()
        assert answer["users"] == risk.to_arrow().num_rows
        assert answer["tests"][0]["users"] == sum(row["users"] for row in answer["reliability"])
        assert answer["expected_churners"] == pytest.approx(risk.risk.sum())

    def test_a_log_too_short_is_refused(self):
        with pytest.raises(InputError, match="too short"):
            compute_churn_risk(INDEX, CONFIG, RiskSpec(horizon_days=250))


class TestReliability:
    RISK = np.repeat([0.1, 0.6], 50)
    TEST = RiskTest(0, np.arange(100, dtype=np.int32), RISK, np.r_[np.ones(5), np.zeros(45), np.ones(40), np.zeros(10)],
                    np.zeros(100))  # fmt: skip

    def test_ten_bins_of_equal_size(self):
        table = self.TEST.reliability().to_pydict()
        assert table["users"] == [10] * 10
        assert table["said"] == pytest.approx([0.1] * 5 + [0.6] * 5)
        assert table["churned"] == [0.5, 0, 0, 0, 0, 1, 1, 1, 1, 0]

    def test_wilson_interval_by_hand(self):
        row = self.TEST.reliability().to_pylist()[0]
        # 5 of 10: (p + z^2/2n -+ z sqrt(p q / n + z^2/4n^2)) / (1 + z^2/n)
        assert (row["lower"], row["upper"]) == pytest.approx((0.2366, 0.7634), abs=1e-4)

    def test_calibration_error_is_the_weighted_mean_gap(self):
        gaps = [0.4, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4, 0.4, 0.6]
        assert self.TEST.calibration_error == pytest.approx(sum(gaps) / 10)

    def test_brier_beside_that_of_a_constant(self):
        assert self.TEST.brier == pytest.approx((5 * 0.9**2 + 45 * 0.1**2 + 40 * 0.4**2 + 10 * 0.6**2) / 100)
        assert self.TEST.constant_brier == pytest.approx(0.45 * 0.55)


class TestPromoted:
    def promoted(self, days_: int = HORIZON) -> PromotedRisks:
        cut = END_US - HORIZON * DAY_US
        users, tested = LOG.with_us(END_US), LOG.with_us(cut)
        return PromotedRisks("run", days_, users, users / 1000, cut, tested, tested / 1000)

    def test_its_risks_are_shown_and_tested_at_its_own_cut(self):
        found = compute_churn_risk(INDEX, CONFIG, RiskSpec(), self.promoted())
        assert str(found.source) == "the promoted model “run”"
        assert found.risk[0] == found.scored[0] / 1000
        [test] = found.tests
        assert test.cut_us == self.promoted().cut_us
        assert test.churned.tolist() == LOG.outcomes(test.cut_us, END_US).churned.tolist()

    def test_another_horizon_is_not_its_own(self):
        found = compute_churn_risk(INDEX, CONFIG, RiskSpec(horizon_days=HORIZON), self.promoted(33))
        assert "boosted trees" in str(found.source)

    def test_without_a_test_there_are_no_bins(self):
        cut = END_US - 10 * DAY_US
        promoted = self.promoted()
        late = PromotedRisks("run", HORIZON, promoted.users, promoted.risk, cut, *[LOG.with_us(cut)] * 2)
        found = compute_churn_risk(INDEX, CONFIG, RiskSpec(), late)
        assert found.tests == ()
        with pytest.raises(NotFoundError):
            found.users(("bin", 1))
