import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, index_of, random_rows
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.periods import DAY_US, HOUR_US, local_datetime
from ulm_core.lifecycle.value.buying import BuyingModel
from ulm_core.lifecycle.value.histories import Purchases, calendar_days, read_purchases
from ulm_core.lifecycle.value.holdout import group_names
from ulm_core.lifecycle.value.lifetime import ValueSpec, compute_value, discounted_purchases


def bought(rows, config=CONFIG, n_days=None):
    index = index_of(rows)
    days = calendar_days(index, config)
    return read_purchases(index, config, days, len(days) if n_days is None else n_days, np.ones(index.n_users, bool))


def buys(user: str, *pairs: tuple[float, float]):
    return [(user, round(day * DAY_US), "buy", value) for day, value in pairs]


END = [("zz", 70 * DAY_US, "a")]


class TestPurchases:
    def test_weeks_between_calendar_days_of_purchase(self):
        found = bought([*buys("u", (0.9, 10), (14.1, 20), (28, 30)), *END])
        assert found.frequency.tolist() == [2]
        assert found.recency.tolist() == [28 / 7]
        assert found.age.tolist() == [70 / 7]
        assert found.silence.tolist() == [42 / 7]

    def test_one_day_is_one_purchase_and_the_first_is_no_part_of_the_mean(self):
        found = bought([*buys("u", (0, 100), (3, 10), (3.5, 5), (9, 25)), *END])
        assert found.frequency.tolist() == [2]
        assert found.spend.tolist() == [(10 + 5 + 25) / 2]
        assert found.total.tolist() == [100 + 10 + 5 + 25]

    def test_a_day_is_one_of_the_workspace(self):
        # 23:00 and 01:00 in New York, one day in UTC.
        rows = [("u", RANDOM_START_US - HOUR_US, "buy", 1.0), ("u", RANDOM_START_US + HOUR_US, "buy", 1.0)]
        assert bought(rows, NEW_YORK).frequency.tolist() == [1]
        assert bought(rows, CONFIG).frequency.tolist() == [0]

    def test_only_conversions_make_a_customer(self):
        rows = [*buys("u", (0, 1)), ("v", 0, "a"), *END]
        assert bought(rows).customers.tolist() == [0]
        assert math.isnan(bought(rows).spend[0])

    def test_nothing_after_the_days_looked_at_counts(self):
        rows = [*buys("u", (0, 1), (7, 1), (30, 9)), *buys("v", (40, 1)), *END]
        found = bought(rows, n_days=15)
        assert (found.customers.tolist(), found.frequency.tolist(), found.age.tolist()) == ([0], [1], [14 / 7])

    @settings(max_examples=40, deadline=None)
    @given(random_rows())
    def test_equals_a_naive_count(self, rows):
        found = bought(rows, NEW_YORK)
        index = index_of(rows, 3)
        last = local_datetime(index.manifest.last_us, NEW_YORK.timezone).date()
        for k, code in enumerate(found.customers):
            own = sorted((t, v) for u, t, e, v in rows if e == "buy" and u == index.user_ids[code])
            days = sorted({local_datetime(t, NEW_YORK.timezone).date() for t, _ in own})
            assert found.frequency[k] == len(days) - 1
            assert found.recency[k] * 7 == pytest.approx((days[-1] - days[0]).days)
            assert found.age[k] * 7 == pytest.approx((last - days[0]).days)
            assert found.total[k] == pytest.approx(sum(v for _, v in own))


def test_discounting_equals_a_fine_sum():
    model = BuyingModel("mbg", 0.5, 6.0, 0.9, 1.6)
    history = np.array([0, 3]), np.array([0.0, 20.0]), np.array([30.0, 26.0])
    customers = Purchases(np.array([0, 1], np.int32), *history, np.full(2, np.nan), np.zeros(2))
    steps = np.linspace(0, 52, 5_201)
    each = np.diff([model.expected(float(t), *history) for t in steps], axis=0)
    middle = 1.1 ** -((steps[1:] + steps[:-1]) / 2 / (365.2425 / 7))
    assert discounted_purchases(model, customers, 52, 0.1) == pytest.approx((each * middle[:, None]).sum(0), rel=1e-6)
    assert discounted_purchases(model, customers, 52, 0.0) == pytest.approx(model.expected(52, *history))


def shop(n: int = 400, seed: int = 0):
    """Return a log of customers who come from day 0 to 100 and buy at rates of their own for 364 days."""
    rng, rows = np.random.default_rng(seed), [("zz", 363 * DAY_US, "a")]
    for user in range(n):
        day, rate = rng.uniform(0, 100), rng.gamma(1.0, 1 / 30)
        level = rng.gamma(4, 5)
        while day < 363:
            rows += buys(f"u{user:03}", (day, float(rng.gamma(6, level / 6))))
            if rng.random() < 0.15:
                break
            day += rng.exponential(1 / rate)
    return index_of(rows, 3)


def rows_of(index):
    """Return every event of a log."""
    return [
        (str(index.user_ids[u]), int(t), index.manifest.event_names[e], float(v))
        for u in range(index.n_users)
        for t, e, v in zip(index.history(u).time, index.history(u).event, index.history(u).value, strict=True)
    ]


