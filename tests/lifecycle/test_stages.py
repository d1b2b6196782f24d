import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle import oracle
from tests.lifecycle.logs import (
    CONFIG,
    NEW_YORK,
    RANDOM_START_US,
    days,
    index_of,
    random_rows,
    rows_with_sessions,
    whole_timelines,
)
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.periods import DAY_US, HOUR_US
from ulm_core.lifecycle.rules import UNSEEN, StageRule, StageRules, default_rules
from ulm_core.lifecycle.stage_conditions import FEATURES, NEEDS_WINDOW, OPS, Condition
from ulm_core.lifecycle.stages import (
    StageMixSpec,
    assign_stages,
    compute_stage_mix,
    stage_context,
    stages_at,
    stages_at_times,
    stages_of_history,
)

RULES = default_rules(56)


def stage(at_day: float, *active_days: float, event: str = "a") -> str | None:
    """Return the stage of one user, active on the given days, at a time."""
    index = index_of(days("u", *active_days, event=event))
    code = assign_stages(index, RULES, [round(at_day * DAY_US)], CONFIG)[0, 0]
    return None if code == UNSEEN else RULES.stages[code]


class TestDefaultStages:
    @pytest.mark.parametrize(
        ("at_day", "active_days", "expected"),
        [
            (0, [0], None),  # only events strictly before t
            (0.001, [0], "new"),
            (28, [0], "new"),  # days since first 28 <= 28, active days 1 < 3
            (27, [0, 1, 2], "activated"),  # 3 active days
            (28, [0, 0.1, 0.2], "new"),  # three events, one calendar day
            (28.1, [0], "at risk"),  # 28.1 > 56 / 2
            (56, [0], "at risk"),
            (56.1, [0], "churned"),
            (60, [0, 57], "resurrected"),  # a silence of 57 > 56 days
            (60, [0, 56], "active"),  # a silence of exactly the horizon is none
            (85, [0, 57], "resurrected"),  # 28 days since the return
            (86, [0, 57], "at risk"),  # 29 days of silence
            (86, [0, 57, 80], "active"),  # 29 days since the return
            (200, [0, 57], "churned"),
            (60, [0, 20, 40, 59], "active"),
            (60, range(48, 60), "activated"),  # its first activity is 12 days ago
            (60, [0, *range(50, 58)], "loyal"),  # 8 active days in [4, 60)
            (60, [0, *range(51, 58)], "active"),  # 7
            (106, [0, *range(50, 57), 99], "loyal"),  # day 50 is inside [50, 106)
            (106.01, [0, *range(50, 57), 99], "active"),  # and outside [50.01, 106.01)
        ],
    )
    def test_table_of_cases(self, at_day: float, active_days: list[float], expected: str | None):
        assert stage(at_day, *active_days) == expected

    def test_converted_needs_a_conversion_in_the_window(self):
        assert stage(50, 0, 40, event="buy") == "converted"
        index = index_of([*days("u", 0, event="buy"), *days("u", 30, 59)])
        assert RULES.stages[stages_at(index, CONFIG, 60 * DAY_US, RULES)[0]] == "active"

    def test_passive_events_never_count(self):
        index = index_of([*days("u", 0), *days("u", 10, 20, 30, 40, 50, event="mail"), *days("v", 1, event="mail")])
        codes = assign_stages(index, RULES, [round(56.5 * DAY_US)], CONFIG)
        assert codes[:, 0].tolist() == [RULES.code("churned"), UNSEEN]

    def test_active_days_are_calendar_days_of_the_time_zone(self):
        # 03:00, 05:00 and 23:00 UTC on one UTC day are two days in New York (midnight is 05:00 UTC).
        rows = [("u", hour * HOUR_US, "a") for hour in (3, 5, 23)]
        rule = StageRule(name="fan", conditions=(Condition(feature="active_days", op="==", value=2),))
        rules = StageRules(rules=(rule, StageRule(name="active")))
        index = index_of(rows)
        assert rules.stages[stages_at(index, NEW_YORK, 2 * DAY_US, rules)[0]] == "fan"
        assert rules.stages[stages_at(index, CONFIG, 2 * DAY_US, rules)[0]] == "active"


