"""The chain and its back-test against numbers worked out by hand, on two stages: here (0) and gone (1)."""

import numpy as np
import pytest

from ulm_core.errors import InputError
from ulm_core.lifecycle.backtest import LEAST_ORIGINS, back_test
from ulm_core.lifecycle.markov import change_rates, fit_chain

# One period's flows: rows here, gone, not yet seen. 10 of 100 leave, 5 of 50 come back, 20 are new.
ONE = np.array([[90, 10], [5, 45], [20, 0]], np.int64)
ACTIVE = np.array([True, False])


class TestChain:
    def test_rates_are_shares_of_the_row_and_newcomers_a_mean(self):
        chain = fit_chain(np.stack([ONE, ONE + np.array([[0, 0], [0, 0], [10, 0]])]))
        assert chain.rates.tolist() == [[0.9, 0.1], [0.1, 0.9]]
        assert chain.newcomers.tolist() == [25.0, 0.0]

    def test_periods_are_pooled_by_users_and_not_averaged(self):
        small = np.array([[0, 1], [0, 0], [0, 0]], np.int64)
        assert fit_chain(np.stack([ONE, small])).rates[0].tolist() == [90 / 101, 11 / 101]

    def test_a_stage_nobody_started_in_keeps_its_users(self):
        assert fit_chain(np.array([[[3, 1], [0, 0], [0, 0]]])).rates[1].tolist() == [0, 1]

    def test_two_steps_by_hand(self):
        path = fit_chain(ONE[None]).project([100, 50], 2)
        # here: 100 * 0.9 + 50 * 0.1 + 20 = 115, gone: 100 * 0.1 + 50 * 0.9 = 55
        # here: 115 * 0.9 + 55 * 0.1 + 20 = 129, gone: 115 * 0.1 + 55 * 0.9 = 61
        assert path.tolist() == [[pytest.approx(115), pytest.approx(55)], [pytest.approx(129), pytest.approx(61)]]

    def test_without_newcomers_the_chain_settles_where_the_algebra_says(self):
        closed = fit_chain(np.array([[[90, 10], [20, 80], [0, 0]]]))  # 0.1 x here = 0.2 x gone
        assert closed.project([300, 0], 200)[-1] == pytest.approx([200, 100])


class TestWhatIf:
    CHAIN = fit_chain(ONE[None])

    def test_two_points_more_reactivation_by_hand(self):
        changed = change_rates(self.CHAIN, [(1, 0, 2.0)])
        assert changed.rates[1].tolist() == pytest.approx([0.12, 0.88])
        # here: 100 * 0.9 + 50 * 0.12 + 20 = 116: one active user more than without
        assert changed.project([100, 50], 1)[0] == pytest.approx([116, 54])

    def test_the_other_moves_share_what_is_left_in_their_proportions(self):
        flows = np.array([[[60, 30, 10], [0, 1, 0], [0, 0, 1], [0, 0, 0]]])
        changed = change_rates(fit_chain(flows), [(0, 2, 10.0)])
        assert changed.rates[0] == pytest.approx([0.8 * 60 / 90, 0.8 * 30 / 90, 0.2])

    def test_rates_stay_between_nothing_and_everything(self):
        assert change_rates(self.CHAIN, [(0, 1, -50.0)]).rates[0].tolist() == [1.0, 0.0]
        assert change_rates(self.CHAIN, [(0, 1, 99.0)]).rates[0] == pytest.approx([0, 1])

    def test_a_certain_move_that_is_lowered_leaves_users_where_they_are(self):
        sure = fit_chain(np.array([[[0, 5], [0, 1], [0, 0]]]))
        assert change_rates(sure, [(0, 1, -20.0)]).rates[0].tolist() == pytest.approx([0.2, 0.8])

    def test_more_than_everything_is_refused(self):
        with pytest.raises(InputError, match="leave 0% to 100%"):
            change_rates(self.CHAIN, [(0, 0, 5.0), (0, 1, 50.0)])

    def test_rows_sum_to_one_whatever_is_changed(self):
        for points in (-100, -3, 0, 3, 100):
            assert change_rates(self.CHAIN, [(1, 0, points)]).rates.sum(axis=1) == pytest.approx([1, 1])


