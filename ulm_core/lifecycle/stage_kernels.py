"""The compiled walk that evaluates stage rules along timelines.

One pass per user: `hi` is the number of active events before t and moves only forward, as does one
`lo` pointer per window, so that many times cost one walk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SINCE_FIRST, SINCE_LAST, SINCE_RETURN, ACTIVE_DAYS, ACTIVE_DAYS_WINDOW, CONVERSIONS_WINDOW = range(6)
LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL = range(5)
UNSEEN_CODE = 255
DAY = 86_400_000_000.0


@njit(cache=True, nogil=True)
def _active_events(time: Any, event: Any, active: Any, conversion: Any, day_starts: Any) -> Any:
    """Return time, running number of the active day, and conversions so far of a user's active events."""
    n = len(time)
    when = np.empty(n, np.int64)
    day_rank = np.empty(n, np.int64)
    conversions = np.empty(n + 1, np.int64)
    conversions[0] = 0
    kept, rank, day = 0, 0, -1
    for i in range(n):
        if not active[event[i]]:
            continue
        this_day = day
        if kept == 0:
            this_day = np.searchsorted(day_starts, time[i], side="right")
        while this_day < len(day_starts) and day_starts[this_day] <= time[i]:
            this_day += 1
        if this_day != day:
            rank += 1
            day = this_day
        when[kept] = time[i]
        day_rank[kept] = rank
        conversions[kept + 1] = conversions[kept] + (1 if conversion[event[i]] else 0)
        kept += 1
    return when[:kept], day_rank[:kept], conversions[: kept + 1]


@njit(cache=True, nogil=True)
def _holds(op: int, left: float, right: float) -> bool:
    if op == LESS:
        return left < right
    if op == LESS_EQUAL:
        return left <= right
    if op == GREATER:
        return left > right
    if op == GREATER_EQUAL:
        return left >= right
    return left == right


@njit(cache=True, nogil=True)
def _feature(kind: int, t: int, hi: int, lo: int, returned: int, when: Any, day_rank: Any, conversions: Any) -> float:
    if kind == SINCE_FIRST:
        return float(t - when[0]) / DAY
    if kind == SINCE_LAST:
        return float(t - when[hi - 1]) / DAY
    if kind == SINCE_RETURN:
        return float(t - when[returned]) / DAY if returned >= 0 else np.inf
    if kind == ACTIVE_DAYS:
        return float(day_rank[hi - 1])
    if kind == ACTIVE_DAYS_WINDOW:
        return float(day_rank[hi - 1] - day_rank[lo] + 1) if lo < hi else 0.0
    return float(conversions[hi] - conversions[lo])


@njit(cache=True, nogil=True)
def _advance(hi: int, t: int, when: Any, feature: Any, window: Any, returned: Any) -> int:
    """Return the number of active events before t; note in `returned` which of them ended a silence."""
    while hi < len(when) and when[hi] < t:
        for c in range(len(feature)):
            if feature[c] == SINCE_RETURN and hi > 0 and when[hi] - when[hi - 1] > window[c]:
                returned[c] = hi
        hi += 1
    return hi


@njit(cache=True, nogil=True)
def stages_of_user(
    time: Any, event: Any, at: Any, out: Any, active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> None:  # fmt: skip
    """Write the stage code at each time of `at` (ascending) into `out`; 255 before the first active event."""
    when, day_rank, conversions = _active_events(time, event, active, conversion, day_starts)
    lo = np.zeros(len(feature), np.int64)
    returned = np.full(len(feature), -1, np.int64)
    hi = 0
    out[:] = UNSEEN_CODE
    for k in range(len(at)):
        t = at[k]
        hi = _advance(hi, t, when, feature, window, returned)
        rule = 0 if hi > 0 else len(stage)
        while rule < len(stage):
            matches = True
            for c in range(first_condition[rule], first_condition[rule + 1]):
                while lo[c] < hi and when[lo[c]] < t - window[c]:
                    lo[c] += 1
                left = _feature(feature[c], t, hi, lo[c], returned[c], when, day_rank, conversions)
                if not _holds(op[c], left, value[c]):
                    matches = False
                    break
            if matches:
                out[k] = stage[rule]
                break
            rule += 1


@njit(cache=True, nogil=True)
def stages_on_grid(
    offsets: Any, time: Any, event: Any, at: Any, active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> Any:  # fmt: skip
    """Return uint8[n_users, n_times]: the stage of every user at every time of `at` (ascending)."""
    n_users = len(offsets) - 1
    out = np.empty((n_users, len(at)), np.uint8)
    for user in range(n_users):
        a, b = offsets[user], offsets[user + 1]
        stages_of_user(time[a:b], event[a:b], at, out[user], active, conversion, day_starts,
                       stage, first_condition, feature, op, value, window)  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def stages_at_own_times(
    offsets: Any, time: Any, event: Any, at_offsets: Any, at: Any, active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> Any:  # fmt: skip
    """Return uint8[n]: the stage of user u at its own times ``at[at_offsets[u]:at_offsets[u + 1]]`` (ascending)."""
    out = np.empty(len(at), np.uint8)
    for user in range(len(offsets) - 1):
        a, b = offsets[user], offsets[user + 1]
        i, j = at_offsets[user], at_offsets[user + 1]
        if i < j:
            stages_of_user(time[a:b], event[a:b], at[i:j], out[i:j], active, conversion, day_starts,
                           stage, first_condition, feature, op, value, window)  # fmt: skip
    return out
