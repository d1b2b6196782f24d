"""The short funnel walk, for what is asked most: in order, every event fills at most one step, no exclusion.

What makes it several times faster than the general walk, with the same answer: events that fill no step are taken
out first, without a branch on what an event is (unpredictable branches cost more than the work they save); the
walk over the rest has none either; who never did step 1 is not walked; and step times are left to a second walk
of those who entered, when somebody asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NEVER = -(2**62)


@njit(cache=True, nogil=True)
def _take_steps(begin: int, end: int, time: Any, event: Any, fast_step: Any, n_steps: int, step: Any, at: Any) -> int:
    """Write step and time of the events that fill one, and a last time that ties with none; return how many."""
    n = 0
    for i in range(begin, end):
        k = fast_step[np.uint16(event[i])]
        step[n], at[n] = k, time[i]
        n += k < n_steps
    at[n] = NEVER
    return n


@njit(cache=True, nogil=True)
def _fill_tie(j: int, step: Any, at: Any, opener: int, window: int, starts: Any) -> int:
    """Let the events at ``at[j]`` fill steps, earlier ones first (favours conversion); return the next position."""
    t, present = at[j], np.int64(0)
    while at[j] == t:
        present |= np.int64(1) << step[j]
        j += 1
    starts[0] = opener
    for k in range(len(starts) - 1):
        if present >> k & 1 and t - starts[k] <= window:
            starts[k + 1] = starts[k]
    starts[0] = NEVER
    return j


@njit(cache=True, nogil=True)
def _walk(n: int, step: Any, at: Any, until: int, limit: int, window: int, is_first_only: bool, starts: Any) -> int:
    """Walk one unit until an attempt has `limit` steps; return the place after the event that did it, else n.

    ``starts[k + 1]`` becomes the latest start of an attempt that has step k.
    """
    j = 0
    while j < n and step[j] != 0:
        j += 1
    while 0 < j < n and at[j - 1] == at[j]:
        j -= 1  # the whole tie counts, also what stands before its step 1
    starts[:] = NEVER
    while j < n and starts[limit] == NEVER:
        t, k = at[j], step[j]
        opener = t if t < until and not (is_first_only and starts[1] != NEVER) else NEVER
        if at[j + 1] == t:
            j = _fill_tie(j, step, at, opener, window, starts)
            continue
        # Both values are read before one is chosen: that compiles to a choice without a branch.
        before, present = starts[k], starts[k + 1]
        start = opener if k == 0 else before
        starts[k + 1] = start if t - start <= window else present
        j += 1
    return j


@njit(cache=True, nogil=True)
def _write_times(first: int, level: int, step: Any, at: Any, out: Any) -> None:
    """Write the step times of the attempt that opens with the first step 1 from place `first` on."""
    j, done = first, 0
    while step[j] != 0:
        j += 1
    while j > 0 and at[j - 1] == at[j]:
        j -= 1
    while done < level:
        t, present = at[j], np.int64(0)
        while at[j] == t:
            present |= np.int64(1) << step[j]
            j += 1
        while done < level and present >> done & 1:
            out[done] = t
            done += 1


@njit(cache=True, nogil=True)
def fast_levels(begin: Any, end: Any, opens_until: Any, time: Any, event: Any, plan: Any) -> Any:
    """Return int8[n_units]: how many steps the furthest attempt of each unit (a run of events) reached."""
    n_steps, window, fast_step, is_first_only = len(plan.previous), plan.window_us, plan.fast_step, plan.is_first_only
    levels = np.zeros(len(begin), np.int8)
    starts = np.empty(n_steps + 1, np.int64)
    longest = (end - begin).max() if len(begin) else 0
    step, at = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for unit in range(len(begin)):
        n = _take_steps(begin[unit], end[unit], time, event, fast_step, n_steps, step, at)
        _walk(n, step, at, opens_until[unit], n_steps, window, is_first_only, starts)
        level = 0
        while level < n_steps and starts[level + 1] != NEVER:
            level += 1
        levels[unit] = level
    return levels


@njit(cache=True, nogil=True)
def fast_times(begin: Any, end: Any, opens_until: Any, time: Any, event: Any, plan: Any, rows: Any, flat: Any) -> None:
    """Write the step times of units that entered: unit u to ``flat[rows[u]:rows[u + 1]]``, as many as it reached.

    Those of the first attempt, by its step 1, among the furthest: it starts at the first step 1 no more than a window
    before any attempt got there, since whatever later start did, this one does with the same events.
    """
    n_steps, window, fast_step, is_first_only = len(plan.previous), plan.window_us, plan.fast_step, plan.is_first_only
    starts = np.empty(n_steps + 1, np.int64)
    longest = (end - begin).max() if len(begin) else 0
    step, at = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for unit in range(len(begin)):
        level = rows[unit + 1] - rows[unit]
        n = _take_steps(begin[unit], end[unit], time, event, fast_step, n_steps, step, at)
        reached = _walk(n, step, at, opens_until[unit], level, window, is_first_only, starts) - 1
        first = 0
        while not is_first_only and at[first] < at[reached] - window:
            first += 1
        _write_times(first, level, step, at, flat[rows[unit] : rows[unit + 1]])
