"""The compiled funnel walk for steps in any order: a window slides over a user's events.

Bar k counts users with k distinct steps inside one window; the window that counts is the first, by its
start, among those with the most steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NEVER = -(2**62)


@njit(cache=True, nogil=True)
def _needs(plan: Any, need: Any) -> int:
    """Write how many steps name each slot into `need`; return how many steps are ``*``."""
    need[:] = 0
    n_wild = 0
    for k in range(len(plan.step_slot)):
        if plan.step_slot[k] < 0:
            n_wild += 1
        else:
            need[plan.step_slot[k]] += 1
    return n_wild


@njit(cache=True, nogil=True)
def _filled(tally: Any, n_wild: int) -> int:
    """Return how many distinct steps the tallied events can fill: named steps first, ``*`` from the rest."""
    return int(tally[0] + min(n_wild, tally[2] - tally[1]))


@njit(cache=True, nogil=True)
def _tally(change: int, slot: int, is_any: bool, slot_is_any: Any, have: Any, need: Any, tally: Any) -> None:
    """Add (+1) or remove (-1) an event: `tally` = named steps filled, those by ``*`` events, ``*`` events."""
    if is_any:
        tally[2] += change
    if slot < 0:
        return
    before = min(have[slot], need[slot])
    have[slot] += change
    filled = min(have[slot], need[slot]) - before
    tally[0] += filled
    if slot_is_any[slot]:
        tally[1] += filled


@njit(cache=True, nogil=True)
def walk_any_order(time: Any, event: Any, plan: Any, have: Any, need: Any, tally: Any, out: Any) -> int:
    """Walk one user, the steps may come in any order inside one window."""
    n_steps, n_wild, window = len(plan.step_slot), _needs(plan, need), plan.window_us
    slot_of, is_any, is_relevant, slot_is_any = plan.slot_of, plan.is_any, plan.is_relevant, plan.slot_is_any
    have[:] = 0
    tally[:] = 0
    level, first, left = 0, 0, -1
    opened_at, reached_at = np.int64(0), np.int64(0)
    for right in range(len(time)):
        code, t = event[right], time[right]
        if not is_relevant[code]:
            continue
        if left < 0:
            opened_at, left = t, right
        if plan.is_first_only and t - opened_at > window:
            break
        while t - time[left] > window:
            if is_relevant[event[left]]:
                _tally(-1, slot_of[event[left]], is_any[event[left]], slot_is_any, have, need, tally)
            left += 1
        _tally(1, slot_of[code], is_any[code], slot_is_any, have, need, tally)
        filled = _filled(tally, n_wild)
        if filled > level:
            level, reached_at, first = filled, t, left
            if level == n_steps:
                break
    if level:
        _any_order_times(time, event, first, reached_at, plan, have, need, n_wild, tally, out)
    return level


@njit(cache=True, nogil=True)
def _any_order_times(time: Any, event: Any, first: int, until: int, plan: Any, have: Any, need: Any, n_wild: int,
                     tally: Any, out: Any) -> None:  # fmt: skip
    """Write when the window that opens at `first` had 1, 2, ... distinct steps."""
    have[:] = 0
    tally[:] = 0
    done, i = 0, first
    while i < len(time) and time[i] <= until:
        code = event[i]
        if plan.is_relevant[code]:
            _tally(1, plan.slot_of[code], plan.is_any[code], plan.slot_is_any, have, need, tally)
            filled = _filled(tally, n_wild)
            for k in range(done, filled):
                out[k] = time[i]
            done = max(done, filled)
        i += 1


@njit(cache=True, nogil=True)
def walk_users_any_order(
    offsets: Any, time: Any, event: Any, included: Any, from_us: int, to_us: int, plan: Any
) -> Any:
    """Return levels int8[n_users] and times int64[n_users, n_steps] (us) of the 1st, 2nd, ... step done."""
    n_users, n_steps, n_slots = len(offsets) - 1, len(plan.step_slot), len(plan.slot_is_any)
    levels = np.zeros(n_users, np.int8)
    times = np.full((n_users, n_steps), NEVER, np.int64)
    have, need, tally = np.zeros(n_slots, np.int64), np.zeros(n_slots, np.int64), np.zeros(3, np.int64)
    for user in range(n_users):
        if included[user]:
            a, b = offsets[user], offsets[user + 1]
            a, b = a + np.searchsorted(time[a:b], from_us), a + np.searchsorted(time[a:b], to_us)
            levels[user] = walk_any_order(time[a:b], event[a:b], plan, have, need, tally, times[user])
    return levels, times
