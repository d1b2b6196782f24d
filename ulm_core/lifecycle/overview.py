"""The headline figures of a range against the range before it, and what changed most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.overview_kernels import ACTIVE, CHURNED, CONVERTED, NEW, range_figures
from ulm_core.lifecycle.periods import DAY_US, Periods, local_datetime, local_to_us
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
from ulm_core.lifecycle.rules import UNSEEN, StageRules, default_rules
from ulm_core.lifecycle.stages import assign_stages, count_stages
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

_FLAGS = {"active": ACTIVE, "new": NEW, "converted": CONVERTED, "churned": CHURNED}
KPIS = ("active", "new", "converted", "churned", "purchases", "revenue")
KPI_TITLES = (
    N_("active users"),
    N_("new users"),
    N_("converted users"),
    N_("churned users"),
    N_("purchases"),
    N_("revenue"),
)
MIN_USERS = 30
"""Below this many users a change is noise and is not named."""


class OverviewSpec(RangeSpec):
    """Asks for the headline figures of a range.

    Attributes
    ----------
    rules
        The rule list of the stage mix; None: the rules in force.
    horizon_days
        Days of silence that count as churn; None: learnt from the log.
    previous_us
        The range to compare with, ``(from, to)`` in UTC us; None: as many days just before.
    """

    rules: StageRules | None = None
    horizon_days: float | None = None
    previous_us: tuple[int, int] | None = None


@dataclass(frozen=True)
class Kpi:
    """One headline figure.

    Attributes
    ----------
    name
        One of `KPIS`.
    value, previous
        The figure in the range and in the range before; `previous` is nan where the log begins later.
    n_users
        Users behind the figure (for purchases and revenue: the buyers).
    higher_is_better
        Whether a rise is good news.
    """

    name: str
    value: float
    previous: float
    n_users: int
    higher_is_better: bool

    @property
    def title(self) -> str:
        """Name for people (a template to translate)."""
        return KPI_TITLES[KPIS.index(self.name)]

    @property
    def change(self) -> float:
        """Relative change against the range before; nan without a base."""
        return ratio(self.value - self.previous, self.previous) if not math.isnan(self.previous) else math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class Overview(Result):
    """Headline figures, stage mix at the end of both ranges, and the largest changes in words.

    Attributes
    ----------
    periods, previous_us
        The range in whole days; the range of as many days before it, ``(from, to)`` in UTC us.
    kpis
        In the order of `KPIS`.
    rules
        Rules of the stage mix.
    stage_counts
        int64[2, n_stages]; users by stage at the end of the range before, and of the range.
    changes
        What changed, the most telling first; the headline is the first one.
    flags
        uint8[n_users]; which figures of the range a user stands behind.
    """

    periods: Periods
    previous_us: tuple[int, int]
    kpis: tuple[Kpi, ...]
    rules: StageRules
    stage_counts: npt.NDArray[np.int64]
    changes: tuple[Message, ...]
    flags: npt.NDArray[np.uint8]

    @property
    def headline(self) -> Message:
        """What changed most, in a sentence."""
        return self.changes[0] if self.changes else message(N_("Nothing changed much against the period before."))

    def kpi(self, name: str) -> Kpi:
        """Return one figure; raises NotFoundError for an unknown name."""
        if name not in KPIS:
            raise NotFoundError.for_name("figure", name, KPIS)
        return self.kpis[KPIS.index(name)]

    def users(self, cell: str) -> UserCodes:
        """Return the users behind a figure; for purchases and revenue those who bought."""
        self.kpi(cell)
        return select((self.flags & _FLAGS.get(cell, CONVERTED)) > 0)

    def to_arrow(self) -> pa.Table:
        """Return one row per figure: value, previous, change, users."""
        return pa.table(
            {
                "figure": pa.array([kpi.name for kpi in self.kpis], pa.string()),
                "value": [kpi.value for kpi in self.kpis],
                "previous": [kpi.previous for kpi in self.kpis],
                "change": [kpi.change for kpi in self.kpis],
                "users": [kpi.n_users for kpi in self.kpis],
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name, the stage mix and the changes in words."""
        figures = {
            kpi.name: {"value": kpi.value, "previous": number_or_none(kpi.previous), "users": kpi.n_users}
            for kpi in self.kpis
        }
        return {
            "figures": figures,
            "stages": dict(zip(self.rules.stages, self.stage_counts[1].tolist(), strict=True)),
            "changes": [str(change) for change in self.changes],
            **self.stamp(),
        }


_Figures = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.float64]]


def previous_range(periods: Periods, timezone: str) -> tuple[int, int]:
    """Return the range of as many calendar days just before, as UTC us (daylight saving taken into account)."""
    start, end = (local_datetime(us, timezone) for us in (periods.from_us, periods.to_us))
    return local_to_us(start - (end - start), timezone), periods.from_us


