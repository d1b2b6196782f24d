"""The headline figures of every period of a range: the small curves under the figures of the overview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.overview import KPIS
from ulm_core.lifecycle.overview_kernels import figures_by_period
from ulm_core.lifecycle.periods import DAY_US, Interval, Periods
from ulm_core.lifecycle.results import RangeSpec, mask_or_all
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

Counts = npt.NDArray[np.int64]


class FiguresSpec(RangeSpec):
    """Asks for the headline figures of each period.

    Attributes
    ----------
    interval
        Length of a period.
    horizon_days
        Days of silence that count as churn; None: learnt from the log.
    """

    interval: Interval = "week"
    horizon_days: float | None = None


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures by period.

    Attributes
    ----------
    periods
        The periods; the last may still be running.
    values
        float64[n_periods] by name of `KPIS`.
    """

    periods: Periods
    values: dict[str, npt.NDArray[np.float64]]


def compute_figures(index: TimelineIndex, config: WorkspaceConfig, spec: FiguresSpec) -> Figures:
    """Return the figures of `compute_overview` for each period of a range, in one walk."""
    horizon_us = round((spec.horizon_days or float(learn_churn_horizon(index, config).days)) * DAY_US)
    periods = spec.periods(index, config, spec.interval)
    included = mask_or_all(spec.users, index.n_users)
    masks = index.active_mask(config), index.conversion_mask(config)

    def kernel(part: Partition) -> Counts:
        own = included[part.first_user : part.first_user + part.n_users]
        counts: Counts = figures_by_period(
            part.offsets, part.time, part.event, part.value, *masks, own,
            periods.starts_us, horizon_us, index.manifest.last_us,
        )  # fmt: skip
        return counts

    def merge(partials: Sequence[Counts]) -> Counts:
        total: Counts = np.sum(partials, axis=0, dtype=np.int64)
        return total

    counts = map_merge(index, kernel, merge)
    rows = [*counts[:5].astype(np.float64), counts[5] / 1e6]
    return Figures(periods, dict(zip(KPIS, rows, strict=True)))
