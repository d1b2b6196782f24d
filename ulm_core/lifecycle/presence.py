"""In which periods each user did something: what retention, lifecycle and stickiness all start from.

Lists of periods, not a grid of users x periods: a user of few weeks costs a few bytes however long the log. One pass
over the events makes them; the questions of one page ask for the same lists, which are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from numba import njit

from ulm_core.lifecycle.matching import Matcher
from ulm_core.timeline.index import Mask, Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge

Operator = Literal["gte", "lte", "eq"]
OPERATORS: tuple[Operator, ...] = ("gte", "lte", "eq")
_GTE, _LTE, _EQ = range(3)
_KEPT_BYTES = 512 * 2**20
_NO_VALUE = np.empty(0)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Presence:
    """Periods in which users did something often enough.

    Attributes
    ----------
    offsets
        int64[n_users + 1]; the periods of user k are ``periods[offsets[k]:offsets[k + 1]]``, rising.
    periods
        Numbers of periods, from 0.
    before
        bool[n_users]: did it before the first period, too.
    sums
        int64, parallel to `periods`: value of the events, in multiples of 1 / scale; empty unless asked for.
    """

    offsets: Ints
    periods: npt.NDArray[Any]
    before: npt.NDArray[np.bool_]
    sums: Ints

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(column.nbytes for column in (self.offsets, self.periods, self.before, self.sums))


@njit(cache=True, nogil=True)
def _next_period(bounds: Any, period: int, t: int) -> int:
    """Return the period after `period` that holds t: mostly one of the next few, else by halving."""
    for _ in range(6):
        period += 1
        if t < bounds[period + 1]:
            return period
    low, high = period + 1, len(bounds) - 2
    while low < high:
        middle = (low + high + 1) // 2
        if bounds[middle] <= t:
            low = middle
        else:
            high = middle - 1
    return low


@njit(cache=True, nogil=True)
def _write(found: Any, sums: Any, n: int, period: int, done: int, total: int, operator: int, times: int) -> int:
    """Write a period that is over, if the event was done often enough in it; return how many are written."""
    is_enough = done >= times if operator == _GTE else 0 < done <= times if operator == _LTE else done == times
    if period < 0 or not is_enough:
        return n
    found[n] = period
    if len(sums):
        sums[n] = total
    return n + 1


@njit(cache=True, nogil=True)
def walk_presence(
    offsets: Any, time: Any, event: Any, value: Any, scale: float, counted: Any, bounds: Any, operator: int, times: int,
    found: Any,
) -> Any:  # fmt: skip
    """Write the periods of every user into `found` (as long as there are events).

    Returns
    -------
    ends : int64[n_users]
        How many periods were written up to and with each user.
    before : bool[n_users]
    sums : int64[n]
    """
    n_users, last, has_value = len(offsets) - 1, bounds[-1], len(value) > 0
    ends, before = np.empty(n_users, np.int64), np.zeros(n_users, np.bool_)
    sums = np.empty(len(time) if has_value else 0, np.int64)
    n = 0
    for user in range(n_users):
        # Period -1 lies before the first; what is settled needs no further look at its events.
        period, end, done, total, is_settled = -1, bounds[0], 0, 0, False
        for i in range(offsets[user], offsets[user + 1]):
            t = time[i]
            if (is_settled and t < end) or not counted[event[i]]:
                continue
            if t >= last:
                break
            if t >= end:
                n = _write(found, sums, n, period, done, total, operator, times)
                period = _next_period(bounds, period, t)
                end, done, total = bounds[period + 1], 0, 0
            done += 1
            if period < 0:
                before[user] = True
                is_settled = True
                continue
            if has_value and value[i] == value[i]:
                total += round(value[i] * scale)
            is_settled = operator == _GTE and done >= times and not has_value
        n = _write(found, sums, n, period, done, total, operator, times)
        ends[user] = n
    return ends, before, sums[: n if has_value else 0]


_kept: WeakKeyDictionary[TimelineIndex, OrderedDict[tuple[object, ...], Presence]] = WeakKeyDictionary()
_lock = Lock()


def presence(
    index: TimelineIndex,
    matcher: Matcher,
    counted: Mask,
    bounds: Ints,
    *,
    operator: Operator = "gte",
    times: int = 1,
    scale: float | None = None,
) -> Presence:
    """Return the periods in which each user had enough of the counted events.

    Parameters
    ----------
    matcher, counted
        The codes of events, and which of them count.
    bounds
        int64[n_periods + 1] boundaries (us).
    operator, times
        A period counts with at least (gte), at most (lte) or exactly (eq) so many events, and at least one.
    scale
        Adds up values in multiples of 1 / scale; None: no values.
    """
    if matcher.column is not None:  # conditions: codes mean something else in every question
        return _compute(index, matcher, counted, bounds, operator, times, scale)
    key = (counted.tobytes(), bounds.tobytes(), operator, times, scale)
    with _lock:
        kept = _kept.setdefault(index, OrderedDict())
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
    made = _compute(index, matcher, counted, bounds, operator, times, scale)
    with _lock:
        kept[key] = made
        while len(kept) > 1 and sum(entry.nbytes for entry in kept.values()) > _KEPT_BYTES:
            kept.popitem(last=False)
    return made


def forget() -> None:
    """Drop what is kept, so that the next question starts from the events."""
    with _lock:
        _kept.clear()


def _compute(
    index: TimelineIndex,
    matcher: Matcher,
    counted: Mask,
    bounds: Ints,
    operator: Operator,
    times: int,
    scale: float | None,
) -> Presence:
    dtype = np.uint16 if len(bounds) <= np.iinfo(np.uint16).max else np.uint32

    def kernel(part: Partition) -> Presence:
        found = np.empty(len(part.time), dtype)
        value = _NO_VALUE if scale is None else part.value
        ends, before, sums = walk_presence(
            part.offsets, part.time, matcher.events(part), value, scale or 1.0, counted, bounds,
            OPERATORS.index(operator), times, found,
        )  # fmt: skip
        return Presence(ends, found[: ends[-1] if len(ends) else 0].copy(), before, sums)

    return map_merge(index, kernel, _joined)


def _joined(parts: Sequence[Presence]) -> Presence:
    """Return the presence of all users from those of partitions, whose offsets are ends counted from 0."""
    shifts = np.cumsum([0, *(len(part.periods) for part in parts)])
    ends = [part.offsets + shift for part, shift in zip(parts, shifts, strict=False)]
    return Presence(
        np.concatenate([[0], *ends]).astype(np.int64),
        np.concatenate([part.periods for part in parts]),
        np.concatenate([part.before for part in parts]),
        np.concatenate([part.sums for part in parts]),
    )