def flows_of(rates: np.ndarray, start: list[int], n: int) -> np.ndarray:
    """Return n periods of a chain whose numbers stay whole."""
    now, flows = np.array(start, np.float64), []
    for _ in range(n):
        moves = now[:, None] * rates
        assert np.allclose(moves, np.rint(moves))
        flows.append(np.vstack([np.rint(moves), [0, 0]]))
        now = moves.sum(axis=0)
    return np.stack(flows).astype(np.int64)


class TestBackTest:
    def test_a_true_chain_is_forecast_without_error_and_no_change_is_not(self):
        half = np.array([[0.5, 0.5], [0.0, 1.0]])
        flows = flows_of(half, [2**12, 0], 10)
        test = back_test(flows, ACTIVE, window=3, n_ahead=2, level=0.8)
        assert test.mix_error == pytest.approx([0, 0], abs=1e-12)
        # From origin k on, here holds 2^-k; one period later half of it. Mean of 2^-(k+1) over k = 1..9.
        assert test.mix_error_unchanged[0] == pytest.approx(np.mean([2.0 ** -(k + 1) for k in range(1, 10)]))
        # "No change" says twice the true number of active users one period ahead, four times two ahead.
        assert test.active_error_unchanged == pytest.approx([1, 3])
        assert test.n_origins.tolist() == [9, 8]
        assert test.skill == pytest.approx([1, 1])
        assert "The forecast is better" in str(test.sentence(1))

    def test_a_mix_that_does_not_move_cannot_be_beaten(self):
        still = np.repeat(np.array([[[50, 0], [0, 50], [0, 0]]]), 8, axis=0)
        test = back_test(still, ACTIVE, window=3, n_ahead=1, level=0.8)
        assert test.mix_error_unchanged[0] == 0
        assert "does not beat it" in str(test.sentence(1))

    def test_alternating_rates_make_it_worse_than_no_change(self):
        swing = np.array([[[90, 10], [10, 90], [0, 0]], [[100, 0], [0, 100], [0, 0]]], np.int64)
        turned = np.concatenate([swing, swing, swing])
        turned[:, 0] *= 2  # unequal stages, so that learnt moves shift the mix
        test = back_test(turned, ACTIVE, window=1, n_ahead=1, level=0.8)
        assert test.mix_error[0] > test.mix_error_unchanged[0]
        assert "does not beat it" in str(test.sentence(1))

    def test_the_interval_is_a_quantile_of_past_errors(self):
        # Errors of one period ahead with window 1: learn from a period, forecast the next.
        shares = [0.1, 0.2, 0.1, 0.3, 0.1, 0.2, 0.1]
        flows = np.array([[[100 - 100 * s, 100 * s], [0, 0], [0, 0]] for s in shares]).astype(np.int64)
        flows[1:, 1] = [[100 * s, 0] for s in shares[:-1]]  # everybody who left is back
        test = back_test(flows, ACTIVE, window=1, n_ahead=1, level=0.5)
        assert test.n_origins[0] == 6
        assert np.isfinite(test.half_width).all()
        assert 0 <= test.coverage[0] <= 1

    def test_a_short_past_makes_no_interval_and_says_so(self):
        test = back_test(np.stack([ONE] * LEAST_ORIGINS), ACTIVE, window=1, n_ahead=1, level=0.8)
        assert np.isnan(test.half_width).all()
        assert "too few" in str(test.sentence(1))

    def test_an_empty_past_is_no_error(self):
        test = back_test(np.zeros((6, 3, 2), np.int64), ACTIVE, window=2, n_ahead=2, level=0.8)
        assert test.n_origins.tolist() == [0, 0]
        assert np.isnan(test.mix_error).all()
