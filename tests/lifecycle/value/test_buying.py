import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulm_core.errors import InputError
from ulm_core.events.samples import package_dir
from ulm_core.lifecycle.value.buying import BuyingModel, fit_buying, log_likelihood

BG = BuyingModel("bg", r=0.243, alpha=4.414, a=0.793, b=2.426)
MBG = BuyingModel("mbg", r=0.525, alpha=6.183, a=0.891, b=1.614)


def arrays(*customers: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, recency, age = zip(*customers, strict=True)
    return np.array(x), np.array(recency, float), np.array(age, float)


@pytest.fixture(scope="module")
def cdnow_sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the 1/10 sample of CDNOW that Fader and Hardie publish estimates for: 2,357 customers, 39 weeks."""
    table = pd.read_csv(package_dir("lifetimes") / "datasets" / "cdnow_customers_summary.csv")
    return table["frequency"].to_numpy(), table["recency"].to_numpy(), table["T"].to_numpy()


class TestPublishedValues:
    def test_bg_nbd_on_cdnow(self, cdnow_sample):
        # Fader, Hardie and Lee 2005, table 2.
        model = fit_buying(*cdnow_sample, kind="bg")
        assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=5e-4)
        assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)

    def test_conditional_expectation_of_customer_1(self, cdnow_sample):
        # The worked example of Fader, Hardie and Lee (2005): x = 2, t_x = 30.43, T = 38.86, 39 weeks.
        expected = fit_buying(*cdnow_sample, kind="bg").expected(39, *arrays((2, 30.43, 38.86)))
        assert expected[0] == pytest.approx(1.226, abs=5e-4)

    def test_mbg_nbd_on_cdnow(self, cdnow_sample):
        # The estimates of lifetimes 0.11.3 on the same customers.
        model = fit_buying(*cdnow_sample, kind="mbg")
        assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=1e-3)


class TestLikelihood:
    def test_bg_of_a_customer_without_repeat_is_a_gamma_exponential(self):
        # Nobody leaves before a repeat purchase: (alpha / (alpha + T)) ** r.
        each, _ = log_likelihood(BG, *arrays((0, 0, 30)))
        assert each[0] == pytest.approx(BG.r * math.log(BG.alpha / (BG.alpha + 30)))

    def test_mbg_of_a_customer_without_repeat_by_hand(self):
        # Left at once (a / (a + b)), or stayed and did not buy.
        each, _ = log_likelihood(MBG, *arrays((0, 0, 30)))
        leave = MBG.a / (MBG.a + MBG.b)
        silent = (MBG.alpha / (MBG.alpha + 30)) ** MBG.r
        assert each[0] == pytest.approx(math.log(leave + (1 - leave) * silent))

    @pytest.mark.parametrize("model", [BG, MBG])
    def test_equals_the_integral_over_all_rates_and_chances(self, model):
        x, recency, age = 3, 11.0, 20.0
        points, shares = np.polynomial.legendre.leggauss(400)
        chance, rate = (points + 1) / 2, (points + 1) / 2 * 12
        p, rate_share = shares / 2, shares / 2 * 12
        beta = chance ** (model.a - 1) * (1 - chance) ** (model.b - 1)
        beta /= math.exp(math.lgamma(model.a) + math.lgamma(model.b) - math.lgamma(model.a + model.b))
        gamma = model.alpha**model.r * rate ** (model.r - 1) * np.exp(-rate * model.alpha) / math.gamma(model.r)
        stays = x + (model.kind == "mbg")  # chances to leave that were not taken, but for the last
        here, left = rate**x * np.exp(-rate * age), rate**x * np.exp(-rate * recency)
        total = (p * beta * (1 - chance) ** stays).sum() * (rate_share * gamma * here).sum()
        total += (p * beta * (1 - chance) ** (stays - 1) * chance).sum() * (rate_share * gamma * left).sum()
        each, _ = log_likelihood(model, *arrays((x, recency, age)))
        assert each[0] == pytest.approx(math.log(total), abs=2e-3)

    @settings(max_examples=30, deadline=None)
    @given(st.sampled_from(["bg", "mbg"]), st.lists(st.floats(0.1, 8), min_size=4, max_size=4))
    def test_gradient_equals_differences(self, kind, parameters):
        history = arrays((0, 0, 10), (1, 4, 10), (7, 9.5, 12))
        _, gradient = log_likelihood(BuyingModel(kind, *parameters), *history)
        for k in range(4):
            ends = []
            for step in (-1e-6, 1e-6):
                moved = [value + step * (k == position) for position, value in enumerate(parameters)]
                ends.append(log_likelihood(BuyingModel(kind, *moved), *history)[0])
            assert gradient[k] == pytest.approx((ends[1] - ends[0]) / 2e-6, abs=1e-5, rel=1e-4)


class TestExpected:
    @pytest.mark.parametrize("kind", ["bg", "mbg"])
    def test_equals_a_simulation_of_the_story(self, kind):
        """Simulate customers, keep those with one history, and count what they buy next."""
        model, rng = BuyingModel(kind, r=1.2, alpha=6.0, a=0.9, b=2.5), np.random.default_rng(0)
        n, age, ahead = 400_000, 12.0, 8.0
        rate, leave = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
        alive = rng.random(n) >= leave if kind == "mbg" else np.ones(n, bool)
        now, count, last, later = np.zeros(n), np.zeros(n, int), np.zeros(n), np.zeros(n, int)
        while alive.any():
            now[alive] += rng.exponential(1 / rate[alive])
            alive &= now < age + ahead
            first = alive & (now < age)
            count[first], last[first] = count[first] + 1, now[first]
            later[alive & (now >= age)] += 1
            alive &= rng.random(n) >= leave
        for x, low, high in ((0, 0, 0), (1, 3, 5), (2, 8, 12), (4, 10, 12)):
            chosen = (count == x) & (last >= low) & (last <= high)
            said = model.expected(ahead, count[chosen], last[chosen], np.full(chosen.sum(), age)).mean()
            error = later[chosen].std() / math.sqrt(chosen.sum())
            assert said == pytest.approx(later[chosen].mean(), abs=4 * error)

    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from([BG, MBG]), st.integers(0, 20), st.floats(0, 1), st.floats(1, 80), st.floats(0.5, 50)
    )  # fmt: skip
    def test_grows_with_time_and_never_below_zero(self, model, x, share, age, weeks):
        history = arrays((x, age * share * (x > 0), age))
        now, later = model.expected(weeks, *history)[0], model.expected(weeks + 1, *history)[0]
        assert 0 <= now <= later
        assert 0 <= model.buys_again(weeks, *history)[0] <= 1

    def test_is_continuous_where_a_is_1(self):
        history = arrays((3, 10, 20))
        around = [BuyingModel("bg", 0.5, 5, a, 2).expected(10, *history)[0] for a in (0.999, 1.0, 1.001)]
        assert around[0] == pytest.approx(around[1], rel=1e-3)
        assert around[2] == pytest.approx(around[1], rel=1e-3)


class TestStillThere:
    def test_one_time_buyers_are_always_still_there_in_the_bg_nbd(self):
        # Why it is no churn score: one purchase, 39 weeks or ten years ago.
        assert BG.still_there(*arrays((0, 0, 39), (0, 0, 520))).tolist() == [1, 1]
        assert MBG.still_there(*arrays((0, 0, 39), (0, 0, 520)))[1] < 0.7

    def test_by_hand(self):
        gone = BG.a / (BG.b + 2 - 1) * ((BG.alpha + 38.86) / (BG.alpha + 30.43)) ** (BG.r + 2)
        assert BG.still_there(*arrays((2, 30.43, 38.86)))[0] == pytest.approx(1 / (1 + gone))


def test_too_few_repeats_are_refused():
    with pytest.raises(InputError, match="bought again"):
        fit_buying(*arrays(*[(0, 0.0, 9.0)] * 50, *[(1, 4.0, 9.0)] * 9))
