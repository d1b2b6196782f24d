"""Time-safe user features for the churn head: recency, frequency, rhythm, value, trend, breadth.

Days are 24-hour blocks of UTC. What a user *is* (demographics) stays out on purpose: in the sample,
having demographics at all marks the loyal households and would leak how they were selected.
"""

from __future__ import annotations

import numba
import numpy as np

from ulm_core.model.histories import DAY_US, F32, F64, I16, I32, I64, Histories, Mask, starts_session

WINDOWS_DAYS: tuple[int, ...] = (14, 28, 56, 112)
_WINDOWS = np.array(WINDOWS_DAYS, np.float64)
_BASE: tuple[str, ...] = (
    "recency",
    "tenure",
    "sessions",
    "active_days",
    "value",
    "value_per_session",
    "events_per_session",
    "mean_gap",
    "sd_gap",
    "longest_gap",
    "recency_over_mean_gap",
    "recency_over_longest_gap",
    "items",
    "share_of_value_56d",
    "trend_sessions",
    "trend_value",
)
N_BASE = len(_BASE)
_S, _V = N_BASE, N_BASE + len(WINDOWS_DAYS)
N_FIXED = N_BASE + 2 * len(WINDOWS_DAYS)


def tabular_features(event_names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns of `tabular` for a log with these events."""
    windows = [f"sessions_{days}d" for days in WINDOWS_DAYS] + [f"value_{days}d" for days in WINDOWS_DAYS]
    return (*_BASE, *windows, *(f"count_{name}" for name in event_names))


def tabular(histories: Histories, active_event: Mask, n_items: int) -> F32:
    """Return float32[n, N_FIXED + n_event_names], every number as signed log(1 + |x|).

    Parameters
    ----------
    histories
        Histories up to their reference times.
    active_event
        bool per event code: what users do themselves. Passive events only enter their own count.
    n_items
        Number of item codes.
    """
    h = histories
    out = np.zeros((len(h), N_FIXED + len(active_event)), np.float64)
    _walk(h.starts, h.ends, h.at_us, h.time, h.event, h.item, h.value, h.session, active_event, n_items, out)
    return np.asarray(np.sign(out) * np.log1p(np.abs(out)), np.float32)


@numba.njit(nogil=True, cache=True)
def _add_windows(f: F64, age: float, amount: float, first: int) -> None:
    for k in range(_WINDOWS.size):
        if age <= _WINDOWS[k]:
            f[first + k] += amount


@numba.njit(nogil=True, cache=True)
def _finish(f: F64, gaps: F64) -> None:
    """Ratios and trends from the sums; `gaps` holds number, sum, sum of squares, longest."""
    sessions, n = max(f[2], 1.0), max(gaps[0], 1.0)
    mean = gaps[1] / n
    f[5], f[6] = f[4] / sessions, f[6] / sessions
    f[7], f[8], f[9] = mean, np.sqrt(max(gaps[2] / n - mean * mean, 0.0)), gaps[3]
    f[10], f[11] = f[0] / (mean + 1.0), f[0] / (gaps[3] + 1.0)
    f[13] = f[_V + 2] / (f[4] + 1.0)
    f[14] = 2.0 * f[_S + 1] - f[_S + 2]
    f[15] = 2.0 * f[_V + 1] - f[_V + 2]


@numba.njit(nogil=True, cache=True)
def _add_day(gaps: F64, day: int, last_day: int) -> float:
    """Count a new active day and the gap before it; return 1.0 when the day is new."""
    if day == last_day:
        return 0.0
    if last_day >= 0:
        gap = float(day - last_day)
        gaps[0] += 1.0
        gaps[1] += gap
        gaps[2] += gap * gap
        gaps[3] = max(gaps[3], gap)
    return 1.0


@numba.njit(nogil=True, cache=True)
def _walk(
    starts: I64,
    ends: I64,
    at_us: I64,
    time: I64,
    event: I16,
    item: I32,
    value: F64,
    session: I64,
    active_event: Mask,
    n_items: int,
    out: F64,
) -> None:
    stamp = np.full(n_items, -1, np.int64)
    gaps = np.zeros(4, np.float64)
    for row in range(starts.size):
        f = out[row]
        gaps[:] = 0.0
        previous, first, last_day = -1, -1, -1
        for e in range(starts[row], ends[row]):
            f[N_FIXED + event[e]] += 1.0
            if not active_event[event[e]]:
                continue
            first = e if first < 0 else first
            age = (at_us[row] - time[e]) / DAY_US
            if starts_session(time, session, e, previous):
                f[2] += 1.0
                _add_windows(f, age, 1.0, _S)
            previous = e
            f[6] += 1.0
            day = time[e] // DAY_US
            f[3] += _add_day(gaps, day, last_day)
            last_day = day
            if not np.isnan(value[e]):
                f[4] += value[e]
                _add_windows(f, age, value[e], _V)
            if item[e] >= 0 and stamp[item[e]] != row:
                stamp[item[e]] = row
                f[12] += 1.0
        if first >= 0:
            f[0] = (at_us[row] - time[previous]) / DAY_US
            f[1] = (at_us[row] - time[first]) / DAY_US
        _finish(f, gaps)