INDEX = shop()
RESULT = compute_value(INDEX, CONFIG, ValueSpec())


class TestValue:
    def test_value_is_discounted_purchases_times_spend_times_margin(self):
        half = compute_value(INDEX, CONFIG, ValueSpec(margin=0.5))
        purchases = discounted_purchases(RESULT.buying, RESULT.purchases, 52, 0.1)
        assert RESULT.value == pytest.approx(purchases * RESULT.spend)
        assert half.value == pytest.approx(RESULT.value / 2)
        assert (purchases < RESULT.expected).all()

    def test_list_is_ordered_by_value(self):
        values = RESULT.to_arrow()["value"].to_numpy()
        assert (np.diff(values) <= 0).all()
        assert len(values) == len(RESULT.users(("all", None)))

    def test_every_cell_of_the_matrix_opens_its_customers(self):
        rows = RESULT.matrix().to_pylist()
        assert sum(row["users"] for row in rows) == len(RESULT.purchases)
        for row in rows:
            codes = RESULT.users(("cell", (row["frequency"], row["silence"])))
            assert len(codes) == row["users"]
            inside = np.isin(RESULT.purchases.customers, codes)
            assert RESULT.expected[inside].mean() == pytest.approx(row["expected"])
        with pytest.raises(NotFoundError):
            RESULT.users(("cell", ("0", "soon")))

    def test_groups_sum_to_the_whole(self):
        codes = (np.arange(INDEX.n_users) % 3).astype(np.int32)
        labels = UserLabels("town", ("a", "b", "c"), codes)
        rows = RESULT.by(labels).to_pylist()
        assert sum(row["users"] for row in rows) == len(RESULT.purchases)
        assert sum(row["value"] for row in rows) == pytest.approx(RESULT.value.sum())
        for row in rows:
            assert len(RESULT.users(("group", (labels, row["group"])))) == row["users"]
            assert row["value_each"] == pytest.approx(row["value"] / row["users"])

    def test_only_customers_asked_for(self):
        mask = np.arange(INDEX.n_users) < 200
        some = compute_value(INDEX, CONFIG, ValueSpec(users=mask))
        assert some.users(("all", None)).max() < 200

    def test_a_log_without_values_has_purchases_to_expect_and_no_value(self):
        rows = [
            (f"u{k}", (k + step * (k % 7 + 1)) * DAY_US, "buy", math.nan) for k in range(40) for step in range(k % 5)
        ]
        found = compute_value(index_of([*rows, ("zz", 90 * DAY_US, "a")]), CONFIG, ValueSpec(holdout_share=0.1))
        assert found.spending is None
        assert (found.expected > 0).all()
        assert found.to_json()["value"] is None

    def test_a_log_without_purchases_is_refused(self):
        with pytest.raises(InputError, match="Nobody has bought"):
            compute_value(index_of([("u", 0, "a")]), CONFIG, ValueSpec())


class TestHoldout:
    def test_expected_before_and_counted_after(self):
        held = RESULT.holdout
        assert held is not None
        assert held.cut_us == 182 * DAY_US  # half of 364 days, bar what came before the first purchase
        assert held.weeks == 182 / 7
        for k in (0, 50, 100):
            code = int(held.purchases.customers[k])
            own = INDEX.history(code)
            assert held.actual[k] == len(np.unique(own.time[own.time >= held.cut_us] // DAY_US))

    def test_errors_by_hand(self):
        held = RESULT.holdout
        assert held is not None
        off = [abs(e - a) for e, a in zip(held.expected.tolist(), held.actual.tolist(), strict=True)]
        assert held.mean_absolute_error == pytest.approx(sum(off) / len(off))
        assert held.aggregate_error == pytest.approx(held.expected.sum() / held.actual.sum() - 1)
        assert held.mean_absolute_error < held.constant_error

    def test_each_line_opens_its_customers(self):
        held = RESULT.holdout
        assert held is not None
        rows = held.by_frequency().to_pylist()
        assert sum(row["users"] for row in rows) == len(held.purchases)
        assert [len(held.users(row["frequency"])) for row in rows] == [row["users"] for row in rows]

    def test_nothing_of_the_holdout_reaches_the_model_that_is_tested(self):
        cut = RESULT.holdout.cut_us  # type: ignore[union-attr]
        keep = [row for row in rows_of(INDEX) if row[1] < cut or row[0][-1] in "02468" or row[0] == "zz"]
        other = compute_value(index_of(keep), CONFIG, ValueSpec()).holdout
        assert other is not None
        assert other.model == RESULT.holdout.model  # type: ignore[union-attr]

    def test_a_log_too_short_to_test_has_no_test(self):
        rows = [row for k in range(30) for row in buys(f"u{k}", (0, 5), (1, 5))]
        assert compute_value(index_of(rows), CONFIG, ValueSpec()).holdout is None


def test_names_of_groups():
    assert group_names((0, 1, 2, 5)) == ("0", "1", "2-4", "5+")


def test_one_answer_however_many_partitions():
    many = compute_value(index_of(rows_of(INDEX), 64), CONFIG, ValueSpec())
    assert many.to_arrow().equals(RESULT.to_arrow())
