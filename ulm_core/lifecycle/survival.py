"""Churn curves: how long users stay before they enter the stage "churned"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.churn_times import first_active, observe
from ulm_core.lifecycle.filters import NOT_KNOWN, UserLabels
from ulm_core.lifecycle.hazard import HazardRate, hazard_rates
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.kaplan_meier import Curve, LogRank, fit_curve, log_rank
from ulm_core.lifecycle.periods import make_periods
from ulm_core.lifecycle.restricted_mean import Pair, compare_pairs, default_limit, restricted_mean
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, join, mask_or_all, number_or_none, select
from ulm_core.lifecycle.rules import UNSEEN, StageRules, rules_in_force
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

GroupBy = Literal["none", "stage", "cohort", "labels"]
Which = Literal["all", "churned", "censored", "at risk"]
Cell = tuple[str, Which, float] | tuple[str, Which, float, float]
EVERYONE = N_("everyone")
HAZARD_WIDTH_DAYS = 28


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
        Stage rules for groups by stage; None: the workspace's, or the default ones for a horizon given here.
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
        Log-rank test between the groups, or None where there is nothing to compare. "(not known)" is left out:
        whether an attribute is known tells how users were chosen, not how they are.
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
        """Return group, days, survival, at risk and cumulative hazard, with intervals: one row per group and time."""
        names = [name for curve in self.curves for name in [curve.group] * len(curve.days)]
        columns: dict[str, Any] = {"group": pa.array(names, pa.string())}
        fields = {name: name for name in ("days", "survival", "lower", "upper", "at_risk")}
        fields |= {"hazard": "cumulative_hazard", "hazard_lower": "hazard_lower", "hazard_upper": "hazard_upper"}
        for name, field in fields.items():
            columns[name] = np.concatenate([getattr(curve, field) for curve in self.curves] or [[]])
        return pa.table(columns)

    @property
    def compared(self) -> tuple[Curve, ...]:
        """The curves that tests compare: all but that of users of whom the attribute is not known."""
        return tuple(curve for curve in self.curves if curve.group != NOT_KNOWN)

    def hazards(self, width_days: float = HAZARD_WIDTH_DAYS) -> dict[str, tuple[HazardRate, ...]]:
        """Return each group's hazard by interval of `width_days`."""
        return {curve.group: hazard_rates(*self._times(curve.group), width_days) for curve in self.curves}

    def pairs(self, until_days: float, most: int = 8) -> tuple[Pair, ...]:
        """Return every pair of the `most` largest compared groups, with Holm's correction over all pairs."""
        largest = sorted(self.compared, key=lambda curve: -curve.n_users)[:most]
        chosen = [curve for curve in self.compared if curve in largest]
        return compare_pairs(chosen, [self._times(curve.group) for curve in chosen], until_days)

    def _times(self, group: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        own = self.group_of == self.groups.index(group)
        return self.days[own], self.has_churned[own]

    def at_risk_table(self, days: Sequence[float]) -> pa.Table:
        """Return users at risk, one row per group and one column per chosen day."""
        columns: dict[str, Any] = {"group": pa.array([curve.group for curve in self.curves], pa.string())}
        for day in days:
            columns[f"{day:g}"] = [int(curve.at_risk_at(day)) for curve in self.curves]
        return pa.table(columns)

    def users(self, cell: Cell) -> UserCodes:
        """Return users of ``(group, which, day)``, or of ``(group, "churned", day, after)``.

        all: the group; churned: up to and including that day (and after another); censored: their log ended
        before that day, without churn; at risk: neither churned nor censored before that day.
        """
        group, which, day = cell[:3]
        after = cell[3] if len(cell) == 4 else -math.inf
        if group not in self.groups:
            raise NotFoundError.for_name("group", group, self.groups)
        own = self.group_of == self.groups.index(group)
        with np.errstate(invalid="ignore"):
            sides = {
                "all": own,
                "churned": own & self.has_churned & (self.days <= day) & (self.days > after),
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

    def to_json(self, until_days: float | None = None) -> dict[str, Any]:
        """Return the curves, medians (null = not reached), hazards, restricted means and tests.

        Parameters
        ----------
        until_days
            Restriction of the means; None: until at least half of the groups are followed.
        """
        until = default_limit(self.curves) if until_days is None else until_days
        hazards = self.hazards()
        means = {curve.group: restricted_mean(curve, until) for curve in self.curves}
        return {
            "horizon_days": self.horizon_days,
            "groups": [
                _curve_json(curve)
                | {
                    "hazard": [vars(rate) for rate in hazards[curve.group]],
                    "restricted_mean": vars(means[curve.group]),
                }
                for curve in self.curves
            ],
            "log_rank": None if self.test is None else vars(self.test),
            "pairs": [vars(pair) for pair in self.pairs(until)],
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
        "cumulative_hazard": curve.cumulative_hazard.tolist(),
        "cumulative_hazard_lower": curve.hazard_lower.tolist(),
        "cumulative_hazard_upper": curve.hazard_upper.tolist(),
    }


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
    seen = observe(index, config, spec.origin_us, horizon_days)
    names, codes = _groups(index, config, spec, horizon_days)
    codes = np.where(mask_or_all(spec.users, index.n_users) & seen.is_at_risk, codes, -1).astype(np.int32)
    used = codes >= 0
    curves = tuple(
        fit_curve(name, seen.days[codes == code], seen.has_churned[codes == code], spec.confidence)
        for code, name in enumerate(names)
        if (codes == code).any()
    )
    is_compared = used & ~np.isin(codes, [code for code, name in enumerate(names) if name == NOT_KNOWN])
    return Survival(
        horizon_days=horizon_days,
        curves=curves,
        test=log_rank(seen.days[is_compared], codes[is_compared], seen.has_churned[is_compared]),
        groups=names,
        group_of=codes,
        days=np.where(used, seen.days, np.nan),
        has_churned=seen.has_churned & used,
        **watch.fields(),
    )


def _groups(
    index: TimelineIndex,
    config: WorkspaceConfig,
    spec: SurvivalSpec,
    horizon_days: float,
) -> tuple[tuple[str, ...], npt.NDArray[Any]]:
    if spec.by == "labels" and spec.labels is not None:
        return spec.labels.names, spec.labels.codes
    if spec.by == "stage" and spec.origin_us is not None:
        asked = rules_in_force(config).resolve(horizon_days)
        rules = spec.rules or asked
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
