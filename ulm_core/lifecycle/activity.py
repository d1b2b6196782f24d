"""The lifecycle per period: who is new, returning, resurrecting or dormant, and the pulse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ulm_core.errors import NotFoundError
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
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

ACTIVITIES = (N_("new"), N_("returning"), N_("resurrecting"), N_("dormant"))
_NONE, _NEW, _RETURNING, _RESURRECTING, _DORMANT = range(5)


class ActivitySpec(RangeSpec):
    """Asks for the lifecycle per period.

    Attributes
    ----------
    interval
        Length of a period.
    events
        Event names that count as activity; None: all but the passive ones.
    """

    interval: Interval = "week"
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity(Result):
    """Users by activity and period.

    Attributes
    ----------
    periods
        The periods; the last may still be running.
    states
        uint8[n_users, n_periods]; 0 neither active now nor in the period before, then 1 + position
        in `ACTIVITIES`.
    counts
        int64[4, n_periods], rows as in `ACTIVITIES`; dormant counted positive.
    """

    periods: Periods
    states: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.int64]

    @property
    def active(self) -> npt.NDArray[np.int64]:
        """Active users per period: new + returning + resurrecting."""
        active: npt.NDArray[np.int64] = self.counts[:3].sum(axis=0)
        return active

    @property
    def pulse(self) -> npt.NDArray[np.float64]:
        """(new + resurrecting) / dormant per period: above 1 the active base grows; nan without dormant."""
        return share_of(self.counts[0] + self.counts[2], self.counts[3])

    def to_arrow(self) -> pa.Table:
        """Return one row per period: the four counts (dormant negative), active, pulse."""
        new, returning, resurrecting, dormant = self.counts
        return pa.table(
            {
                "period": self.periods.iso_labels(),
                "is_complete": self.periods.is_complete,
                "new": new,
                "returning": returning,
                "resurrecting": resurrecting,
                "dormant": -dormant,
                "active": self.active,
                "pulse": self.pulse,
            }
        )

    def users(self, cell: tuple[int | str, str]) -> UserCodes:
        """Return the users of ``(period index or ISO date, activity)``; "active" joins its three parts."""
        period, activity = cell
        column = self.states[:, self.periods.position(period) if isinstance(period, str) else period]
        if activity == "active":
            return select((column > _NONE) & (column < _DORMANT))
        if activity not in ACTIVITIES:
            raise NotFoundError.for_name("stage", activity, (*ACTIVITIES, "active"))
        return select(column == 1 + ACTIVITIES.index(activity))

    def to_json(self) -> dict[str, Any]:
        """Return the series by name; dormant negative."""
        new, returning, resurrecting, dormant = self.counts.tolist()
        return {
            "periods": self.periods.iso_labels(),
            "new": new,
            "returning": returning,
            "resurrecting": resurrecting,
            "dormant": [-n for n in dormant],
            "pulse": [number_or_none(value) for value in self.pulse],
            "complete": self.periods.is_complete.tolist(),
            **self.stamp(),
        }


@njit(cache=True, nogil=True)
def _active_periods(time: Any, event: Any, counted: Any, starts: Any, is_active: Any) -> bool:
    """Mark the periods with a counted event; return whether there was one before the first period."""
    n_periods = len(starts) - 1
    is_active[:] = False
    seen_before, period = False, 0
    for i in range(len(time)):
        if not counted[event[i]]:
            continue
        if time[i] < starts[0]:
            seen_before = True
            continue
        while period < n_periods and time[i] >= starts[period + 1]:
            period += 1
        if period == n_periods:
            break
        is_active[period] = True
    return seen_before


@njit(cache=True, nogil=True)
def activity_states(offsets: Any, time: Any, event: Any, counted: Any, starts: Any, included: Any) -> Any:
    """Return uint8[n_users, n_periods] states.

    `starts` holds the boundaries of the periods with one more period in front, so that the first
    period has a period before it.
    """
    n_users, n_periods = len(offsets) - 1, len(starts) - 1
    states = np.zeros((n_users, n_periods - 1), np.uint8)
    is_active = np.empty(n_periods, np.bool_)
    for user in range(n_users):
        if not included[user]:
            continue
        a, b = offsets[user], offsets[user + 1]
        known = _active_periods(time[a:b], event[a:b], counted, starts, is_active) or is_active[0]
        for p in range(1, n_periods):
            if is_active[p]:
                now_known = _RETURNING if is_active[p - 1] else _RESURRECTING
                states[user, p - 1] = now_known if known else _NEW
                known = True
            elif is_active[p - 1]:
                states[user, p - 1] = _DORMANT
    return states


def compute_activity(index: TimelineIndex, config: WorkspaceConfig, spec: ActivitySpec) -> Activity:
    """Return new, returning, resurrecting and dormant users per period.

    New: the period of a user's first counted event in the whole log (before the range too).
    Returning: also active in the period just before. Resurrecting: active, not in the one before,
    active earlier. Dormant: not active, but in the one before; counted once. Hence always
    active = new + returning + resurrecting, and dormant(t) = active(t - 1) - returning(t).

    Raises
    ------
    NotFoundError
        When an event of the spec is not in the log.
    """
    watch = Stopwatch(index)
    periods = spec.periods(index, config, spec.interval)
    counted = _counted(index, config, spec.events)
    starts = _with_period_before(periods, config)
    included = mask_or_all(spec.users, index.n_users)

    def kernel(part: Partition) -> npt.NDArray[np.uint8]:
        mask = included[part.first_user : part.first_user + part.n_users]
        partial: npt.NDArray[np.uint8] = activity_states(part.offsets, part.time, part.event, counted, starts, mask)
        return partial

    states = map_merge(index, kernel, join)
    counts = np.stack([(states == state).sum(axis=0) for state in (_NEW, _RETURNING, _RESURRECTING, _DORMANT)])
    return Activity(periods=periods, states=states, counts=counts.astype(np.int64), **watch.fields())


def _counted(index: TimelineIndex, config: WorkspaceConfig, events: tuple[str, ...] | None) -> npt.NDArray[np.bool_]:
    if events is None:
        return index.active_mask(config)
    for name in events:
        index.event_code(name)
    return index.event_mask(events)


def _with_period_before(periods: Periods, config: WorkspaceConfig) -> npt.NDArray[np.int64]:
    first = periods.before(config.timezone, config.week_start)
    return np.concatenate([[first], periods.starts_us])
