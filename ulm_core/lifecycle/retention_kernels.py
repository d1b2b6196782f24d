"""Which cohorts every user is in, and in which columns they were back; by calendar or in windows of their own.

Nothing of the size users x periods is kept: what goes out are counts by cohort and column, or, when one cell is
asked for, the users behind it.
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
def _calendar_cohorts(periods: Any, is_before: bool, n_cohorts: int, kind: int) -> Any:
    """Return which of a user's start periods (0 lies before the range) are cohorts: from this place to that."""
    first = 1 if len(periods) and periods[0] == 0 else 0
    if kind == FIRST_EVER and (is_before or first):
        return 0, 0
    stop = first
    while stop < len(periods) and periods[stop] <= n_cohorts and (kind == RECURRING or stop == first):
        stop += 1
    return first, stop


@njit(cache=True, nogil=True)
def walk_calendar(
    start_offsets: Any, start_periods: Any, is_before: Any, back_offsets: Any, back_periods: Any, back_sums: Any,
    has_value: bool, n_cohorts: int, follow: int, kind: int, mode: int, column_of: Any, n_columns: int,
    rows: Any, n_rows: int, cell_row: int, cell_cohort: int, cell_column: int,
) -> Any:  # fmt: skip
    """Count users (and value) by row, cohort and column; or find the users of one cell.

    `start_...`, `back_...`: the periods with start and with return events (`presence`), numbered from 1; 0 lies
    before the range. `has_value`: whether `back_sums` are added up. `follow`: lags of every cohort; 0 = up to the
    last period with a cohort. `column_of`: int32 per lag, below 1 = none. `rows`: int32 per user, -1 = left out.
    `cell_...`: the cell whose users are wanted; cohort -1 = none, counts are; row -1 = any.

    Returns
    -------
    counts, sums : int64[n_rows, n_cohorts, n_columns]
        Modes other than ON: users at the one column up to which (ON_OR_BEFORE: from which on) they count.
    chosen : bool[n_users]
    """
    n_users, is_search = len(rows), cell_cohort >= 0
    counts = np.zeros((0 if is_search else n_rows, n_cohorts, n_columns), np.int64)
    sums = np.zeros((counts.shape[0], n_cohorts, n_columns if has_value else 0), np.int64)
    chosen = np.zeros(n_users if is_search else 0, np.bool_)
    lags, columns = np.empty((2, len(column_of) + 1), np.int64)
    worth = np.empty(len(column_of) + 1, np.int64)
    for user in range(n_users):
        row = rows[user]
        if row < 0 or (is_search and cell_row >= 0 and row != cell_row):
            continue
        starts = start_periods[start_offsets[user] : start_offsets[user + 1]]
        first, stop = _calendar_cohorts(starts, is_before[user], n_cohorts, kind)
        a, b = back_offsets[user], back_offsets[user + 1]
        for c in range(first, stop):
            cohort = np.int64(starts[c]) - 1
            if is_search and cohort != cell_cohort:
                continue
            n_lags, n = follow if follow else n_cohorts - cohort, 0
            while a < b and back_periods[a] <= cohort:
                a += 1
            for k in range(a, b):
                lag = np.int64(back_periods[k]) - 1 - cohort
                if lag >= n_lags:
                    break
                lags[n], worth[n] = lag, back_sums[k] if has_value else 0
                n += 1
            found = _columns(lags, n, n_lags, column_of, mode, columns)
            if is_search:
                chosen[user] = _holds(columns, found, cell_column, mode)
            else:
                _count(counts[row, cohort], sums[row, cohort], columns, found, lags, worth, n, n_lags, column_of)
    return counts, sums, chosen


@njit(cache=True, nogil=True)
def walk_own(
    offsets: Any, time: Any, event: Any, value: Any, has_value: bool, scale: float, flags_of: Any, bounds: Any,
    least: int, width: int, follow: int, kind: int, mode: int, column_of: Any, n_columns: int, rows: Any, n_rows: int,
    cell_row: int, cell_cohort: int, cell_column: int,
) -> Any:  # fmt: skip
    """Count as `walk_calendar`, in windows of `width` us from each user's own start.

    `value` is empty where no value is asked for (`has_value`), else added in whole multiples of 1 / scale, so that
    sums do not depend on their order. `flags_of`: uint8 per event code, bit 1 = start event, bit 2 = return event.
    `bounds`: boundaries of the cohorts' periods (us). `least`: return events in one window.
    """
    n_users, n_cohorts, is_search = len(rows), len(bounds) - 1, cell_cohort >= 0
    counts = np.zeros((0 if is_search else n_rows, n_cohorts, n_columns), np.int64)
    sums = np.zeros((counts.shape[0], n_cohorts, n_columns if has_value else 0), np.int64)
    chosen = np.zeros(n_users if is_search else 0, np.bool_)
    cohorts, starts = np.empty((2, n_cohorts + 1), np.int64)
    lags, worth = np.empty((2, len(column_of) + 1), np.int64)
    columns = np.empty(len(column_of) + 1, np.int64)
    for user in range(n_users):
        row = rows[user]
        if row < 0 or (is_search and cell_row >= 0 and row != cell_row):
            continue
        a, b = offsets[user], offsets[user + 1]
        when, what, amount = time[a:b], event[a:b], value[a:b] if has_value else value
        for c in range(_cohorts(when, what, flags_of, bounds, n_cohorts, kind, cohorts, starts)):
            cohort = cohorts[c]
            if is_search and cohort != cell_cohort:
                continue
            n_lags = follow if follow else n_cohorts - cohort
            end = starts[c] + n_lags * width
            end = end if follow else min(end, bounds[n_cohorts])
            n = _own_returns(when, what, amount, scale, flags_of, starts[c], width, end, least, lags, worth)
            found = _columns(lags, n, n_lags, column_of, mode, columns)
            if is_search:
                chosen[user] = _holds(columns, found, cell_column, mode)
            else:
                _count(counts[row, cohort], sums[row, cohort], columns, found, lags, worth, n, n_lags, column_of)
    return counts, sums, chosen
