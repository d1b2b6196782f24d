"""Stage transitions: from which stage to which stage users went between two times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.lifecycle.intervals import wilson
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, mask_or_all, select, share_of
from ulm_core.lifecycle.rules import UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import StageCodes, assign_stages
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig


class TransitionSpec(Spec):
    """Asks who moved from which stage to which between two times.

    Attributes
    ----------
    from_us, to_us
        The two times (UTC microseconds); the stage at each is from the events strictly before it.
    rules
        The rule list; None: the rules in force.
    """

    from_us: int
    to_us: int
    rules: StageRules | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TransitionMatrix(Result):
    """Users by stage before and stage after.

    Attributes
    ----------
    rules
        The rules that were applied.
    from_us, to_us
        The two times.
    counts
        int64[n_stages + 1, n_stages]; row = stage before, the last row = not yet seen; column = stage
        after. A row sums to the users of that stage before; a column to those of that stage after.
    before, after
        uint8[n_users] stage codes at the two times.
    """

    rules: StageRules
    from_us: int
    to_us: int
    counts: npt.NDArray[np.int64]
    before: StageCodes
    after: StageCodes

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages after: the columns."""
        return self.rules.stages

    @property
    def sources(self) -> tuple[str, ...]:
        """Stages before: the rows; the last one is "not yet seen"."""
        return self.rules.sources

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """Counts over the row's sum, nan in rows without users."""
        return share_of(self.counts, self.counts.sum(axis=1, keepdims=True))

    @property
    def intervals(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Wilson's 95% interval of each rate, for itself: lower and upper, nan in rows without users."""
        return wilson(self.counts, self.counts.sum(axis=1, keepdims=True))

    def links(self) -> pa.Table:
        """Return source, target, users, rate for every transition someone made: the ribbons of a Sankey."""
        rows, columns = np.nonzero(self.counts)
        return pa.table(
            {
                "source": pa.array([self.sources[r] for r in rows], pa.string()),
                "target": pa.array([self.stages[c] for c in columns], pa.string()),
                "users": self.counts[rows, columns],
                "rate": self.rates[rows, columns],
            }
        )

    def to_arrow(self) -> pa.Table:
        """Return the matrix: one row per stage before, one column per stage after, and the row's sum."""
        columns: dict[str, Any] = {"stage": pa.array(self.sources, pa.string())}
        columns |= {name: self.counts[:, code] for code, name in enumerate(self.stages)}
        return pa.table(columns | {"users": self.counts.sum(axis=1)})

    def users(self, cell: tuple[str, str]) -> UserCodes:
        """Return the users who went from the first stage of `cell` to the second."""
        source, target = cell
        code = self.rules.source_code(source)
        return select((self.before == code) & (self.after == self.rules.code(target)))

    def to_json(self) -> dict[str, Any]:
        """Return the matrix as nested counts."""
        lower, upper = self.intervals
        return {
            "from": to_datetime(self.from_us).isoformat(),
            "to": to_datetime(self.to_us).isoformat(),
            "transitions": self._nested(self.counts),
            "rates": self._nested(self.rates),
            "lower": self._nested(lower),
            "upper": self._nested(upper),
            **self.stamp(),
        }

    def _nested(self, cells: npt.NDArray[Any]) -> dict[str, dict[str, Any]]:
        rows = zip(self.sources, cells.tolist(), strict=True)
        return {source: dict(zip(self.stages, row, strict=True)) for source, row in rows}


def count_transitions(before: StageCodes, after: StageCodes, n_stages: int) -> npt.NDArray[np.int64]:
    """Return int64[n_stages + 1, n_stages] users by stage before (last row: not yet seen) and after."""
    seen = after != UNSEEN  # whoever was seen before is still seen after
    rows = np.where(before[seen] == UNSEEN, n_stages, before[seen]).astype(np.int64)
    flat = np.bincount(rows * n_stages + after[seen], minlength=(n_stages + 1) * n_stages)
    return flat.reshape(n_stages + 1, n_stages).astype(np.int64)


def compute_transitions(index: TimelineIndex, config: WorkspaceConfig, spec: TransitionSpec) -> TransitionMatrix:
    """Return the stage transitions between two times.

    Raises
    ------
    InputError
        When the second time is not after the first.
    """
    if spec.to_us <= spec.from_us:
        raise InputError(N_("The second time must be after the first."))
    watch = Stopwatch(index)
    rules = spec.rules or workspace_rules(index, config)
    codes = assign_stages(index, rules, [spec.from_us, spec.to_us], config)
    codes[~mask_or_all(spec.users, index.n_users)] = UNSEEN
    before, after = np.ascontiguousarray(codes[:, 0]), np.ascontiguousarray(codes[:, 1])
    return TransitionMatrix(
        rules=rules,
        from_us=spec.from_us,
        to_us=spec.to_us,
        counts=count_transitions(before, after, len(rules.stages)),
        before=before,
        after=after,
        **watch.fields(),
    )
