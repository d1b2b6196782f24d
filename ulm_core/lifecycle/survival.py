"""Churn curves: how long users stay before they enter the stage "churned"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit
from pydantic import Field

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.kaplan_meier import Curve, LogRank, fit_curve, log_rank
from ulm_core.lifecycle.periods import DAY_US, make_periods
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, join, mask_or_all, number_or_none, select
from ulm_core.lifecycle.rules import UNSEEN, StageRules, default_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

GroupBy = Literal["none", "stage", "cohort", "labels"]
EVERYONE = N_("everyone")
_NEVER = np.iinfo(np.int64).min


class SurvivalSpec(Spec):
    """Asks for churn curves.

    Attributes
    ----------
    by
        none: one curve; cohort: by the calendar period of the first active event; stage: by the stage at
        `origin_us`; labels: by `labels`, for example a user attribute.
    cohort_interval
        month or quarter.
    origin_us
        Time 0 (UTC us). None: each user's first active event. By stage it must be given; users who are
        churned then, or not yet seen, are at no risk of churning and are left out.
    horizon_days
        Days of silence that count as churn; None: learnt from the log.
    labels
        Groups of one's own.
    rules
        Stage rules for groups by stage; None: the default rules for the horizon.
    confidence
        Level of the intervals.
    """

    by: GroupBy = "none"
    cohort_interval: Literal["month", "quarter"] = "month"
    origin_us: int | None = None
    horizon_days: float | None = Field(None, gt=0, le=36_500)
    labels: UserLabels | None = None
    rules: StageRules | None = None
    confidence: float = Field(0.95, gt=0, lt=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Survival(Result):
    """Churn curves by group.

    Attributes
    ----------
    horizon_days
        Days of silence that counted as churn.
    curves
        One per group with users, in group order.
    test
        Log-rank test between the groups, or None where there is nothing to compare.
    groups
        Group names by code.
    group_of
        int32[n_users]; -1 = in no curve.
    days
        float64[n_users]; days from the origin to churn or to the end of the log; nan = in no curve.
    has_churned
        bool[n_users].
    """

    horizon_days: float
    curves: tuple[Curve, ...]
    test: LogRank | None
    groups: tuple[str, ...]
    group_of: npt.NDArray[np.int32]
    days: npt.NDArray[np.float64]
    has_churned: npt.NDArray[np.bool_]

    def curve(self, group: str) -> Curve:
        """Return one group's curve; raises NotFoundError when there is none."""
        for curve in self.curves:
            if curve.group == group:
                return curve
        raise NotFoundError.for_name("group", group, [curve.group for curve in self.curves])

    def to_arrow(self) -> pa.Table:
        """Return group, days, survival, lower, upper, at_risk: one row per group and time."""
        names = [name for curve in self.curves for name in [curve.group] * len(curve.days)]
        columns: dict[str, Any] = {"group": pa.array(names, pa.string())}
        for name in ("days", "survival", "lower", "upper", "at_risk"):
            columns[name] = np.concatenate([getattr(curve, name) for curve in self.curves] or [[]])
        return pa.table(columns)

    def at_risk_table(self, days: Sequence[float]) -> pa.Table:
        """Return users at risk, one row per group and one column per chosen day."""
        columns: dict[str, Any] = {"group": pa.array([curve.group for curve in self.curves], pa.string())}
        for day in days:
            columns[f"{day:g}"] = [int(curve.at_risk_at(day)) for curve in self.curves]
        return pa.table(columns)

    def users(self, cell: tuple[str, Literal["all", "churned", "censored", "at risk"], float]) -> UserCodes:
        """Return users of ``(group, which, day)``.

        all: the group; churned: up to and including that day; censored: their log ended before that day,
        without churn; at risk: neither churned nor censored before that day.
        """
        group, which, day = cell
        if group not in self.groups:
            raise NotFoundError.for_name("group", group, self.groups)
        own = self.group_of == self.groups.index(group)
        with np.errstate(invalid="ignore"):
            sides = {
                "all": own,
                "churned": own & self.has_churned & (self.days <= day),
                "censored": own & ~self.has_churned & (self.days < day),
                "at risk": own & (self.days >= day),
            }
        return select(sides[which])

    def sentence(self) -> Message:
        """Return the definition in words, with its numbers."""
        return message(
            N_(
                "Churn: the first silence of more than {days:g} days, counted on the day it became that long. "
                "Users still within it when the log ends are censored."
            ),
            days=self.horizon_days,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the curves, medians (null = not reached) and the log-rank test."""
        return {
            "horizon_days": self.horizon_days,
            "groups": [_curve_json(curve) for curve in self.curves],
            "log_rank": None if self.test is None else vars(self.test),
            **self.stamp(),
        }


def _curve_json(curve: Curve) -> dict[str, Any]:
    return {
        "group": curve.group,
        "users": curve.n_users,
        "churned": curve.n_churned,
        "median_days": number_or_none(curve.median_days),
        "median_interval": [number_or_none(curve.median_lower), number_or_none(curve.median_upper)],
        "days": curve.days.tolist(),
        "survival": curve.survival.tolist(),
        "lower": curve.lower.tolist(),
        "upper": curve.upper.tolist(),
        "at_risk": curve.at_risk.tolist(),
    }


@njit(cache=True, nogil=True)
def _last_before_churn(
    time: Any, event: Any, active: Any, origin_us: int, horizon_us: int, end_us: int
) -> tuple[Any, Any]:
    """Return one user's origin and the last active event before the first silence longer than the horizon.

    The origin is `_NEVER` for users at no risk: without an active event by `end_us`, or, where one origin
    is given for all (`origin_us` not `_NEVER`), not yet seen or already churned at it.
    """
    origin, last = np.int64(_NEVER), np.int64(_NEVER)
    for i in range(len(time)):
        t = time[i]
        if not active[event[i]] or t > end_us:
            continue
        if last == _NEVER:
            if origin_us != _NEVER and t >= origin_us:
                break
            origin = t
        elif t - last > horizon_us and t >= origin_us:
            break  # that silence was churn; coming back does not undo it
        last = t
    if origin_us == _NEVER or last == _NEVER:
        return origin, last
    return (origin_us if origin_us - last <= horizon_us else np.int64(_NEVER)), last


@njit(cache=True, nogil=True)
def churn_times(
    offsets: Any, time: Any, event: Any, active: Any, origin_us: int, horizon_us: int, end_us: int
) -> tuple[Any, Any, Any]:
    """Return, per user, origin and end of observation (us) and whether it ended in churn.

    See `_last_before_churn` for the origin; `origin_us` is `_NEVER` for "each user's first active event".
    """
    n_users = len(offsets) - 1
    origin = np.empty(n_users, np.int64)
    until = np.full(n_users, end_us, np.int64)
    churned = np.zeros(n_users, np.bool_)
    for user in range(n_users):
        a, b = offsets[user], offsets[user + 1]
        origin[user], last = _last_before_churn(time[a:b], event[a:b], active, origin_us, horizon_us, end_us)
        if origin[user] != _NEVER and end_us - last > horizon_us:
            until[user] = last + horizon_us
            churned[user] = True
    return origin, until, churned


def compute_survival(index: TimelineIndex, config: WorkspaceConfig, spec: SurvivalSpec) -> Survival:
    """Return Kaplan-Meier churn curves by group.

    Event: entering the stage "churned", that is the first time the silence since the last active event
    exceeds the horizon; its time is last event + horizon, and it counts only when that lies before the
    end of the log. Users not churned by then are censored at the end of the log. Coming back later does
    not undo it. Time runs in days of 24 hours from each user's first active event, or from `origin_us`.

    No immortal time: a group must be known at time 0. Stages are therefore taken at `origin_us` and time
    runs from there; a stage reached later ("became loyal") would guarantee survival up to then. Note that
    nobody can churn before one horizon has passed, so that curves from the first event start flat.

    Raises
    ------
    InputError
        When groups by stage have no origin, or groups by label no labels.
    """
    if spec.by == "stage" and spec.origin_us is None:
        raise InputError(N_("Curves by stage need the date at which the stage is taken."))
    if spec.by == "labels" and spec.labels is None:
        raise InputError(N_("Curves by attribute need the attribute."))
    watch = Stopwatch(index)
    horizon_days = spec.horizon_days or float(learn_churn_horizon(index, config).days)
    origin, until, churned = _observe(index, config, spec, horizon_days)
    names, codes = _groups(index, config, spec, origin, horizon_days)
    codes = np.where(mask_or_all(spec.users, index.n_users) & (origin != _NEVER), codes, -1).astype(np.int32)
    used = codes >= 0
    days = np.full(index.n_users, np.nan)
    days[used] = (until[used] - origin[used]) / DAY_US
    curves = tuple(
        fit_curve(name, days[codes == code], churned[codes == code], spec.confidence)
        for code, name in enumerate(names)
        if (codes == code).any()
    )
    return Survival(
        horizon_days=horizon_days,
        curves=curves,
        test=log_rank(days[used], codes[used], churned[used]),
        groups=names,
        group_of=codes,
        days=days,
        has_churned=churned & used,
        **watch.fields(),
    )


def _observe(
    index: TimelineIndex, config: WorkspaceConfig, spec: SurvivalSpec, horizon_days: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    active = index.active_mask(config)
    common = _NEVER if spec.origin_us is None else spec.origin_us
    horizon_us, end_us = round(horizon_days * DAY_US), index.manifest.last_us
    if common > end_us:
        raise InputError(N_("The date at which curves start lies after the last event."))

    def kernel(part: Partition) -> tuple[Any, Any, Any]:
        partial: tuple[Any, Any, Any] = churn_times(
            part.offsets, part.time, part.event, active, common, horizon_us, end_us
        )
        return partial

    def merge(partials: Sequence[tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
        origin, until, churned = zip(*partials, strict=True)
        return join(origin), join(until), join(churned)

    return map_merge(index, kernel, merge)


def _groups(
    index: TimelineIndex,
    config: WorkspaceConfig,
    spec: SurvivalSpec,
    origin: npt.NDArray[np.int64],
    horizon_days: float,
) -> tuple[tuple[str, ...], npt.NDArray[Any]]:
    if spec.by == "labels" and spec.labels is not None:
        return spec.labels.names, spec.labels.codes
    if spec.by == "stage" and spec.origin_us is not None:
        rules = spec.rules or default_rules(horizon_days)
        codes = stages_at(index, config, spec.origin_us, rules)
        return rules.stages, np.where(codes == UNSEEN, -1, codes.astype(np.int64))
    if spec.by == "cohort":
        return _cohorts(index, config, spec)
    return (EVERYONE,), np.zeros(index.n_users, np.int32)


def _cohorts(
    index: TimelineIndex, config: WorkspaceConfig, spec: SurvivalSpec
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    active = index.active_mask(config)
    first: npt.NDArray[np.int64] = map_merge(
        index, lambda part: first_active(part.offsets, part.time, part.event, active), join
    )
    ends = index.manifest.first_us, index.manifest.last_us + 1
    periods = make_periods(*ends, spec.cohort_interval, config.timezone, config.week_start)
    return tuple(periods.iso_labels()), np.searchsorted(periods.starts_us, first, side="right") - 1


@njit(cache=True, nogil=True)
def first_active(offsets: Any, time: Any, event: Any, active: Any) -> Any:
    """Return int64[n_users]: time of each user's first active event, the smallest integer without any."""
    first = np.full(len(offsets) - 1, _NEVER, np.int64)
    for user in range(len(offsets) - 1):
        for i in range(offsets[user], offsets[user + 1]):
            if active[event[i]]:
                first[user] = time[i]
                break
    return first
