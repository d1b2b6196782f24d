"""Examples of what came next: every basket but the first, every event but the first."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.logs import DAY, PURCHASE, index_of, logs, sessions_of
from ulm_core.training.protocols.examples import NextWhat, next_moments


@settings(max_examples=40, deadline=None)
@given(logs(), st.sampled_from(["session", "event"]), st.integers(0, 60))
def test_agrees_with_the_definition(frame: pd.DataFrame, what: NextWhat, day: int) -> None:
    index = index_of(frame)
    users, at_us, until_us = next_moments(index, PURCHASE, what, day * DAY)
    expected = []
    for user in range(index.n_users):
        h = index.history(user)
        used = PURCHASE[h.event] & (h.item >= 0)
        times = h.time[used]
        groups = sessions_of(h, used) if what == "session" else list(range(1, len(times) + 1))
        for group in sorted(set(groups))[1:]:
            inside = [int(t) for t, g in zip(times, groups, strict=True) if g == group]
            if inside[0] >= day * DAY:
                expected.append((user, inside[0], inside[-1] + 1))
    assert list(zip(users.tolist(), at_us.tolist(), until_us.tolist(), strict=True)) == expected
