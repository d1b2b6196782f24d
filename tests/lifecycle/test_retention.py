from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.periods import DAY_US, HOUR_US, make_periods, to_us
from ulm_core.lifecycle.retention import RetentionSpec, compute_retention
from ulm_core.lifecycle.retention_plan import OWN_US


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

    def test_table_holds_size_beside_rate_and_its_interval(self):
        retention = compute_retention(index_of(days("u", 0, 1)), CONFIG, RetentionSpec(interval="day"))
        row = retention.to_arrow().to_pylist()[1]
        # Wilson for 1 of 1 with z = 1.96: lower = 1 / (1 + z^2) = 1 / 4.841.
        assert row.pop("rate_low") == pytest.approx(1 / (1 + 1.959964**2))
        assert row == {
            "cohort": "1970-01-01", "size": 1, "lag": 1, "users": 1, "rate": 1.0, "rate_high": 1.0, "is_complete": False
        }  # fmt: skip

    def test_groups_add_up_to_the_whole(self):
        rows = [*days("u", 0, 1), *days("v", 0), *days("w", 0, 1)]
        labels = UserLabels("plan", ("free", "paid"), np.array([0, 1, -1], np.int32))
        retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval="day", labels=labels))
        assert retention.counts.tolist() == [[3, 2], [0, -1]]
        assert retention.group_counts.tolist() == [[[1, 1], [0, -1]], [[1, 0], [0, -1]]]  # w has no plan
        assert retention.users((0, 1)).tolist() == [0, 2]
        assert retention.users((0, 1, "free")).tolist() == [0]
        assert retention.to_json()["groups"]["paid"]["cohorts"][0]["counts"] == [1, 0]
        with pytest.raises(NotFoundError):
            retention.users((0, 1, "gold"))

    def test_a_cell_outside_the_triangle_has_no_users(self):
        retention = compute_retention(index_of(days("u", 0, 1)), CONFIG, RetentionSpec(interval="day"))
        with pytest.raises(InputError, match="not followed"):
            retention.users((1, 1))


class TestModes:
    #  day   0  1  2  3  4
    #  u     x  x  x  -  x
    #  v     x  -  x  -  -
    ROWS = (*days("u", 0, 1, 2, 4), *days("v", 0, 2), *days("w", 0), *days("z", 4))

    @pytest.mark.parametrize(
        ("mode", "first_row"),
        [
            ("on", [3, 1, 2, 0, 1]),
            ("on-or-after", [3, 2, 2, 1, 1]),
            ("on-or-before", [3, 1, 2, 2, 2]),
            ("streak", [3, 1, 1, 0, 0]),
        ],
    )
    def test_table_of_cases(self, mode, first_row):
        assert triangle(self.ROWS, mode=mode)[0] == first_row

    @pytest.mark.parametrize(
        ("mode", "first_row"),
        [
            ("on", [3, 1, 1]),  # day 1: u; days 3 and 4: u
            ("on-or-after", [3, 2, 1]),  # from day 1 on: u and v; from day 3 on: u
            ("on-or-before", [3, 1, 2]),  # up to day 1: u; up to day 4: u and v
            ("streak", [3, 1, 1]),  # u was there in both
        ],
    )
    def test_brackets(self, mode, first_row):
        assert triangle(self.ROWS, mode=mode, brackets=((1, 1), (3, 4)))[0] == first_row

    def test_brackets_are_named_and_incomplete_until_their_last_day(self):
        spec = RetentionSpec(interval="day", brackets=((1, 2), (3, 7)))
        retention = compute_retention(index_of([*self.ROWS, *days("z", 5)]), CONFIG, spec)
        assert [column.label for column in retention.columns] == ["0", "1-2", "3-7"]
        assert retention.is_complete[0].tolist() == [True, True, False]
        assert retention.to_json()["columns"] == ["0", "1-2", "3-7"]
        assert retention.to_arrow()["lag"].to_pylist()[:3] == ["0", "1-2", "3-7"]

    @pytest.mark.parametrize("brackets", [((2, 1),), ((0, 3),), ((1, 4), (4, 8)), ()])
    def test_brackets_that_make_no_sense_are_refused(self, brackets):
        with pytest.raises(InputError):
            RetentionSpec.checked(brackets=brackets)


