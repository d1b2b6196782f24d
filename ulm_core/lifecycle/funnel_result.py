"""What a funnel answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.funnel_kernels import NEVER
from ulm_core.lifecycle.funnel_spec import FunnelSpec
from ulm_core.lifecycle.funnel_walk import Attempts, Walk
from ulm_core.lifecycle.periods import SECOND_US, Periods
from ulm_core.lifecycle.results import Result, UserCodes, join, number_or_none, ratio
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge

Side = Literal["converted", "dropped"]
# Step (from 1), side, and with a breakdown the group; or "trend", period label, entered or converted.
Cell = tuple[int, Side] | tuple[int, Side, str]


class Reached(NamedTuple):
    """How far everyone got.

    Attributes
    ----------
    levels
        int8[n]; steps reached up to the furthest required one; 0 = not entered, -1 = dropped by an exclusion.
    extras
        int64[n]; bit set of the steps done in the attempt that counts; empty without optional steps.
    owners
        int32[n]; user code of each session or attempt; empty where there is one row a user.
    """

    levels: npt.NDArray[np.int8]
    extras: npt.NDArray[np.int64]
    owners: UserCodes


class StepTimes(NamedTuple):
    """When steps were done (us UTC): row r, one of those who entered, in order, is ``flat[rows[r]:rows[r + 1]]``."""

    levels: npt.NDArray[np.int8]
    rows: npt.NDArray[np.int64]
    flat: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FunnelTrend:
    """Entries by period, and how many of them were completed (whenever that was).

    Attributes
    ----------
    periods
        Periods of the entry.
    n_steps
        Steps of the funnel.
    owners, period, levels
        One row per user (session, attempt) and period of entry: user code, period, steps reached.
    """

    periods: Periods
    n_steps: int
    owners: UserCodes
    period: npt.NDArray[np.int32]
    levels: npt.NDArray[np.int8]

    @cached_property
    def entered(self) -> npt.NDArray[np.int64]:
        """int64[n_periods]."""
        return np.bincount(self.period, minlength=len(self.periods))

    @cached_property
    def converted(self) -> npt.NDArray[np.int64]:
        """int64[n_periods]; those of `entered` who reached the last step."""
        return np.bincount(self.period[self.levels == self.n_steps], minlength=len(self.periods))

    def users(self, period: int, converted: bool) -> UserCodes:
        """Return who entered in a period, or converted of them."""
        rows = (self.period == period) & (self.levels == self.n_steps if converted else True)
        return np.unique(self.owners[rows])

    def to_json(self) -> list[dict[str, Any]]:
        """Return one entry a period."""
        rows = zip(self.periods.iso_labels(), self.entered.tolist(), self.converted.tolist(), strict=True)
        return [{"period": label, "entered": entered, "converted": converted} for label, entered, converted in rows]


@dataclass(frozen=True, kw_only=True, eq=False)
class Funnel(Result):
    """Users (sessions, attempts) per step.

    Attributes
    ----------
    spec
        What was asked.
    periods
        The range as whole calendar days.
    reached
        How far everyone got.
    trend
        Entries per period, where asked for.
    index, walk
        What step times are read from when somebody asks.
    """

    spec: FunnelSpec
    periods: Periods
    reached: Reached
    trend: FunnelTrend | None
    index: TimelineIndex
    walk: Walk

    @property
    def _is_per_user(self) -> bool:
        """Whether `reached` has one row a user."""
        return self.spec.counting == "users"

    @property
    def levels(self) -> npt.NDArray[np.int8]:
        """Steps reached; see `Reached`."""
        return self.reached.levels

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """int64[n_steps]; how many reached each step. Over required steps it never grows."""
        return self._counts(np.bincount(self.levels.view(np.uint8), minlength=256), self.reached.extras)

    def _counts(self, by_level: npt.NDArray[np.int64], extras: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return who reached each step, from the counts by level (as unsigned bytes, dropped = 255)."""
        n_steps = len(self.spec.steps)
        counts = np.cumsum(by_level[1 : n_steps + 1][::-1])[::-1].astype(np.int64)
        for k in np.flatnonzero(self.walk.plan.is_optional).tolist():
            counts[k] = (extras >> k & 1).sum()
        return counts

    @cached_property
    def group_counts(self) -> npt.NDArray[np.int64]:
        """int64[n_groups, n_steps]; the counts by group of `spec.labels`.

        Raises
        ------
        InputError
            When the funnel was asked without a breakdown.
        """
        labels = self._labels
        codes = labels.codes if self._is_per_user else labels.codes[self.reached.owners]
        joint = codes.astype(np.int64) * 256 + self.levels.view(np.uint8)
        by_group = np.bincount(joint[codes >= 0], minlength=256 * len(labels.names)).reshape(-1, 256)
        has_extras = len(self.reached.extras) > 0
        return np.array(
            [self._counts(row, self.reached.extras[codes == g] if has_extras else self.reached.extras)
             for g, row in enumerate(by_group)]
        ).reshape(len(labels.names), -1)  # fmt: skip

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of the breakdown; raises as `group_counts`."""
        return self._labels.names

    @property
    def _labels(self) -> UserLabels:
        if self.spec.labels is None:
            raise InputError(N_("This funnel has no breakdown."))
        labels: UserLabels = self.spec.labels
        return labels

    @property
    def conversions(self) -> list[float]:
        """Users of each step over those of step 1; nan without any."""
        return [ratio(n, self.counts[0]) for n in self.counts.tolist()]

    @property
    def from_previous(self) -> list[float]:
        """Users of each step over those of the required step before (1 for step 1); nan without any."""
        before = self.counts[np.maximum(self.walk.plan.previous, 0)]
        return [ratio(n, base) for n, base in zip(self.counts.tolist(), before.tolist(), strict=True)]

    @cached_property
    def times(self) -> StepTimes:
        """When the steps of the attempts that count were done; walked again when first asked for."""

        def merge(partials: Sequence[Attempts]) -> StepTimes:
            starts = np.cumsum([0] + [len(part.flat) for part in partials])
            rows = [part.rows[:-1] + start for part, start in zip(partials, starts, strict=False)]
            ends = np.append(join(rows), starts[-1]) if rows else np.zeros(1, np.int64)
            return StepTimes(join([p.levels for p in partials]), ends, join([p.flat for p in partials]))

        def kernel(part: Partition) -> Attempts:
            return self.walk.attempts(part, with_times=True)

        return map_merge(self.index, kernel, merge)

    def seconds(self, from_step: int, to_step: int) -> npt.NDArray[np.float64]:
        """Return the seconds between two steps (from 1) of everyone who did both, by user code; see `gaps`."""
        return self.gaps(from_step, to_step)[1]

    def gaps(self, from_step: int, to_step: int) -> tuple[UserCodes, npt.NDArray[np.float64]]:
        """Return who did both of two steps (from 1), by user code, and the seconds between.

        Zero-second gaps are left out: events written at the same instant say nothing about time to convert.

        Raises
        ------
        InputError
            When the steps do not ascend or the funnel has no such step.
        """
        if not 1 <= from_step < to_step <= len(self.spec.steps):
            raise InputError(N_("Steps run from 1 to {n}, the first before the second."), n=len(self.spec.steps))
        levels, rows, flat = self.times
        has_both = np.diff(rows) >= to_step if not self.walk.plan.is_optional.any() else np.diff(rows) > 0
        has_both &= (levels >= to_step) | self.walk.plan.is_optional[to_step - 1]
        start = rows[:-1][has_both]
        first, second = flat[start + from_step - 1], flat[start + to_step - 1]
        taken = (first != NEVER) & (second != NEVER) & (second > first)
        return self._entrants[has_both][taken], (second - first)[taken] / SECOND_US

    @property
    def _entrants(self) -> UserCodes:
        """User code of each row of `times`."""
        return np.flatnonzero(self.levels > 0).astype(np.int32) if self._is_per_user else self.reached.owners

    def _to_step(self, k: int) -> npt.NDArray[np.float64]:
        return self.seconds(int(self.walk.plan.previous[k]) + 1, k + 1) if k else np.empty(0)

    @cached_property
    def mean_seconds(self) -> list[float]:
        """Mean seconds from the required step before; nan for step 1 and where nobody took any time."""
        return [_mean(self._to_step(k)) for k in range(len(self.spec.steps))]

    @cached_property
    def median_seconds(self) -> list[float]:
        """Median seconds from the required step before; nan for step 1 and where nobody took any time."""
        return [_median(self._to_step(k)) for k in range(len(self.spec.steps))]

    def to_arrow(self) -> pa.Table:
        """Return one row per step: event, users, dropped, conversion, from_previous, mean and median seconds."""
        before = self.counts[np.maximum(self.walk.plan.previous, 0)]
        return pa.table(
            {
                "step": np.arange(1, len(self.counts) + 1),
                "event": pa.array([step.name for step in self.spec.steps], pa.string()),
                "users": self.counts,
                "dropped": before - self.counts,
                "conversion": self.conversions,
                "from_previous": self.from_previous,
                "mean_seconds": self.mean_seconds,
                "median_seconds": self.median_seconds,
            }
        )

    def users(self, cell: Cell) -> UserCodes:
        """Return who reached a step (from 1), or reached the required one before and not this one.

        With a breakdown, a third entry names the group. Where sessions or attempts are counted, these are the users
        they belong to, each once.

        Raises
        ------
        InputError
            When the funnel has no such step or group.
        """
        step, side = cell[0], cell[1]
        if not 1 <= step <= len(self.spec.steps):
            raise InputError(N_("Steps run from 1 to {n}."), n=len(self.spec.steps))
        rows = self._has(step)
        if side == "dropped":
            rows = self._has(int(self.walk.plan.previous[step - 1]) + 1) & ~rows if step > 1 else np.zeros_like(rows)
        owners = np.flatnonzero(rows).astype(np.int32)
        if not self._is_per_user:
            owners = np.unique(self.reached.owners[owners])
        if len(cell) == 3:
            if cell[2] not in self.groups:
                raise InputError(N_("This funnel has no group “{name}”."), name=cell[2])
            owners = owners[self._labels.codes[owners] == self.groups.index(cell[2])]
        return owners

    def _has(self, step: int) -> npt.NDArray[np.bool_]:
        if self.walk.plan.is_optional[step - 1]:
            return (self.reached.extras >> (step - 1) & 1).astype(np.bool_)
        return self.levels >= step

    def to_json(self) -> dict[str, Any]:
        """Return the steps with their numbers, groups and trend where asked for."""
        keys = ("event", "users", "conversion", "from_previous", "mean_seconds", "median_seconds")
        rows = self.to_arrow().select(keys).to_pylist()
        steps = [{k: number_or_none(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        answer: dict[str, Any] = {"steps": steps}
        if self.spec.labels is not None:
            answer["groups"] = [
                {"group": name, "users": row, "conversion": [number_or_none(ratio(n, row[0])) for n in row]}
                for name, row in zip(self.groups, self.group_counts.tolist(), strict=True)
            ]
        if self.trend is not None:
            answer["trend"] = self.trend.to_json()
        return answer | self.stamp()

    def times_json(self, from_step: int, to_step: int) -> dict[str, Any]:
        """Return the seconds between two steps with their mean and median."""
        seconds = self.seconds(from_step, to_step)
        return {
            "seconds": seconds.tolist(),
            "mean": number_or_none(_mean(seconds)),
            "median": number_or_none(_median(seconds)),
        }


def _mean(seconds: npt.NDArray[np.float64]) -> float:
    return float(np.mean(seconds)) if len(seconds) else np.nan


def _median(seconds: npt.NDArray[np.float64]) -> float:
    return float(np.median(seconds)) if len(seconds) else np.nan
