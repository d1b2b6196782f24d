"""The values of a saved number over the last complete periods of a log."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ulm_core.alerts import model as m
from ulm_core.errors import InputError
from ulm_core.lifecycle.cohorts.evaluate import cohort_sizes
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.funnel import FunnelSpec, compute_funnel
from ulm_core.lifecycle.overview import OverviewSpec, compute_overview
from ulm_core.lifecycle.periods import Interval, Periods, make_periods
from ulm_core.lifecycle.results import ratio
from ulm_core.lifecycle.retention import RetentionSpec, compute_retention
from ulm_core.lifecycle.rules import StageRules, workspace_rules
from ulm_core.lifecycle.stages import assign_stages, count_stages
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace, WorkspaceConfig


@dataclass(frozen=True)
class Ground:
    """The published log that numbers are taken from."""

    workspace: Workspace
    index: TimelineIndex
    config: WorkspaceConfig
    snapshot: Snapshot
    rules: StageRules

    @staticmethod
    def open(workspace: Workspace) -> Ground:
        """Open the published version; raises EmptyWorkspaceError when there is none."""
        index, config = TimelineIndex.open(workspace), workspace.config
        return Ground(workspace, index, config, Snapshot.open(workspace), workspace_rules(index, config))

    def complete(self, interval: Interval, n: int) -> Periods:
        """Return the last `n` complete periods since activity began (fewer where the log is short).

        Raises
        ------
        InputError
            When no period is complete yet.
        """
        first, last = self.index.active_span(self.config)[0], self.index.manifest.last_us
        every = make_periods(first, last + 1, interval, self.config.timezone, self.config.week_start, last)
        places = np.flatnonzero(every.is_complete)[-n:]
        if not len(places):
            raise InputError(N_("No {interval} of the log is complete yet."), interval=interval)
        low, high = int(places[0]), int(places[-1]) + 1
        return Periods(every.starts_us[low : high + 1], every.labels[low:high], every.is_complete[low:high], interval)


@dataclass(frozen=True)
class Values:
    """A number by period; nan where it has no base.

    Attributes
    ----------
    labels
        Start of each period, ISO 8601.
    """

    labels: list[str]
    values: list[float]


def take(ground: Ground, number: Any, interval: Interval, n: int) -> Values:
    """Return a number over the last `n` complete periods, the latest last; a value sees events up to its period's end.

    Raises
    ------
    NotFoundError
        When the number names a cohort, stage or event that is gone.
    """
    periods = ground.complete(interval, n)
    return Values(periods.iso_labels(), _TAKERS[number.kind](ground, number, periods))


def _ranges(periods: Periods) -> list[tuple[int, int]]:
    return list(pairwise(periods.starts_us.tolist()))


def _kpi(ground: Ground, number: m.KpiNumber, periods: Periods) -> list[float]:
    def value(first: int, end: int) -> float:
        spec = OverviewSpec(from_us=first, to_us=end, rules=ground.rules)
        return compute_overview(ground.index, ground.config, spec).kpi(str(number.name)).value

    return [value(first, end) for first, end in _ranges(periods)]


def _cohort(ground: Ground, number: m.CohortNumber, periods: Periods) -> list[float]:
    saved = Cohorts(ground.workspace)
    log = saved.log(ground.index, ground.config, ground.snapshot, ground.rules)
    sizes = cohort_sizes(log, saved.rule(number.name), periods.starts_us[1:].tolist())
    return [float(size) for size in sizes]


def _stage(ground: Ground, number: m.StageNumber, periods: Periods) -> list[float]:
    code = ground.rules.code(number.stage)
    codes = assign_stages(ground.index, ground.rules, periods.starts_us[1:], ground.config)
    counts = count_stages(codes, len(ground.rules.stages))
    return [ratio(float(row[code]), float(row.sum())) for row in counts]


def _funnel(ground: Ground, number: m.FunnelNumber, periods: Periods) -> list[float]:
    def value(first: int, end: int) -> float:
        spec = FunnelSpec.checked(
            from_us=first, to_us=end, steps=number.steps, order=number.order, window_seconds=number.window_seconds
        )
        steps = compute_funnel(ground.index, ground.config, spec).to_json()["steps"]
        return ratio(float(steps[-1]["users"]), float(steps[0]["users"]))

    return [value(first, end) for first, end in _ranges(periods)]


def _retention(ground: Ground, number: m.RetentionNumber, periods: Periods) -> list[float]:
    n = len(periods)
    longer = ground.complete(periods.interval, n + number.lag)
    spec = RetentionSpec.checked(
        from_us=longer.from_us, to_us=longer.to_us, interval=periods.interval, kind="recurring",
        start_event=number.start, return_event=number.back,
    )  # fmt: skip
    cohorts = compute_retention(ground.index, ground.config, spec).to_json()["cohorts"]
    rates = [
        ratio(float(cohort["counts"][number.lag]), float(cohort["size"]))
        for cohort in cohorts
        if len(cohort["counts"]) > number.lag
    ]
    return [*([math.nan] * (n - len(rates))), *rates[-n:]]


_TAKERS: dict[str, Callable[[Ground, Any, Periods], list[float]]] = {
    "kpi": _kpi,
    "cohort": _cohort,
    "stage": _stage,
    "funnel": _funnel,
    "retention": _retention,
}
