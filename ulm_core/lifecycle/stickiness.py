"""Stickiness: in how many periods of the range users were active; and active users of a day, week and month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numba import njit
from pydantic import Field, SkipValidation

from ulm_core.errors import InputError
from ulm_core.lifecycle.breakdown import Counts, add_up, n_rows, row_of, thin, user_rows
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.matching import resolve
from ulm_core.lifecycle.periods import Interval, Periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, join, select
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

Operator = Literal["gte", "lte", "eq"]
OPERATORS: tuple[Operator, ...] = ("gte", "lte", "eq")
_GTE, _LTE, _EQ = range(3)
_ANY_ROW = -1


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
        return self.find(row_of(self.spec.labels, str(group[0])) if group else _ANY_ROW, int(number))

    def to_json(self) -> dict[str, Any]:
        """Return users by number of active periods."""
        answer: dict[str, Any] = {"users_by_active_periods": _by_number(self.counts)}
        if self.spec.labels is not None:
            groups = zip(self.spec.labels.names, self.group_counts, strict=True)
            answer["groups"] = {name: _by_number(counts) for name, counts in groups}
        return answer | self.stamp()


def _by_number(counts: Counts) -> dict[str, int]:
    return {str(k): int(n) for k, n in enumerate(counts, start=1)}


@njit(cache=True, nogil=True)
def _holds(times: int, operator: int, value: int) -> bool:
    if operator == _GTE:
        return times >= value
    return 0 < times <= value if operator == _LTE else times == value


@njit(cache=True, nogil=True)
def _active_periods(time: Any, event: Any, counted: Any, starts: Any, operator: int, value: int) -> int:
    """Return in how many periods a user did the event often enough."""
    n_periods, found, period, times, is_settled = len(starts) - 1, 0, 0, 0, False
    for i in range(np.searchsorted(time, starts[0]), len(time)):
        t = time[i]
        if t >= starts[period + 1]:
            found += 1 if _holds(times, operator, value) else 0
            times, is_settled = 0, False
            while period < n_periods and t >= starts[period + 1]:
                period += 1
            if period == n_periods:
                break
        if is_settled or not counted[event[i]]:
            continue
        times += 1
        is_settled = operator == _GTE and times >= value
    return found + (1 if _holds(times, operator, value) else 0)


@njit(cache=True, nogil=True)
def walk_stickiness(
    offsets: Any, time: Any, event: Any, counted: Any, starts: Any, operator: int, value: int, rows: Any, n_rows: int,
    cell_row: int, cell_least: int, cell_most: int,
) -> Any:  # fmt: skip
    """Count users by row and number of active periods (0 too); or find those with a number between two.

    Returns
    -------
    counts : int64[n_rows, n_periods + 1]
    chosen : bool[n_users], where cell_least is above 0
    """
    n_users, is_search = len(offsets) - 1, cell_least > 0
    counts = np.zeros((0 if is_search else n_rows, len(starts)), np.int64)
    chosen = np.zeros(n_users if is_search else 0, np.bool_)
    for user in range(n_users):
        row = rows[user]
        if row < 0 or (is_search and cell_row >= 0 and row != cell_row):
            continue
        a, b = offsets[user], offsets[user + 1]
        n = _active_periods(time[a:b], event[a:b], counted, starts, operator, value)
        if is_search:
            chosen[user] = cell_least <= n <= cell_most
        else:
            counts[row, n] += 1
    return counts, chosen


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
    starts = taken_together(periods.starts_us, spec.every)
    matcher = resolve((spec.event,), index, config, snapshot)
    counted, rows = matcher.flags(spec.event), user_rows(spec.labels, spec.users, index.n_users)

    def walk(part: Partition, row: int = _ANY_ROW, least: int = 0, most: int = 0) -> Any:
        return walk_stickiness(
            part.offsets, part.time, matcher.events(part), counted, starts, OPERATORS.index(spec.operator), spec.value,
            rows[part.first_user : part.first_user + part.n_users], n_rows(spec.labels), row, least, most,
        )  # fmt: skip

    def find(row: int, number: int) -> UserCodes:
        most = len(starts) if spec.cumulative else number
        return select(map_merge(index, lambda part: walk(part, row, number, most)[1], join))

    by_row = map_merge(index, lambda part: thin(walk(part)[0]), add_up)[:, 1:]
    if spec.cumulative:
        by_row = by_row[:, ::-1].cumsum(axis=1)[:, ::-1]
    return Stickiness(
        spec=spec, periods=periods, counts=by_row.sum(axis=0), group_counts=by_row[:-1], find=find, **watch.fields()
    )
