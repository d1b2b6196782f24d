"""The list of users at risk: who has gone quiet, and what they were worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, mask_or_all, select
from ulm_core.lifecycle.rules import UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import stage_context, stages_at, stages_at_times
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

AT_RISK = "at risk"
_NEVER = np.iinfo(np.int64).min


class AtRiskSpec(Spec):
    """Asks for the users in one stage at one time, ranked by what they were worth.

    Attributes
    ----------
    at_us
        The time (UTC us); None: just after the last event.
    stage
        The stage to list; None: "at risk", or the first stage that does not count as active.
    rules
        The rule list; None: the rules in force.
    """

    at_us: int | None = None
    stage: str | None = None
    rules: StageRules | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class AtRisk(Result):
    """Users at risk, ranked: highest value first, then most active days, then user id.

    Attributes
    ----------
    ranked
        int32[n] user codes.
    user_ids
        Their ids.
    days_since_last
        float64[n] days since the last active event.
    active_days
        int64[n] calendar days with an active event.
    conversions, value
        int64[n] conversion events so far, float64[n] the sum of their values.
    previous_stages
        The stage each user was in right after the last active event, before the silence.
    """

    ranked: UserCodes
    user_ids: tuple[str, ...]
    days_since_last: npt.NDArray[np.float64]
    active_days: npt.NDArray[np.int64]
    conversions: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    previous_stages: tuple[str, ...]

    def users(self, cell: None = None) -> UserCodes:
        """Return all users of the list, by code."""
        return np.sort(self.ranked)

    def to_arrow(self) -> pa.Table:
        """Return one row per user, in rank order."""
        return pa.table(
            {
                "user_id": pa.array(self.user_ids, pa.string()),
                "days_since_last": self.days_since_last,
                "active_days": self.active_days,
                "conversions": self.conversions,
                "value": self.value,
                "previous_stage": pa.array(self.previous_stages, pa.string()),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the list as records."""
        return {"users": self.to_arrow().to_pylist(), **self.stamp()}


@njit(cache=True, nogil=True)
def user_summary(
    offsets: Any, time: Any, event: Any, value: Any, active: Any, conversion: Any, day_starts: Any, at_us: int
) -> tuple[Any, Any, Any, Any]:
    """Return, per user, last active time, active days, conversions and their value, before `at_us`."""
    n_users = len(offsets) - 1
    last, days = np.full(n_users, _NEVER, np.int64), np.zeros(n_users, np.int64)
    conversions, total = np.zeros(n_users, np.int64), np.zeros(n_users)
    for user in range(n_users):
        day_end: Any = np.int64(_NEVER)
        for i in range(offsets[user], offsets[user + 1]):
            if time[i] >= at_us:
                break
            if not active[event[i]]:
                continue
            last[user] = time[i]
            if time[i] >= day_end:
                days[user] += 1
                day = np.searchsorted(day_starts, time[i], side="right")
                day_end = day_starts[day] if day < len(day_starts) else np.iinfo(np.int64).max
            if conversion[event[i]]:
                conversions[user] += 1
                if not np.isnan(value[i]):
                    total[user] += value[i]
    return last, days, conversions, total


def compute_at_risk(index: TimelineIndex, config: WorkspaceConfig, spec: AtRiskSpec) -> AtRisk:
    """Return the users in the stage "at risk" at a time, from the events strictly before it, ranked by value."""
    watch = Stopwatch(index)
    rules = spec.rules or workspace_rules(index, config)
    at_us = index.manifest.last_us + 1 if spec.at_us is None else spec.at_us
    included = mask_or_all(spec.users, index.n_users)
    stage = spec.stage or _usual_stage(rules)
    at_risk = select((stages_at(index, config, at_us, rules) == rules.code(stage)) & included)
    last, days, conversions, total = _summaries(index, config, at_us)
    order = np.lexsort((at_risk, -days[at_risk], -total[at_risk]))
    ranked = at_risk[order]
    # Just after the last event: the silence has not begun to count.
    before = stages_at_times(index, rules, ranked, last[ranked] + 1, config)
    names = dict(enumerate(rules.stages)) | {UNSEEN: ""}
    return AtRisk(
        ranked=ranked,
        user_ids=tuple(index.user_ids[ranked]),
        days_since_last=(at_us - last[ranked]) / DAY_US,
        active_days=days[ranked],
        conversions=conversions[ranked],
        value=total[ranked],
        previous_stages=tuple(names[code] for code in before.tolist()),
        **watch.fields(),
    )


def _usual_stage(rules: StageRules) -> str:
    quiet = rules.quiet_stages
    return AT_RISK if AT_RISK in rules.stages else (quiet or rules.stages)[0]


def _summaries(index: TimelineIndex, config: WorkspaceConfig, at_us: int) -> Sequence[npt.NDArray[Any]]:
    context = stage_context(index, config)

    def kernel(part: Partition) -> Sequence[npt.NDArray[Any]]:
        summary: Sequence[npt.NDArray[Any]] = user_summary(
            part.offsets, part.time, part.event, part.value,
            context.active, context.conversion, context.day_starts, at_us,
        )  # fmt: skip
        return summary

    return map_merge(index, kernel, lambda partials: [np.concatenate(c) for c in zip(*partials, strict=True)])
