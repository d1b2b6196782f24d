"""The compiled walk that tells which users meet the clauses of a behaviour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

TIMES, VALUE, QUANTITY = range(3)
AT_LEAST, AT_MOST, EXACTLY = range(3)
NEVER = np.iinfo(np.int64).max
BEGINNING = np.iinfo(np.int64).min
ROUNDING = 1e-9
"""Relative error that a running sum may have gathered; sums this near the amount are added up anew."""


@njit(cache=True, nogil=True)
def _amount(measure: int, i: int, value: Any, quantity: Any) -> float:
    if measure == TIMES:
        return 1.0
    amount = value[i] if measure == VALUE else quantity[i]
    return 0.0 if np.isnan(amount) else amount


@njit(cache=True, nogil=True)
def _sum(first: int, last: int, flags: Any, measure: int, event: Any, value: Any, quantity: Any) -> float:
    """Return the amounts of the flagged events ``first`` to ``last``, both included, added in time order."""
    total = 0.0
    for i in range(first, last + 1):
        if flags[event[i]]:
            total += _amount(measure, i, value, quantity)
    return total


@njit(cache=True, nogil=True)
def _met_at(
    first: int, end: int, flags: Any, measure: int, wanted: float, span: int,
    time: Any, event: Any, value: Any, quantity: Any,
) -> Any:  # fmt: skip
    """Return when the amounts of ``first`` to ``end - 1`` first reach `wanted`, inside `span` us if positive."""
    total, low = 0.0, first
    for i in range(first, end):
        if not flags[event[i]]:
            continue
        total += _amount(measure, i, value, quantity)
        while span > 0 and time[low] < time[i] - span:
            if flags[event[low]]:
                total -= _amount(measure, low, value, quantity)
            low += 1
        near = total >= wanted - ROUNDING * (abs(total) + abs(wanted) + 1.0)
        if near and _sum(low, i, flags, measure, event, value, quantity) >= wanted:
            return time[i]
    return NEVER


@njit(cache=True, nogil=True)
def _fulfilled(
    c: int, anchor: int, time: Any, event: Any, value: Any, quantity: Any,
    flags: Any, measure: Any, op: Any, wanted: Any, from_us: Any, to_us: Any, span_us: Any,
) -> Any:  # fmt: skip
    """Return when clause `c` is met by events after `anchor`, NEVER if it is not."""
    first = np.searchsorted(time, from_us[c], side="left")
    if anchor != BEGINNING:
        first = max(first, np.searchsorted(time, anchor, side="right"))
    end = np.searchsorted(time, to_us[c], side="left")
    if op[c] == AT_LEAST:
        return _met_at(first, end, flags[c], measure[c], wanted[c], span_us[c], time, event, value, quantity)
    total = _sum(first, end - 1, flags[c], measure[c], event, value, quantity)
    holds = total <= wanted[c] if op[c] == AT_MOST else total == wanted[c]
    return anchor if holds else NEVER


@njit(cache=True, nogil=True)
def behaving(
    offsets: Any, time: Any, event: Any, value: Any, quantity: Any,
    flags: Any, measure: Any, op: Any, wanted: Any, from_us: Any, to_us: Any, span_us: Any,
    in_order: bool, quiet: Any, quiet_from_us: int, end_us: int,
) -> Any:  # fmt: skip
    """Return bool[n_users]: who meets every clause and did nothing `quiet` in ``[quiet_from_us, end_us)``.

    Parameters
    ----------
    flags
        bool[n_clauses, n_event_codes]; which events a clause counts.
    measure, op, wanted, from_us, to_us, span_us
        By clause: what is added up, how it is compared and with what, the half-open window, and the longest
        stretch the events may span (0: any).
    in_order
        Whether a clause takes only events later than the moment the clauses before it were met.
    quiet
        bool[n_event_codes].
    """
    n_users = len(offsets) - 1
    out = np.zeros(n_users, np.bool_)
    for user in range(n_users):
        a, b = offsets[user], offsets[user + 1]
        when, what, worth, many = time[a:b], event[a:b], value[a:b], quantity[a:b]
        anchor = BEGINNING
        for c in range(len(op)):
            met = _fulfilled(c, anchor, when, what, worth, many, flags, measure, op, wanted, from_us, to_us, span_us)
            if met == NEVER:
                anchor = NEVER
                break
            anchor = met if in_order else BEGINNING
        if anchor == NEVER:
            continue
        first = np.searchsorted(when, quiet_from_us, side="left")
        end = np.searchsorted(when, end_us, side="left")
        out[user] = _sum(first, end - 1, quiet, TIMES, what, worth, many) == 0.0
    return out
