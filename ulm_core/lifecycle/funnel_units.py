"""The runs of events that a funnel walks: whole users, sessions, one value of a property, periods of a trend.

A *lane* is a timeline to walk on its own: a user's, or only those events of a user that share a session or another
held value. A *unit* is a run of a lane's events within the range, and until when an attempt may open in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ulm_core.timeline.index import Partition

NO_KEY = -1

Ints = npt.NDArray[np.int64]


class Lanes(NamedTuple):
    """Timelines of a partition.

    Attributes
    ----------
    offsets
        int64[n_lanes + 1].
    time, event
        Of all their events, lane after lane.
    owner
        int64[n_lanes]; user of each lane, counted in the partition.
    """

    offsets: Ints
    time: Ints
    event: npt.NDArray[np.int16]
    owner: Ints


class Units(NamedTuple):
    """Runs of events: positions in the columns of the lanes, when attempts stop opening (us), and whose they are.

    `period` counts periods of a trend; empty without one.
    """

    begin: Ints
    end: Ints
    opens_until: Ints
    owner: Ints
    period: Ints


def user_lanes(part: Partition, event: npt.NDArray[np.int16]) -> Lanes:
    """Return one lane a user."""
    return Lanes(part.offsets, part.time, event, np.arange(part.n_users))


def keyed_lanes(lanes: Lanes, key: npt.NDArray[np.integer[Any]], is_relevant: npt.NDArray[np.bool_]) -> Lanes:
    """Cut lanes into one a distinct key; events without a key (-1), or that no walk looks at, fall out."""
    kept = np.flatnonzero((key != NO_KEY) & is_relevant[lanes.event])
    lane = np.repeat(np.arange(len(lanes.owner)), np.diff(lanes.offsets))[kept]
    pairs = lane * (int(key.max(initial=0)) + 1) + key[kept]
    order = np.argsort(pairs, kind="stable")  # stable: time order stays
    kept, pairs = kept[order], pairs[order]
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)])
    offsets = np.append(starts, len(pairs)).astype(np.int64)
    return Lanes(offsets, lanes.time[kept], lanes.event[kept], lanes.owner[lane[order][starts]])


@njit(cache=True, nogil=True)
def session_keys(offsets: Any, time: Any, event: Any, is_any: Any, gap_us: int) -> Any:
    """Return int64 per event: number of its session within the lane; one ends after `gap_us` without a `is_any` event.

    What is done to the user (not `is_any`) belongs to the session it falls into and starts none.
    """
    key = np.zeros(len(time), np.int64)
    for lane in range(len(offsets) - 1):
        number, last = 0, np.int64(-(2**62))
        for i in range(offsets[lane], offsets[lane + 1]):
            if is_any[event[i]]:
                if time[i] - last > gap_us:
                    number += 1
                last = time[i]
            key[i] = number if time[i] - last <= gap_us else -1
    return key


@njit(cache=True, nogil=True)
def snapped(offsets: Any, time: Any, event: Any, kind_of: Any, grace_us: int, from_us: int, to_us: int) -> Any:
    """Return times in which events within `grace_us` of the first of them have its time: they tie.

    Only events in the range that the walk looks at (``kind_of[event] >= 0``) count.
    """
    out = time.copy()
    for lane in range(len(offsets) - 1):
        anchor = np.int64(-(2**62))
        for i in range(offsets[lane], offsets[lane + 1]):
            t = time[i]
            if t < from_us or t >= to_us:
                continue
            if t - anchor <= grace_us:
                out[i] = anchor
            elif kind_of[event[i]] >= 0:
                anchor = t
    return out


@njit(cache=True, nogil=True)
def lane_units(offsets: Any, time: Any, owner: Any, included: Any, from_us: int, to_us: int) -> tuple[Any, Any]:
    """Return begin and end of each lane's events in the range; an empty run for users who are not included."""
    n_lanes = len(offsets) - 1
    begin, end = np.zeros(n_lanes, np.int64), np.zeros(n_lanes, np.int64)
    for lane in range(n_lanes):
        a, b = offsets[lane], offsets[lane + 1]
        if not included[owner[lane]] or a == b:
            continue
        if time[a] < from_us or time[b - 1] >= to_us:
            a, b = a + np.searchsorted(time[a:b], from_us), a + np.searchsorted(time[a:b], to_us)
        begin[lane], end[lane] = a, b
    return begin, end


@njit(cache=True, nogil=True)
def next_opener(begin: Any, end: Any, time: Any, event: Any, plan: Any) -> Any:
    """Return where each unit's first event stands that can open an attempt; `end` where there is none."""
    found = end.copy()
    for u in range(len(begin)):
        for i in range(begin[u], end[u]):
            kind = plan.kind_of[event[i]]
            if kind >= 0 and plan.opens[kind]:
                found[u] = i
                break
    return found


@njit(cache=True, nogil=True)
def tie_begin(at: Any, begin: Any, time: Any) -> Any:
    """Return where the tie of each event at `at` begins, not before `begin`."""
    out = at.copy()
    for u in range(len(at)):
        while out[u] > begin[u] and time[out[u] - 1] == time[at[u]]:
            out[u] -= 1
    return out


@njit(cache=True, nogil=True)
def first_after(begin: Any, end: Any, time: Any, moment: Any) -> Any:
    """Return each unit's first position whose time is later than `moment`."""
    out = begin.copy()
    for u in range(len(begin)):
        out[u] += np.searchsorted(time[begin[u] : end[u]], moment[u], side="right")
    return out


@njit(cache=True, nogil=True)
def _period_units(begin: Any, end: Any, time: Any, event: Any, starts: Any, plan: Any, lane: Any, period: Any) -> int:
    """Write (lane, period) of every period in which an attempt can open; return how many. Empty arrays: only count."""
    n = 0
    for u in range(len(begin)):
        last = -1
        for i in range(begin[u], end[u]):
            kind = plan.kind_of[event[i]]
            if kind < 0 or not plan.opens[kind]:
                continue
            p = np.searchsorted(starts, time[i], side="right") - 1
            if p >= len(starts) - 1:
                break
            if p > last and p >= 0:
                if len(lane):
                    lane[n], period[n] = u, p
                n, last = n + 1, p
                if plan.is_first_only:
                    break
    return n


def period_units(lanes: Lanes, units: Units, starts_us: Ints, plan: Any) -> Units:
    """Cut each unit into the periods in which attempts open, each with what may still complete them."""
    none = np.empty(0, np.int64)
    arguments = (units.begin, units.end, lanes.time, lanes.event, starts_us, plan)
    lane = np.empty(_period_units(*arguments, none, none), np.int64)
    period = np.empty_like(lane)
    _period_units(*arguments, lane, period)
    begin, end = units.begin[lane], units.end[lane]
    opens_until = starts_us[period + 1]
    return Units(
        begin=first_after(begin, end, lanes.time, starts_us[period] - 1),
        end=first_after(begin, end, lanes.time, opens_until - 1 + plan.window_us),
        opens_until=np.minimum(opens_until, units.opens_until[lane]),
        owner=units.owner[lane],
        period=period,
    )
