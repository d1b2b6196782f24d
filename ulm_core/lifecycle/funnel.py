"""Funnels: how many users get from step to step within a window, and how long it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ulm_core.errors import InputError
from ulm_core.lifecycle.funnel_any_order import walk_users_any_order
from ulm_core.lifecycle.funnel_kernels import walk_users
from ulm_core.lifecycle.funnel_plan import plan_funnel
from ulm_core.lifecycle.periods import SECOND_US, Periods, make_periods
from ulm_core.lifecycle.results import (
    RangeSpec,
    Result,
    Stopwatch,
    UserCodes,
    join,
    mask_or_all,
    number_or_none,
    ratio,
    select,
)
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

Order = Literal["ordered", "strict", "any"]
MAX_STEPS = 30
DEFAULT_WINDOW_SECONDS = 14 * 86_400
_Partial = tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], npt.NDArray[np.int64]]


class Exclusion(BaseModel):
    """An event that must not lie between two steps.

    Attributes
    ----------
    event
        Event name.
    after_step, before_step
        The two steps, counted from 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str
    after_step: int = Field(ge=1)
    before_step: int = Field(ge=2)


class FunnelSpec(RangeSpec):
    """Asks for a funnel.

    Attributes
    ----------
    steps
        2 to 30 event names; ``*`` is any event but the passive ones.
    order
        ordered: other events may lie between; strict: any other event of the user resets the attempt;
        any: the steps may come in any order, bar k counts users with k distinct steps in one window.
    window_seconds
        Conversion window from step 1, boundary included.
    entry
        any: every step 1 opens an attempt; first: only a user's first one in the range.
    exclusions
        Events that drop a user who has one between the two steps (not in any order).
    """

    steps: tuple[str, ...] = Field(min_length=2, max_length=MAX_STEPS)
    order: Order = "ordered"
    window_seconds: float = Field(DEFAULT_WINDOW_SECONDS, gt=0, le=10 * 366 * 86_400)
    entry: Literal["any", "first"] = "any"
    exclusions: tuple[Exclusion, ...] = ()

    @field_validator("steps")
    @classmethod
    def _named(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if any(not step for step in steps):
            raise ValueError("every step needs an event name")
        return steps

    @model_validator(mode="after")
    def _exclusions_between_steps(self) -> FunnelSpec:
        for exclusion in self.exclusions:
            if not exclusion.after_step < exclusion.before_step <= len(self.steps):
                raise ValueError(f"an exclusion lies between two steps of the funnel, from 1 to {len(self.steps)}")
        if self.exclusions and self.order == "any":
            raise ValueError("an exclusion needs steps in order: there is no 'between' in any order")
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class Funnel(Result):
    """Users per step.

    Attributes
    ----------
    spec
        What was asked.
    periods
        The range as whole calendar days.
    counts
        int64[n_steps]; users whose furthest attempt reached each step. It never grows.
    levels
        int8[n_users]; steps reached; 0 = not entered, -1 = dropped by an exclusion.
    entrants
        int32[n_entered] user codes, ascending.
    times_us
        int64[n_entered, n_steps]; when each step of the counted attempt was done (UTC us); meaningless
        where `levels` says it was not.
    """

    spec: FunnelSpec
    periods: Periods
    counts: npt.NDArray[np.int64]
    levels: npt.NDArray[np.int8]
    entrants: UserCodes
    times_us: npt.NDArray[np.int64]

    @property
    def conversions(self) -> list[float]:
        """Users of each step over those of step 1; nan without any."""
        return [ratio(n, self.counts[0]) for n in self.counts.tolist()]

    @property
    def from_previous(self) -> list[float]:
        """Users of each step over those of the step before (1 for step 1); nan without any."""
        before = [self.counts[0], *self.counts[:-1]]
        return [ratio(n, base) for n, base in zip(self.counts.tolist(), before, strict=True)]

    def seconds(self, from_step: int, to_step: int) -> npt.NDArray[np.float64]:
        """Return the seconds between two steps (from 1) of every user who reached the later one, by user code.

        Zero-second gaps are left out: events written at the same instant say nothing about time to convert.

        Raises
        ------
        InputError
            When the steps do not ascend or the funnel has no such step.
        """
        if not 1 <= from_step < to_step <= len(self.counts):
            raise InputError(N_("Steps run from 1 to {n}, the first before the second."), n=len(self.counts))
        done = self.times_us[self.levels[self.entrants] >= to_step]
        gaps: npt.NDArray[np.int64] = done[:, to_step - 1] - done[:, from_step - 1]
        return gaps[gaps > 0] / SECOND_US

    @property
    def mean_seconds(self) -> list[float]:
        """Mean seconds from the step before; nan for step 1 and where nobody took any time."""
        return [np.nan, *(_mean(self.seconds(k, k + 1)) for k in range(1, len(self.counts)))]

    @property
    def median_seconds(self) -> list[float]:
        """Median seconds from the step before; nan for step 1 and where nobody took any time."""
        return [np.nan, *(_median(self.seconds(k, k + 1)) for k in range(1, len(self.counts)))]

    def to_arrow(self) -> pa.Table:
        """Return one row per step: event, users, dropped, conversion, from_previous, mean and median seconds."""
        before = np.concatenate([self.counts[:1], self.counts[:-1]])
        return pa.table(
            {
                "step": np.arange(1, len(self.counts) + 1),
                "event": pa.array(self.spec.steps, pa.string()),
                "users": self.counts,
                "dropped": before - self.counts,
                "conversion": self.conversions,
                "from_previous": self.from_previous,
                "mean_seconds": self.mean_seconds,
                "median_seconds": self.median_seconds,
            }
        )

    def users(self, cell: tuple[int, Literal["converted", "dropped"]]) -> UserCodes:
        """Return who reached a step (from 1), or reached the one before and not this one.

        Raises
        ------
        InputError
            When the funnel has no such step.
        """
        step, side = cell
        if not 1 <= step <= len(self.counts):
            raise InputError(N_("Steps run from 1 to {n}."), n=len(self.counts))
        if side == "dropped":
            return select(self.levels == step - 1) if step > 1 else select(np.zeros(len(self.levels), np.bool_))
        return select(self.levels >= step)

    def to_json(self) -> dict[str, Any]:
        """Return the steps with their numbers."""
        keys = ("event", "users", "conversion", "from_previous", "mean_seconds", "median_seconds")
        rows = self.to_arrow().select(keys).to_pylist()
        steps = [{k: number_or_none(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        return {"steps": steps, **self.stamp()}

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


def compute_funnel(index: TimelineIndex, config: WorkspaceConfig, spec: FunnelSpec) -> Funnel:
    """Return how many users reached each step.

    Every step lies within `window_seconds` of the attempt's step 1, boundary included. Every step 1
    opens a new attempt; a user's furthest attempt counts, and the first one among the furthest gives
    the times. One event fills one step. Events of one user at the same instant may be taken in the
    order that favours conversion. Only events in the range (widened to whole days of the workspace's
    time zone) count: neither an entry before it nor a conversion after it. An exclusion that lies between
    its two steps (the second one not reached: up to the end of the window) in an attempt up to the first
    completed one drops the user from all steps.

    Raises
    ------
    NotFoundError
        When a step or an exclusion names an event the log lacks.
    """
    watch = Stopwatch(index)
    # The whole log where no start is given: step 1 may well be passive, and lie before all activity.
    periods = make_periods(*spec.bounds(index), "day", config.timezone, config.week_start, index.manifest.last_us)
    plan = plan_funnel(
        index,
        config,
        spec.steps,
        [(x.event, x.after_step, x.before_step) for x in spec.exclusions],
        round(spec.window_seconds * SECOND_US),
        spec.entry == "first",
        spec.order == "strict",
    )
    included = mask_or_all(spec.users, index.n_users)
    bounds = periods.from_us, periods.to_us

    def kernel(part: Partition) -> _Partial:
        mask = included[part.first_user : part.first_user + part.n_users]
        arguments = (part.offsets, part.time, part.event, mask, *bounds)
        if spec.order == "any":
            levels, times = walk_users_any_order(*arguments, plan)
        else:
            levels, times = walk_users(*arguments, spec.order == "strict", plan)
        entered = np.flatnonzero(levels > 0)
        return levels, (entered + part.first_user).astype(np.int32), times[entered]

    def merge(partials: Sequence[_Partial]) -> _Partial:
        levels, entrants, times = zip(*partials, strict=True)
        return join(levels), join(entrants), join(times)

    levels, entrants, times = map_merge(index, kernel, merge)
    counts = np.array([(levels >= k).sum() for k in range(1, len(spec.steps) + 1)], np.int64)
    return Funnel(
        spec=spec, periods=periods, counts=counts, levels=levels, entrants=entrants, times_us=times, **watch.fields()
    )
