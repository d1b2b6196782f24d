"""The short funnel walk, for what is asked most: in order, every event fills at most one step, no exclusion.

Three tricks make it several times faster than the general walk, with the same answer: one pass without a branch
on what an event is (unpredictable branches cost more than the work they save); an event that fills no step writes
to a place nobody reads; step times are left to a second walk of those who entered, when somebody asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NEVER = -(2**62)


@njit(cache=True, nogil=True)
def _fill_tie(time: Any, event: Any, i: int, end: int, plan: Any, starts: Any) -> int:
    """Let the events at ``time[i]`` fill steps, earlier ones first (favours conversion); return the next position."""
    n_steps, t, present = len(plan.previous), time[i], np.int64(0)
    while i < end and time[i] == t:
        present |= np.int64(1) << plan.fast_step[np.uint16(event[i])]
        i += 1
    for k in range(n_steps):
        if present >> k & 1 and t - starts[k] <= plan.window_us:
            starts[k + 1] = starts[k]
    return i


@njit(cache=True, nogil=True)
def fast_levels(begin: Any, end: Any, opens_until: Any, time: Any, event: Any, plan: Any) -> Any:
    """Return int8[n_units]: how many steps the furthest attempt of each unit (a run of events) reached.

    ``starts[k + 1]`` is the latest start of an attempt that has step k; ``starts[0]`` the one a step 1 would open.
    """
    n_steps, window = len(plan.previous), plan.window_us
    levels = np.zeros(len(begin), np.int8)
    starts = np.empty(n_steps + 3, np.int64)
    for unit in range(len(begin)):
        i, stop, until = begin[unit], end[unit], opens_until[unit]
        starts[:] = NEVER
        while i < stop and starts[n_steps] == NEVER:
            t = time[i]
            starts[0] = t if t < until and not (plan.is_first_only and starts[1] != NEVER) else NEVER
            if i + 1 < stop and time[i + 1] == t:
                i = _fill_tie(time, event, i, stop, plan, starts)
            else:
                k = plan.fast_step[np.uint16(event[i])]
                start = starts[k]
                starts[k + 1] = start if t - start <= window else starts[k + 1]
                i += 1
        level = 0
        while level < n_steps and starts[level + 1] != NEVER:
            level += 1
        levels[unit] = level
    return levels
