"""Which lifecycle stage each user is in, at any time, and how the mix of stages moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.lifecycle import stage_kernels
from ulm_core.lifecycle.periods import Interval, Periods, make_periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, join, mask_or_all, select, share_of
from ulm_core.lifecycle.rules import UNSEEN, CompiledRules, StageRules, workspace_rules
from ulm_core.messages import N_
from ulm_core.timeline.index import History, Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

Times = npt.NDArray[np.int64]
StageCodes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class StageContext:
    """What the rules need to know of a workspace beside a user's events.

    Attributes
    ----------
    active, conversion
        bool per event code: counts as activity; counts as a conversion.
    day_starts
        int64[n]; local midnights (UTC us) that cover the log: which events share a calendar day.
    """

    active: npt.NDArray[np.bool_]
    conversion: npt.NDArray[np.bool_]
    day_starts: Times


def stage_context(index: TimelineIndex, config: WorkspaceConfig, until_us: int = 0) -> StageContext:
    """Return the context of a workspace; its calendar covers the log, and times up to `until_us`."""
    end = max(index.manifest.last_us + 1, until_us)
    days = make_periods(index.manifest.first_us, end, "day", config.timezone)
    return StageContext(index.active_mask(config), index.conversion_mask(config), days.starts_us)


class _KernelRules(NamedTuple):
    active: npt.NDArray[np.bool_]
    conversion: npt.NDArray[np.bool_]
    day_starts: Times
    stage: StageCodes
    first_condition: Times
    feature: Times
    op: Times
    value: npt.NDArray[np.float64]
    window_us: Times


def _kernel_rules(context: StageContext, rules: StageRules) -> _KernelRules:
    c: CompiledRules = rules.compile()
    return _KernelRules(
        context.active, context.conversion, context.day_starts,
        c.stage, c.first_condition, c.feature, c.op, c.value, c.window_us,
    )  # fmt: skip


def kernel_arguments(index: TimelineIndex, config: WorkspaceConfig, rules: StageRules, at_us: Times) -> _KernelRules:
    """Return what every stage kernel is told beside a user's columns and the times."""
    context = stage_context(index, config, int(at_us.max(initial=0)))
    return _kernel_rules(context, rules)


def columns_of(part: Partition) -> tuple[npt.NDArray[Any], ...]:
    """Return the columns of a partition that stage kernels read, in their order."""
    return part.offsets, part.time, part.event, part.value, part.session


def assign_stages(
    index: TimelineIndex, rules: StageRules, at_us: Times | Sequence[int], config: WorkspaceConfig
) -> StageCodes:
    """Return the stage of every user at every time, from the events strictly before it.

    Parameters
    ----------
    at_us
        int64[n_times], UTC microseconds, in any order.

    Returns
    -------
    uint8[n_users, n_times]
        Codes into ``rules.stages``; 255 before a user's first active event.
    """
    at = np.asarray(at_us, np.int64)
    order = np.argsort(at, kind="stable")
    ascending = np.ascontiguousarray(at[order])
    arguments = kernel_arguments(index, config, rules, ascending)

    def kernel(part: Partition) -> StageCodes:
        on_grid: StageCodes = stage_kernels.stages_on_grid(*columns_of(part), ascending, *arguments)
        return on_grid

    codes = map_merge(index, kernel, join)
    if np.array_equal(order, np.arange(len(order))):
        return codes
    unsorted = np.empty_like(codes)
    unsorted[:, order] = codes
    return unsorted


def stages_at_times(
    index: TimelineIndex,
    rules: StageRules,
    users: npt.NDArray[Any],
    at_us: Times,
    config: WorkspaceConfig,
) -> StageCodes:
    """Return the stage of ``users[i]`` at ``at_us[i]`` for many pairs, in one walk of the timelines.

    Parameters
    ----------
    users
        int[n] user codes, in any order, repeated as often as wanted.
    at_us
        int64[n] UTC microseconds.

    Returns
    -------
    uint8[n]
        Codes into ``rules.stages``; 255 before a user's first active event.
    """
    order = np.lexsort((at_us, users))
    at = np.ascontiguousarray(at_us[order], np.int64)
    starts = np.searchsorted(users[order], np.arange(index.n_users + 1))
    arguments = kernel_arguments(index, config, rules, at)

    def kernel(part: Partition) -> StageCodes:
        own = starts[part.first_user : part.first_user + part.n_users + 1]
        times = at[own[0] : own[-1]]
        found: StageCodes = stage_kernels.stages_at_own_times(*columns_of(part), own - own[0], times, *arguments)
        return found

    codes = np.empty(len(order), np.uint8)
    codes[order] = map_merge(index, kernel, join)
    return codes


