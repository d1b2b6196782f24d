import numpy as np
import pytest
from hypothesis import given, settings

from tests.lifecycle.logs import CONFIG, RANDOM_START_US, days, index_of, random_rows
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import NOT_YET_SEEN, default_rules
from ulm_core.lifecycle.stages import assign_stages, count_stages
from ulm_core.lifecycle.transitions import TransitionSpec, compute_transitions

RULES = default_rules(56)


def matrix(**fields):
    rows = [*days("u", 0), *days("v", 0, 1, 2, 3), *days("w", 39), *days("x", 90)]
    spec = TransitionSpec(from_us=10 * DAY_US, to_us=40 * DAY_US, rules=RULES, **fields)
    return compute_transitions(index_of(rows), CONFIG, spec)


class TestTransitions:
    def test_each_user_seen_by_the_second_time_is_in_one_cell(self):
        links = matrix().links().to_pylist()
        assert [(link["source"], link["target"], link["users"], link["rate"]) for link in links] == [
            ("new", "at risk", 1, 1.0),
            ("activated", "at risk", 1, 1.0),
            (NOT_YET_SEEN, "new", 1, 1.0),
        ]

    def test_users_of_a_cell(self):
        assert matrix().users(("new", "at risk")).tolist() == [0]
        assert matrix().users((NOT_YET_SEEN, "new")).tolist() == [2]
        with pytest.raises(NotFoundError):
            matrix().users(("sleepy", "new"))

    def test_a_user_filter_leaves_the_others_out(self):
        assert matrix(users=np.array([True, False, False, False])).counts.sum() == 1

    def test_the_second_time_must_be_later(self):
        with pytest.raises(InputError, match="after the first"):
            compute_transitions(index_of(days("u", 0)), CONFIG, TransitionSpec(from_us=5, to_us=5))

    def test_json_names_both_stages(self):
        assert matrix().to_json()["transitions"]["new"]["at risk"] == 1


@settings(max_examples=40, deadline=None)
@given(random_rows())
def test_rows_sum_to_the_stage_before_and_columns_to_the_stage_after(rows):
    index, rules = index_of(rows, 4), default_rules(14)
    times = [RANDOM_START_US + 20 * DAY_US, RANDOM_START_US + 45 * DAY_US]
    result = compute_transitions(index, CONFIG, TransitionSpec(from_us=times[0], to_us=times[1], rules=rules))
    before, after = count_stages(assign_stages(index, rules, times, CONFIG), len(rules.stages))
    assert result.counts[:-1].sum(axis=1).tolist() == before.tolist()
    assert result.counts.sum(axis=0).tolist() == after.tolist()
    for row, source in enumerate(result.sources):
        for column, target in enumerate(result.stages):
            assert len(result.users((source, target))) == result.counts[row, column]