CONDITIONS = st.builds(
    lambda feature, op, value, window: Condition(
        feature=feature, op=op, value=value, window_days=window if feature in NEEDS_WINDOW else None
    ),
    st.sampled_from(FEATURES),
    st.sampled_from(OPS),
    st.sampled_from([0, 1, 1.25, 2, 3, 7, 14]),
    st.sampled_from([0.5, 7, 14, 30]),
)
RULE_LISTS = st.lists(st.lists(CONDITIONS, min_size=1, max_size=3), max_size=5).map(
    lambda lists: StageRules(
        rules=(
            *(StageRule(name=f"stage {k}", conditions=tuple(conditions)) for k, conditions in enumerate(lists)),
            StageRule(name="active"),
        )
    )
)
TIMES = st.lists(st.integers(-5, 24 * 80), min_size=1, max_size=6).map(
    lambda hours: [RANDOM_START_US + hour * HOUR_US for hour in hours]
)


@settings(max_examples=120, deadline=None)
@given(st.one_of(random_rows(), rows_with_sessions()), st.one_of(RULE_LISTS, st.just(default_rules(14))), TIMES)
def test_equals_the_oracle_in_weeks_of_clock_changes_too(rows, rules, at):
    index = index_of(rows, 3)
    codes = assign_stages(index, rules, at, NEW_YORK)
    names = [[None if c == UNSEEN else rules.stages[c] for c in row] for row in codes.tolist()]
    expected = [
        [oracle.stage(rules, t, when, "America/New_York") for when in at] for t in whole_timelines(rows).values()
    ]
    assert names == expected


@settings(max_examples=40, deadline=None)
@given(random_rows(), TIMES)
def test_one_answer_whichever_way_it_is_asked(rows, at):
    rules = default_rules(14)
    one, many = index_of(rows, 1), index_of(rows, 50)
    grid = assign_stages(one, rules, at, NEW_YORK)
    assert grid.tobytes() == assign_stages(many, rules, at, NEW_YORK).tobytes()
    users, times = (axis.ravel() for axis in np.meshgrid(np.arange(one.n_users), np.array(at), indexing="ij"))
    assert stages_at_times(many, rules, users[::-1], times[::-1], NEW_YORK)[::-1].tolist() == grid.ravel().tolist()
    context = stage_context(one, NEW_YORK)
    for user in range(one.n_users):
        alone = stages_of_history(one.history(user), sorted(at), rules, context)
        assert alone.tolist() == grid[user][np.argsort(at, kind="stable")].tolist()


class TestFeatures:
    """One rule, two stages: who is "in" and who is not."""

    def is_in(self, rows, at_day, feature, op, value, window=None):
        condition = Condition(feature=feature, op=op, value=value, window_days=window)
        rules = StageRules(rules=(StageRule(name="in", conditions=(condition,)), StageRule(name="out")))
        return rules.name_of(stages_at(index_of(rows), CONFIG, round(at_day * DAY_US), rules)[0]) == "in"

    def test_values_of_conversions_add_up_exactly(self):
        cents = [("u", k * HOUR_US, "buy", 0.1) for k in range(10)]  # ten times 0.1 is 0.9999999999999999 in floats
        assert self.is_in(cents, 1, "value_window", "==", 1, 2)
        assert not self.is_in([*cents, ("u", 11 * HOUR_US, "a", 5.0)], 1, "value_window", ">", 1, 2)

    def test_half_an_hour_of_silence_ends_a_session(self):
        minute = DAY_US // 1440
        rows = [("u", when * minute, "a") for when in (0, 30, 61)]
        assert self.is_in(rows, 1, "sessions_window", "==", 2, 7)

    def test_named_sessions_say_themselves_what_belongs_together(self):
        rows = [("u", 0, "a", 0.0, "s1"), ("u", 20 * HOUR_US, "a", 0.0, "s1"), ("u", 20 * HOUR_US + 1, "a", 0.0, "s2")]
        assert self.is_in(rows, 1, "sessions_window", "==", 2, 7)

    @pytest.mark.parametrize(("at_day", "since"), [(1, 0), (1.01, 1), (2, 1), (10, 9), (900, 899)])
    def test_calendar_days_count_midnights_and_midnight_ends_a_day(self, at_day: float, since: int):
        assert self.is_in(days("u", 0.5), at_day, "calendar_days_since_last", "==", since)
        assert self.is_in(days("u", 0.5), at_day, "calendar_days_since_first", "==", since)

    def test_calendar_days_between_look_at_days_and_not_at_events(self):
        rows = days("u", 0.5, 7.1, 7.9)
        assert self.is_in(rows, 8, "calendar_days_between", "==", 7)
        assert self.is_in(days("u", 0.5, 0.6), 8, "calendar_days_between", ">", 30_000)  # one day only: infinite


