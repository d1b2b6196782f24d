"""How users flow between stages, period after period: the material of a Sankey and of a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.lifecycle.periods import Interval, Periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, mask_or_all, select
from ulm_core.lifecycle.rules import UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import StageCodes, assign_stages
from ulm_core.lifecycle.transitions import count_transitions
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig


class StageFlowSpec(RangeSpec):
    """Asks who moved from which stage to which in every period.

    Attributes
    ----------
    interval
        Length of a period.
    rules
        The rule list; None: the rules in force.
    """

    interval: Interval = "week"
    rules: StageRules | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class StageFlow(Result):
    """Users by stage at the start and at the end of each period.

    Attributes
    ----------
    periods
        The periods; a running one ends, here, with the last event.
    rules
        The rules that were applied.
    codes
        uint8[n_users, n_periods + 1]; stages at the boundaries; 255 = not yet seen, or left out by the filter.
    counts
        int64[n_periods, n_stages + 1, n_stages]; row = stage at the period's start, the last row = not yet
        seen; column = stage at its end.
    """

    periods: Periods
    rules: StageRules
    codes: StageCodes
    counts: npt.NDArray[np.int64]

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages at the end: the columns."""
        return self.rules.stages

    @property
    def sources(self) -> tuple[str, ...]:
        """Stages at the start: the rows; the last one is "not yet seen"."""
        return self.rules.sources

    @property
    def n_complete(self) -> int:
        """How many periods, from the first on, are over."""
        return int(self.periods.is_complete.sum())

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """Users by stage at the end of each period: int64[n_periods, n_stages]."""
        return np.asarray(self.counts.sum(axis=1), np.int64)

    def active_at_ends(self) -> npt.NDArray[np.int64]:
        """Users in stages that count as active at the end of each period: int64[n_periods]."""
        codes = [self.rules.code(name) for name in self.rules.active_stages]
        return np.asarray(self.ends[:, codes].sum(axis=1), np.int64)

    def to_arrow(self) -> pa.Table:
        """Return period, is_complete, source, target, users: one row per move that somebody made."""
        period, row, column = np.nonzero(self.counts)
        return pa.table(
            {
                "period": np.array(self.periods.iso_labels(), dtype=object)[period].tolist(),
                "is_complete": self.periods.is_complete[period],
                "source": pa.array([self.sources[k] for k in row], pa.string()),
                "target": pa.array([self.stages[k] for k in column], pa.string()),
                "users": self.counts[period, row, column],
            }
        )

    def users(self, cell: tuple[int | str, str, str]) -> UserCodes:
        """Return the users of ``(period index or ISO date, stage at its start, stage at its end)``."""
        period, source, target = cell
        k = self.periods.position(period) if isinstance(period, str) else period
        code = self.rules.source_code(source)
        return select((self.codes[:, k] == code) & (self.codes[:, k + 1] == self.rules.code(target)))

    def to_json(self) -> dict[str, Any]:
        """Return periods and, for each, the users by stage at its start and at its end."""
        return {
            "periods": self.periods.iso_labels(),
            "complete": self.periods.is_complete.tolist(),
            "sources": list(self.sources),
            "stages": list(self.stages),
            "flows": self.counts.tolist(),
            **self.stamp(),
        }


def compute_stage_flow(index: TimelineIndex, config: WorkspaceConfig, spec: StageFlowSpec) -> StageFlow:
    """Return how many users moved from which stage to which, in each period of the range."""
    watch = Stopwatch(index)
    rules = spec.rules or workspace_rules(index, config)
    periods = spec.periods(index, config, spec.interval)
    boundaries = np.minimum(periods.starts_us, index.manifest.last_us + 1)
    codes = assign_stages(index, rules, boundaries, config)
    codes[~mask_or_all(spec.users, index.n_users)] = UNSEEN
    n_stages = len(rules.stages)
    counts = [count_transitions(codes[:, k], codes[:, k + 1], n_stages) for k in range(len(periods))]
    return StageFlow(periods=periods, rules=rules, codes=codes, counts=np.stack(counts), **watch.fields())