class TestWindowsOfOnesOwn:
    def test_a_day_is_24_hours_from_the_users_own_start(self):
        # Start at 18:00. 17:59 the next day is 23 h 59 min later: still the user's day 0; 18:00 is day 1.
        assert triangle(days("u", 0.75, 1.7493, 3), own_windows=True)[0] == [1, 0, 1, 0]
        assert triangle(days("u", 0.75, 1.75, 3), own_windows=True)[0] == [1, 1, 1, 0]
        assert triangle(days("u", 0.75, 1.7493, 3))[0] == [1, 1, 0, 1]

    def test_windows_end_with_the_range_unless_followed(self):
        rows = days("u", 0.75, 2.1)  # the user's day 1 runs from 1.75 to 2.75
        inside = {"from_us": 0, "to_us": 2 * DAY_US, "own_windows": True}
        assert triangle(rows, **inside)[0] == [1, 0]
        assert triangle(rows, **inside, follow=2)[0] == [1, 1]

    def test_weeks_are_7_days_and_months_30(self):
        rows = [*days("u", 3, 10, 33), *days("z", 70)]
        for interval, row in (("week", [1, 1, 0, 0, 1]), ("month", [1, 1])):
            retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval=interval, own_windows=True))
            assert retention.counts[0, : len(row)].tolist() == row

    def test_a_day_of_25_hours_is_still_24_hours_long(self):
        # Clocks go back in New York on 2024-11-03: 24 h after 12:00 is 11:00.
        noon = to_us(datetime(2024, 11, 2, 12, tzinfo=ZoneInfo("America/New_York")))
        rows = [("u", noon, "a"), ("u", noon + 24 * HOUR_US, "a"), ("u", noon + 72 * HOUR_US, "a")]
        spec = RetentionSpec(interval="day", own_windows=True)
        assert compute_retention(index_of(rows), NEW_YORK, spec).counts[0].tolist() == [1, 1, 0, 1]


class TestFollow:
    def test_every_cohort_is_followed_past_the_range(self):
        rows = [*days("u", 0, 1, 3), *days("v", 1, 2, 3), *days("w", 3)]
        inside = {"from_us": 0, "to_us": 2 * DAY_US}
        assert triangle(rows, **inside) == [[1, 1], [1]]
        assert triangle(rows, **inside, follow=3) == [[1, 1, 0], [1, 1, 1]]
        # On or after looks as far as the cohort is followed: u's day 3 is no more.
        assert triangle(rows, **inside, follow=3, mode="on-or-after") == [[1, 1, 0], [1, 1, 1]]

    def test_what_has_not_happened_yet_is_incomplete(self):
        spec = RetentionSpec(interval="day", from_us=0, to_us=2 * DAY_US, follow=3)
        retention = compute_retention(index_of([*days("u", 0), *days("v", 1, 3)]), CONFIG, spec)
        # The last event opens day 3: days 0 to 2 are over.
        assert retention.is_complete.tolist() == [[True, True, True], [True, True, False]]


class TestValues:
    def test_sums_and_averages_per_user_who_is_back(self):
        rows = [
            ("u", 0, "buy", 5.0), ("u", DAY_US, "buy", 2.5), ("u", DAY_US, "buy", 1.5), ("v", 0, "buy", 1.0),
            ("v", DAY_US, "buy", 2.0), ("w", 0, "buy", 0.1), ("x", 2 * DAY_US, "a", 9.0),
        ]  # fmt: skip
        spec = RetentionSpec(interval="day", return_event="buy", start_event="buy", with_value=True)
        answer = compute_retention(index_of(rows), CONFIG, spec).to_json()["cohorts"][0]
        assert answer["counts"] == [3, 2, 0]
        assert answer["sums"] == pytest.approx([6.1, 6.0, 0.0])
        assert answer["averages"][:2] == pytest.approx([6.1 / 3, (4.0 + 2.0) / 2])
        assert answer["averages"][2] is None

    @pytest.mark.parametrize("own", [False, True])
    def test_nobody_has_a_value(self, own):
        spec = RetentionSpec(interval="day", start_event="a", return_event="b", with_value=True, own_windows=own)
        rows = [*days("u", 0, 1), *days("v", 9, event="b")]
        assert compute_retention(index_of(rows), CONFIG, spec).sums[0, :2].tolist() == [0.0, 0.0]

    def test_values_need_mode_on(self):
        with pytest.raises(InputError, match="mode on"):
            RetentionSpec.checked(with_value=True, mode="streak")

    def test_without_values_there_is_no_average(self):
        with pytest.raises(InputError):
            _ = compute_retention(index_of(days("u", 0)), CONFIG, RetentionSpec(interval="day")).averages


