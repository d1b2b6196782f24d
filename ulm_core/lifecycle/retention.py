"""Retention: of the users who started in a period, how many came back so many periods later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit
from pydantic import Field

from ulm_core.lifecycle.events import ANY_EVENT, event_flags
from ulm_core.lifecycle.periods import Interval, Periods
from ulm_core.lifecycle.results import (
    RangeSpec,
    Result,
    Stopwatch,
    UserCodes,
    join,
    mask_or_all,
    number_or_none,
    select,
    share_of,
)
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

Kind = Literal["recurring", "first-time", "first-ever"]
Mode = Literal["on", "on-or-after"]
_STARTED, _RETURNED = np.uint8(1), np.uint8(2)


class RetentionSpec(RangeSpec):
    """Asks for a cohort triangle over the periods of the range.

    Attributes
    ----------
    start_event, return_event
        Event names; ``*`` is any event but the passive ones.
    interval
        Length of a period.
    kind
        recurring: a user is in the cohort of every period with a start event; first-time: only of the
        first one within the range; first-ever: only of the first one in the whole log, so users who
        started before the range are in no cohort.
    mode
        on: came back in exactly that period; on-or-after: in it or any later one of the range.
    min_occurrences
        Return events in one period that make a user "back" in it.
    """

    start_event: str = ANY_EVENT
    return_event: str = ANY_EVENT
    interval: Interval = "week"
    kind: Kind = "first-time"
    mode: Mode = "on"
    min_occurrences: int = Field(1, ge=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Retention(Result):
    """A cohort triangle.

    Attributes
    ----------
    periods
        Cohorts, and the periods in which users may come back.
    mode
        on or on-or-after.
    sizes
        int64[n_periods] users per cohort.
    counts
        int64[n_periods, n_periods]; ``counts[c, k]`` users of cohort c who were back k periods later;
        -1 where that lies after the range. Lag 0 is the whole cohort.
    flags
        uint8[n_users, n_periods]; 1 = in that period's cohort, 2 = came back in it.
    """

    periods: Periods
    mode: Mode
    sizes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """Counts over the cohort's size; nan outside the triangle and for empty cohorts."""
        return np.where(self.counts >= 0, share_of(self.counts, self.sizes[:, None]), np.nan)

    @property
    def is_complete(self) -> npt.NDArray[np.bool_]:
        """bool[n_periods, n_periods]: False where the period of return is still running."""
        n = len(self.periods)
        later = np.add.outer(np.arange(n), np.arange(n))
        return np.where(later < n, self.periods.is_complete[np.minimum(later, n - 1)], False)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean rate per lag, weighted by cohort size, over all cells of the triangle (running ones too)."""
        return self._mean(self.counts >= 0)

    @property
    def mean_complete(self) -> npt.NDArray[np.float64]:
        """Mean rate per lag, weighted by cohort size, over complete cells only: what a curve should draw."""
        return self._mean((self.counts >= 0) & self.is_complete)

    def _mean(self, shown: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        return share_of(np.where(shown, self.counts, 0).sum(axis=0), (self.sizes[:, None] * shown).sum(axis=0))

    def to_arrow(self) -> pa.Table:
        """Return cohort, size, lag, users, rate, is_complete: one row per cell of the triangle."""
        cohort, lag = np.nonzero(self.counts >= 0)
        labels = np.array(self.periods.iso_labels())
        return pa.table(
            {
                "cohort": labels[cohort],
                "size": self.sizes[cohort],
                "lag": lag,
                "users": self.counts[cohort, lag],
                "rate": self.rates[cohort, lag],
                "is_complete": self.is_complete[cohort, lag],
            }
        )

    def users(self, cell: tuple[int | str, int]) -> UserCodes:
        """Return the users of ``(cohort index or ISO date, lag)``."""
        cohort, lag = cell
        row = self.periods.position(cohort) if isinstance(cohort, str) else cohort
        started = (self.flags[:, row] & _STARTED) > 0
        if lag == 0:
            return select(started)
        last = None if self.mode == "on-or-after" else row + lag + 1
        back = (self.flags[:, row + lag : last] & _RETURNED).any(axis=1)
        return select(started & back)

    def to_json(self) -> dict[str, Any]:
        """Return cohorts with their counts by lag, and the weighted mean row."""
        cohorts = [
            {"start": label, "size": int(size), "counts": row[row >= 0].tolist()}
            for label, size, row in zip(self.periods.iso_labels(), self.sizes, self.counts, strict=True)
        ]
        mean = [number_or_none(value) for value in self.mean]
        return {"cohorts": cohorts, "mean": mean, **self.stamp()}


@njit(cache=True, nogil=True)
def retention_flags(
    offsets: Any, time: Any, event: Any, starts_it: Any, returns: Any, boundaries: Any,
    included: Any, is_recurring: bool, looks_before: bool, min_occurrences: int,
) -> Any:  # fmt: skip
    """Return uint8[n_users, n_periods]; bit 1 = in the period's cohort, bit 2 = back in the period."""
    n_users, n_periods = len(offsets) - 1, len(boundaries) - 1
    flags = np.zeros((n_users, n_periods), np.uint8)
    for user in range(n_users):
        if not included[user]:
            continue
        started, period, times = False, 0, 0
        for i in range(offsets[user], offsets[user + 1]):
            if time[i] < boundaries[0]:
                started = started or (looks_before and starts_it[event[i]])
                continue
            while period < n_periods and time[i] >= boundaries[period + 1]:
                period += 1
                times = 0
            if period == n_periods:
                break
            if starts_it[event[i]] and (is_recurring or not started):
                started = True
                flags[user, period] |= _STARTED
            if returns[event[i]]:
                times += 1
                if times >= min_occurrences:
                    flags[user, period] |= _RETURNED
    return flags


