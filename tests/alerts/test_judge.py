from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.alerts.judge import judge, n_needed, robust_z
from ulm_core.alerts.model import Anomaly, Change, Threshold, read_alert
from ulm_core.errors import InputError

NAN = math.nan


@pytest.mark.parametrize(
    ("when", "values", "speaks"),
    [
        (Threshold(side="above", limit=10), [11], True),
        (Threshold(side="above", limit=10), [10], False),
        (Threshold(side="below", limit=10), [9], True),
        (Threshold(side="below", limit=10), [NAN], None),
        (Change(direction="fall", share=0.2), [100, 80], True),  # -20%, boundary included
        (Change(direction="fall", share=0.2), [100, 81], False),
        (Change(direction="fall", share=0.2), [100, 130], False),
        (Change(direction="rise", share=0.2), [100, 120], True),
        (Change(direction="any", share=0.2), [-100, -80], True),  # against |before|
        (Change(direction="any", share=0.2), [0, 5], None),  # no base
        (Change(direction="any", share=0.2), [NAN, 5], None),
        # median 10, deviations 1 0 1 0 2, MAD 1: z = 0.6745 * 6 = 4.05 and 0.6745 * 5 = 3.37
        (Anomaly(z=3.5, past=5), [9, 10, 11, 10, 12, 16], True),
        (Anomaly(z=3.5, past=5), [9, 10, 11, 10, 12, 15], False),
        (Anomaly(z=3.5, past=5), [9, 10, 11, 10, 12, 4], True),
        (Anomaly(z=3.5, past=5), [10, 10, 10, 10, 10, 10], False),
        (Anomaly(z=3.5, past=5), [10, 10, 10, 10, 10, 11], True),  # the past never moved
        (Anomaly(z=3.5, past=5), [9, 10, 11, 10, 99], None),  # four past values say nothing
    ],
)
def test_conditions_by_hand(when: object, values: list[float], speaks: bool | None) -> None:
    assert judge(when, values).speaks is speaks


def test_how_far_a_condition_looks_back() -> None:
    whens = [Threshold(side="above", limit=1), Change(), Anomaly(past=8)]
    assert [n_needed(when) for when in whens] == [1, 2, 9]


@given(st.lists(st.integers(-50, 50), min_size=5, max_size=20), st.integers(-100, 100), st.integers(-9, 9))
def test_the_score_does_not_depend_on_where_zero_is(past: list[int], value: int, shift: int) -> None:
    assert robust_z(value, past) == pytest.approx(robust_z(value + shift, [entry + shift for entry in past]))


@pytest.mark.parametrize(
    "value",
    [
        "{",
        {"number": {"kind": "kpi", "name": "happiness"}, "when": {"kind": "change"}},
        {"number": {"kind": "kpi", "name": "active"}, "when": {"kind": "anomaly", "past": 2}},
        {"number": {"kind": "funnel", "steps": ["a"]}, "when": {"kind": "change"}},
    ],
)
def test_nonsense_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="no alert"):
        read_alert(value)
