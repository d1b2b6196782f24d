"""Dwell time: how long users stay in a stage once they entered it, and where they go from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle import stage_kernels
from ulm_core.lifecycle.kaplan_meier import Curve, fit_curve
from ulm_core.lifecycle.periods import DAY_US, make_periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, mask_or_all, number_or_none
from ulm_core.lifecycle.rules import StageRules, workspace_rules
from ulm_core.lifecycle.stages import columns_of, kernel_arguments
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

STAYING = -1
Which = Literal["entered", "left", "staying"]


class DwellSpec(RangeSpec):
    """Asks how long users stay in each stage.

    Attributes
    ----------
    from_us, to_us
        Stays that begin in the range are followed to its end; those that last longer are censored there.
    interval
        How often stages are looked at: at the end of each day or week. Shorter stays are not seen.
    rules
        The rule list; None: the rules in force.
    confidence
        Level of the intervals.
    """

    interval: Literal["day", "week"] = "day"
    rules: StageRules | None = None
    confidence: float = Field(0.95, gt=0, lt=1)


@dataclass(frozen=True, eq=False)
class Stays:
    """Stays in stages: one entry a stay, by user and time.

    Attributes
    ----------
    user
        int32[n] user codes.
    stage, next_stage
        int16[n] stage codes; `STAYING` where the stay had not ended.
    days
        float64[n]; from entering to leaving, or to the end of what was looked at.
    """

    user: npt.NDArray[np.int32]
    stage: npt.NDArray[np.int16]
    next_stage: npt.NDArray[np.int16]
    days: npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dwell(Result):
    """Dwell time by stage.

    Attributes
    ----------
    rules
        The rules that were applied.
    stays
        All stays that began in the range.
    curves
        Share still in the stage by days since entering it (Kaplan-Meier over stays); stages nobody entered
        have none.
    next_counts
        int64[n_stages, n_stages]; stays that ended, by stage (row) and the stage entered then (column).
    """

    rules: StageRules
    stays: Stays
    curves: tuple[Curve, ...]
    next_counts: npt.NDArray[np.int64]

    @property
    def stages(self) -> tuple[str, ...]:
        """Stage names by code."""
        return self.rules.stages

    def curve(self, stage: str) -> Curve:
        """Return one stage's curve; raises NotFoundError when nobody entered it."""
        for curve in self.curves:
            if curve.group == stage:
                return curve
        raise NotFoundError.for_name("stage", stage, [curve.group for curve in self.curves])

    def users(self, cell: tuple[str, Which]) -> UserCodes:
        """Return the users (each once) who entered a stage in the range, left it, or are in it at the end."""
        stage, which = cell
        chosen = self.stays.stage == self.rules.code(stage)
        if which != "entered":
            chosen &= (self.stays.next_stage == STAYING) == (which == "staying")
        return np.unique(self.stays.user[chosen]).astype(np.int32)

    def to_arrow(self) -> pa.Table:
        """Return stage, days, survival, lower, upper, at_risk: one row per stage and time."""
        columns: dict[str, Any] = {
            "stage": pa.array([curve.group for curve in self.curves for _ in curve.days], pa.string())
        }
        for name in ("days", "survival", "lower", "upper", "at_risk"):
            columns[name] = np.concatenate([getattr(curve, name) for curve in self.curves] or [np.empty(0)])
        return pa.table(columns)

    def to_json(self) -> dict[str, Any]:
        """Return, by stage, stays, users, medians and where users went."""
        return {"stages": [self._described(curve) for curve in self.curves], **self.stamp()}

    def _described(self, curve: Curve) -> dict[str, Any]:
        row = self.next_counts[self.rules.code(curve.group)]
        return {
            "stage": curve.group,
            "stays": curve.n_users,
            "users": len(self.users((curve.group, "entered"))),
            "ended": curve.n_churned,
            "median_days": number_or_none(curve.median_days),
            "median_lower": number_or_none(curve.median_lower),
            "median_upper": number_or_none(curve.median_upper),
            "next": {name: int(n) for name, n in zip(self.stages, row, strict=True) if n},
        }


def compute_dwell(index: TimelineIndex, config: WorkspaceConfig, spec: DwellSpec) -> Dwell:
    """Return how long users stay in each stage they entered within the range."""
    watch = Stopwatch(index)
    rules = spec.rules or workspace_rules(index, config)
    at, first = _grid(index, config, spec)
    stays = _stays(index, config, rules, at, first)
    chosen = mask_or_all(spec.users, index.n_users)[stays.user]
    stays = Stays(stays.user[chosen], stays.stage[chosen], stays.next_stage[chosen], stays.days[chosen])
    curves = []
    for code, name in enumerate(rules.stages):
        own = stays.stage == code
        if own.any():
            curves.append(fit_curve(name, stays.days[own], stays.next_stage[own] != STAYING, spec.confidence))
    n = len(rules.stages)
    ended = stays.next_stage != STAYING
    moves = stays.stage[ended].astype(np.int64) * n + stays.next_stage[ended]
    counts = np.bincount(moves, minlength=n * n).reshape(n, n).astype(np.int64)
    return Dwell(rules=rules, stays=stays, curves=tuple(curves), next_counts=counts, **watch.fields())


def _grid(index: TimelineIndex, config: WorkspaceConfig, spec: DwellSpec) -> tuple[npt.NDArray[np.int64], int]:
    """Return when stages are looked at, from the log's begin on, and the first place within the range.

    Looking from the log's begin on, nobody is met in the middle of a stay whose begin is not known.
    """
    bounds = spec.periods(index, config, spec.interval)
    begin = spec.log_start(index, config)
    until = min(bounds.to_us, index.manifest.last_us + 1)
    if until <= begin:
        return np.empty(0, np.int64), 0
    every = make_periods(begin, until, spec.interval, config.timezone, config.week_start)
    at = np.minimum(every.starts_us[1:], until)
    return np.ascontiguousarray(at), int(np.searchsorted(at, bounds.from_us, side="right"))


def _side_by_side(partials: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    return np.concatenate(partials, axis=1)


def _stays(
    index: TimelineIndex, config: WorkspaceConfig, rules: StageRules, at: npt.NDArray[np.int64], first: int
) -> Stays:
    arguments = kernel_arguments(index, config, rules, at)

    def kernel(part: Partition) -> npt.NDArray[np.int32]:
        found: npt.NDArray[np.int32] = stage_kernels.stays_on_grid(*columns_of(part), at, *arguments)
        found[0] += part.first_user
        return found

    user, stage, start, end = map_merge(index, kernel, _side_by_side)
    # The next stay of the same user follows without a gap: once seen, a user is always in some stage.
    following = np.append(stage[1:], STAYING)
    next_stage = np.where(end < len(at), following, STAYING)
    last = max(len(at) - 1, 0)
    days = (at[np.minimum(end, last)] - at[start]) / DAY_US if len(at) else np.empty(0)
    kept = start >= first
    return Stays(
        user[kept].astype(np.int32),
        stage[kept].astype(np.int16),
        next_stage[kept].astype(np.int16),
        days[kept].astype(np.float64),
    )
