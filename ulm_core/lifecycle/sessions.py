"""Sessions: stretches of activity without a long pause, how many there are and how long they last."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit
from pydantic import Field

from ulm_core.lifecycle.breakdown import Counts, user_rows
from ulm_core.lifecycle.periods import SECOND_US, Interval, Periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, join, number_or_none, select, share_of
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

Floats = npt.NDArray[np.float64]
DEFAULT_GAP_SECONDS = 1_800
_SHORTEST, _LONGEST = 60, 12 * 3_600  # seconds between which a gap is looked for
_PER_DOUBLING = 2  # bins of the histogram of pauses
_N_BINS = 46  # up to 2**23 s, 97 days
_DEEP = 0.7  # the valley lies at most so high as the lower of the hills beside it
_ENOUGH = 50  # pauses on either side of the valley


@dataclass(frozen=True, eq=False)
class SessionGap:
    """The pause that ends a session.

    Attributes
    ----------
    seconds
        The pause.
    is_learnt
        Whether pauses within and between sessions are told apart by the data; else the pause is the usual one.
    pauses
        float64[n]: lower ends of the bins of the histogram (seconds), growing by the square root of 2.
    counts
        int64[n]: pauses in each bin.
    """

    seconds: float
    is_learnt: bool
    pauses: Floats
    counts: Counts

    def sentence(self) -> Message:
        """Return where the pause comes from."""
        if self.is_learnt:
            return message(
                N_("Pauses of about {minutes} minutes are rarest: shorter ones lie in sessions, longer ones between."),
                minutes=round(self.seconds / 60),
            )
        return message(
            N_("This log shows no clear border between sessions; the usual pause of {minutes} minutes is taken."),
            minutes=round(self.seconds / 60),
        )


@njit(cache=True, nogil=True)
def walk_pauses(offsets: Any, time: Any, event: Any, counted: Any, n_bins: int, per_doubling: int) -> Any:
    """Return int64[n_bins] pauses between counted events by bin of their length; bin 0 also holds shorter ones."""
    counts = np.zeros(n_bins, np.int64)
    for user in range(len(offsets) - 1):
        last = -1
        for i in range(offsets[user], offsets[user + 1]):
            if not counted[event[i]]:
                continue
            if last >= 0:
                seconds = (time[i] - time[last]) / SECOND_US
                place = int(per_doubling * math.log2(seconds)) if seconds >= 1 else 0
                counts[min(place, n_bins - 1)] += 1
            last = i
    return counts


def learn_session_gap(index: TimelineIndex, config: WorkspaceConfig) -> SessionGap:
    """Return the rarest pause between 1 minute and 12 hours, where there are two hills of pauses beside it.

    Pauses are counted in bins that grow by the square root of 2 and smoothed over three of them. Of several equally
    rare ones the one nearest to 30 minutes is taken; without a valley it is 30 minutes.
    """
    counted = index.active_mask(config)
    counts: Counts = map_merge(
        index,
        lambda part: walk_pauses(part.offsets, part.time, part.event, counted, _N_BINS, _PER_DOUBLING),
        lambda partials: np.sum(partials, axis=0, dtype=np.int64) if partials else np.zeros(_N_BINS, np.int64),
    )
    pauses = 2.0 ** (np.arange(_N_BINS) / _PER_DOUBLING)
    # One bin is a fixed ratio, so that its count is a density over the logarithm of the pause.
    smooth = np.convolve(np.pad(counts, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    inside = np.flatnonzero((pauses >= _SHORTEST) & (pauses <= _LONGEST))
    lowest = inside[smooth[inside] == smooth[inside].min()]
    valley = lowest[np.argmin(np.abs(np.log(pauses[lowest] / DEFAULT_GAP_SECONDS)))]
    hills = min(smooth[:valley].max(), smooth[valley + 1 :].max())
    is_learnt = bool(
        smooth[valley] <= _DEEP * hills and min(counts[:valley].sum(), counts[valley + 1 :].sum()) >= _ENOUGH
    )
    seconds = float(round(pauses[valley] / 60) * 60) if is_learnt else float(DEFAULT_GAP_SECONDS)
    return SessionGap(seconds, is_learnt, pauses, counts)


class SessionsSpec(RangeSpec):
    """Asks for sessions by period.

    Attributes
    ----------
    interval
        Length of a period; a session belongs to the one it begins in.
    gap_seconds
        Longest pause within a session (a longer one ends it).
    """

    interval: Interval = "week"
    gap_seconds: float = Field(DEFAULT_GAP_SECONDS, gt=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sessions(Result):
    """Sessions by the period they begin in.

    Attributes
    ----------
    spec
        What was asked.
    periods
        The periods.
    sessions, users_by_period, events, single
        int64[n_periods]: sessions, users with one, events in them, sessions of a single event.
    n_users
        Users with a session in the range.
    median_seconds, mean_seconds
        float64[n_periods]: from the first to the last event of sessions with more than one; nan without any.
    lengths
        float64[n]: seconds of all sessions of the range with more than one event, sorted.
    """

    spec: SessionsSpec
    periods: Periods
    sessions: Counts
    users_by_period: Counts
    events: Counts
    single: Counts
    median_seconds: Floats
    mean_seconds: Floats
    lengths: Floats
    n_users: int
    find: Callable[[int], UserCodes] = field(repr=False)

    @property
    def median_length(self) -> float:
        """Seconds: the median of `lengths`; nan without any."""
        return float(np.median(self.lengths)) if len(self.lengths) else math.nan

    def to_arrow(self) -> pa.Table:
        """Return one row per period."""
        return pa.table(
            {
                "period": self.periods.iso_labels(),
                "sessions": self.sessions,
                "users": self.users_by_period,
                "sessions_per_user": share_of(self.sessions, self.users_by_period),
                "events_per_session": share_of(self.events, self.sessions),
                "single_event_share": share_of(self.single, self.sessions),
                "median_seconds": self.median_seconds,
                "mean_seconds": self.mean_seconds,
                "is_complete": self.periods.is_complete,
            }
        )

    def users(self, cell: int | str) -> UserCodes:
        """Return the users with a session that begins in a period (its index or ISO date)."""
        return self.find(self.periods.position(cell) if isinstance(cell, str) else int(cell))

    def to_json(self) -> dict[str, Any]:
        """Return the series by name."""
        columns = self.to_arrow().to_pydict()
        for name in ("sessions_per_user", "events_per_session", "single_event_share", "median_seconds", "mean_seconds"):
            columns[name] = [number_or_none(value) for value in columns[name]]
        return {"gap_seconds": self.spec.gap_seconds, **columns, **self.stamp()}


@njit(cache=True, nogil=True)
def _sessions(time: Any, event: Any, counted: Any, gap: int, begins: Any, lengths: Any, sizes: Any) -> int:
    """Write begin (us), length (us) and number of events of a user's sessions; return how many."""
    found, last = 0, -1
    for i in range(len(time)):
        if not counted[event[i]]:
            continue
        if last < 0 or time[i] - time[last] > gap:
            begins[found], sizes[found] = time[i], 0
            found += 1
        lengths[found - 1] = time[i] - begins[found - 1]
        sizes[found - 1] += 1
        last = i
    return found


