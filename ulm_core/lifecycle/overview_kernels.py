"""One walk per user for the headline figures of a range and of the range before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

ACTIVE, NEW, CONVERTED, CHURNED = 1, 2, 4, 8


@njit(cache=True, nogil=True)
def range_figures(
    offsets: Any, time: Any, event: Any, value: Any, active: Any, conversion: Any,
    from_us: int, to_us: int, horizon_us: int, end_us: int,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Return uint8 flags, int64 conversion events and float64 their value, per user, for ``[from_us, to_us)``.

    Values are summed per user, in time order, so that a total does not depend on the partitions.
    """
    n_users = len(offsets) - 1
    flags, conversions, revenue = np.zeros(n_users, np.uint8), np.zeros(n_users, np.int64), np.zeros(n_users)
    for user in range(n_users):
        last = np.int64(-1)
        is_seen = False
        for i in range(offsets[user], offsets[user + 1]):
            if not active[event[i]]:
                continue
            t = time[i]
            if is_seen and t - last > horizon_us and from_us <= last + horizon_us < to_us:
                flags[user] |= CHURNED
            if from_us <= t < to_us:
                flags[user] |= ACTIVE
                if not is_seen:
                    flags[user] |= NEW
                if conversion[event[i]]:
                    flags[user] |= CONVERTED
                    conversions[user] += 1
                    if not np.isnan(value[i]):
                        revenue[user] += value[i]
            is_seen, last = True, t
        if is_seen and end_us - last > horizon_us and from_us <= last + horizon_us < to_us:
            flags[user] |= CHURNED
    return flags, conversions, revenue


@njit(cache=True, nogil=True)
def _counted(row: Any, starts: Any, t: int, before: int) -> int:
    """Count a user once in the period of `t`; return the period (-1 outside) where `before` was the last one."""
    if before >= 0 and t < starts[before + 1]:  # times ascend: still the same period
        return before
    p = np.searchsorted(starts, t, side="right") - 1
    if not 0 <= p < len(row):
        return -1
    if p != before:
        row[p] += 1
    return int(p)


@njit(cache=True, nogil=True)
def _convert(out: Any, starts: Any, t: int, worth: float, before: int) -> int:
    p = _counted(out[2], starts, t, before)
    if p >= 0:
        out[4, p] += 1
        if not np.isnan(worth):
            out[5, p] += np.int64(np.rint(worth * 1e6))
    return int(p)


@njit(cache=True, nogil=True)
def _figures_of_user(
    out: Any, time: Any, event: Any, value: Any, active: Any, conversion: Any,
    starts: Any, horizon_us: int, end_us: int,
) -> None:  # fmt: skip
    last, is_seen = np.int64(-1), False
    was_active, was_converted, was_churned = -1, -1, -1  # the last period the user was counted in
    for i in range(len(time)):
        if not active[event[i]]:
            continue
        t = time[i]
        if is_seen and t - last > horizon_us:
            was_churned = _counted(out[3], starts, last + horizon_us, was_churned)
        was_active = _counted(out[0], starts, t, was_active)
        if not is_seen:
            _counted(out[1], starts, t, -1)
        if conversion[event[i]]:
            was_converted = _convert(out, starts, t, value[i], was_converted)
        is_seen, last = True, t
    if is_seen and end_us - last > horizon_us:
        _counted(out[3], starts, last + horizon_us, was_churned)


@njit(cache=True, nogil=True)
def figures_by_period(
    offsets: Any, time: Any, event: Any, value: Any, active: Any, conversion: Any, included: Any,
    starts: Any, horizon_us: int, end_us: int,
) -> Any:  # fmt: skip
    """Return int64[6, n_periods]: active, new, converted, churned users, conversions, their value in millionths.

    Whole millionths add up to the same sum in any order, so that it does not depend on the partitions.
    """
    out = np.zeros((6, len(starts) - 1), np.int64)
    for user in range(len(offsets) - 1):
        if included[user]:
            a, b = offsets[user], offsets[user + 1]
            _figures_of_user(out, time[a:b], event[a:b], value[a:b], active, conversion, starts, horizon_us, end_us)
    return out
