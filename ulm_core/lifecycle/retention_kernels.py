"""One walk along every timeline: which cohorts a user is in, and in which columns they were back.

Nothing of the size users x periods is kept: a user's few periods lie in scratch arrays, what goes out are
counts by cohort and column, or, when one cell is asked for, the users behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

ON, ON_OR_AFTER, ON_OR_BEFORE, STREAK = range(4)
RECURRING, FIRST_TIME, FIRST_EVER = range(3)
STARTS, RETURNS = 1, 2


@njit(cache=True, nogil=True)
def _cohorts(
    time: Any, event: Any, flags_of: Any, bounds: Any, n_cohorts: int, kind: int, periods: Any, times: Any
) -> int:
    """Write the user's cohorts (periods, and the time of the first start event in each); return how many."""
    found, period, end = 0, 0, bounds[n_cohorts]
    for i in range(len(time)):
        if not flags_of[event[i]] & STARTS:
            continue
        t = time[i]
        if t >= end:
            break
        if t < bounds[0]:
            if kind == FIRST_EVER:
                return 0
            continue
        while t >= bounds[period + 1]:
            period += 1
        if found and periods[found - 1] == period:
            continue
        periods[found], times[found] = period, t
        found += 1
        if kind != RECURRING:
            break
    return found


@njit(cache=True, nogil=True)
def _calendar_returns(
    time: Any, event: Any, value: Any, scale: float, flags_of: Any, bounds: Any, first: int, least: int,
    periods: Any, sums: Any,
) -> int:  # fmt: skip
    """Write the periods from `first` on with at least `least` return events, and the value in each; return how many."""
    found, times, period, total = 0, 0, first, 0
    last = len(bounds) - 1
    for i in range(np.searchsorted(time, bounds[first]), len(time)):
        if not flags_of[event[i]] & RETURNS:
            continue
        t = time[i]
        if t >= bounds[period + 1]:
            if times >= least:
                periods[found], sums[found] = period, total
                found += 1
            times, total = 0, 0
            while period < last and t >= bounds[period + 1]:
                period += 1
            if period == last:
                break
        times += 1
        if len(value) and value[i] == value[i]:
            total += round(value[i] * scale)
    if times >= least:
        periods[found], sums[found] = period, total
        found += 1
    return found


@njit(cache=True, nogil=True)
def _own_returns(
    time: Any, event: Any, value: Any, scale: float, flags_of: Any, start: int, width: int, end: int, least: int,
    lags: Any, sums: Any,
) -> int:  # fmt: skip
    """Write the windows of `width` us from `start` on, up to `end`, with enough return events; return how many."""
    found, times, lag, total = 0, 0, 0, 0
    for i in range(np.searchsorted(time, start), len(time)):
        if time[i] >= end:
            break
        if not flags_of[event[i]] & RETURNS:
            continue
        now = (time[i] - start) // width
        if now != lag:
            if times >= least:
                lags[found], sums[found] = lag, total
                found += 1
            times, total, lag = 0, 0, now
        times += 1
        if len(value) and value[i] == value[i]:
            total += round(value[i] * scale)
    if times >= least:
        lags[found], sums[found] = lag, total
        found += 1
    return found


@njit(cache=True, nogil=True)
def _columns(lags: Any, n: int, n_lags: int, column_of: Any, mode: int, columns: Any) -> int:
    """Write the columns (from 1 on) a user counts in, of sorted lags; return how many.

    Other modes than ON need one number only: up to which column (ON_OR_AFTER, STREAK) or from which on.
    """
    found = 0
    for k in range(n):
        if lags[k] < 1:
            continue
        if lags[k] >= n_lags:
            break
        column = column_of[lags[k]]
        if column < 1 or (found and columns[found - 1] == column):
            continue
        columns[found] = column
        found += 1
    if mode == ON or found == 0:
        return found
    if mode == ON_OR_AFTER:
        columns[0] = columns[found - 1]
    elif mode == STREAK:
        run = 0
        while run < found and columns[run] == run + 1:
            run += 1
        columns[0] = run
        return 1 if run else 0
    return 1


