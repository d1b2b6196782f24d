"""Stickiness: in how many periods of the range users were active; and active users of a day, week and month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, SkipValidation

from ulm_core.errors import InputError
from ulm_core.lifecycle.breakdown import ANY_ROW, Counts, n_rows, row_of, user_rows
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.matching import resolve
from ulm_core.lifecycle.periods import Interval, Periods
from ulm_core.lifecycle.presence import Operator, Presence, presence
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, select
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot


class StickinessSpec(RangeSpec):
    """Asks in how many periods users did something.

    Attributes
    ----------
    event
        The event, with conditions where wanted; ``*`` is any event but the passive ones.
    interval, every
        A period is `every` days, weeks ...; periods are counted back from the end of the range, so that it is the
        first one that may be shorter.
    operator, value
        A period counts where the user did the event at least (gte), at most (lte) or exactly (eq) `value` times, and
        at least once.
    cumulative
        Whether k stands for "in k periods or more" instead of "in exactly k".
    labels
        Groups of a breakdown.
    """

    event: EventMatch = EventMatch()
    interval: Interval = "day"
    every: int = Field(1, ge=1)
    operator: Operator = "gte"
    value: int = Field(1, ge=1)
    cumulative: bool = False
    labels: Annotated[UserLabels | None, SkipValidation] = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Stickiness(Result):
    """Users by the number of periods they were active in.

    Attributes
    ----------
    spec
        What was asked.
    periods
        The calendar periods of the range, before `every` of them are taken together.
    counts
        int64[n_periods]; ``counts[k - 1]`` users active in k periods (or more, where cumulative).
    group_counts
        int64[n_groups, n_periods]; without a breakdown none.
    """

    spec: StickinessSpec
    periods: Periods
    counts: Counts
    group_counts: Counts
    find: Callable[[int, int], UserCodes] = field(repr=False)

    @property
    def n_users(self) -> int:
        """Users active in at least one period."""
        return int(self.counts[0] if self.spec.cumulative else self.counts.sum()) if len(self.counts) else 0

    def to_arrow(self) -> pa.Table:
        """Return one row per number of periods (and group)."""
        numbers = np.arange(1, len(self.counts) + 1)
        if self.spec.labels is None:
            return pa.table({"active_periods": numbers, "users": self.counts})
        tables = [
            pa.table({"active_periods": numbers, "users": counts, "group": [name] * len(numbers)})
            for name, counts in zip(self.spec.labels.names, self.group_counts, strict=True)
        ]
        return pa.concat_tables(tables)

    def users(self, cell: int | tuple[int, str]) -> UserCodes:
        """Return the users active in `k` periods (or more, where cumulative), or of ``(k, group)``."""
        number, *group = cell if isinstance(cell, tuple) else (cell,)
        if not 1 <= int(number) <= len(self.counts):
            raise InputError(N_("The range has {n} periods."), n=len(self.counts))
        return self.find(row_of(self.spec.labels, str(group[0])) if group else ANY_ROW, int(number))

    def to_json(self) -> dict[str, Any]:
        """Return users by number of active periods."""
        answer: dict[str, Any] = {"users_by_active_periods": _by_number(self.counts)}
        if self.spec.labels is not None:
            groups = zip(self.spec.labels.names, self.group_counts, strict=True)
            answer["groups"] = {name: _by_number(counts) for name, counts in groups}
        return answer | self.stamp()


def _by_number(counts: Counts) -> dict[str, int]:
    return {str(k): int(n) for k, n in enumerate(counts, start=1)}


def taken_together(starts: Counts, every: int) -> Counts:
    """Return the boundaries of `every` periods taken together, counted back from the last.

    Examples
    --------
    >>> taken_together(np.arange(6), 2).tolist()
    [0, 1, 3, 5]
    """
    kept = starts[::-1][::every][::-1]
    return kept if kept[0] == starts[0] else np.concatenate([starts[:1], kept])


def compute_stickiness(
    index: TimelineIndex, config: WorkspaceConfig, spec: StickinessSpec, snapshot: Snapshot | None = None
) -> Stickiness:
    """Return users by the number of periods in which they did the event.

    Parameters
    ----------
    snapshot
        Where attributes and properties are read; needed when a condition of the spec names one.

    Raises
    ------
    NotFoundError
        When the event is not in the log.
    """
    watch = Stopwatch(index)
    periods = spec.periods(index, config, spec.interval)
    bounds = taken_together(periods.starts_us, spec.every)
    if spec.every == 1:  # one period in front, as the lifecycle has it: both then ask for the same presence
        bounds = np.concatenate([[periods.before(config.timezone, config.week_start)], bounds])
    matcher = resolve((spec.event,), index, config, snapshot)
    flags = matcher.flags(spec.event)
    active = presence(index, matcher, flags, bounds, operator=spec.operator, times=spec.value)
    numbers = np.diff(active.offsets)
    if spec.every == 1:
        numbers -= _has_period_0(active)
    rows, n_numbers = user_rows(spec.labels, spec.users, index.n_users), len(bounds) - (spec.every == 1)
    kept = rows >= 0
    cells = np.bincount(rows[kept] * n_numbers + numbers[kept], minlength=n_rows(spec.labels) * n_numbers)
    by_row = cells.reshape(-1, n_numbers)[:, 1:]

    def find(row: int, number: int) -> UserCodes:
        is_it = numbers >= number if spec.cumulative else numbers == number
        return select(is_it & (kept if row == ANY_ROW else rows == row))

    if spec.cumulative:
        by_row = by_row[:, ::-1].cumsum(axis=1)[:, ::-1]
    return Stickiness(
        spec=spec, periods=periods, counts=by_row.sum(axis=0), group_counts=by_row[:-1], find=find, **watch.fields()
    )


def _has_period_0(active: Presence) -> npt.NDArray[np.bool_]:
    """Return bool[n_users]: whether a user's first period is number 0."""
    first = active.offsets[:-1]
    has_any = first < active.offsets[1:]
    has_any[has_any] = active.periods[first[has_any]] == 0
    return has_any
