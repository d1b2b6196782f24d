import numpy as np
import pytest
from hypothesis import given, settings

from tests.lifecycle.logs import CONFIG, days, index_of, random_rows, timelines
from tests.lifecycle.oracle import is_active
from ulm_core.errors import InputError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import Workspace


class TestLearnChurnHorizon:
    def test_smallest_week_after_which_at_most_the_share_came_back(self):
        # Longest silences: u 10 days, v 20 days, w none. After 1 week 2 of 3 came back, after 2 weeks 1 of 3.
        index = index_of([*days("u", 0, 10), *days("v", 0, 20), *days("w", 0)])
        horizon = learn_churn_horizon(index, CONFIG)
        assert horizon.days == 14
        assert horizon.curve_days.tolist() == [7, 14, 21]
        assert horizon.curve_share.tolist() == [2 / 3, 1 / 3, 0]
        assert horizon.returned_share == 1 / 3

    def test_a_silence_of_exactly_the_horizon_is_not_longer(self):
        index = index_of([*days("u", 0, 7)])
        assert learn_churn_horizon(index, CONFIG).curve_share.tolist() == [0, 0]

    def test_a_smaller_share_asks_for_a_longer_silence(self):
        index = index_of([*days("u", 0, 10), *days("v", 0, 20), *days("w", 0)])
        assert learn_churn_horizon(index, CONFIG, share=0.2).days == 21

    def test_passive_events_do_not_end_a_silence(self):
        index = index_of([*days("u", 0, 20), *days("u", 10, event="mail")])
        assert learn_churn_horizon(index, CONFIG).days == 21

    def test_nothing_is_learnt_from_after_the_cut(self):
        index = index_of([*days("u", 0, 3, 60)])
        assert learn_churn_horizon(index, CONFIG, until_us=50 * DAY_US).days == 7

    def test_users_with_passive_events_only_are_no_base(self):
        index = index_of([*days("u", 0, 10), *days("v", 0, event="mail")])
        assert learn_churn_horizon(index, CONFIG).n_users == 1

    def test_a_log_without_activity_still_has_a_horizon(self):
        assert learn_churn_horizon(index_of(days("v", 0, event="mail")), CONFIG).days == 7

    @pytest.mark.parametrize("share", [0, 1, -0.5])
    def test_a_share_that_is_none_is_refused(self, share: float):
        with pytest.raises(InputError, match="between 0 and 1"):
            learn_churn_horizon(index_of(days("u", 0)), CONFIG, share=share)

    def test_the_sentence_holds_the_numbers(self):
        index = index_of([*days("u", 0, 10), *days("v", 0, 20), *days("w", 0)])
        assert str(learn_churn_horizon(index, CONFIG).sentence()) == (
            "Users count as churned after 14 days without activity: "
            "only 33% of 3 users ever came back after a longer silence."
        )


@settings(max_examples=50, deadline=None)
@given(random_rows())
def test_the_curve_equals_counting(rows):
    horizon = learn_churn_horizon(index_of(rows, 3), CONFIG)
    silences = []
    for events in timelines(rows).values():
        times = [t for t, e in events if is_active(e)]
        if times:
            silences.append(max(np.diff(times), default=0))
    for silence, share in zip(horizon.curve_days.tolist(), horizon.curve_share.tolist(), strict=True):
        assert share == sum(longest > silence * DAY_US for longest in silences) / max(len(silences), 1)
    assert horizon.returned_share <= 1 / 3
    assert horizon.days == 7 or horizon.curve_share[horizon.days // 7 - 2] > 1 / 3


@pytest.mark.slow
def test_the_sample_gives_eight_weeks(journey: Workspace):
    assert learn_churn_horizon(TimelineIndex.open(journey), journey.config).days == 56
