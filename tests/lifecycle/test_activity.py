from datetime import UTC, datetime

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.activity import ACTIVITIES, ActivitySpec, compute_activity, sign_up_times
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.periods import DAY_US, to_us
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file, import_tables
from ulm_core.warehouse.snapshot import Snapshot


def counts(rows, **fields) -> dict[str, list[int]]:
    activity = compute_activity(index_of(rows), CONFIG, ActivitySpec(interval="day", **fields))
    return dict(zip(ACTIVITIES, activity.counts.tolist(), strict=True))


class TestDefinitions:
    def test_table_of_cases(self):
        # day            0    1          2        3             4
        # u            new  returning  dormant  resurrecting  -
        # v             -    new        returning dormant      -   (dormant once)
        found = counts([*days("u", 0, 1, 3), *days("v", 1, 2), *days("w", 4)])
        assert found == {
            "new": [1, 1, 0, 0, 1],
            "returning": [0, 1, 1, 0, 0],
            "resurrecting": [0, 0, 0, 1, 0],
            "dormant": [0, 0, 1, 1, 1],
        }

    def test_new_is_judged_by_the_whole_log_not_by_the_range(self):
        found = counts([*days("u", 0, 5, 9), *days("v", 4, 5, 9)], from_us=5 * DAY_US, to_us=6 * DAY_US)
        assert found["new"] == [0]
        assert found["returning"] == [1]  # v was active the day before the range
        assert found["resurrecting"] == [1]  # u was not

    def test_dormant_looks_back_before_the_range(self):
        assert counts([*days("u", 4, 9)], from_us=5 * DAY_US, to_us=6 * DAY_US)["dormant"] == [1]

    def test_events_after_the_range_do_not_matter(self):
        assert counts([*days("u", 9)], from_us=5 * DAY_US, to_us=6 * DAY_US)["new"] == [0]

    def test_passive_events_are_no_activity(self):
        assert counts([*days("u", 0), *days("u", 1, event="mail")])["returning"] == [0, 0]

    def test_activity_can_be_one_event(self):
        rows = [*days("u", 0), *days("u", 1, event="buy")]
        assert counts(rows, events=("buy",))["new"] == [0, 1]
        with pytest.raises(NotFoundError):
            counts(rows, events=("bye",))

    def test_the_running_period_is_marked(self):
        activity = compute_activity(index_of(days("u", 0, 1.5)), CONFIG, ActivitySpec(interval="day"))
        assert activity.periods.is_complete.tolist() == [True, False]

    def test_a_user_filter_leaves_the_others_out(self):
        assert counts([*days("u", 0), *days("v", 0)], users=np.array([False, True]))["new"] == [1]


class TestSignUps:
    # day            0            1          2          3          4
    # u            active     active       -         active        -      signed up on day 1
    # v               -       active       -            -          -      signed up on day 0
    # w            active        -         -            -          -      nobody knows
    ROWS = (*days("u", 0, 1, 3), *days("v", 1), *days("w", 0), *days("z", 4))
    NEVER = np.iinfo(np.int64).min

    def test_new_goes_by_the_sign_up_of_users_who_have_one(self):
        found = counts(self.ROWS, sign_ups=np.array([1 * DAY_US, 0, self.NEVER, self.NEVER]))
        assert found == {
            "new": [1, 0, 0, 0, 1],  # w and z by their first event
            "returning": [0, 1, 0, 0, 0],  # u on day 1: active the day before, which counts first
            "resurrecting": [1, 1, 0, 1, 0],  # u on day 0, before the sign-up; v a day after it
            "dormant": [0, 1, 2, 0, 1],
        }

    def test_the_sign_up_is_known_from_the_users_file(self, workspace, tmp_path):
        (tmp_path / "log.csv").write_text("user,time,event\nu,2024-01-05,a\nv,2024-01-05,a\n")
        (tmp_path / "users.csv").write_text("user_id,signed_up_at\nu,2024-01-02T03:00:00\n")
        import_file(workspace, tmp_path / "log.csv")
        import_tables(workspace, users=str(tmp_path / "users.csv"))
        index = TimelineIndex.open(workspace)
        times = sign_up_times(index, Snapshot.open(workspace))
        assert times.tolist() == [to_us(datetime(2024, 1, 2, 3, tzinfo=UTC)), self.NEVER]
        activity = compute_activity(index, CONFIG, ActivitySpec(interval="week", sign_ups=times))
        assert activity.counts[0].tolist() == [2]  # the week of the sign-up; the week of the first event