def compute_overview(index: TimelineIndex, config: WorkspaceConfig, spec: OverviewSpec) -> Overview:
    """Return the headline figures of a range (whole days) and of the as many days before.

    active: users with an active event; new: users whose first active event lies in the range; converted:
    users with a conversion event; churned: users whose silence exceeded the churn horizon within the range
    (users, not times); purchases: conversion events; revenue: the sum of their values.
    """
    watch = Stopwatch(index)
    horizon = spec.horizon_days or float(learn_churn_horizon(index, config).days)
    rules = spec.rules or default_rules(horizon)
    periods = spec.periods(index, config, "day")
    previous_us = spec.previous_us or previous_range(periods, config.timezone)
    included = mask_or_all(spec.users, index.n_users)
    now = _figures(index, config, (periods.from_us, periods.to_us), horizon, included)
    before = _figures(index, config, previous_us, horizon, included)
    # A range that begins before the log does is no base: what happened then is not nothing but unknown.
    has_base = previous_us[0] >= spec.log_start(index, config)
    kpis = _kpis(now, before if has_base else None)
    codes = assign_stages(index, rules, [previous_us[1], min(periods.to_us, index.manifest.last_us + 1)], config)
    codes[~included] = UNSEEN
    counts = count_stages(codes, len(rules.stages))
    return Overview(
        periods=periods,
        previous_us=previous_us,
        kpis=kpis,
        rules=rules,
        stage_counts=counts,
        changes=_changes(kpis, rules.stages, counts),
        flags=now[0],
        **watch.fields(),
    )


def _figures(
    index: TimelineIndex,
    config: WorkspaceConfig,
    bounds: tuple[int, int],
    horizon_days: float,
    included: npt.NDArray[np.bool_],
) -> _Figures:
    active, conversion = index.active_mask(config), index.conversion_mask(config)
    horizon_us, end_us = round(horizon_days * DAY_US), index.manifest.last_us

    def kernel(part: Partition) -> _Figures:
        figures: _Figures = range_figures(
            part.offsets, part.time, part.event, part.value, active, conversion, *bounds, horizon_us, end_us
        )
        return figures

    def merge(partials: Sequence[_Figures]) -> _Figures:
        flags, conversions, revenue = zip(*partials, strict=True)
        return join(flags) * included, join(conversions) * included, join(revenue) * included

    return map_merge(index, kernel, merge)


def _kpis(now: _Figures, before: _Figures | None) -> tuple[Kpi, ...]:
    values, previous = _totals(now), None if before is None else _totals(before)
    users = [*values[:4], values[2], values[2]]
    return tuple(
        Kpi(name, values[k], math.nan if previous is None else previous[k], int(users[k]), name != "churned")
        for k, name in enumerate(KPIS)
    )


def _totals(figures: _Figures) -> list[float]:
    flags, conversions, revenue = figures
    users = [int(np.count_nonzero(flags & flag)) for flag in _FLAGS.values()]
    return [*users, int(conversions.sum()), math.fsum(revenue)]


def _changes(
    kpis: Sequence[Kpi], stages: Sequence[str], counts: npt.NDArray[np.int64], n_named: int = 3
) -> tuple[Message, ...]:
    """Return the changes that stand out most against chance, largest first.

    Counts of users vary like Poisson counts, shares like proportions; both are compared in standard errors,
    so that a swing in a tiny stage does not outshout a real one.
    """
    found = [_kpi_change(kpi) for kpi in kpis[:4]] + [
        _stage_change(stage, counts[:, code], counts.sum(axis=1)) for code, stage in enumerate(stages)
    ]
    notable = sorted((c for c in found if c is not None and c[0] >= 2), key=lambda c: -c[0])
    return tuple(sentence for _, sentence in notable[:n_named])


def _kpi_change(kpi: Kpi) -> tuple[float, Message] | None:
    if math.isnan(kpi.previous) or kpi.previous < MIN_USERS:
        return None
    errors = abs(kpi.value - kpi.previous) / math.sqrt(kpi.value + kpi.previous)
    fields = {
        "figure": message(kpi.title),
        "percent": abs(100 * kpi.change),
        "now": int(kpi.value),
        "before": int(kpi.previous),
    }
    if kpi.value > kpi.previous:
        return errors, message(N_("{figure} rose by {percent:.0f}%, from {before:,} to {now:,}."), **fields)
    return errors, message(N_("{figure} fell by {percent:.0f}%, from {before:,} to {now:,}."), **fields)


def _stage_change(
    stage: str, users: npt.NDArray[np.int64], seen: npt.NDArray[np.int64]
) -> tuple[float, Message] | None:
    if seen.min() < MIN_USERS:
        return None
    before, now = (users / seen).tolist()
    pooled = users.sum() / seen.sum()
    error = math.sqrt(pooled * (1 - pooled) * (1 / seen[0] + 1 / seen[1]))
    if error == 0:
        return None
    fields = {"stage": message(stage), "points": abs(100 * (now - before)), "share": 100 * now, "n": int(users[1])}
    if now > before:
        return (now - before) / error, message(
            N_("The share of users in stage “{stage}” rose by {points:.1f} points to {share:.1f}% ({n:,} users)."),
            **fields,
        )
    return (before - now) / error, message(
        N_("The share of users in stage “{stage}” fell by {points:.1f} points to {share:.1f}% ({n:,} users)."),
        **fields,
    )
