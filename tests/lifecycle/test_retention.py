import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.retention import RetentionSpec, compute_retention


def triangle(rows, **fields) -> list[list[int]]:
    retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval="day", **fields))
    return [cohort["counts"] for cohort in retention.to_json()["cohorts"]]


class TestDefinitions:
    def test_lag_0_is_the_whole_cohort_even_without_a_return_event(self):
        rows = [*days("u", 0, event="buy"), *days("v", 0, event="buy"), *days("u", 1)]
        assert triangle(rows, start_event="buy", return_event="a") == [[2, 1], [0]]

    def test_recurring_puts_a_user_into_the_cohort_of_every_period(self):
        assert triangle(days("u", 0, 1, 2), kind="recurring") == [[1, 1, 1], [1, 1], [1]]

    def test_first_time_only_into_that_of_the_first(self):
        assert triangle(days("u", 0, 1, 2), kind="first-time") == [[1, 1, 1], [0, 0], [0]]

    def test_first_ever_looks_before_the_range_first_time_does_not(self):
        rows = [*days("u", 0, 1, 2), *days("v", 1, 2)]
        inside = {"from_us": DAY_US, "to_us": 3 * DAY_US}
        assert triangle(rows, kind="first-time", **inside) == [[2, 2], [0]]
        assert triangle(rows, kind="first-ever", **inside) == [[1, 1], [0]]

    def test_on_is_exactly_that_period_on_or_after_it_or_any_later_one(self):
        rows = days("u", 0, 3)
        assert triangle(rows, mode="on")[0] == [1, 0, 0, 1]
        assert triangle(rows, mode="on-or-after")[0] == [1, 1, 1, 1]

    def test_on_or_after_does_not_look_past_the_range(self):
        assert triangle(days("u", 0, 5), mode="on-or-after", from_us=0, to_us=3 * DAY_US)[0] == [1, 0, 0]

    def test_min_occurrences_count_return_events_per_period(self):
        rows = days("u", 0, 1, 1.1, 2)
        assert triangle(rows, min_occurrences=2)[0] == [1, 1, 0]

    def test_star_is_no_passive_event(self):
        assert triangle([*days("u", 0), *days("u", 1, event="mail")])[0] == [1, 0]

    def test_an_unknown_event_is_refused(self):
        with pytest.raises(NotFoundError):
            triangle(days("u", 0), start_event="nope")


class TestResult:
    def test_the_mean_row_is_weighted_by_cohort_size(self):
        # Day 0: 2 users, 1 back; day 1: 1 user, 1 back. Weighted: 2 of 3, not (1/2 + 1) / 2.
        rows = [*days("u", 0, 1), *days("v", 0), *days("w", 1, 2), *days("x", 3)]
        retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval="day"))
        assert retention.sizes.tolist() == [2, 1, 0, 1]
        assert retention.mean[1] == (1 + 1 + 0) / (2 + 1 + 0)

    def test_cells_of_the_running_period_are_incomplete_and_stay_out_of_the_complete_mean(self):
        rows = [*days("u", 0), *days("v", 0, 1), *days("w", 1, 2.5)]
        retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval="day"))
        assert retention.is_complete[0].tolist() == [True, True, False]
        assert retention.mean[1] == (1 + 1) / (2 + 1)
        assert retention.mean_complete[1] == 1 / 2
        assert np.isnan(retention.mean_complete[2])

    def test_users_of_a_cell(self):
        rows = [*days("u", 0, 2), *days("v", 0, 1)]
        retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval="day"))
        assert retention.users((0, 0)).tolist() == [0, 1]
        assert retention.users(("1970-01-01", 1)).tolist() == [1]

    def test_table_holds_size_beside_rate(self):
        retention = compute_retention(index_of(days("u", 0, 1)), CONFIG, RetentionSpec(interval="day"))
        assert retention.to_arrow().to_pylist()[1] == {
            "cohort": "1970-01-01", "size": 1, "lag": 1, "users": 1, "rate": 1.0, "is_complete": False
        }  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    random_rows(),
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["recurring", "first-time", "first-ever"]),
    st.sampled_from(["on", "on-or-after"]),
    st.sampled_from(["a", "*", "mail"]),
    st.sampled_from(["b", "*"]),
    st.integers(1, 2),
    st.integers(0, 20),
)
def test_equals_the_oracle(rows, interval, kind, mode, start, back, least, skip):
    rows = [*rows, *(("zz", RANDOM_START_US, name) for name in ("a", "b", "mail"))]
    spec = RetentionSpec(
        interval=interval, kind=kind, mode=mode, start_event=start, return_event=back, min_occurrences=least,
        from_us=RANDOM_START_US + skip * DAY_US, to_us=RANDOM_START_US + (skip + 15) * DAY_US,
    )  # fmt: skip
    one, many = (compute_retention(index_of(rows, n), NEW_YORK, spec) for n in (1, 50))
    assert one.counts.tobytes() == many.counts.tobytes()
    n = len(one.periods)
    expected = [[0] * (n - cohort) for cohort in range(n)]
    for events in timelines(rows).values():
        returned = oracle.returns(events, one.periods, back, least)
        for cohort in oracle.cohorts(events, one.periods, start, kind):
            for lag in range(n - cohort):
                later = range(cohort + lag, n) if mode == "on-or-after" else [cohort + lag]
                expected[cohort][lag] += lag == 0 or any(p in returned for p in later)
    assert [cohort["counts"] for cohort in one.to_json()["cohorts"]] == expected
    assert one.counts[:, 0].tolist() == one.sizes.tolist()
    for cohort in range(n):
        for lag in range(n - cohort):
            assert len(one.users((cohort, lag))) == one.counts[cohort, lag]
