"""The compiled funnel walks, ordered and strict.

Each writes, for one user, the times of the steps of the attempt that counts and returns how many steps
that attempt reached; -1 where an exclusion drops the user. Times are those of the first attempt, by its
step 1, among the furthest ones.

One file, because numba watches only the file of a cached kernel: a helper changed in another file would
leave the old machine code in use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NEVER, FOREVER = -(2**62), 2**62
DROPPED = -1


@njit(cache=True, nogil=True)
def tie_end(time: Any, event: Any, start: int, plan: Any, have: Any) -> tuple[int, int]:
    """Count the events at ``time[start]`` by slot into `have`; return the next position and the ``*`` events."""
    have[:] = 0
    n_any = 0
    i = start
    while i < len(time) and time[i] == time[start]:
        code = event[i]
        if plan.slot_of[code] >= 0:
            have[plan.slot_of[code]] += 1
        if plan.is_any[code]:
            n_any += 1
        i += 1
    return i, n_any


@njit(cache=True, nogil=True)
def furthest_step(after: int, have: Any, n_any: int, plan: Any, used: Any) -> int:
    """Return the last step that the events of one tie can fill in a row after step `after` (-1: from the start).

    The events of a tie may be taken in any order, each for one step: named steps take events of their
    name, ``*`` steps take what is left.
    """
    used[:] = 0
    n_free, k = n_any, after + 1
    while k < len(plan.step_slot):
        slot = plan.step_slot[k]
        if slot >= 0:
            if used[slot] == have[slot]:
                break
            used[slot] += 1
            if plan.slot_is_any[slot]:
                n_free -= 1
        else:
            n_free -= 1
        if n_free < 0:
            break
        k += 1
    return k - 1


@njit(cache=True, nogil=True)
def fills_step(event: int, step: int, plan: Any) -> bool:
    """Return whether an event can fill a step."""
    slot = plan.step_slot[step]
    return bool(plan.is_any[event] if slot < 0 else plan.slot_of[event] == slot)


@njit(cache=True, nogil=True)
def _is_excluded(time: Any, event: Any, i: int, j: int, before: Any, after: Any, plan: Any) -> bool:
    """Return whether an exclusion among events i to j - 1 (one tie) hits an attempt open before and after it.

    `before[k]`, `after[k]` hold the latest start of an attempt that has step k. Such an attempt lies between
    the two steps where it has the first and, the tie taken in its favour, still lacks the second.
    """
    for x in range(len(plan.excluded)):
        start = before[plan.excluded_from[x]]
        if start == NEVER or time[i] - start > plan.window_us or after[plan.excluded_to[x]] >= start:
            continue
        for e in range(i, j):
            if event[e] == plan.excluded[x]:
                return True
    return False


@njit(cache=True, nogil=True)
def _advance_one(t: int, event: int, starts: Any, plan: Any) -> None:
    """Let a single event fill steps: `starts[k]` becomes the latest start of an attempt that has step k."""
    for s in range(plan.first_step[event], plan.first_step[event + 1]):
        k = plan.steps[s]
        if k == 0:
            if not plan.is_first_only or starts[0] == NEVER:
                starts[0] = t
        elif starts[k - 1] != NEVER and t - starts[k - 1] <= plan.window_us:
            starts[k] = starts[k - 1]


@njit(cache=True, nogil=True)
def _advance_tie(t: int, have: Any, n_any: int, before: Any, starts: Any, plan: Any, used: Any) -> None:
    """Let the events of a tie fill steps in the order that favours conversion."""
    for j in range(len(starts) - 1):
        if before[j] == NEVER or t - before[j] > plan.window_us:
            continue
        for k in range(j + 1, furthest_step(j, have, n_any, plan, used) + 1):
            starts[k] = max(starts[k], before[j])
    if not plan.is_first_only or before[0] == NEVER:
        for k in range(furthest_step(-1, have, n_any, plan, used) + 1):
            starts[k] = t


@njit(cache=True, nogil=True)
def _attempt_times(
    time: Any, event: Any, level: int, reached_at: int, plan: Any, have: Any, used: Any, out: Any
) -> None:
    """Write the step times of the first attempt that reaches `level` steps.

    `reached_at` is when any attempt first got there. The first such attempt starts at the first step 1
    no more than a window before that: whatever later start got there, this one does with the same events.
    """
    i = 0
    if not plan.is_first_only:
        i = np.searchsorted(time, reached_at - plan.window_us, side="left")
    done = -1
    while done < level - 1:
        if not plan.is_relevant[event[i]] or (done < 0 and not fills_step(event[i], 0, plan)):
            i += 1
            continue
        first = i
        # The whole tie is counted, also events before i that could not open the attempt.
        while first > 0 and time[first - 1] == time[i]:
            first -= 1
        t = time[i]
        i, n_any = tie_end(time, event, first, plan, have)
        last = min(furthest_step(done, have, n_any, plan, used), level - 1)
        for k in range(done + 1, last + 1):
            out[k] = t
        done = last


@njit(cache=True, nogil=True)
def walk_ordered(time: Any, event: Any, plan: Any, have: Any, used: Any, starts: Any, before: Any, out: Any) -> int:
    """Walk one user, other events may lie between the steps."""
    n_steps = len(plan.step_slot)
    starts[:] = NEVER
    level, reached_at = 0, np.int64(0)
    i = 0
    while i < len(time) and level < n_steps:
        if not plan.is_relevant[event[i]]:
            i += 1
            continue
        t = time[i]
        is_tie = i + 1 < len(time) and time[i + 1] == t
        j, n_any = i + 1, 0
        if is_tie or len(plan.excluded) > 0:
            before[:] = starts
        if is_tie:
            j, n_any = tie_end(time, event, i, plan, have)
            _advance_tie(t, have, n_any, before, starts, plan, used)
        else:
            _advance_one(t, event[i], starts, plan)
        while level < n_steps and starts[level] != NEVER:
            level += 1
            reached_at = t
        if level < n_steps and len(plan.excluded) > 0 and _is_excluded(time, event, i, j, before, starts, plan):
            return DROPPED
        i = j
    if level > 0:
        _attempt_times(time, event, level, reached_at, plan, have, used, out)
    return level


@njit(cache=True, nogil=True)
def _next_tie(time: Any, event: Any, i: int, plan: Any) -> int:
    while i < len(time) and not plan.is_relevant[event[i]]:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _strict_levels(levels: int, have: Any, n_any: int, plan: Any, used: Any) -> int:
    """Return the bit set of steps an attempt can be at after a tie it must advance in."""
    after = 0
    for j in range(len(plan.step_slot) - 1):
        if levels >> j & 1:
            for k in range(j + 1, furthest_step(j, have, n_any, plan, used) + 1):
                after |= 1 << k
    return after


@njit(cache=True, nogil=True)
def _strict_excluded(event: Any, i: int, j: int, before: int, after: int, plan: Any) -> bool:
    for x in range(len(plan.excluded)):
        between = (1 << plan.excluded_to[x]) - (1 << plan.excluded_from[x])
        if before & ~between or after >> plan.excluded_to[x]:
            continue
        for e in range(i, j):
            if event[e] == plan.excluded[x]:
                return True
    return False


@njit(cache=True, nogil=True)
def _strict_attempt(
    time: Any, event: Any, i: int, plan: Any, have: Any, used: Any, ties: Any, levels: Any
) -> tuple[int, Any]:
    """Follow the attempt opened in the tie at i; return how many ties it went on, and when an exclusion hit it.

    `ties[d]`, `levels[d]`: position of the d-th tie, bit set of steps the attempt can be at after it; the
    last set is 0 unless complete. Without an exclusion the time is `FOREVER`.
    """
    complete = np.int64(1) << (len(plan.step_slot) - 1)
    opened_at = time[i]
    j, n_any = tie_end(time, event, i, plan, have)
    ties[0] = i
    levels[0] = (np.int64(1) << (furthest_step(-1, have, n_any, plan, used) + 1)) - 1
    depth = 0
    while levels[depth] and not levels[depth] & complete:
        i = _next_tie(time, event, j, plan)
        depth += 1
        levels[depth] = 0
        if i == len(time) or time[i] - opened_at > plan.window_us:
            break
        j, n_any = tie_end(time, event, i, plan, have)
        ties[depth] = i
        levels[depth] = _strict_levels(levels[depth - 1], have, n_any, plan, used)
        if _strict_excluded(event, i, j, levels[depth - 1], levels[depth], plan):
            return depth, time[i]
    return depth, np.int64(FOREVER)


@njit(cache=True, nogil=True)
def _highest(levels: Any, depth: int) -> tuple[int, int]:
    """Return the furthest step an attempt got to and the first tie where it was there."""
    best, best_tie = -1, 0
    for d in range(depth + 1):
        k = -1
        while levels[d] >> (k + 1):
            k += 1
        if k > best:
            best, best_tie = k, d
    return best, best_tie


@njit(cache=True, nogil=True)
def _strict_times(time: Any, event: Any, last: int, d: int, plan: Any, have: Any, used: Any, ties: Any,
                  levels: Any, out: Any) -> None:  # fmt: skip
    """Write the step times of an attempt backwards, each step as early as it can be."""
    while d > 0:
        _, n_any = tie_end(time, event, ties[d], plan, have)
        j = last - 1
        while not (levels[d - 1] >> j & 1 and furthest_step(j, have, n_any, plan, used) >= last):
            j -= 1
        for k in range(j + 1, last + 1):
            out[k] = time[ties[d]]
        last = j
        d -= 1
    for k in range(last + 1):
        out[k] = time[ties[0]]


@njit(cache=True, nogil=True)
def walk_strict(time: Any, event: Any, plan: Any, have: Any, used: Any, ties: Any, levels: Any, out: Any) -> int:
    """Walk one user, any other event resets the attempt (not within a tie)."""
    n_steps = len(plan.step_slot)
    level, i = 0, _next_tie(time, event, 0, plan)
    completed_at = excluded_at = np.int64(FOREVER)
    # Attempts opened after a completion do not matter; those opened before may still be hit by an exclusion.
    while i < len(time) and time[i] < completed_at:
        j, n_any = tie_end(time, event, i, plan, have)
        if furthest_step(-1, have, n_any, plan, used) >= 0:
            depth, hit_at = _strict_attempt(time, event, i, plan, have, used, ties, levels)
            excluded_at = min(excluded_at, hit_at)
            last, d = _highest(levels, depth)
            if last + 1 == n_steps:
                completed_at = min(completed_at, time[ties[d]])
            if last + 1 > level:
                level = last + 1
                _strict_times(time, event, last, d, plan, have, used, ties, levels, out)
            if plan.is_first_only:
                break
        i = _next_tie(time, event, j, plan)
    return DROPPED if excluded_at < completed_at else level


@njit(cache=True, nogil=True)
def walk_users(
    offsets: Any, time: Any, event: Any, included: Any, from_us: int, to_us: int, is_strict: bool, plan: Any
) -> Any:
    """Return levels int8[n_users] and step times int64[n_users, n_steps] (us; `NEVER` where not reached)."""
    n_users, n_steps, n_slots = len(offsets) - 1, len(plan.step_slot), len(plan.slot_is_any)
    levels = np.zeros(n_users, np.int8)
    times = np.full((n_users, n_steps), NEVER, np.int64)
    have, used = np.zeros(n_slots, np.int64), np.zeros(n_slots, np.int64)
    one, other = np.zeros(n_steps + 1, np.int64), np.zeros(n_steps + 1, np.int64)
    for user in range(n_users):
        if not included[user]:
            continue
        a, b = offsets[user], offsets[user + 1]
        a, b = a + np.searchsorted(time[a:b], from_us), a + np.searchsorted(time[a:b], to_us)
        if is_strict:
            levels[user] = walk_strict(time[a:b], event[a:b], plan, have, used, one, other, times[user])
        else:
            levels[user] = walk_ordered(
                time[a:b], event[a:b], plan, have, used, one[:n_steps], other[:n_steps], times[user]
            )
    return levels, times
