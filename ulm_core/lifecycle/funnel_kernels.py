"""The compiled funnel walks.

Each walks one run of events (a *unit*: one user's events in the range, as a rule), writes the times of the steps
of the attempt that counts and returns how many steps that attempt reached; -1 where an exclusion drops the unit.
Times are those of the first attempt, by its step 1, among the furthest ones.

One file: numba watches only a cached kernel's own file, so a helper changed elsewhere would leave old code in use.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

NEVER, FOREVER = -(2**62), 2**62
DROPPED = -1
ORDERED, STEPWISE, STRICT, ANY_ORDER = 0, 1, 2, 3


# What the walks write to, made once a partition: arrays per kind, per step (and one more), per event of a unit.
Scratch = namedtuple("Scratch", "have used parent kept assigned saved queue one other reached ties")


@njit(cache=True, nogil=True)
def _scratch(n_steps: int, n_kinds: int, n_events: int) -> Any:
    a, b, c = np.zeros((4, n_kinds), np.int64), np.zeros((5, n_steps + 1), np.int64), np.zeros((2, n_events), np.int64)
    return Scratch(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], b[4], c[0], c[1])


@njit(cache=True, nogil=True)
def _next(event: Any, i: int, kind_of: Any) -> int:
    """Return the position of the next event the walk has to look at."""
    while i < len(event) and kind_of[event[i]] < 0:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _is_alone(time: Any, i: int) -> bool:
    """Return whether no other event has the time of this one: then nothing must be counted."""
    return bool((i == 0 or time[i - 1] != time[i]) and (i + 1 == len(time) or time[i + 1] != time[i]))


@njit(cache=True, nogil=True)
def _tie(time: Any, event: Any, start: int, kind_of: Any, have: Any) -> int:
    """Count the events at ``time[start]`` by kind into `have`; return the next position."""
    have[:] = 0
    i = start
    while i < len(time) and time[i] == time[start]:
        if kind_of[event[i]] >= 0:
            have[kind_of[event[i]]] += 1
        i += 1
    return i


@njit(cache=True, nogil=True)
def _assign(step: int, plan: Any, work: Any) -> bool:
    """Give a step one of the counted events, moving other steps to other events where that helps (augmenting path)."""
    for kind in range(len(work.have)):
        if plan.fills[step, kind] and work.used[kind] < work.have[kind]:
            work.used[kind] += 1
            work.assigned[step] = kind
            return True
    work.parent[:] = -1
    work.queue[0] = step
    head, tail = 0, 1
    while head < tail:
        s = work.queue[head]
        head += 1
        for kind in range(len(work.have)):
            if not plan.fills[s, kind] or work.parent[kind] >= 0 or work.have[kind] == 0:
                continue
            work.parent[kind] = s
            if work.used[kind] < work.have[kind]:
                work.used[kind] += 1
                _move(step, kind, work)
                return True
            for other in range(len(plan.fills)):
                if work.assigned[other] == kind:
                    work.queue[tail] = other
                    tail += 1
    return False


@njit(cache=True, nogil=True)
def _move(step: int, kind: int, work: Any) -> None:
    while True:
        s = work.parent[kind]
        before = work.assigned[s]
        work.assigned[s] = kind
        if s == step:
            return
        kind = before


@njit(cache=True, nogil=True)
def _release(work: Any) -> None:
    work.used[:] = 0
    work.assigned[:] = -1


@njit(cache=True, nogil=True)
def _furthest(after: int, plan: Any, work: Any) -> int:
    """Return the last step that the events of one tie can fill in a row after step `after` (-1: from the start).

    The events of a tie may be taken in any order, each for one step.
    """
    _release(work)
    k = after + 1
    while k < len(plan.fills) and _assign(k, plan, work):
        k += 1
    return k - 1


@njit(cache=True, nogil=True)
def _has_excluded(event: Any, i: int, j: int, x: int, plan: Any) -> bool:
    found = False
    for e in range(i, j):
        found |= plan.kind_of[event[e]] >= 0 and plan.excluded[x, plan.kind_of[event[e]]]
    return found


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
        if _has_excluded(event, i, j, x, plan):
            return True
    return False


@njit(cache=True, nogil=True)
def _advance_one(t: int, kind: int, is_open: bool, starts: Any, first_step: Any, steps: Any, window: int) -> None:
    """Let a single event fill steps: `starts[k]` becomes the latest start of an attempt that has step k."""
    for s in range(first_step[kind], first_step[kind + 1]):
        k = steps[s]
        if k == 0:
            if is_open:
                starts[0] = t
        elif starts[k - 1] != NEVER and t - starts[k - 1] <= window:
            starts[k] = starts[k - 1]


@njit(cache=True, nogil=True)
def _advance_tie(t: int, is_open: bool, before: Any, starts: Any, plan: Any, work: Any) -> None:
    """Let the events of a tie fill steps in the order that favours conversion."""
    for j in range(len(plan.fills) - 1):
        if before[j] == NEVER or t - before[j] > plan.window_us:
            continue
        for k in range(j + 1, _furthest(j, plan, work) + 1):
            starts[k] = max(starts[k], before[j])
    if is_open and (not plan.is_first_only or before[0] == NEVER):
        for k in range(_furthest(-1, plan, work) + 1):
            starts[k] = t


@njit(cache=True, nogil=True)
def _attempt_times(time: Any, event: Any, level: int, reached_at: int, plan: Any, work: Any, out: Any) -> None:
    """Write the step times of the first attempt that reaches `level` steps.

    `reached_at` is when any attempt first got there. The first such attempt starts at the first step 1
    no more than a window before that: whatever later start got there, this one does with the same events.
    """
    i = 0
    if not plan.is_first_only:
        i = np.searchsorted(time, reached_at - plan.window_us, side="left")
    done = -1
    while done < level - 1:
        kind = plan.kind_of[event[i]]
        if kind < 0 or (done < 0 and not plan.fills[0, kind]):
            i += 1
            continue
        if _is_alone(time, i):
            if plan.fills[done + 1, kind]:
                done += 1
                out[done] = time[i]
            i += 1
            continue
        first = i
        # The whole tie is counted, also events before i that could not open the attempt.
        while first > 0 and time[first - 1] == time[i]:
            first -= 1
        t = time[i]
        i = _tie(time, event, first, plan.kind_of, work.have)
        last = min(_furthest(done, plan, work), level - 1)
        for k in range(done + 1, last + 1):
            out[k] = t
        done = last


@njit(cache=True, nogil=True)
def _walk_ordered(time: Any, event: Any, opens_until: int, plan: Any, work: Any, out: Any) -> int:
    """Walk one unit, other events may lie between the steps."""
    n_steps = len(plan.fills)
    starts, before, kind_of, has_exclusions = work.one, work.other, plan.kind_of, len(plan.excluded) > 0
    starts[:] = NEVER
    level, reached_at = 0, np.int64(0)
    i = _next(event, 0, kind_of)
    while i < len(time) and level < n_steps:
        t = time[i]
        is_tie = i + 1 < len(time) and time[i + 1] == t
        j = i + 1
        if is_tie or has_exclusions:
            before[:] = starts
        if is_tie:
            j = _tie(time, event, i, plan.kind_of, work.have)
            _advance_tie(t, t < opens_until, before, starts, plan, work)
        else:
            is_open = t < opens_until and not (plan.is_first_only and starts[0] != NEVER)
            _advance_one(t, kind_of[event[i]], is_open, starts, plan.first_step, plan.steps, plan.window_us)
        while level < n_steps and starts[level] != NEVER:
            level += 1
            reached_at = t
        if level < n_steps and has_exclusions and _is_excluded(time, event, i, j, before, starts, plan):
            return DROPPED
        i = _next(event, j, kind_of)
    if level > 0:
        _attempt_times(time, event, level, reached_at, plan, work, out)
    return level


@njit(cache=True, nogil=True)
def _fill_from(after: int, waited: int, plan: Any, work: Any) -> Any:
    """Return the bit set of steps a tie can fill in a row after the required step `after`, done `waited` before.

    Required steps are taken one after the other; an optional one only ends a row, since skipping it costs nothing.
    """
    reached, k = np.int64(0), after + 1
    _release(work)
    is_first = True
    while k < len(plan.fills):
        # The window of a step runs from the required step before it: zero seconds where that is in this tie.
        is_in_time = not is_first or waited <= plan.step_window_us[k]
        if plan.is_optional[k]:
            work.saved[:] = work.assigned
            work.kept[:] = work.used
            if is_in_time and _assign(k, plan, work):
                reached |= np.int64(1) << k
            work.assigned[:] = work.saved
            work.used[:] = work.kept
        elif is_in_time and _assign(k, plan, work):
            reached |= np.int64(1) << k
            is_first = False
        else:
            break
        k += 1
    return reached


@njit(cache=True, nogil=True)
def _fill_one(after: int, waited: int, kind: int, fills: Any, step_window_us: Any, is_optional: Any) -> Any:
    """Return the bit set of steps that a single event can fill after the required step `after`."""
    reached, k = np.int64(0), after + 1
    while k < len(fills):
        if fills[k, kind] and waited <= step_window_us[k]:
            reached |= np.int64(1) << k
        if not is_optional[k]:
            break
        k += 1
    return reached


@njit(cache=True, nogil=True)
def _advance(time: Any, event: Any, i: int, is_opening: bool, before: Any, plan: Any, work: Any) -> tuple[int, Any]:
    """Return the next position, and the bit set of the steps an attempt can do in the tie at i.

    `before[k]` is when it had step k last; `NEVER`: it cannot go on from there.
    """
    alone = plan.kind_of[event[i]] if _is_alone(time, i) else -1
    j = i + 1 if alone >= 0 else _tie(time, event, i, plan.kind_of, work.have)
    now = np.int64(0)
    for k in range(-1 if is_opening else 0, len(plan.fills) - 1):
        if k >= 0 and (before[k] == NEVER or plan.is_optional[k]):
            continue
        waited = np.int64(0) if k < 0 else time[i] - before[k]
        if alone >= 0:
            now |= _fill_one(k, waited, alone, plan.fills, plan.step_window_us, plan.is_optional)
        else:
            now |= _fill_from(k, waited, plan, work)
    return j, now


@njit(cache=True, nogil=True)
def _hits(event: Any, i: int, j: int, had: int, has: int, is_strict: bool, plan: Any) -> bool:
    """Return whether an exclusion in a tie hits an attempt: it had the first step before, and lacks the second after.

    `had`, `has`: bit sets of the steps done; in strict order of those it can be at.
    """
    for x in range(len(plan.excluded)):
        first, second = plan.excluded_from[x], plan.excluded_to[x]
        if is_strict:
            is_between = not had & ~((1 << second) - (1 << first)) and not has >> second
        else:
            is_between = had >> first & 1 and not has >> second & 1
        if is_between and _has_excluded(event, i, j, x, plan):
            return True
    return False


@njit(cache=True, nogil=True)
def _follow(time: Any, event: Any, i: int, is_strict: bool, plan: Any, work: Any) -> tuple[int, Any, Any, Any]:
    """Follow the attempt opened in the tie at i through its window.

    ``work.reached[d]``: bit set of the steps that can be done in its d-th tie, at position ``work.ties[d]``.

    Returns
    -------
    number of ties, bit set of steps done, when the last step was done and when an exclusion hit (else `FOREVER`).
    """
    opened_at, latest, before = time[i], work.one, work.other
    latest[:] = NEVER
    done, had, depth = np.int64(0), np.int64(0), 0
    completed_at = hit_at = np.int64(FOREVER)
    while i < len(time) and time[i] - opened_at <= plan.window_us:
        before[:] = latest
        j, now = _advance(time, event, i, depth == 0, before, plan, work)
        if is_strict:
            latest[:] = NEVER
        for k in range(len(plan.fills)):
            if now >> k & 1:
                latest[k] = time[i]
        has = now if is_strict else done | now
        if depth > 0 and completed_at == hit_at and _hits(event, i, j, had, has, is_strict, plan):
            hit_at = time[i]
        work.ties[depth], work.reached[depth] = i, now
        depth, done, had = depth + 1, done | now, has
        if completed_at == FOREVER and done >> (len(plan.fills) - 1) & 1:
            completed_at = time[i]
        if (completed_at != FOREVER and not plan.is_optional.any()) or (is_strict and now == 0):
            break
        i = _next(event, j, plan.kind_of)
    return depth, done, completed_at, hit_at


@njit(cache=True, nogil=True)
def _followed_times(time: Any, level: int, depth: int, is_strict: bool, plan: Any, work: Any, out: Any) -> None:
    """Write when each step was done: required ones backwards, each as early as it can be; optional ones first seen."""
    for k in range(len(plan.fills)):
        out[k] = NEVER
        for d in range(depth - 1, -1, -1):
            if plan.is_optional[k] and work.reached[d] >> k & 1:
                out[k] = time[work.ties[d]]
    k, d = level - 1, 0
    while not work.reached[d] >> k & 1:
        d += 1
    out[k] = time[work.ties[d]]
    while plan.previous[k] >= 0:
        step, k = k, plan.previous[k]
        for earlier in range(d - 1 if is_strict else 0, d):
            waited = time[work.ties[d]] - time[work.ties[earlier]]
            if work.reached[earlier] >> k & 1 and waited <= plan.step_window_us[step]:
                d = earlier
                break  # without one, both steps are done in one tie
        out[k] = time[work.ties[d]]


@njit(cache=True, nogil=True)
def _walk_attempts(
    time: Any, event: Any, opens_until: int, is_strict: bool, plan: Any, work: Any, out: Any
) -> tuple[int, Any]:
    """Walk one unit attempt by attempt; return the level and the bit set of steps done in the attempt that counts.

    For strict order (any other event resets the attempt, not within a tie), steps with windows of their own and
    optional steps.
    """
    kind_of, can_open = plan.kind_of, plan.opens
    level, extras, i = 0, np.int64(0), _next(event, 0, kind_of)
    completed_at = excluded_at = np.int64(FOREVER)
    # Attempts opened after a completion do not matter; those opened before may still be hit by an exclusion.
    while i < len(time) and time[i] < min(completed_at, opens_until):
        j, opens = i, False
        while j < len(time) and time[j] == time[i]:
            opens |= kind_of[event[j]] >= 0 and can_open[kind_of[event[j]]]
            j += 1
        if opens:
            depth, done, finished_at, hit_at = _follow(time, event, i, is_strict, plan, work)
            excluded_at = min(excluded_at, hit_at)
            completed_at = min(completed_at, finished_at)
            reached = len(plan.fills)
            while plan.is_optional[reached - 1] or not done >> (reached - 1) & 1:
                reached -= 1
            if reached > level:
                level, extras = reached, done
                _followed_times(time, level, depth, is_strict, plan, work, out)
            if plan.is_first_only:
                break
        i = _next(event, j, kind_of)
    return (DROPPED, np.int64(0)) if excluded_at < completed_at else (level, extras)


@njit(cache=True, nogil=True)
def _matched(plan: Any, work: Any) -> int:
    """Return how many distinct steps the counted events can fill, each one of them."""
    _release(work)
    n = 0
    for k in range(len(plan.fills)):
        if _assign(k, plan, work):
            n += 1
    return n


@njit(cache=True, nogil=True)
def _shift(have: Any, kind: int, change: int, first_step: Any) -> Any:
    """Add (1) or remove (-1) an event; return the change, 0 where a kind has more events than steps it can fill."""
    n = max(have[kind], have[kind] + change)
    have[kind] += change
    return change if n <= first_step[kind + 1] - first_step[kind] else 0


@njit(cache=True, nogil=True)
def _slide(time: Any, event: Any, i: int, until: int, opens_until: int, plan: Any, work: Any,
           out: Any) -> tuple[int, Any, Any]:  # fmt: skip
    """Slide a window over the events from i on; write when it had 1, 2, ... distinct steps for the first time.

    Returns
    -------
    the most steps, where the first window with as many began, and when it had them.
    """
    kind_of, first_step, have, is_disjoint = plan.kind_of, plan.first_step, work.have, plan.is_disjoint
    have[:] = 0
    done, filled, left = 0, 0, _next(event, i, kind_of)
    first, reached_at, right = left, np.int64(0), left
    while right < len(time) and time[right] <= until and done < len(plan.fills):
        t, moved = time[right], 0
        while t - time[left] > plan.window_us:
            moved += _shift(have, kind_of[event[left]], -1, first_step)
            left = _next(event, left + 1, kind_of)
        if time[left] >= opens_until:
            break
        added = _shift(have, kind_of[event[right]], 1, first_step)
        filled += added + moved
        if not is_disjoint and (moved or added):
            filled = _matched(plan, work)
        if filled > done:
            out[done:filled] = t
            done, first, reached_at = filled, left, t
        right = _next(event, right + 1, kind_of)
    return done, first, reached_at


@njit(cache=True, nogil=True)
def _walk_any_order(time: Any, event: Any, opens_until: int, plan: Any, work: Any, out: Any) -> Any:
    """Walk one unit, the steps may come in any order inside one window.

    The window that counts is the first, by its start, among those with the most steps.
    """
    until, i = np.int64(FOREVER), _next(event, 0, plan.kind_of)
    if plan.is_first_only and i < len(time):
        until = time[i] + plan.window_us
    level, first, reached_at = _slide(time, event, i, until, opens_until, plan, work, out)
    if level:
        _slide(time, event, first, reached_at, opens_until, plan, work, out)
    return level


@njit(cache=True, nogil=True)
def walk_units(begin: Any, end: Any, opens_until: Any, time: Any, event: Any, plan: Any, how: int, rows: Any,
               flat: Any) -> Any:  # fmt: skip
    """Walk many units, each the events ``begin[u]`` to ``end[u] - 1``, attempts opening before ``opens_until[u]`` (us).

    Parameters
    ----------
    how
        ORDERED, STEPWISE, STRICT or ANY_ORDER.
    rows, flat
        Where step times (us) are written: unit u to ``flat[rows[u]:rows[u + 1]]``; nowhere when `rows` is empty.

    Returns
    -------
    levels int8[n_units], steps done as bit sets int64[n_units] (only STEPWISE)
    """
    n_units, n_steps = len(begin), len(plan.fills)
    levels, extras = np.zeros(n_units, np.int8), np.zeros(n_units if how == STEPWISE else 0, np.int64)
    work = _scratch(n_steps, len(plan.opens), (end - begin).max() if n_units else 0)
    out = np.full(n_steps, NEVER, np.int64)
    for u in range(n_units):
        times, events = time[begin[u] : end[u]], event[begin[u] : end[u]]
        out[:] = NEVER
        if how == ORDERED:
            levels[u] = _walk_ordered(times, events, opens_until[u], plan, work, out)
        elif how == ANY_ORDER:
            levels[u] = _walk_any_order(times, events, opens_until[u], plan, work, out)
        else:
            levels[u], done = _walk_attempts(times, events, opens_until[u], how == STRICT, plan, work, out)
            if how == STEPWISE:
                extras[u] = done
        if len(rows):
            flat[rows[u] : rows[u + 1]] = out[: rows[u + 1] - rows[u]]
    return levels, extras