def test_conditions_narrow_both_events():
    rows = [("u", 0, "buy", 5.0), ("u", DAY_US, "buy", 1.0), ("v", 0, "buy", 1.0), ("v", DAY_US, "buy", 9.0)]
    assert triangle(rows, start_event="buy[value>=5]", return_event="buy[value<5]") == [[1, 1], [1]]


@pytest.mark.parametrize("interval", ["hour", "quarter"])
def test_hours_and_quarters(interval):
    rows = [("u", 0, "a"), ("u", HOUR_US, "a"), ("u", 100 * DAY_US, "a")]
    retention = compute_retention(index_of(rows), CONFIG, RetentionSpec(interval=interval))
    assert retention.counts[0, 1] == 1
    assert len(retention.columns) == len(retention.periods) == {"hour": 2401, "quarter": 2}[interval]


MODES = ["on", "on-or-after", "on-or-before", "streak"]
BRACKETS = [None, ((1, 2), (3, 4)), ((1, 1), (4, 9))]


@settings(max_examples=150, deadline=None)
@given(
    random_rows(),
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["recurring", "first-time", "first-ever"]),
    st.sampled_from(MODES),
    st.sampled_from(["a", "*", "mail"]),
    st.sampled_from(["b", "*"]),
    st.integers(1, 2),
    st.integers(0, 20),
    st.booleans(),
    st.sampled_from([None, 1, 4, 30]),
    st.sampled_from(BRACKETS),
)
def test_equals_the_oracle(rows, interval, kind, mode, start, back, least, skip, own, follow, brackets):
    rows = [*rows, *(("zz", RANDOM_START_US, name) for name in ("a", "b", "mail"))]
    spec = RetentionSpec(
        interval=interval, kind=kind, mode=mode, start_event=start, return_event=back, min_occurrences=least,
        from_us=RANDOM_START_US + skip * DAY_US, to_us=RANDOM_START_US + (skip + 15) * DAY_US, own_windows=own,
        follow=follow, brackets=brackets,
    )  # fmt: skip
    one, many = (compute_retention(index_of(rows, n), NEW_YORK, spec) for n in (1, 64))
    assert one.counts.tobytes() == many.counts.tobytes()
    n = len(one.periods)
    longer = make_periods(one.periods.from_us, one.periods.to_us + 1000 * DAY_US, interval, "America/New_York")
    expected = np.zeros_like(one.counts)
    columns = [(column.first, column.last) for column in one.columns]
    for events in timelines(rows).values():
        for cohort, at in oracle.cohort_starts(events, one.periods, start, kind).items():
            lags = follow or n - cohort
            if own:
                bounds = [at + lag * OWN_US[interval] for lag in range(lags + 1)]
                bounds = bounds if follow else [min(bound, one.periods.to_us) for bound in bounds]
            else:
                bounds = longer.starts_us[cohort : cohort + lags + 1].tolist()
            was_back = oracle.back_at(events, bounds, back, least)
            holds = [oracle.counts_in(was_back, *column, mode) for column in columns]
            if mode == "streak":
                on = [oracle.counts_in(was_back, *column, "on") for column in columns]
                holds = [all(on[1 : k + 1]) for k in range(len(columns))]
            expected[cohort] += [k == 0 or holds[k] for k in range(len(columns))]
    shown = np.array([[first < (follow or n - cohort) for first, _ in columns] for cohort in range(n)])
    assert one.counts.tolist() == np.where(shown, expected, -1).tolist()
    for cohort, column in np.argwhere(shown)[:: max(1, shown.sum() // 20)].tolist():
        assert len(one.users((cohort, column))) == one.counts[cohort, column]


@settings(max_examples=20, deadline=None)
@given(random_rows())
def test_sums_are_the_same_bytes_however_many_partitions(rows):
    one, many = (
        compute_retention(index_of(rows, n), NEW_YORK, RetentionSpec(interval="day", with_value=True, kind="recurring"))
        for n in (1, 64)
    )
    assert one.sums.tobytes() == many.sums.tobytes()