@njit(cache=True, nogil=True)
def retention_counts(flags: Any, on_or_after: bool) -> Any:
    """Return int64[n_periods, n_periods] users of each cohort back at each lag (lag 0 = the cohort)."""
    n_users, n_periods = flags.shape
    counts = np.zeros((n_periods, n_periods), np.int64)
    for user in range(n_users):
        last_return = -1
        for p in range(n_periods):
            if flags[user, p] & _RETURNED:
                last_return = p
        for cohort in range(n_periods):
            if not flags[user, cohort] & _STARTED:
                continue
            counts[cohort, 0] += 1
            for p in range(cohort + 1, last_return + 1):
                if on_or_after or flags[user, p] & _RETURNED:
                    counts[cohort, p - cohort] += 1
    return counts


def compute_retention(index: TimelineIndex, config: WorkspaceConfig, spec: RetentionSpec) -> Retention:
    """Return the cohort triangle: cohort by the period of the start event, users back by lag.

    Raises
    ------
    NotFoundError
        When an event of the spec is not in the log.
    """
    watch = Stopwatch(index)
    periods = spec.periods(index, config, spec.interval)
    starts_it = event_flags(index, config, spec.start_event)
    returns = event_flags(index, config, spec.return_event)
    included = mask_or_all(spec.users, index.n_users)

    def kernel(part: Partition) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        flags = retention_flags(
            part.offsets, part.time, part.event, starts_it, returns, periods.starts_us,
            included[part.first_user : part.first_user + part.n_users],
            spec.kind == "recurring", spec.kind == "first-ever", spec.min_occurrences,
        )  # fmt: skip
        return flags, retention_counts(flags, spec.mode == "on-or-after")

    partials = map_merge(index, kernel, list)
    counts: npt.NDArray[np.int64] = np.sum([count for _, count in partials], axis=0)
    n = len(periods)
    outside = np.add.outer(np.arange(n), np.arange(n)) >= n
    sizes = counts[:, 0].copy()
    counts[outside] = -1
    flags = join([flag for flag, _ in partials])
    return Retention(periods=periods, mode=spec.mode, sizes=sizes, counts=counts, flags=flags, **watch.fields())