@njit(cache=True, nogil=True)
def walk_sessions(offsets: Any, time: Any, event: Any, counted: Any, starts: Any, gap: int, rows: Any) -> Any:
    """Return one row per session that begins within the periods.

    Returns
    -------
    int64[n_sessions, 4]
        User within the partition, period, length (us), events.
    """
    found, scratch = np.empty((1024, 4), np.int64), np.empty((3, 1024), np.int64)
    n, n_periods = 0, len(starts) - 1
    for user in range(len(offsets) - 1):
        if rows[user] < 0:
            continue
        a, b = offsets[user], offsets[user + 1]
        if b - a > scratch.shape[1]:
            scratch = np.empty((3, 2 * (b - a)), np.int64)
        begins, lengths, sizes = scratch
        period = 0
        for k in range(_sessions(time[a:b], event[a:b], counted, gap, begins, lengths, sizes)):
            while period < n_periods and begins[k] >= starts[period + 1]:
                period += 1
            if period == n_periods:
                break
            if begins[k] < starts[0]:
                continue
            if n == len(found):
                found = np.concatenate((found, np.empty_like(found)))
            found[n, 0], found[n, 1], found[n, 2], found[n, 3] = user, period, lengths[k], sizes[k]
            n += 1
    return found[:n].copy()


def compute_sessions(index: TimelineIndex, config: WorkspaceConfig, spec: SessionsSpec) -> Sessions:
    """Return sessions by the period they begin in: a pause longer than the gap ends one."""
    watch = Stopwatch(index)
    periods = spec.periods(index, config, spec.interval)
    counted, rows = index.active_mask(config), user_rows(None, spec.users, index.n_users)
    gap = round(spec.gap_seconds * SECOND_US)

    def walk(part: Partition) -> npt.NDArray[np.int64]:
        mine = rows[part.first_user : part.first_user + part.n_users]
        found: npt.NDArray[np.int64] = walk_sessions(
            part.offsets, part.time, part.event, counted, periods.starts_us, gap, mine
        )
        found[:, 0] += part.first_user
        return found

    def find(period: int) -> UserCodes:
        in_it = np.zeros(index.n_users, np.bool_)
        for found in map_merge(index, walk, list):
            in_it[found[found[:, 1] == period, 0]] = True
        return select(in_it)

    found = map_merge(index, walk, join)
    return _summary(spec, periods, found, find, watch)


def _summary(
    spec: SessionsSpec,
    periods: Periods,
    found: npt.NDArray[np.int64],
    find: Callable[[int], UserCodes],
    watch: Stopwatch,
) -> Sessions:
    user, period, length, events = found.T
    n = len(periods)
    pairs = np.unique(user * n + period) % n
    is_long = events > 1
    seconds = [np.sort(length[is_long & (period == k)]) / SECOND_US for k in range(n)]
    return Sessions(
        spec=spec,
        periods=periods,
        sessions=np.bincount(period, minlength=n),
        users_by_period=np.bincount(pairs, minlength=n),
        events=np.bincount(period, events, minlength=n).astype(np.int64),
        single=np.bincount(period[~is_long], minlength=n),
        median_seconds=np.array([np.median(part) if len(part) else np.nan for part in seconds]),
        mean_seconds=np.array([part.mean() if len(part) else np.nan for part in seconds]),
        lengths=np.sort(length[is_long]) / SECOND_US,
        n_users=len(np.unique(user)),
        find=find,
        **watch.fields(),
    )
