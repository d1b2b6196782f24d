"""Every preset covers everyone, and the seven-state growth model is what its authors describe."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from tests.lifecycle.oracle import is_active
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.periods import DAY_US, HOUR_US, local_to_us, make_periods
from ulm_core.lifecycle.rules import STAGES, UNSEEN
from ulm_core.lifecycle.stage_presets import PRESET_STAGES, PRESETS, Preset, get_preset
from ulm_core.lifecycle.stages import assign_stages, stages_at

GROWTH = get_preset("growth").rules.resolve(56)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
class TestEveryPreset:
    def test_names_are_known_to_the_catalogues_and_colours_to_the_rules(self, preset: Preset):
        for rule in preset.rules.rules:
            assert rule.name in STAGES or rule.name in PRESET_STAGES
            assert (rule.name in (*STAGES, "dormant")) == (rule.color is None)

    def test_no_two_own_stages_share_a_colour(self, preset: Preset):
        colors = list(preset.rules.colors.values())
        assert len(colors) == len(set(colors))

    def test_all_stages_are_shown_in_the_order_given(self, preset: Preset):
        assert not preset.rules.order or preset.rules.stages == preset.rules.order

    @pytest.mark.parametrize("horizon", [7, 28, 56, 182])
    def test_everybody_seen_has_a_stage_whichever_the_horizon(self, preset: Preset, horizon: int):
        rules = preset.rules.resolve(horizon)
        index = index_of([*days("u", 0, 1, 2, 40, 41), *days("v", 3, event="buy"), *days("w", *range(60))])
        codes = assign_stages(index, rules, [day * DAY_US for day in range(4, 200, 3)], CONFIG)
        assert (codes != UNSEEN).all()
        assert codes.max() < len(rules.stages)

    def test_some_stage_counts_as_active_and_some_does_not(self, preset: Preset):
        assert preset.rules.active_stages
        assert preset.rules.quiet_stages


def test_an_unknown_preset_is_named_with_near_ones():
    with pytest.raises(NotFoundError, match="Did you mean: growth"):
        get_preset("grwth")


def growth(at_day: float, *active_days: float) -> str:
    index = index_of(days("u", *active_days))
    return GROWTH.name_of(stages_at(index, CONFIG, round(at_day * DAY_US), GROWTH)[0])


class TestGrowthModel:
    """A day is looked at from the midnight that ends it: day 0 is looked at at time 1."""

    @pytest.mark.parametrize(
        ("day", "active_days", "expected"),
        [
            (0, [0.5], "new"),  # the first day ever
            (0, [0.1, 0.9], "new"),
            (1, [0.5, 1.5], "current"),  # today, and one of the six days before
            (6, [0.5, 6.5], "current"),  # 6 days between
            (7, [0.5, 7.5], "reactivated"),  # 7 days between: away for a week
            (29, [0.5, 29.5], "reactivated"),
            (30, [0.5, 30.5], "resurrected"),  # away for 30 days or more
            (31, [0.5, 30.5, 31.1], "current"),  # the day after
            (1, [0.5], "at-risk WAU"),  # not today, but within 7 days including today
            (6, [0.5], "at-risk WAU"),
            (7, [0.5], "at-risk MAU"),  # not within 7 days, but within 30
            (29, [0.5], "at-risk MAU"),
            (30, [0.5], "dormant"),
            (365, [0.5], "dormant"),
        ],
    )
    def test_hand_table(self, day: int, active_days: list[float], expected: str):
        assert growth(day + 1, *active_days) == expected

    def test_days_are_those_of_the_time_zone_in_the_week_of_the_clock_change(self):
        from datetime import datetime

        # New York, 2024-11-03 has 25 hours: midnight to midnight is longer than 24 hours.
        first = local_to_us(datetime(2024, 11, 3, 0, 30), "America/New_York")
        ends = [local_to_us(datetime(2024, 11, day), "America/New_York") for day in (4, 5)]
        index = index_of([("u", first, "a"), ("v", ends[0] - HOUR_US // 2, "a")])
        codes = assign_stages(index, GROWTH, ends, NEW_YORK)
        assert [[GROWTH.name_of(code) for code in row] for row in codes] == [["new", "at-risk WAU"]] * 2

    @settings(max_examples=30, deadline=None)
    @given(random_rows())
    def test_states_add_up_to_daily_weekly_and_monthly_active_users(self, rows):
        index = index_of(rows, 2)
        first = make_periods(RANDOM_START_US, RANDOM_START_US + 1, "day", "America/New_York").from_us
        days_of_log = make_periods(first, RANDOM_START_US + 75 * DAY_US, "day", "America/New_York").starts_us
        codes = assign_stages(index, GROWTH, days_of_log[30:], NEW_YORK)
        states = [("new", "current", "reactivated", "resurrected"), ("at-risk WAU",), ("at-risk MAU",)]
        members: tuple[str, ...] = ()
        for n_days, more in zip((1, 7, 30), states, strict=True):
            members += more
            is_member = np.isin(codes, [GROWTH.code(name) for name in members])
            for user, events in enumerate(timelines(rows).values()):
                times = [t for t, event in events if is_active(event)]
                for k, end in enumerate(days_of_log[30:]):
                    start = days_of_log[30 + k - n_days]
                    assert is_member[user, k] == any(start <= t < end for t in times)

    def test_daily_active_users_are_the_four_active_states(self):
        assert GROWTH.active_stages == ("new", "current", "reactivated", "resurrected")
