from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.logs import DAY, N_ITEMS, PURCHASE, histories, history, sessions_of
from ulm_core.model.histories import Histories
from ulm_core.model.repeat import N_REPEAT, REPEAT_FEATURES, repeat_pairs
from ulm_core.timeline.index import History

IDENTITY = np.arange(N_ITEMS, dtype=np.int32)


def weekday(moment: int) -> int:
    return (moment // DAY) % 7


def hours_apart(age: float) -> float:
    """Return the hours between two times of day, the short way around the clock."""
    hours = (age * 24) % 24
    return min(hours, 24 - hours)


def naive(h: History, at_us: int, code_of_item: np.ndarray) -> dict[int, np.ndarray]:
    """Return the features by code, each from its definition."""
    used = (h.time < at_us) & (h.item >= 0) & PURCHASE[h.event]
    positions, sessions = np.flatnonzero(used), sessions_of(h, used)
    if not len(positions):
        return {}
    n_sessions = sessions[-1]
    ages = (at_us - h.time[positions]) / DAY
    first_of_session = {}
    for age, session in zip(ages, sessions, strict=True):
        first_of_session.setdefault(session, age)
    sessions_28d = sum(age <= 28 for age in first_of_session.values())
    lines = np.bincount(sessions)
    found = {}
    for code in {int(code_of_item[h.item[e]]) for e in positions} - {-1}:
        bought: dict[int, float] = {}  # session -> age of the first purchase of the code in it
        for age, session, e in zip(ages, sessions, positions, strict=True):
            if code_of_item[h.item[e]] == code:
                bought.setdefault(session, age)
        numbers, days = np.array(list(bought)), np.array(list(bought.values()))
        count, steps = len(days), n_sessions - numbers[-1]
        gap = (days[0] - days[-1]) / max(count - 1, 1)
        gap_s = (numbers[-1] - numbers[0]) / max(count - 1, 1)
        last_gap = days[-2] - days[-1] if count > 1 else 0.0
        values = [
            np.log1p(count),
            np.log1p(n_sessions),
            count / n_sessions,
            count / (n_sessions - numbers[0] + 1),
            np.log1p(days[-1]),
            np.log1p(steps),
            np.log1p(days[0]),
            np.log1p(gap),
            np.log1p(days[-1] / (gap + 1)),
            np.log1p(gap_s),
            np.log1p(steps / (gap_s + 0.5)),
            *(np.log1p((0.5 ** (days / half)).sum()) for half in (15, 30, 90)),
            *(np.log1p((rate ** (n_sessions - numbers)).sum()) for rate in (0.95, 0.8)),
            float(steps == 0),
            float(steps == 1),
            np.log1p(days[-1] / (last_gap + 1)),
            np.log1p(ages[-1]),
            np.log1p(sessions_28d),
            np.log1p(ages[0]),
            np.log1p(sum(0.5 ** (age / 120) * np.exp(-(hours_apart(age) ** 2) / 8) for age in days)),
            np.log1p(sum(0.5 ** (age / 120) * (weekday(at_us) == weekday(at_us - round(age * DAY))) for age in days)),
            np.log1p(lines[numbers].mean()),
            np.log1p(lines[1:].mean()),
            np.sin(2 * np.pi * (at_us % DAY) / DAY),
            np.cos(2 * np.pi * (at_us % DAY) / DAY),
        ]
        found[code] = np.array(values)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(histories(), min_size=1, max_size=4), st.integers(0, 70), st.booleans())
def test_kernel_agrees_with_the_definitions(drawn: list[History], day: int, grouped: bool) -> None:
    codes = IDENTITY % 3 - 1 if grouped else IDENTITY  # grouped: some items have no code
    codes = codes.astype(np.int32)
    pairs = repeat_pairs(Histories.from_list(drawn, day * DAY), codes, N_ITEMS, PURCHASE)
    for row, one in enumerate(drawn):
        expected = naive(one, day * DAY, codes)
        span = slice(pairs.offsets[row], pairs.offsets[row + 1])
        got = dict(zip(pairs.codes[span].tolist(), pairs.features[span], strict=True))
        assert got.keys() == expected.keys()
        for code, values in expected.items():
            np.testing.assert_allclose(got[code], values, rtol=1e-4, atol=1e-4)


def test_lines_of_one_basket_are_one_purchase() -> None:
    h = history([(1, "purchase", 2, 1.0, 7), (1, "purchase", 2, 1.0, 7), (3, "purchase", 2, 1.0, 8)])
    pairs = repeat_pairs(Histories.from_list([h], 5 * DAY), IDENTITY, N_ITEMS, PURCHASE)
    features = dict(zip(REPEAT_FEATURES, pairs.features[0], strict=True))
    assert features["sessions_with"] == pytest.approx(np.log1p(2))
    assert features["share_of_sessions"] == 1.0
    assert features["decay_30d"] == pytest.approx(np.log1p(0.5 ** (4 / 30) + 0.5 ** (2 / 30)))


def test_an_event_at_the_reference_time_is_future() -> None:
    h = history([(1, "purchase", 0, None, None), (5, "purchase", 1, None, None)])
    assert repeat_pairs(Histories.from_list([h], 5 * DAY), IDENTITY, N_ITEMS, PURCHASE).codes.tolist() == [0]


def test_no_purchase_no_pair() -> None:
    h = history([(1, "view", 0, None, None), (2, "mail", None, None, None)])
    pairs = repeat_pairs(Histories.from_list([h, history([])], 5 * DAY), IDENTITY, N_ITEMS, PURCHASE)
    assert pairs.offsets.tolist() == [0, 0, 0]
    assert pairs.features.shape == (0, N_REPEAT)
