"""Retention: of the users who started in a period, how many came back so many periods later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.lifecycle import retention_kernels as kernels
from ulm_core.lifecycle.breakdown import ANY_ROW, Counts, add_up, n_rows, row_of, thin, user_rows
from ulm_core.lifecycle.intervals import wilson
from ulm_core.lifecycle.matching import Matcher, resolve
from ulm_core.lifecycle.periods import Periods
from ulm_core.lifecycle.presence import presence
from ulm_core.lifecycle.results import Result, Stopwatch, UserCodes, join, number_or_none, select, share_of
from ulm_core.lifecycle.retention_plan import OWN_US, Column, Plan, RetentionSpec, plan_retention
from ulm_core.lifecycle.scale import exact_scale
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

__all__ = ["Retention", "RetentionSpec", "compute_retention"]

_MODES = {
    "on": kernels.ON,
    "on-or-after": kernels.ON_OR_AFTER,
    "on-or-before": kernels.ON_OR_BEFORE,
    "streak": kernels.STREAK,
}
_KINDS = {
    "recurring": kernels.RECURRING,
    "first-time": kernels.FIRST_TIME,
    "first-ever": kernels.FIRST_EVER,
}
_NO_VALUE = np.empty(0)
Find = Callable[[int, int, int], UserCodes]
Walk = Callable[..., tuple[Counts, Counts, npt.NDArray[np.bool_]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Retention(Result):
    """A cohort triangle, or square.

    Attributes
    ----------
    spec
        What was asked.
    periods
        One cohort each.
    columns
        What the columns after the cohort's size stand for; column 0 is the whole cohort.
    counts
        int64[n_cohorts, n_columns]; ``counts[c, k]`` users of cohort c who count in column k; -1 where the cohort
        is not followed so far.
    sums
        float64[n_cohorts, n_columns]: value of those users' return events in that column; None unless asked for.
    group_counts
        int64[n_groups, n_cohorts, n_columns], as `counts`; without groups none.
    is_complete
        bool[n_cohorts, n_columns]: False where the column is not over for all of the cohort, or not followed.
    """

    spec: RetentionSpec
    periods: Periods
    columns: tuple[Column, ...]
    counts: Counts
    sums: npt.NDArray[np.float64] | None
    group_counts: Counts
    is_complete: npt.NDArray[np.bool_]
    find: Find = field(repr=False)

    @property
    def sizes(self) -> Counts:
        """int64[n_cohorts] users per cohort."""
        return self.counts[:, 0]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups; empty without a breakdown."""
        return () if self.spec.labels is None else self.spec.labels.names

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """Counts over the cohort's size; nan outside the triangle and for empty cohorts."""
        return np.where(self.counts >= 0, share_of(self.counts, self.sizes[:, None]), np.nan)

    @property
    def averages(self) -> npt.NDArray[np.float64]:
        """Value per user who counts in the cell; nan where nobody does.

        Raises
        ------
        InputError
            When no value was asked for.
        """
        if self.sums is None:
            raise InputError(N_("This retention was computed without values."))
        each: npt.NDArray[np.float64] = np.full(self.sums.shape, np.nan)
        return np.divide(self.sums, self.counts, out=each, where=self.counts > 0)

    @property
    def interval(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Wilson's 95% interval of each rate: lower and upper, nan as `rates`."""
        low, high = wilson(np.maximum(self.counts, 0), self.sizes[:, None])
        hidden = self.counts < 0
        return np.where(hidden, np.nan, low), np.where(hidden, np.nan, high)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean rate per column, weighted by cohort size, over all cells of the triangle (running ones too)."""
        return share_of(*weighted(self.counts, self.counts >= 0))

    @property
    def mean_complete(self) -> npt.NDArray[np.float64]:
        """Mean rate per column, weighted by cohort size, over complete cells only: what a curve should draw."""
        return share_of(*weighted(self.counts, self.is_complete))

    @property
    def mean_interval(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Wilson's 95% interval of `mean_complete`; of recurring cohorts too narrow, as users count repeatedly."""
        return wilson(*weighted(self.counts, self.is_complete))

    @property
    def cumulative_value(self) -> npt.NDArray[np.float64]:
        """Value per user of the cohorts up to each column, over complete cells; nan where none is complete.

        Raises
        ------
        InputError
            When no value was asked for.
        """
        if self.sums is None:
            raise InputError(N_("This retention was computed without values."))
        _, users = weighted(self.counts, self.is_complete)
        sums = np.where(self.is_complete, self.sums, 0.0).sum(axis=0)
        each = np.divide(sums, users, out=np.full(len(sums), np.nan), where=users > 0)
        total: npt.NDArray[np.float64] = each.cumsum()
        return total

    def group_mean(self, group: str) -> npt.NDArray[np.float64]:
        """Return `mean_complete` of one group."""
        return share_of(*weighted(self.group_counts[row_of(self.spec.labels, group)], self.is_complete))

    def to_arrow(self) -> pa.Table:
        """Return one row per cell of the triangle: cohort, size, lag, users, rate, its interval, is_complete."""
        cohort, column = np.nonzero(self.counts >= 0)
        low, high = self.interval
        names = np.array([name.label for name in self.columns])
        values = {} if self.sums is None else {"value": self.sums, "value_per_user": self.averages}
        cells = {"rate": self.rates, "rate_low": low, "rate_high": high, "is_complete": self.is_complete, **values}
        return pa.table(
            {
                "cohort": np.array(self.periods.iso_labels())[cohort],
                "size": self.sizes[cohort],
                "lag": column if self.spec.brackets is None else names[column],
                "users": self.counts[cohort, column],
                **{name: cell[cohort, column] for name, cell in cells.items()},
            }
        )

    def users(self, cell: tuple[int | str, int] | tuple[int | str, int, str]) -> UserCodes:
        """Return the users of ``(cohort index or ISO date, column)``, or ``(cohort, column, group)``."""
        cohort, column, *group = cell
        position = self.periods.position(cohort) if isinstance(cohort, str) else int(cohort)
        if not self.counts[position, column] >= 0:
            raise InputError(N_("This cohort is not followed so far."))
        return self.find(row_of(self.spec.labels, group[0]) if group else ANY_ROW, position, column)

    def to_json(self) -> dict[str, Any]:
        """Return cohorts with their counts by column, and the weighted mean row; by group where asked for."""
        answer: dict[str, Any] = self._cohorts_json(self.counts)
        if self.sums is not None:
            for row, sums, averages in zip(answer["cohorts"], self.sums, self.averages, strict=True):
                n = len(row["counts"])
                row |= {"sums": sums[:n].tolist(), "averages": [number_or_none(value) for value in averages[:n]]}
        if self.spec.brackets is not None:
            answer["columns"] = [column.label for column in self.columns]
        if self.groups:
            answer["groups"] = {
                name: self._cohorts_json(counts) for name, counts in zip(self.groups, self.group_counts, strict=True)
            }
        return answer | self.stamp()

    def _cohorts_json(self, counts: Counts) -> dict[str, Any]:
        cohorts = [
            {"start": label, "size": int(row[0]), "counts": row[row >= 0].tolist()}
            for label, row in zip(self.periods.iso_labels(), counts, strict=True)
        ]
        mean = share_of(*weighted(counts, counts >= 0))
        return {"cohorts": cohorts, "mean": [number_or_none(value) for value in mean]}


def weighted(counts: Counts, shown: npt.NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """Return numerator and denominator of the mean rate per column over the cells that are shown."""
    return np.where(shown, counts, 0).sum(axis=0), (counts[:, :1] * shown).sum(axis=0)


def compute_retention(
    index: TimelineIndex, config: WorkspaceConfig, spec: RetentionSpec, snapshot: Snapshot | None = None
) -> Retention:
    """Return the cohort triangle: cohort by the period of the start event, users back by lag.

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
    plan = plan_retention(index, config, spec)
    scale = exact_scale(index) if spec.with_value else 1.0
    walk = _walker(index, config, spec, plan, scale, snapshot)
    partials = map_merge(index, lambda part: tuple(map(thin, walk(part)[:2])), list)
    by_row, sums = (_spread(spec, add_up([partial[k] for partial in partials])) for k in (0, 1))
    hidden = ~plan.is_shown

    def find(row: int, cohort: int, column: int) -> UserCodes:
        return select(map_merge(index, lambda part: walk(part, row, cohort, column)[2], join))

    return Retention(
        spec=spec,
        periods=plan.cohorts,
        columns=plan.columns,
        counts=np.where(hidden, -1, by_row.sum(axis=0)),
        sums=np.where(hidden, np.nan, sums.sum(axis=0) / scale) if spec.with_value else None,
        group_counts=np.where(hidden, -1, by_row[:-1]),
        is_complete=plan.is_complete,
        find=find,
        **watch.fields(),
    )


def _walker(
    index: TimelineIndex,
    config: WorkspaceConfig,
    spec: RetentionSpec,
    plan: Plan,
    scale: float,
    snapshot: Snapshot | None,
) -> Walk:
    """Return the kernel with everything but the partition and the cell filled in."""
    matcher = resolve((spec.start_event, spec.return_event), index, config, snapshot)
    rows = user_rows(spec.labels, spec.users, index.n_users)
    asked = (spec.follow or 0, _KINDS[spec.kind], _MODES[spec.mode], plan.column_of, len(plan.columns))
    walk = (
        _own(matcher, spec, plan, scale) if spec.own_windows else _calendar(index, config, matcher, spec, plan, scale)
    )

    def one(part: Partition, row: int = ANY_ROW, cohort: int = -1, column: int = 0) -> Any:
        mine = rows[part.first_user : part.first_user + part.n_users]
        return walk(part, *asked, mine, n_rows(spec.labels), row, cohort, column)

    return one


def _own(matcher: Matcher, spec: RetentionSpec, plan: Plan, scale: float) -> Walk:
    starts, returns = matcher.flags(spec.start_event), matcher.flags(spec.return_event)
    flags = (kernels.STARTS * starts + kernels.RETURNS * returns).astype(np.uint8)

    def walk(part: Partition, *asked: Any) -> Any:
        return kernels.walk_own(
            part.offsets, part.time, matcher.events(part), part.value if spec.with_value else _NO_VALUE,
            spec.with_value, scale, flags,
            plan.cohorts.starts_us, spec.min_occurrences, OWN_US[spec.interval], *asked,
        )  # fmt: skip

    return walk


def _calendar(
    index: TimelineIndex, config: WorkspaceConfig, matcher: Matcher, spec: RetentionSpec, plan: Plan, scale: float
) -> Walk:
    # One period in front, as the lifecycle has it: both then ask for the same presence.
    bounds = np.concatenate([[plan.cohorts.before(config.timezone, config.week_start)], plan.bounds])
    start = presence(index, matcher, matcher.flags(spec.start_event), bounds)
    returns, least = matcher.flags(spec.return_event), spec.min_occurrences
    back = presence(index, matcher, returns, bounds, times=least, scale=scale if spec.with_value else None)

    def walk(part: Partition, *asked: Any) -> Any:
        first, stop = part.first_user, part.first_user + part.n_users
        return kernels.walk_calendar(
            start.offsets[first : stop + 1], start.periods, start.before[first:stop],
            back.offsets[first : stop + 1], back.periods, back.sums, spec.with_value,
            len(plan.cohorts), *asked,
        )  # fmt: skip

    return walk


def _spread(spec: RetentionSpec, counts: Counts) -> Counts:
    """Return counts of every column a user counts in, from those of the one column the kernel notes."""
    if spec.mode == "on" or not counts.size:
        return counts
    later = counts[..., 1:]
    # Up to that column and all before it: add up from the right.
    ahead = slice(None) if spec.mode == "on-or-before" else slice(None, None, -1)
    return np.concatenate([counts[..., :1], later[..., ahead].cumsum(axis=-1)[..., ahead]], axis=-1)
