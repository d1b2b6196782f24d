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
def fast_levels(begin: Any, end: Any, opens_until: Any, time: Any, event: Any, plan: Any) -> Any:
    """Return int8[n_units]: how many steps the furthest attempt of each unit (a run of events) reached.

    ``starts[k + 1]`` is the latest start of an attempt that has step k.
    """
    n_steps, window, fast_step, is_first_only = len(plan.previous), plan.window_us, plan.fast_step, plan.is_first_only
    levels = np.zeros(len(begin), np.int8)
    starts = np.empty(n_steps + 1, np.int64)
    longest = (end - begin).max() if len(begin) else 0
    step, at = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for unit in range(len(begin)):
        n, j = _take_steps(begin[unit], end[unit], time, event, fast_step, n_steps, step, at), 0
        while j < n and step[j] != 0:
            j += 1
        while 0 < j < n and at[j - 1] == at[j]:
            j -= 1  # the whole tie counts, also what stands before its step 1
        starts[:] = NEVER
        while j < n and starts[n_steps] == NEVER:
            t, k = at[j], step[j]
            opener = t if t < opens_until[unit] and not (is_first_only and starts[1] != NEVER) else NEVER
            if at[j + 1] == t:
                j = _fill_tie(j, step, at, opener, window, starts)
                continue
            # Both values are read before one is chosen: that compiles to a choice without a branch.
            before, present = starts[k], starts[k + 1]
            start = opener if k == 0 else before
            starts[k + 1] = start if t - start <= window else present
            j += 1
        level = 0
        while level < n_steps and starts[level + 1] != NEVER:
            level += 1
        levels[unit] = level
    return levels
