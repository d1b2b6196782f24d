import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from tests.lifecycle.oracle import is_active
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.overview import KPIS, OverviewSpec, compute_overview, previous_range
from ulm_core.lifecycle.periods import DAY_US, make_periods, to_us


def bought(user: str, day: float, value: float) -> tuple[str, int, str, float]:
    return (user, round(day * DAY_US), "buy", value)


class TestFigures:
    def overview(self, **fields):
        rows = [
            *days("u", 0.5, 11), bought("u", 12, 2.5), bought("u", 12.5, 1.5),
            *days("v", 2), bought("v", 3, 10),
            *days("w", 15, event="mail"), *days("w", 14),
            ("x", 13 * DAY_US, "buy"), *days("zz", 30),
        ]  # fmt: skip
        spec = OverviewSpec(from_us=10 * DAY_US, to_us=20 * DAY_US, horizon_days=9, **fields)
        return compute_overview(index_of(rows), CONFIG, spec)

    @pytest.mark.parametrize(
        ("name", "value", "previous"),
        [
            ("active", 3, 2),  # u, w, x; before: u, v
            ("new", 2, 2),  # w, x; before: u, v
            ("converted", 2, 1),  # u, x; before: v
            # The silence of v from day 3 got longer than 9 days on day 12, that of u from day 0.5 on day 9.5.
            ("churned", 1, 1),
            ("purchases", 3, 1),
            ("revenue", 2.5 + 1.5, 10),  # a purchase without a value adds nothing
        ],
    )
    def test_table_of_cases(self, name: str, value: float, previous: float):
        kpi = self.overview().kpi(name)
        assert (kpi.value, kpi.previous) == (value, previous)

    def test_every_figure_lists_its_users(self):
        overview = self.overview()
        for name in KPIS:
            assert len(overview.users(name)) == overview.kpi(name).n_users
        assert overview.users("purchases").tolist() == overview.users("converted").tolist() == [0, 3]
        with pytest.raises(NotFoundError):
            overview.users("happiness")

    def test_relative_change(self):
        assert self.overview().kpi("active").change == (3 - 2) / 2
        assert math.isnan(self.overview(users=np.array([False, False, True, False, False])).kpi("churned").change)

    def test_a_user_filter_leaves_the_others_out(self):
        overview = self.overview(users=np.array([True, False, False, False, False]))
        assert [kpi.value for kpi in overview.kpis] == [1, 0, 1, 0, 2, 4.0]

    def test_without_a_range_before_there_is_no_base(self):
        overview = compute_overview(index_of(days("u", 0, 1)), CONFIG, OverviewSpec())
        assert math.isnan(overview.kpi("active").previous)
        assert overview.to_json()["figures"]["active"]["previous"] is None

    def test_a_range_before_that_begins_before_the_log_is_no_base(self):
        index = index_of(days("u", 5, 12))
        for start, has_base in ((10, True), (11, False)):
            # Ranges of 5 and of 7 days: the ranges before them begin on day 5, with the log, and on day 4.
            spec = OverviewSpec(from_us=start * DAY_US, to_us=(15 if has_base else 18) * DAY_US)
            overview = compute_overview(index, CONFIG, spec)
            assert math.isnan(overview.kpi("active").previous) is not has_base

    def test_churned_is_bad_when_it_rises(self):
        assert [kpi.name for kpi in self.overview().kpis if not kpi.higher_is_better] == ["churned"]


class TestPreviousRange:
    def test_as_many_calendar_days_before_across_a_clock_change(self):
        # 8 to 15 March 2024 in New York: the week before starts at 05:00 UTC, this one ends at 04:00 UTC.
        start, end = (to_us(datetime(2024, 3, day, hour, tzinfo=UTC)) for day, hour in ((8, 5), (15, 4)))
        before = previous_range(make_periods(start, end, "day", "America/New_York"), "America/New_York")
        assert before == (to_us(datetime(2024, 3, 1, 5, tzinfo=UTC)), start)


class TestWhatChanged:
    def test_the_largest_change_is_named_in_a_sentence(self):
        rows = [row for k in range(100) for row in days(f"u{k:03}", 0.5)]
        rows += [row for k in range(40) for row in days(f"u{k:03}", 11)]
        spec = OverviewSpec(from_us=10 * DAY_US, to_us=20 * DAY_US, horizon_days=56)
        overview = compute_overview(index_of([*rows, *days("zz", 21)]), CONFIG, spec)
        assert str(overview.headline) == "new users fell by 100%, from 100 to 0."
        assert str(overview.changes[1]) == "active users fell by 60%, from 100 to 40."

    def test_few_users_change_nothing_worth_saying(self):
        rows = [*days("u", 1), *days("v", 11), *days("w", 11)]
        overview = compute_overview(index_of(rows), CONFIG, OverviewSpec(from_us=10 * DAY_US, horizon_days=56))
        assert overview.changes == ()
        assert str(overview.headline) == "Nothing changed much against the period before."

    def test_a_move_between_stages_is_named(self):
        rows = [row for k in range(60) for row in days(f"u{k:02}", 1, 2, 3)]
        spec = OverviewSpec(from_us=10 * DAY_US, to_us=45 * DAY_US, horizon_days=56)
        overview = compute_overview(index_of([*rows, *days("zz", 46)]), CONFIG, spec)
        sentences = [str(change) for change in overview.changes]
        assert "The share of users in stage “at risk” rose by 100.0 points to 100.0% (60 users)." in sentences


@settings(max_examples=60, deadline=None)
@given(random_rows(), st.integers(0, 40), st.integers(1, 30))
def test_figures_equal_counting(rows, skip, length):
    spec = OverviewSpec(
        from_us=RANDOM_START_US + skip * DAY_US, to_us=RANDOM_START_US + (skip + length) * DAY_US, horizon_days=7
    )
    one, many = (compute_overview(index_of(rows, n), NEW_YORK, spec) for n in (1, 50))
    pd.testing.assert_frame_equal(one.to_pandas(), many.to_pandas(), check_exact=True)
    assert one.flags.tobytes() == many.flags.tobytes()
    start, end, now = one.periods.from_us, one.periods.to_us, max(row[1] for row in rows)
    found = {"active": 0, "new": 0, "converted": 0, "churned": 0}
    for events in timelines(rows).values():
        times = [t for t, e in events if is_active(e)]
        if not times:
            continue
        silent = [t + 7 * DAY_US for t, after in zip(times, [*times[1:], now], strict=True) if after - t > 7 * DAY_US]
        found["active"] += any(start <= t < end for t in times)
        found["new"] += start <= times[0] < end
        found["converted"] += any(start <= t < end and e == "buy" for t, e in events)
        found["churned"] += any(start <= t < end for t in silent)
    assert {name: one.kpi(name).value for name in found} == found
    spent = [row[3] for row in rows if row[2] == "buy" and start <= row[1] < end]
    assert one.kpi("purchases").value == len(spent)
    assert one.kpi("revenue").value == pytest.approx(sum(spent))