class TestBreakdown:
    def test_groups_add_up_and_open_their_users(self):
        rows = [*days("u", 0, 1), *days("v", 0), *days("w", 1)]
        labels = UserLabels("plan", ("free", "paid"), np.array([0, 1, -1], np.int32))
        spec = ActivitySpec(interval="day", labels=labels)
        activity = compute_activity(index_of(rows), CONFIG, spec)
        assert activity.counts.tolist() == [[2, 1], [0, 1], [0, 0], [0, 1]]
        assert activity.to_json()["groups"]["paid"]["dormant"] == [0, -1]
        assert activity.to_arrow().filter(pc.field("group") == "free")["active"].to_pylist() == [1, 1]
        assert activity.users((0, "new", "paid")).tolist() == [1]
        assert activity.users((0, "new")).tolist() == [0, 1]


class TestResult:
    def test_json_has_the_keys_of_the_contract_and_dormant_is_negative(self):
        activity = compute_activity(index_of([*days("u", 0), *days("v", 1)]), CONFIG, ActivitySpec(interval="day"))
        answer = activity.to_json()
        assert answer["periods"] == ["1970-01-01", "1970-01-02"]
        assert answer["new"] == [1, 1]
        assert answer["dormant"] == [0, -1]

    def test_pulse(self):
        rows = [*days("u", 0, 2), *days("v", 0), *days("w", 1)]
        activity = compute_activity(index_of(rows), CONFIG, ActivitySpec(interval="day"))
        # Day 0: 2 / 0 has no base; day 1: (1 + 0) / 2; day 2: (0 + 1) / 1.
        assert activity.to_json()["pulse"] == [None, 1 / 2, 1 / 1]

    def test_users_by_date_or_position(self):
        activity = compute_activity(index_of([*days("u", 0), *days("v", 1)]), CONFIG, ActivitySpec(interval="day"))
        assert activity.users((1, "new")).tolist() == activity.users(("1970-01-02", "new")).tolist() == [1]
        assert activity.users((1, "dormant")).tolist() == [0]
        with pytest.raises(NotFoundError):
            activity.users((1, "sleepy"))


@settings(max_examples=100, deadline=None)
@given(random_rows(), st.sampled_from(["day", "week", "month"]), st.integers(0, 40), st.integers(1, 40))
def test_equals_the_oracle_and_the_identities_hold(rows, interval, skip, length):
    start = RANDOM_START_US + skip * DAY_US
    spec = ActivitySpec(interval=interval, from_us=start, to_us=start + length * DAY_US)
    index = index_of(rows, 3)
    activity = compute_activity(index, NEW_YORK, spec)
    before = activity.periods.before("America/New_York", "monday")
    expected = [oracle.activity(t, activity.periods, before) for t in timelines(rows).values()]
    for row, name in enumerate(ACTIVITIES):
        assert activity.counts[row].tolist() == [column.count(name) for column in zip(*expected, strict=True)]
        for period in range(len(activity.periods)):
            behind = [user for user, states in enumerate(expected) if states[period] == name]
            assert activity.users((period, name)).tolist() == behind
    new, returning, resurrecting, dormant = activity.counts
    assert activity.active.tolist() == (new + returning + resurrecting).tolist()
    assert dormant[1:].tolist() == (activity.active[:-1] - returning[1:]).tolist()
    for period in range(len(activity.periods)):
        assert len(activity.users((period, "active"))) == activity.active[period]


@settings(max_examples=20, deadline=None)
@given(random_rows())
def test_one_answer_however_many_partitions(rows):
    one, many = (compute_activity(index_of(rows, n), NEW_YORK, ActivitySpec()) for n in (1, 50))
    assert one.counts.tobytes() == many.counts.tobytes()