class TestHistories:
    def test_an_edited_history_has_its_own_stages(self):
        index = index_of(days("u", 0, 57))
        history, context = index.history(0), stage_context(index, CONFIG)
        at = [60 * DAY_US]
        assert RULES.stages[stages_of_history(history, at, RULES, context)[0]] == "resurrected"
        without_first = history.take(np.array([False, True]))
        assert RULES.stages[stages_of_history(without_first, at, RULES, context)[0]] == "new"
        empty = history.take(np.array([False, False]))
        assert stages_of_history(empty, at, RULES, context).tolist() == [UNSEEN]

    def test_times_must_ascend(self):
        index = index_of(days("u", 0))
        with pytest.raises(InputError, match="ascending"):
            stages_of_history(index.history(0), [5, 3], RULES, stage_context(index, CONFIG))


class TestStageMix:
    def mix(self, **fields):
        index = index_of([*days("u", 0, 1, 2), *days("v", 10), *days("w", 0, 70)])
        return compute_stage_mix(index, CONFIG, StageMixSpec(interval="day", rules=RULES, **fields))

    def test_stages_are_those_at_the_end_of_each_period(self):
        mix = self.mix(from_us=0, to_us=3 * DAY_US)
        new, activated = RULES.code("new"), RULES.code("activated")
        # End of day 0: u and w are new. End of day 2: u has 3 active days.
        assert mix.counts[:, new].tolist() == [2, 2, 1]
        assert mix.counts[:, activated].tolist() == [0, 0, 1]

    def test_a_running_period_is_looked_at_as_of_the_last_event(self):
        index = index_of([*days("u", 0, 70)])
        mix = compute_stage_mix(index, CONFIG, StageMixSpec(interval="quarter", rules=RULES))
        assert mix.periods.is_complete.tolist() == [False]
        # At the quarter's end (day 90) the last event would be 20 days old; as of now it is just over.
        assert mix.users((0, "resurrected")).tolist() == [0]

    def test_users_behind_each_number_are_exactly_as_many(self):
        mix = self.mix()
        for period in range(len(mix.periods)):
            for code, name in enumerate(mix.stages):
                assert len(mix.users((period, name))) == mix.counts[period, code]

    def test_stages_sum_to_the_users_seen(self):
        mix = self.mix()
        assert mix.counts.sum(axis=1).tolist() == (mix.codes != UNSEEN).sum(axis=0).tolist()
        assert mix.shares.sum(axis=1) == pytest.approx(1)

    def test_a_user_filter_leaves_the_others_out(self):
        mix = self.mix(users=np.array([True, False, False]))
        assert mix.counts.sum(axis=1).max() == 1

    def test_a_filter_of_the_wrong_length_is_refused(self):
        with pytest.raises(InputError, match="covers 1 users, the data has 3"):
            self.mix(users=np.array([True]))

    def test_tables_and_json_hold_the_same_numbers(self):
        mix = self.mix(from_us=0, to_us=3 * DAY_US)
        frame = mix.to_pandas()
        assert frame.query("stage == 'new'")["users"].tolist() == mix.to_json()["stages"]["new"]
        assert frame["period"].unique().tolist() == ["1970-01-01", "1970-01-02", "1970-01-03"]
        assert mix.users(("1970-01-03", "activated")).tolist() == [0]

    def test_an_unknown_stage_is_refused(self):
        with pytest.raises(NotFoundError):
            self.mix().users((0, "sleepy"))
