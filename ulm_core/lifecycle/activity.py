"""The lifecycle per period: who is new, returning, resurrecting or dormant, and the pulse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit
from pydantic import SkipValidation

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.breakdown import ANY_ROW, Counts, add_up, n_rows, row_of, thin, user_rows
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.matching import resolve
from ulm_core.lifecycle.periods import Interval, Periods
from ulm_core.lifecycle.presence import presence
from ulm_core.lifecycle.results import (
    RangeSpec,
    Result,
    Stopwatch,
    UserCodes,
    join,
    number_or_none,
    select,
    share_of,
)
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.warehouse.reports import sign_ups
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

ACTIVITIES = (N_("new"), N_("returning"), N_("resurrecting"), N_("dormant"))
ACTIVE = "active"
_NEW, _RETURNING, _RESURRECTING, _DORMANT = range(4)
_ACTIVE = -1
_UNKNOWN = np.iinfo(np.int64).min
Times = npt.NDArray[np.int64]


class ActivitySpec(RangeSpec):
    """Asks for the lifecycle per period.

    Attributes
    ----------
    interval
        Length of a period.
    events
        Events that count as activity, with conditions where wanted; None: all but the passive ones.
    sign_ups
        int64[n_users], when users signed up (`sign_up_times`): *new* is then the period of the sign-up, for users who
        have one. None: the period of the first event.
    labels
        Groups of a breakdown.
    """

    interval: Interval = "week"
    events: tuple[EventMatch, ...] | None = None
    sign_ups: Annotated[Times | None, SkipValidation] = None
    labels: Annotated[UserLabels | None, SkipValidation] = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity(Result):
    """Users by activity and period.

    Attributes
    ----------
    periods
        The periods; the last may still be running.
    counts
        int64[4, n_periods], rows as in `ACTIVITIES`; dormant counted positive.
    labels, group_counts
        Groups and int64[n_groups, 4, n_periods]; without a breakdown none.
    """

    periods: Periods
    counts: Counts
    labels: UserLabels | None
    group_counts: Counts
    find: Callable[[int, int, int], UserCodes] = field(repr=False)

    @property
    def active(self) -> Counts:
        """Active users per period: new + returning + resurrecting."""
        active: Counts = self.counts[:3].sum(axis=0)
        return active

    @property
    def pulse(self) -> npt.NDArray[np.float64]:
        """(new + resurrecting) / dormant per period: above 1 the active base grows; nan without dormant."""
        return share_of(self.counts[_NEW] + self.counts[_RESURRECTING], self.counts[_DORMANT])

    def to_arrow(self) -> pa.Table:
        """Return one row per period (and group): the four counts (dormant negative), active, pulse."""
        if self.labels is None:
            return self._table(self.counts)
        tables = [
            self._table(counts).append_column("group", pa.array([name] * len(self.periods)))
            for name, counts in zip(self.labels.names, self.group_counts, strict=True)
        ]
        return pa.concat_tables(tables)

    def _table(self, counts: Counts) -> pa.Table:
        new, returning, resurrecting, dormant = counts
        return pa.table(
            {
                "period": self.periods.iso_labels(),
                "is_complete": self.periods.is_complete,
                "new": new,
                "returning": returning,
                "resurrecting": resurrecting,
                "dormant": -dormant,
                "active": counts[:3].sum(axis=0),
                "pulse": share_of(new + resurrecting, dormant),
            }
        )

    def users(self, cell: tuple[int | str, str] | tuple[int | str, str, str]) -> UserCodes:
        """Return the users of ``(period index or ISO date, activity[, group])``; "active" joins its three parts."""
        period, activity, *group = cell
        if activity not in (*ACTIVITIES, ACTIVE):
            raise NotFoundError.for_name("stage", activity, (*ACTIVITIES, ACTIVE))
        position = self.periods.position(period) if isinstance(period, str) else int(period)
        state = _ACTIVE if activity == ACTIVE else ACTIVITIES.index(activity)
        return self.find(row_of(self.labels, group[0]) if group else ANY_ROW, state, position)

    def to_json(self) -> dict[str, Any]:
        """Return the series by name; dormant negative."""
        answer = {"periods": self.periods.iso_labels(), **_series(self.counts)}
        if self.labels is not None:
            groups = zip(self.labels.names, self.group_counts, strict=True)
            answer["groups"] = {name: _series(counts) for name, counts in groups}
        return {**answer, "complete": self.periods.is_complete.tolist(), **self.stamp()}


def _series(counts: Counts) -> dict[str, Any]:
    new, returning, resurrecting, dormant = counts
    return {
        "new": new.tolist(),
        "returning": returning.tolist(),
        "resurrecting": resurrecting.tolist(),
        "dormant": (-dormant).tolist(),
        "pulse": [number_or_none(value) for value in share_of(new + resurrecting, dormant)],
    }


@njit(cache=True, nogil=True)
def _is_new(starts: Any, period: int, sign_up: int, is_known: bool) -> bool:
    """Return whether an active period that does not follow an active one is the user's first."""
    if sign_up == _UNKNOWN:
        return not is_known
    return bool(starts[period] <= sign_up < starts[period + 1])


