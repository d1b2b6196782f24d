from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from tests.lifecycle.oracle import is_active
from ulm_core.lifecycle.active_users import WINDOW_DAYS, WINDOWS, ActiveUsersSpec, compute_active_users
from ulm_core.lifecycle.periods import DAY_US, local_datetime


def test_table_of_cases():
    # day    0   1   2  ...  8   9
    # u      x       x
    # v          x               x
    found = compute_active_users(index_of([*days("u", 0, 2), *days("v", 1, 9)]), CONFIG, ActiveUsersSpec())
    assert found.counts.tolist() == [
        [1, 1, 1, 0, 0, 0, 0, 0, 0, 1],
        [1, 2, 2, 2, 2, 2, 2, 2, 1, 1],  # v's day 1 is in the seven days up to day 7, u's day 2 up to day 8
        [1, 2, 2, 2, 2, 2, 2, 2, 2, 2],
    ]
    assert found.ratio("day", "month").tolist()[:3] == [1, 1 / 2, 1 / 2]
    assert found.users((1, "week")).tolist() == [0, 1]
    assert found.users(("1970-01-10", "day")).tolist() == [1]


def test_windows_that_begin_before_the_log_are_marked():
    found = compute_active_users(index_of(days("u", *range(40))), CONFIG, ActiveUsersSpec())
    assert found.is_whole[0].tolist() == [True] * 39 + [False]  # the last day still runs
    assert found.is_whole[1].tolist() == [False] * 6 + [True] * 33 + [False]
    assert found.is_whole[2].tolist() == [False] * 29 + [True] * 10 + [False]


def test_days_before_the_range_count_and_passive_events_do_not():
    rows = [*days("u", 0), *days("v", 5), *days("w", 5, event="mail")]
    found = compute_active_users(index_of(rows), CONFIG, ActiveUsersSpec(from_us=5 * DAY_US, to_us=6 * DAY_US))
    assert found.counts.tolist() == [[1], [2], [2]]


@settings(max_examples=60, deadline=None)
@given(random_rows(), st.integers(0, 40))
def test_equals_the_oracle(rows, skip):
    start = RANDOM_START_US + skip * DAY_US
    spec = ActiveUsersSpec(from_us=start, to_us=start + 12 * DAY_US)
    one, many = (compute_active_users(index_of(rows, n), NEW_YORK, spec) for n in (1, 64))
    assert one.counts.tobytes() == many.counts.tobytes()
    active = [
        {local_datetime(t, "America/New_York").date() for t, e in events if is_active(e)}
        for events in timelines(rows).values()
    ]
    for row, window in enumerate(WINDOWS):
        for day, label in enumerate(one.periods.iso_labels()):
            covered = {date.fromisoformat(label) - timedelta(days=k) for k in range(WINDOW_DAYS[row])}
            behind = [user for user, days_of in enumerate(active) if days_of & covered]
            assert one.counts[row, day] == len(behind)
            assert one.users((day, window)).tolist() == behind
