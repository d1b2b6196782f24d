"""Funnels: how many users get from step to step within a window, and how long it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ulm_core.lifecycle.funnel_keys import SESSION, held_key, session_key
from ulm_core.lifecycle.funnel_plan import FOREVER, FunnelPlan, Step, plan_funnel
from ulm_core.lifecycle.funnel_result import Funnel, FunnelTrend, Reached
from ulm_core.lifecycle.funnel_spec import DEFAULT_WINDOW_SECONDS, MAX_STEPS, Exclusion, FunnelSpec, FunnelStep
from ulm_core.lifecycle.funnel_walk import Attempts, Key, Walk
from ulm_core.lifecycle.matching import Matcher, resolve
from ulm_core.lifecycle.periods import SECOND_US, Periods, make_periods
from ulm_core.lifecycle.results import Stopwatch, join, mask_or_all
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

__all__ = [
    "DEFAULT_WINDOW_SECONDS", "MAX_STEPS", "Exclusion", "Funnel", "FunnelSpec", "FunnelStep", "compute_funnel",
]  # fmt: skip


def compute_funnel(
    index: TimelineIndex, config: WorkspaceConfig, spec: FunnelSpec, snapshot: Snapshot | None = None
) -> Funnel:
    """Return how many users reached each step.

    Every step lies within `window_seconds` of the attempt's step 1, boundary included. Every step 1
    opens a new attempt; a user's furthest attempt counts, and the first one among the furthest gives
    the times. One event fills one step. Events of one user at the same instant may be taken in the
    order that favours conversion. Only events in the range (widened to whole days of the workspace's
    time zone) count: neither an entry before it nor a conversion after it. An exclusion that lies between
    its two steps (the second one not reached: up to the end of the window) in an attempt up to the first
    completed one drops the user from all steps. docs/funnel.md says more.

    Parameters
    ----------
    snapshot
        Where attributes and properties are read; needed when a step, an exclusion or `hold` names one.

    Raises
    ------
    NotFoundError
        When the log lacks an event, attribute or property.
    """
    watch = Stopwatch(index)
    # The whole log where no start is given: step 1 may well be passive, and lie before all activity.
    bounds = spec.bounds(index)
    periods = make_periods(*bounds, "day", config.timezone, config.week_start, index.manifest.last_us)
    walk = _walk(index, config, spec, periods, snapshot)
    reached = _reached(index, walk)
    trend = None
    if spec.trend:
        buckets = make_periods(*bounds, spec.trend, config.timezone, config.week_start, index.manifest.last_us)
        trend = _trend(index, _over(walk, spec, buckets), buckets)
    return Funnel(spec=spec, periods=periods, reached=reached, trend=trend, index=index, walk=walk, **watch.fields())


def _walk(
    index: TimelineIndex, config: WorkspaceConfig, spec: FunnelSpec, periods: Periods, snapshot: Snapshot | None
) -> Walk:
    matches = [step.match for step in spec.steps] + [exclusion.event for exclusion in spec.exclusions]
    matcher = resolve(matches, index, config, snapshot)
    walk = Walk(
        plan=_plan(index, config, spec, matcher),
        matcher=matcher,
        order=spec.order,
        counting=spec.counting,
        keys=_keys(index, config, spec, matcher, snapshot),
        included=mask_or_all(spec.users, index.n_users),
        from_us=0,
        to_us=0,
        end_us=0,
        grace_us=round(spec.grace_seconds * SECOND_US),
    )
    return _over(walk, spec, periods)


def _over(walk: Walk, spec: FunnelSpec, periods: Periods) -> Walk:
    """Return the walk over a range."""
    end = periods.to_us + (walk.plan.window_us if spec.counts_after_range else 0)
    return replace(walk, from_us=periods.from_us, to_us=periods.to_us, end_us=end)


def _plan(index: TimelineIndex, config: WorkspaceConfig, spec: FunnelSpec, matcher: Matcher) -> FunnelPlan:
    return plan_funnel(
        index,
        config,
        matcher,
        [
            Step(
                step.match, step.is_optional, round(step.window_seconds * SECOND_US) if step.window_seconds else FOREVER
            )
            for step in spec.steps
        ],
        [(x.event, x.after_step, x.before_step) for x in spec.exclusions],
        round(spec.window_seconds * SECOND_US),
        order=spec.order,
        is_first_only=spec.entry == "first",
    )


def _keys(
    index: TimelineIndex, config: WorkspaceConfig, spec: FunnelSpec, matcher: Matcher, snapshot: Snapshot | None
) -> tuple[Key, ...]:
    keys = []
    if spec.counting == "sessions" or spec.hold == SESSION:
        keys.append(session_key(index, matcher, matcher.expand(index.active_mask(config))))
    if spec.hold and spec.hold != SESSION:
        keys.append(held_key(spec.hold, index, snapshot))
    return tuple(keys)


def _reached(index: TimelineIndex, walk: Walk) -> Reached:
    """Return how far everyone got: one row a user, or one a session or attempt that entered."""

    def kernel(part: Partition) -> Reached:
        return _of_users(walk.attempts(part), part) if walk.counting == "users" else _of_attempts(walk, part)

    def merge(partials: Sequence[Reached]) -> Reached:
        levels, extras, owners = (join(column) for column in zip(*partials, strict=True))
        return Reached(levels, extras, owners)

    return map_merge(index, kernel, merge)


def _of_users(found: Attempts, part: Partition) -> Reached:
    owners = np.empty(0, np.int32)
    if len(found.owner) == part.n_users and not len(found.rows):
        return Reached(found.levels, found.extras, owners)
    levels = np.zeros(part.n_users, np.int8)
    levels[found.owner] = found.levels
    extras = np.zeros(part.n_users if len(found.extras) else 0, np.int64)
    if len(extras):
        extras[found.owner] = found.extras
    return Reached(levels, extras, owners)


def _of_attempts(walk: Walk, part: Partition) -> Reached:
    found = walk.attempts(part)
    found = found.take(np.flatnonzero(found.levels > 0))
    return Reached(found.levels, found.extras, (found.owner + part.first_user).astype(np.int32))


def _trend(index: TimelineIndex, walk: Walk, periods: Periods) -> FunnelTrend:
    def kernel(part: Partition) -> FunnelTrend:
        found = walk.attempts(part, starts_us=periods.starts_us)
        found = found.take(np.flatnonzero(found.levels > 0))
        owners = (found.owner + part.first_user).astype(np.int32)
        return FunnelTrend(periods, len(walk.plan.fills), owners, found.period.astype(np.int32), found.levels)

    def merge(partials: Sequence[FunnelTrend]) -> FunnelTrend:
        owners, period, levels = (join([getattr(p, name) for p in partials]) for name in ("owners", "period", "levels"))
        return FunnelTrend(periods, len(walk.plan.fills), owners, period, levels)

    return map_merge(index, kernel, merge)
