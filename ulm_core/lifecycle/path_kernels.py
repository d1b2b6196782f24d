"""What users did before and after an event, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

FIRST, LAST, EVERY = range(3)
NOTHING = -1


@njit(cache=True, nogil=True)
def _shown(time: Any, event: Any, shown: Any, base: Any, times: Any, names: Any, places: Any) -> int:
    """Write time, name and place of the events a path may hold; return how many."""
    found = 0
    for i in range(len(time)):
        if shown[event[i]]:
            times[found], names[found], places[found] = time[i], base[event[i]], i
            found += 1
    return found


@njit(cache=True, nogil=True)
def _walk(times: Any, names: Any, n: int, at: int, step: int, collapse: bool, gap: int, path: Any) -> None:
    """Write the steps from `at` on in one direction, until a longer pause or the end; -1 where there is none."""
    path[:] = NOTHING
    found, i, last = 0, at, names[at]
    while found < len(path) and 0 <= i + step < n:
        if gap > 0 and abs(times[i + step] - times[i]) > gap:
            return
        i += step
        if collapse and names[i] == last:
            continue
        last = names[i]
        path[found] = last
        found += 1


@njit(cache=True, nogil=True)
def _anchors(
    times: Any, places: Any, n: int, event: Any, anchors: Any, low: int, high: int, which: int, collapse: bool,
    gap: int, found: Any,
) -> int:  # fmt: skip
    """Write which shown events a path is drawn around; return how many."""
    count, before = 0, -1
    for i in range(n):
        if not anchors[event[places[i]]] or times[i] >= high:
            continue
        # A run of the event is one step: only its beginning has a path of its own.
        goes_on = collapse and before == i - 1 and before >= 0 and not (gap > 0 and times[i] - times[before] > gap)
        before = i
        if times[i] < low or (which == EVERY and goes_on):
            continue
        if which == LAST:
            count = 0
        found[count] = i
        count += 1
        if which == FIRST:
            break
    return count


@njit(cache=True, nogil=True)
def walk_paths(
    offsets: Any, time: Any, event: Any, shown: Any, anchors: Any, base: Any, low: int, high: int, n_before: int,
    n_after: int, which: int, collapse: bool, gap: int, included: Any,
) -> Any:  # fmt: skip
    """Return the paths around the chosen occurrences of an event.

    Parameters
    ----------
    offsets, time, event
        A partition; `event` are codes.
    shown, anchors
        bool per code: events a path may hold; the event it is drawn around.
    base
        int64 per code: number of the event's name.
    low, high
        Range (us, half-open) of the occurrences.
    n_before, n_after
        Steps on either side.
    which
        FIRST, LAST or EVERY occurrence of a user.
    collapse
        Whether an event again and again is one step.
    gap
        Pause (us) at which a path is cut; 0: never.
    included
        bool[n_users].

    Returns
    -------
    users : int32[n], number within the partition
    steps : int16[n, n_before + 1 + n_after], names; -1 = there was nothing
    """
    users, steps = np.empty(1024, np.int32), np.empty((1024, n_before + 1 + n_after), np.int16)
    scratch, n = np.empty((4, 1024), np.int64), 0
    for user in range(len(offsets) - 1):
        if not included[user]:
            continue
        a, b = offsets[user], offsets[user + 1]
        if b - a > scratch.shape[1]:
            scratch = np.empty((4, 2 * (b - a)), np.int64)
        times, names, places, at = scratch
        m = _shown(time[a:b], event[a:b], shown, base, times, names, places)
        count = _anchors(times, places, m, event[a:b], anchors, low, high, which, collapse, gap, at)
        for k in range(count):
            if n == len(users):
                users, steps = np.concatenate((users, users)), np.concatenate((steps, steps))
            users[n], steps[n, n_before] = user, names[at[k]]
            _walk(times, names, m, at[k], 1, collapse, gap, steps[n, n_before + 1 :])
            _walk(times, names, m, at[k], -1, collapse, gap, steps[n, :n_before][::-1])
            n += 1
    return users[:n].copy(), steps[:n].copy()