@njit(cache=True, nogil=True)
def walk_activity(
    offsets: Any, periods: Any, is_before: Any, starts: Any, sign_ups: Any, rows: Any, n_rows: int,
    cell_row: int, cell_state: int, cell_period: int,
) -> Any:  # fmt: skip
    """Count users by row, state and period; or find the users of one cell.

    Parameters
    ----------
    offsets, periods, is_before
        The periods every user is active in (`presence`), numbered from 1; 0 lies before the range.
    starts
        Boundaries of the periods (us), from that of period 0 on.
    sign_ups
        int64 per user (us), the smallest number where unknown; empty: *new* goes by the first event.
    rows
        int32 per user: row of the counts; -1 = left out.
    cell_row, cell_state, cell_period
        The cell whose users are wanted; cell_period -1: none, counts are; cell_row -1: any row; cell_state -1: active.

    Returns
    -------
    counts : int64[n_rows, 4, n_periods]
    chosen : bool[n_users]
    """
    n_users, n_periods, is_search = len(rows), len(starts) - 2, cell_period >= 0
    counts = np.zeros((0 if is_search else n_rows, 4, n_periods + 1), np.int64)
    chosen = np.zeros(n_users if is_search else 0, np.bool_)
    for user in range(n_users):
        row = rows[user]
        if row < 0 or (is_search and cell_row >= 0 and row != cell_row):
            continue
        sign_up = sign_ups[user] if len(sign_ups) else _UNKNOWN
        last, is_known = -2, is_before[user]
        for k in range(offsets[user], offsets[user + 1]):
            period = int(periods[k])
            state = _RETURNING
            if last != period - 1:
                state = _NEW if _is_new(starts, period, sign_up, is_known) else _RESURRECTING
            if is_search:
                is_active = period - 1 == cell_period and (state == cell_state or cell_state < 0)
                is_dormant = last >= 0 and last == cell_period and period != last + 1 and cell_state == _DORMANT
                chosen[user] |= is_active or is_dormant
            else:
                if period:
                    counts[row, state, period - 1] += 1
                if last >= 0 and period != last + 1:
                    counts[row, _DORMANT, last] += 1
            last, is_known = period, True
        if last >= 0:  # dormant from the period after the last one on; past the range nobody looks
            if is_search:
                chosen[user] |= last == cell_period and cell_state == _DORMANT
            else:
                counts[row, _DORMANT, last] += 1
    return counts[:, :, :n_periods], chosen


def compute_activity(
    index: TimelineIndex, config: WorkspaceConfig, spec: ActivitySpec, snapshot: Snapshot | None = None
) -> Activity:
    """Return new, returning, resurrecting and dormant users per period.

    Returning: also active in the period just before. New: not so, and the period of a user's first counted event in
    the whole log (before the range too), or of the sign-up. Resurrecting: active, not in the period before, not new.
    Dormant: not active, but in the one before; counted once. Hence always active = new + returning + resurrecting,
    and dormant(t) = active(t - 1) - returning(t).

    Parameters
    ----------
    snapshot
        Where attributes and properties are read; needed when a condition of the spec names one.

    Raises
    ------
    NotFoundError
        When an event of the spec is not in the log.
    """
    watch = Stopwatch(index)
    periods = spec.periods(index, config, spec.interval)
    walk = _walker(index, config, spec, periods, snapshot)
    by_row = map_merge(index, lambda part: thin(walk(part)[0]), add_up)

    def find(row: int, state: int, period: int) -> UserCodes:
        return select(map_merge(index, lambda part: walk(part, row, state, period)[1], join))

    return Activity(
        periods=periods,
        counts=by_row.sum(axis=0),
        labels=spec.labels,
        group_counts=by_row[:-1],
        find=find,
        **watch.fields(),
    )


def _walker(
    index: TimelineIndex, config: WorkspaceConfig, spec: ActivitySpec, periods: Periods, snapshot: Snapshot | None
) -> Callable[..., tuple[Counts, npt.NDArray[np.bool_]]]:
    """Return the kernel with everything but the partition and the cell filled in."""
    events = (EventMatch(),) if spec.events is None else spec.events
    matcher = resolve(events, index, config, snapshot)
    counted = np.logical_or.reduce([matcher.flags(event) for event in events])
    first = periods.before(config.timezone, config.week_start)
    starts = np.concatenate([[first], periods.starts_us])
    active = presence(index, matcher, counted, starts)
    rows = user_rows(spec.labels, spec.users, index.n_users)
    sign_ups = np.empty(0, np.int64) if spec.sign_ups is None else spec.sign_ups

    def walk(part: Partition, row: int = ANY_ROW, state: int = 0, period: int = -1) -> Any:
        first, stop = part.first_user, part.first_user + part.n_users
        return walk_activity(
            active.offsets[first : stop + 1], active.periods, active.before[first:stop], starts, sign_ups[first:stop],
            rows[first:stop], n_rows(spec.labels), row, state, period,
        )  # fmt: skip

    return walk


def sign_up_times(index: TimelineIndex, snapshot: Snapshot) -> Times:
    """Return int64[n_users], when each user signed up (UTC us); the smallest number where nobody knows."""
    known = sign_ups(snapshot)
    return np.array([known.get(str(user), _UNKNOWN) for user in index.user_ids], np.int64)