def stages_of_history(
    history: History, at_us: Times | Sequence[int], rules: StageRules, context: StageContext
) -> StageCodes:
    """Return the stages of one (possibly edited) history at ascending times: the same kernel as `assign_stages`.

    Raises
    ------
    InputError
        When the times do not ascend.
    """
    at = np.asarray(at_us, np.int64)
    if np.any(np.diff(at) < 0):
        raise InputError(N_("Times must be in ascending order."))
    out = np.empty(len(at), np.uint8)
    columns = (history.time, history.event, history.value, history.session)
    stage_kernels.stages_of_user(*columns, at, out, *_kernel_rules(context, rules))
    return out


class StageMixSpec(RangeSpec):
    """Asks for the stage of every user at the end of each period.

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
class StageMix(Result):
    """How many users are in each stage at each period's end.

    Attributes
    ----------
    periods
        The periods; a running one is looked at as of the last event.
    rules
        The rules that were applied.
    codes
        uint8[n_users, n_periods]; 255 = not yet seen, or left out by the user filter.
    counts
        int64[n_periods, n_stages].
    """

    periods: Periods
    rules: StageRules
    codes: StageCodes
    counts: npt.NDArray[np.int64]

    @property
    def stages(self) -> tuple[str, ...]:
        """Stage names, in the order of the columns of `counts`."""
        return self.rules.stages

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """Counts over all users seen by then: float64[n_periods, n_stages], nan where nobody was."""
        return share_of(self.counts, self.counts.sum(axis=1, keepdims=True))

    def to_arrow(self) -> pa.Table:
        """Return period, is_complete, stage, users, share: one row per period and stage."""
        n_periods, n_stages = self.counts.shape
        return pa.table(
            {
                "period": np.repeat(self.periods.iso_labels(), n_stages),
                "is_complete": np.repeat(self.periods.is_complete, n_stages),
                "stage": pa.array(list(self.stages) * n_periods, pa.string()),
                "users": self.counts.ravel(),
                "share": self.shares.ravel(),
            }
        )

    def users(self, cell: tuple[int | str, str]) -> UserCodes:
        """Return the users of ``(period index or ISO date, stage)``."""
        period, stage = cell
        column = self.periods.position(period) if isinstance(period, str) else period
        return select(self.codes[:, column] == self.rules.code(stage))

    def to_json(self) -> dict[str, Any]:
        """Return periods and, by stage, the users in each."""
        counts = {stage: self.counts[:, code].tolist() for code, stage in enumerate(self.stages)}
        return {
            "periods": self.periods.iso_labels(),
            "complete": self.periods.is_complete.tolist(),
            "stages": counts,
            "definitions": [str(sentence) for sentence in self.rules.sentences()],
            **self.stamp(),
        }


def count_stages(codes: StageCodes, n_stages: int) -> npt.NDArray[np.int64]:
    """Return int64[n_times, n_stages] users per stage, of uint8[n_users, n_times] codes."""
    return np.stack([np.bincount(column, minlength=UNSEEN + 1)[:n_stages] for column in codes.T]).astype(np.int64)


def compute_stage_mix(index: TimelineIndex, config: WorkspaceConfig, spec: StageMixSpec) -> StageMix:
    """Return how many users are in each stage at the end of each period of the range."""
    watch = Stopwatch(index)
    rules = spec.rules or workspace_rules(index, config)
    periods = spec.periods(index, config, spec.interval)
    # A running period's end lies in the future, where everyone looks silent: look at it as of now.
    ends = np.minimum(periods.starts_us[1:], index.manifest.last_us + 1)
    codes = assign_stages(index, rules, ends, config)
    codes[~mask_or_all(spec.users, index.n_users)] = UNSEEN
    counts = count_stages(codes, len(rules.stages))
    return StageMix(periods=periods, rules=rules, codes=codes, counts=counts, **watch.fields())


def stages_at(index: TimelineIndex, config: WorkspaceConfig, at_us: int, rules: StageRules | None = None) -> StageCodes:
    """Return uint8[n_users]: the stage of every user at one time (255 = not yet seen)."""
    return assign_stages(index, rules or workspace_rules(index, config), [at_us], config)[:, 0]
