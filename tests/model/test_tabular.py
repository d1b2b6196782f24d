from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.logs import ACTIVE, DAY, EVENTS, N_ITEMS, histories, history, sessions_of
from ulm_core.model.histories import Histories
from ulm_core.model.tabular import WINDOWS_DAYS, tabular, tabular_features
from ulm_core.timeline.index import History

NAMES = tabular_features(EVENTS)


def naive(h: History, at_us: int) -> dict[str, float]:
    """Return the features before the logarithm, each from its definition."""
    before = h.time < at_us
    used = before & ACTIVE[h.event]
    sessions, ages = sessions_of(h, used), (at_us - h.time[used]) / DAY
    starts = [age for k, age in enumerate(ages) if k == 0 or sessions[k] != sessions[k - 1]]
    values = np.nan_to_num(h.value[used])
    days = np.unique(h.time[used] // DAY)
    gaps = np.diff(days).astype(float)
    mean, longest = (gaps.mean(), gaps.max()) if len(gaps) else (0.0, 0.0)
    recency = ages[-1] if len(ages) else 0.0
    n_sessions, value = len(starts), values.sum()
    out = {
        "recency": recency,
        "tenure": ages[0] if len(ages) else 0.0,
        "sessions": n_sessions,
        "active_days": len(days),
        "value": value,
        "value_per_session": value / max(n_sessions, 1),
        "events_per_session": used.sum() / max(n_sessions, 1),
        "mean_gap": mean,
        "sd_gap": gaps.std() if len(gaps) else 0.0,
        "longest_gap": longest,
        "recency_over_mean_gap": recency / (mean + 1),
        "recency_over_longest_gap": recency / (longest + 1),
        "items": len(np.unique(h.item[used & (h.item >= 0)])),
        **{f"sessions_{w}d": sum(age <= w for age in starts) for w in WINDOWS_DAYS},
        **{f"value_{w}d": values[ages <= w].sum() for w in WINDOWS_DAYS},
        **{f"count_{name}": (h.event[before] == code).sum() for code, name in enumerate(EVENTS)},
    }
    out["share_of_value_56d"] = out["value_56d"] / (value + 1) if value != -1 else np.nan
    out["trend_sessions"] = 2 * out["sessions_28d"] - out["sessions_56d"]
    out["trend_value"] = 2 * out["value_28d"] - out["value_56d"]
    return out


@settings(max_examples=60, deadline=None)
@given(st.lists(histories(), min_size=1, max_size=3), st.integers(0, 70))
def test_kernel_agrees_with_the_definitions(drawn: list[History], day: int) -> None:
    for h in drawn:
        np.abs(h.value, out=h.value)
    got = tabular(Histories.from_list(drawn, day * DAY), ACTIVE, N_ITEMS)
    for row, h in enumerate(drawn):
        expected = naive(h, day * DAY)
        wanted = np.array([np.sign(expected[name]) * np.log1p(abs(expected[name])) for name in NAMES])
        np.testing.assert_allclose(got[row], wanted, rtol=1e-4, atol=1e-4)


def test_passive_events_only_enter_their_own_count() -> None:
    h = history([(1, "purchase", 0, 2.0, 1), (4, "mail", None, None, None)])
    row = dict(zip(NAMES, tabular(Histories.from_list([h], 11 * DAY), ACTIVE, N_ITEMS)[0], strict=True))
    assert np.isclose(row["recency"], np.log1p(10))
    assert np.isclose(row["count_mail"], np.log1p(1))
    assert np.isclose(row["sessions"], np.log1p(1))
