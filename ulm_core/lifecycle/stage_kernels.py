"""The compiled walk that evaluates stage rules along timelines.

One pass per user: `hi` is the number of active events before t and moves only forward, as does one
`lo` pointer per window, so that many times cost one walk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SINCE_FIRST, SINCE_LAST, SINCE_RETURN, ACTIVE_DAYS, ACTIVE_DAYS_WINDOW, CONVERSIONS_WINDOW = range(6)
CONVERSIONS, EVENTS_WINDOW, SESSIONS_WINDOW, VALUE_WINDOW = range(6, 10)
CALENDAR_SINCE_FIRST, CALENDAR_SINCE_LAST, CALENDAR_BETWEEN = range(10, 13)
LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL = range(5)
UNSEEN_CODE = 255
DAY = 86_400_000_000.0
SESSION_GAP_US = 1_800_000_000
# Values are summed as whole numbers, so that a sum over a window is exact and does not depend on where it began.
VALUE_SCALE, LARGEST_VALUE = 10_000.0, 1e13


@njit(cache=True, nogil=True)
def _active_events(time: Any, event: Any, active: Any, conversion: Any, day_starts: Any) -> Any:
    """Return place, time, calendar day, running number of the active day, and conversions so far of active events."""
    n = len(time)
    place, when = np.empty(n, np.int64), np.empty(n, np.int64)
    day, day_rank = np.empty(n, np.int64), np.empty(n, np.int64)
    conversions = np.empty(n + 1, np.int64)
    conversions[0] = 0
    kept, rank, today = 0, 0, -1
    for i in range(n):
        if not active[event[i]]:
            continue
        this_day = today
        if kept == 0:
            this_day = np.searchsorted(day_starts, time[i], side="right")
        while this_day < len(day_starts) and day_starts[this_day] <= time[i]:
            this_day += 1
        if this_day != today:
            rank += 1
            today = this_day
        place[kept], when[kept], day[kept], day_rank[kept] = i, time[i], today, rank
        conversions[kept + 1] = conversions[kept] + (1 if conversion[event[i]] else 0)
        kept += 1
    return place[:kept], when[:kept], day[:kept], day_rank[:kept], conversions[: kept + 1]


@njit(cache=True, nogil=True)
def _uses(feature: Any, kind: int) -> Any:
    return np.any(feature == kind)


@njit(cache=True, nogil=True)
def _session_ranks(is_used: bool, place: Any, when: Any, session: Any) -> Any:
    """Return the running number of the session of each active event; nothing where no rule asks."""
    rank = np.empty(len(place) if is_used else 0, np.int64)
    for k in range(len(rank)):
        if k == 0:
            rank[k] = 1
            continue
        one, other = session[place[k - 1]], session[place[k]]
        is_same = one == other if one >= 0 and other >= 0 else when[k] - when[k - 1] <= SESSION_GAP_US
        rank[k] = rank[k - 1] + (0 if is_same else 1)
    return rank


@njit(cache=True, nogil=True)
def _values(is_used: bool, place: Any, conversions: Any, value: Any) -> Any:
    """Return the value of conversions before each active event, in 1 / VALUE_SCALE; nothing where no rule asks."""
    total = np.zeros(len(place) + 1 if is_used else 0, np.int64)
    for k in range(len(total) - 1):
        worth = value[place[k]]
        counts = conversions[k + 1] > conversions[k] and not np.isnan(worth)
        clipped = min(max(worth, -LARGEST_VALUE), LARGEST_VALUE)
        total[k + 1] = total[k] + (np.int64(np.rint(clipped * VALUE_SCALE)) if counts else 0)
    return total


@njit(cache=True, nogil=True)
def _days_before(is_used: bool, day: Any) -> Any:
    """Return the calendar day of the active day before that of each active event, -1 on the first."""
    before = np.empty(len(day) if is_used else 0, np.int64)
    for k in range(len(before)):
        if k == 0:
            before[k] = -1
        else:
            before[k] = before[k - 1] if day[k] == day[k - 1] else day[k - 1]
    return before


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
def _span_feature(kind: int, t: int, hi: int, returned: int, when: Any) -> float:
    if kind == SINCE_FIRST:
        return float(t - when[0]) / DAY
    if kind == SINCE_LAST:
        return float(t - when[hi - 1]) / DAY
    return float(t - when[returned]) / DAY if returned >= 0 else np.inf


@njit(cache=True, nogil=True)
def _distinct(rank: Any, lo: int, hi: int) -> Any:
    """Return how many different running numbers the places lo to hi - 1 hold."""
    return float(rank[hi - 1] - rank[lo] + 1) if lo < hi else 0.0


@njit(cache=True, nogil=True)
def _count_feature(kind: int, hi: int, lo: int, day_rank: Any, conversions: Any, sessions: Any, values: Any) -> Any:
    if kind in (ACTIVE_DAYS, ACTIVE_DAYS_WINDOW):
        return _distinct(day_rank, 0 if kind == ACTIVE_DAYS else lo, hi)
    if kind in (CONVERSIONS_WINDOW, CONVERSIONS):
        return float(conversions[hi] - (0 if kind == CONVERSIONS else conversions[lo]))
    if kind == EVENTS_WINDOW:
        return float(hi - lo)
    if kind == SESSIONS_WINDOW:
        return _distinct(sessions, lo, hi)
    return float(values[hi] - values[lo]) / VALUE_SCALE


@njit(cache=True, nogil=True)
def _calendar_feature(kind: int, t: int, hi: int, day: Any, before: Any, day_starts: Any) -> float:
    if kind == CALENDAR_BETWEEN:
        return float(day[hi - 1] - before[hi - 1]) if before[hi - 1] >= 0 else np.inf
    # At midnight the day that has just ended is looked at, hence "left".
    today = np.searchsorted(day_starts, t, side="left")
    return float(today - day[0 if kind == CALENDAR_SINCE_FIRST else hi - 1])


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
    time: Any, event: Any, values: Any, session: Any, at: Any, out: Any, active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> None:  # fmt: skip
    """Write the stage code at each time of `at` (ascending) into `out`; 255 before the first active event."""
    place, when, day, day_rank, conversions = _active_events(time, event, active, conversion, day_starts)
    sessions = _session_ranks(_uses(feature, SESSIONS_WINDOW), place, when, session)
    worth = _values(_uses(feature, VALUE_WINDOW), place, conversions, values)
    before = _days_before(_uses(feature, CALENDAR_BETWEEN), day)
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
                if feature[c] <= SINCE_RETURN:
                    left = _span_feature(feature[c], t, hi, returned[c], when)
                elif feature[c] < CALENDAR_SINCE_FIRST:
                    left = _count_feature(feature[c], hi, lo[c], day_rank, conversions, sessions, worth)
                else:
                    left = _calendar_feature(feature[c], t, hi, day, before, day_starts)
                if not _holds(op[c], left, value[c]):
                    matches = False
                    break
            if matches:
                out[k] = stage[rule]
                break
            rule += 1


@njit(cache=True, nogil=True)
def stages_on_grid(
    offsets: Any, time: Any, event: Any, values: Any, session: Any, at: Any,
    active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> Any:  # fmt: skip
    """Return uint8[n_users, n_times]: the stage of every user at every time of `at` (ascending)."""
    n_users = len(offsets) - 1
    out = np.empty((n_users, len(at)), np.uint8)
    for user in range(n_users):
        a, b = offsets[user], offsets[user + 1]
        stages_of_user(time[a:b], event[a:b], values[a:b], session[a:b], at, out[user], active, conversion, day_starts,
                       stage, first_condition, feature, op, value, window)  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def stages_at_own_times(
    offsets: Any, time: Any, event: Any, values: Any, session: Any, at_offsets: Any, at: Any,
    active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> Any:  # fmt: skip
    """Return uint8[n]: the stage of user u at its own times ``at[at_offsets[u]:at_offsets[u + 1]]`` (ascending)."""
    out = np.empty(len(at), np.uint8)
    for user in range(len(offsets) - 1):
        a, b = offsets[user], offsets[user + 1]
        i, j = at_offsets[user], at_offsets[user + 1]
        if i < j:
            stages_of_user(time[a:b], event[a:b], values[a:b], session[a:b], at[i:j], out[i:j],
                           active, conversion, day_starts,
                           stage, first_condition, feature, op, value, window)  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def stays_on_grid(
    offsets: Any, time: Any, event: Any, values: Any, session: Any, at: Any,
    active: Any, conversion: Any, day_starts: Any,
    stage: Any, first_condition: Any, feature: Any, op: Any, value: Any, window: Any,
) -> Any:  # fmt: skip
    """Return the stays of all users on the grid `at` (ascending): int32[4, n].

    Rows: user within the partition, stage code, first place of the grid in the stage, first place no longer
    in it (``len(at)`` where the stay has not ended), in the order of users and of time.
    """
    n_users = len(offsets) - 1
    codes = np.empty(len(at), np.uint8)
    found = np.empty((4, max(64, n_users)), np.int32)
    n = 0
    for user in range(n_users):
        a, b = offsets[user], offsets[user + 1]
        stages_of_user(time[a:b], event[a:b], values[a:b], session[a:b], at, codes, active, conversion, day_starts,
                       stage, first_condition, feature, op, value, window)  # fmt: skip
        start = 0
        for k in range(1, len(at) + 1):
            if k < len(at) and codes[k] == codes[start]:
                continue
            if codes[start] != UNSEEN_CODE:
                if n == found.shape[1]:
                    larger = np.empty((4, 2 * n), np.int32)
                    larger[:, :n] = found
                    found = larger
                found[0, n], found[1, n], found[2, n], found[3, n] = user, codes[start], start, k
                n += 1
            start = k
    return found[:, :n].copy()
