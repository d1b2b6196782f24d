"""What a retention asks for, made ready for the kernel: cohorts, how far they are followed, columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, SkipValidation, model_validator

from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.periods import DAY_US, HOUR_US, Interval, Periods, first_periods
from ulm_core.lifecycle.results import RangeSpec
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

Kind = Literal["recurring", "first-time", "first-ever"]
Mode = Literal["on", "on-or-after", "on-or-before", "streak"]
# A user's own windows: 24 hours, 7, 30 and 91 days, whatever the calendar does.
OWN_US: dict[Interval, int] = {
    "hour": HOUR_US, "day": DAY_US, "week": 7 * DAY_US, "month": 30 * DAY_US, "quarter": 91 * DAY_US,
}  # fmt: skip


class RetentionSpec(RangeSpec):
    """Asks for a cohort triangle over the periods of the range.

    Attributes
    ----------
    start_event, return_event
        Events, with conditions where wanted; ``*`` is any event but the passive ones.
    interval
        Length of a period.
    kind
        recurring: a user is in the cohort of every period with a start event; first-time: only of the
        first one within the range; first-ever: only of the first one in the whole log, so users who
        started before the range are in no cohort.
    mode
        on: came back in exactly that period; on-or-after: in it or any later one the cohort is followed for;
        on-or-before: in it or any one since the start; streak: in it and every one since the start.
    min_occurrences
        Return events in one period that make a user "back" in it.
    own_windows
        Windows of 24 hours (7, 30, 91 days) from the user's first start event of the cohort's period, instead of
        calendar periods.
    follow
        Lags that every cohort is followed for, lag 0 included, past the end of the range; None: up to its end.
    brackets
        Columns of several lags, ``((1, 1), (2, 7), (8, 14))``, both ends included; None: one column a lag.
    with_value
        Whether the value of the return events is added up, too; mode on only.
    labels
        Groups of a breakdown.
    """

    start_event: EventMatch = EventMatch()
    return_event: EventMatch = EventMatch()
    interval: Interval = "week"
    kind: Kind = "first-time"
    mode: Mode = "on"
    min_occurrences: int = Field(1, ge=1)
    own_windows: bool = False
    follow: int | None = Field(None, ge=1)
    brackets: tuple[tuple[int, int], ...] | None = Field(None, min_length=1)
    with_value: bool = False
    labels: Annotated[UserLabels | None, SkipValidation] = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        ends = [0, *(end for bracket in self.brackets or () for end in bracket)]
        is_rising = all(a <= b for a, b in self.brackets or ())
        if not is_rising or any(a >= b for a, b in zip(ends[::2], ends[1::2], strict=False)):
            raise ValueError("brackets must rise from 1 without overlap, like 1, 2-7, 8-14")
        if self.with_value and self.mode != "on":
            raise ValueError("values can be added up in mode on only")
        return self


@dataclass(frozen=True)
class Column:
    """Lags `first` to `last` of a cohort; the column of lag 0 is the whole cohort."""

    first: int
    last: int

    @property
    def label(self) -> str:
        """The lags as text: ``3`` or ``2-7``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, eq=False)
class Plan:
    """A retention made ready for the kernel.

    Attributes
    ----------
    cohorts
        One period each.
    bounds
        int64 boundaries (us) of the cohorts' periods and, where they are followed further, of those after them.
    n_lags
        Largest number of lags any cohort is followed for.
    columns
        See `Column`.
    column_of
        int32[n_lags]: the column a return at that lag counts in first (on-or-before: from which on; on-or-after: up
        to which); below 1 = none.
    is_shown, is_complete
        bool[n_cohorts, n_columns]: whether the cohort is followed so far, and whether all of it has been.
    """

    cohorts: Periods
    bounds: npt.NDArray[np.int64]
    n_lags: int
    columns: tuple[Column, ...]
    column_of: npt.NDArray[np.int32]
    is_shown: npt.NDArray[np.bool_]
    is_complete: npt.NDArray[np.bool_]


def plan_retention(index: TimelineIndex, config: WorkspaceConfig, spec: RetentionSpec) -> Plan:
    """Return cohorts and columns of a spec.

    Raises
    ------
    InputError
        When the range ends before it starts.
    """
    cohorts = spec.periods(index, config, spec.interval)
    n = len(cohorts)
    n_lags = spec.follow or n
    bounds = cohorts.starts_us
    if spec.follow and not spec.own_windows:
        n_periods = n + spec.follow - 1
        bounds = first_periods(cohorts.from_us, n_periods, spec.interval, config.timezone, config.week_start).starts_us
    columns = _columns(spec, n_lags)
    followed = np.full(n, n_lags) if spec.follow else np.arange(n, 0, -1)
    first, last = (np.array([getattr(column, end) for column in columns]) for end in ("first", "last"))
    is_shown = first[None, :] < followed[:, None]
    is_over = _ends(spec, cohorts, bounds, last) <= index.manifest.last_us
    if not spec.follow:
        is_over &= _ends(spec, cohorts, bounds, last) <= bounds[-1]
    is_complete = is_shown & (last[None, :] < followed[:, None]) & is_over
    return Plan(cohorts, bounds, n_lags, columns, _column_of(spec, columns, n_lags), is_shown, is_complete)


def _columns(spec: RetentionSpec, n_lags: int) -> tuple[Column, ...]:
    if spec.brackets is None:
        return tuple(Column(lag, lag) for lag in range(n_lags))
    return (Column(0, 0), *(Column(*bracket) for bracket in spec.brackets if bracket[0] < n_lags))


def _column_of(spec: RetentionSpec, columns: tuple[Column, ...], n_lags: int) -> npt.NDArray[np.int32]:
    lags = np.arange(n_lags)
    first, last = (np.array([getattr(column, end) for column in columns]) for end in ("first", "last"))
    reached = np.searchsorted(first, lags, side="right") - 1
    if spec.mode == "on-or-after":
        return reached.astype(np.int32)
    if spec.mode == "on-or-before":
        ahead = np.searchsorted(last, lags, side="left")
        return np.where(ahead < len(columns), ahead, -1).astype(np.int32)
    return np.where(lags <= last[reached], reached, -1).astype(np.int32)


def _ends(
    spec: RetentionSpec, cohorts: Periods, bounds: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return int64[n_cohorts, n_columns]: when a column is over for everybody in the cohort (us)."""
    cohort = np.arange(len(cohorts))[:, None]
    if not spec.own_windows:
        calendar: npt.NDArray[np.int64] = bounds[np.minimum(cohort + last[None, :] + 1, len(bounds) - 1)]
        return calendar
    # Column 0 is the cohort itself: it is over with the period.
    after = np.where(last == 0, 0, (last + 1) * OWN_US[spec.interval])
    ends: npt.NDArray[np.int64] = bounds[cohort + 1] + after[None, :]
    return ends
