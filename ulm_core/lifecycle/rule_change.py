"""What another rule list would change: users per stage before and after, and who moves where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, mask_or_all, select
from ulm_core.lifecycle.rules import UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import StageCodes, stages_at
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig


class RuleChangeSpec(Spec):
    """Asks what a draft of the rules would change.

    Attributes
    ----------
    draft
        The rule list that might come, resolved.
    at_us
        When stages are looked at (UTC us); None: just after the last event.
    rules
        The rule list it is compared with; None: the rules in force.
    """

    draft: StageRules
    at_us: int | None = None
    rules: StageRules | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleChange(Result):
    """Users by their stage under both rule lists, at one time.

    Attributes
    ----------
    rules, draft
        The two lists.
    before, after
        uint8[n_users] stage codes under each; 255 = not yet seen, or left out by the filter.
    counts
        int64[n_stages of rules, n_stages of draft].
    """

    rules: StageRules
    draft: StageRules
    before: StageCodes
    after: StageCodes
    counts: npt.NDArray[np.int64]

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages of either list: those of the draft, then those that it no longer has."""
        return (*self.draft.stages, *(name for name in self.rules.stages if name not in self.draft.stages))

    @property
    def n_moved(self) -> int:
        """Users whose stage would have another name."""
        return len(self.moved())

    def moved(self) -> UserCodes:
        """Return the users whose stage would have another name."""
        code = {name: k for k, name in enumerate(self.draft.stages)}
        same = np.array([code.get(name, -1) for name in self.rules.stages], np.int64)
        seen = self.before != UNSEEN
        stays = np.zeros(len(seen), np.bool_)
        stays[seen] = same[self.before[seen]] == self.after[seen]
        return select(seen & ~stays)

    def users_before(self, stage: str) -> UserCodes:
        """Return the users of a stage under the present rules; nobody where it is new."""
        return select(self.before == self.rules.code(stage)) if stage in self.rules.stages else select(self.before < 0)

    def users_after(self, stage: str) -> UserCodes:
        """Return the users of a stage under the draft; nobody where it is gone."""
        return select(self.after == self.draft.code(stage)) if stage in self.draft.stages else select(self.after < 0)

    def users(self, cell: tuple[str, str]) -> UserCodes:
        """Return the users of ``(stage under the present rules, stage under the draft)``."""
        before, after = cell
        return select((self.before == self.rules.code(before)) & (self.after == self.draft.code(after)))

    def to_arrow(self) -> pa.Table:
        """Return stage, before, after, change: one row a stage of either list."""
        rows, columns = self.counts.sum(axis=1).tolist(), self.counts.sum(axis=0).tolist()
        before = dict(zip(self.rules.stages, rows, strict=True))
        after = dict(zip(self.draft.stages, columns, strict=True))
        table = [(before.get(name, 0), after.get(name, 0)) for name in self.stages]
        return pa.table(
            {
                "stage": pa.array(self.stages, pa.string()),
                "before": pa.array([b for b, _ in table], pa.int64()),
                "after": pa.array([a for _, a in table], pa.int64()),
                "change": pa.array([a - b for b, a in table], pa.int64()),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the table as records, and the moves as nested counts."""
        moves = {
            source: dict(zip(self.draft.stages, row, strict=True))
            for source, row in zip(self.rules.stages, self.counts.tolist(), strict=True)
        }
        return {"stages": self.to_arrow().to_pylist(), "moves": moves, "moved": self.n_moved, **self.stamp()}


def compute_rule_change(index: TimelineIndex, config: WorkspaceConfig, spec: RuleChangeSpec) -> RuleChange:
    """Return what the draft would change."""
    watch = Stopwatch(index)
    rules = spec.rules or workspace_rules(index, config)
    at_us = index.manifest.last_us + 1 if spec.at_us is None else spec.at_us
    included = mask_or_all(spec.users, index.n_users)
    before, after = (np.where(included, stages_at(index, config, at_us, r), UNSEEN) for r in (rules, spec.draft))
    seen = before != UNSEEN
    n_after = len(spec.draft.stages)
    flat = np.bincount(before[seen].astype(np.int64) * n_after + after[seen], minlength=len(rules.stages) * n_after)
    return RuleChange(
        rules=rules,
        draft=spec.draft,
        before=before.astype(np.uint8),
        after=after.astype(np.uint8),
        counts=flat.reshape(len(rules.stages), n_after).astype(np.int64),
        **watch.fields(),
    )