@njit(cache=True, nogil=True)
def _holds(columns: Any, n: int, column: int, mode: int) -> bool:
    """Return whether the user counts in `column`."""
    if column == 0:
        return True
    if n == 0:
        return False
    if mode == ON:
        place = np.searchsorted(columns[:n], column)
        return bool(place < n and columns[place] == column)
    if mode == ON_OR_BEFORE:
        return bool(columns[0] <= column)
    return bool(columns[0] >= column)


@njit(cache=True, nogil=True)
def _count(
    counts: Any, sums: Any, columns: Any, n_columns: int, lags: Any, own: Any, n: int, n_lags: int, column_of: Any
) -> None:
    """Add one user of one cohort to its counts, and the value of the `n` lags to its sums."""
    counts[0] += 1
    for k in range(n_columns):
        counts[columns[k]] += 1
    if not len(sums):
        return
    for k in range(n):
        if 0 <= lags[k] < n_lags:
            column = column_of[lags[k]] if lags[k] else 0
            if column >= 0:
                sums[column] += own[k]


@njit(cache=True, nogil=True)
def walk_retention(
    offsets: Any, time: Any, event: Any, value: Any, scale: float, flags_of: Any, bounds: Any, n_cohorts: int,
    follow: int, width: int, kind: int, mode: int, least: int, column_of: Any, n_columns: int, rows: Any, n_rows: int,
    cell_row: int, cell_cohort: int, cell_column: int,
) -> Any:  # fmt: skip
    """Count users (and value) by row, cohort and column; or find the users of one cell.

    `value` is empty where no value is asked for, else added in whole multiples of 1 / scale, so that sums do not
    depend on their order. `flags_of`: uint8 per event code, bit 1 = start event, bit 2 = return event. `bounds`:
    boundaries of all periods (us), those of cohorts first. `follow`: lags of every cohort; 0 = up to the last period
    with a cohort. `width`: us of a user's own window; 0 = calendar periods. `column_of`: int32 per lag, below 1 =
    none. `rows`: int32 per user, -1 = left out. `cell_...`: the cell whose users are wanted; cohort -1 = none,
    counts are; row -1 = any.

    Returns
    -------
    counts, sums : int64[n_rows, n_cohorts, n_columns]
        Modes other than ON: users at the one column up to which (ON_OR_BEFORE: from which on) they count.
    chosen : bool[n_users]
    """
    n_users, is_search, has_value = len(offsets) - 1, cell_cohort >= 0, len(value) > 0
    counts = np.zeros((0 if is_search else n_rows, n_cohorts, n_columns), np.int64)
    sums = np.zeros((counts.shape[0], n_cohorts, n_columns if has_value else 0), np.int64)
    chosen = np.zeros(n_users if is_search else 0, np.bool_)
    size = max(len(bounds), follow + 1)
    scratch = np.empty((6, size), np.int64)
    cohorts, starts, back, worth, lags, columns = scratch
    for user in range(n_users):
        row = rows[user]
        if row < 0 or (is_search and cell_row >= 0 and row != cell_row):
            continue
        a, b = offsets[user], offsets[user + 1]
        when, what, amount = time[a:b], event[a:b], value[a:b] if has_value else value
        n = _cohorts(when, what, flags_of, bounds, n_cohorts, kind, cohorts, starts)
        n_back = 0
        if n and not width:
            first = cohorts[0]
            n_back = _calendar_returns(when, what, amount, scale, flags_of, bounds, first, least, back, worth)
        for c in range(n):
            cohort = cohorts[c]
            if is_search and cohort != cell_cohort:
                continue
            n_lags = follow if follow else n_cohorts - cohort
            if width:
                end = starts[c] + n_lags * width
                end = end if follow else min(end, bounds[n_cohorts])
                n_back = _own_returns(
                    when, what, amount, scale, flags_of, starts[c], width, end, least, lags, worth
                )  # fmt: skip
            else:
                for k in range(n_back):
                    lags[k] = back[k] - cohort
            found = _columns(lags, n_back, n_lags, column_of, mode, columns)
            if is_search:
                chosen[user] = _holds(columns, found, cell_column, mode)
            else:
                _count(counts[row, cohort], sums[row, cohort], columns, found, lags, worth, n_back, n_lags, column_of)
    return counts, sums, chosen
