"""A funnel spec turned into the small arrays its kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.matching import EventMatch, Matcher
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

FOREVER = 2**62
IRRELEVANT = -1


class FunnelPlan(NamedTuple):
    """What the kernels need. A *kind* stands for all events that fill the same steps and are excluded alike.

    Attributes
    ----------
    kind_of
        int64[n_codes]; kind of each code of the `Matcher`, -1 where the walk need not look at the event.
    fills
        bool[n_steps, n_kinds]; which events fill a step.
    opens
        bool[n_kinds]; can open an attempt: fills step 1 (in any order: any step).
    first_step, steps
        Steps a kind can fill, later ones first: ``steps[first_step[kind]:first_step[kind + 1]]``.
    fast_step
        int64[n_codes]; the one step a code fills, else ``n_steps + 1``. Empty where the short walk does not do.
    excluded
        bool[n_exclusions, n_kinds]; which events are the excluded one.
    excluded_from, excluded_to
        int64[n_exclusions]; the two steps (from 0) it must not lie between.
    step_window_us
        int64[n_steps]; longest time since the required step before.
    previous
        int64[n_steps]; the required step before each step, -1 for the first.
    is_optional
        bool[n_steps].
    is_disjoint
        No step can be filled by events of two kinds.
    window_us
        Conversion window, boundary included.
    is_first_only
        Only the first step 1 opens an attempt.
    """

    kind_of: npt.NDArray[np.int64]
    fills: npt.NDArray[np.bool_]
    opens: npt.NDArray[np.bool_]
    first_step: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    fast_step: npt.NDArray[np.int64]
    excluded: npt.NDArray[np.bool_]
    excluded_from: npt.NDArray[np.int64]
    excluded_to: npt.NDArray[np.int64]
    step_window_us: npt.NDArray[np.int64]
    previous: npt.NDArray[np.int64]
    is_optional: npt.NDArray[np.bool_]
    is_disjoint: bool
    window_us: int
    is_first_only: bool

    @property
    def has_fast_walk(self) -> bool:
        """Whether every event fills at most one step and nothing else complicates the walk."""
        return len(self.fast_step) > 0

    @property
    def is_stepwise(self) -> bool:
        """Whether steps have windows of their own, or may be skipped."""
        return bool(self.is_optional.any() or (self.step_window_us < FOREVER).any())


class Step(NamedTuple):
    """A step as the plan needs it: what fills it, whether it may be skipped, its own window (us)."""

    match: EventMatch
    is_optional: bool
    window_us: int


def plan_funnel(
    index: TimelineIndex,
    config: WorkspaceConfig,
    matcher: Matcher,
    steps: Sequence[Step],
    exclusions: Sequence[tuple[EventMatch, int, int]],
    window_us: int,
    *,
    order: str,
    is_first_only: bool,
) -> FunnelPlan:
    """Return the plan of a funnel; `exclusions` are (event, from step, to step), steps counted from 1."""
    fills_code = np.array([matcher.flags(step.match) for step in steps])
    excluded_code = np.array([matcher.flags(match) for match, _, _ in exclusions], np.bool_)
    excluded_code = excluded_code.reshape(len(exclusions), matcher.n_codes)
    # In strict order anything the user does resets the attempt; what is done to the user does not.
    resets = matcher.expand(index.active_mask(config)) & (order == "strict")
    features = np.vstack([fills_code, excluded_code, resets[None, :]])
    kinds, kind_of = np.unique(features, axis=1, return_inverse=True)
    is_relevant = kinds.any(axis=0)
    place = np.where(is_relevant, np.cumsum(is_relevant) - 1, IRRELEVANT)
    kinds = kinds[:, is_relevant]
    fills, excluded = kinds[: len(steps)], kinds[len(steps) : -1]
    filled_by = [[k for k in reversed(range(len(steps))) if fills[k, kind]] for kind in range(kinds.shape[1])]
    optional = np.array([step.is_optional for step in steps])
    plan = FunnelPlan(
        kind_of=place[kind_of.ravel()].astype(np.int64),
        fills=np.ascontiguousarray(fills),
        opens=np.asarray(fills.any(axis=0) if order == "any" else fills[0], np.bool_).copy(),
        first_step=np.cumsum([0] + [len(filled) for filled in filled_by]).astype(np.int64),
        steps=np.array([k for filled in filled_by for k in filled], np.int64),
        fast_step=np.empty(0, np.int64),
        excluded=np.ascontiguousarray(excluded),
        excluded_from=np.array([first - 1 for _, first, _ in exclusions], np.int64),
        excluded_to=np.array([last - 1 for _, _, last in exclusions], np.int64),
        step_window_us=np.array([step.window_us for step in steps], np.int64),
        previous=np.array([_previous(optional, k) for k in range(len(steps))], np.int64),
        is_optional=optional,
        is_disjoint=bool((fills.sum(axis=1) <= 1).all()),
        window_us=window_us,
        is_first_only=is_first_only,
    )
    if order == "ordered" and not exclusions and not plan.is_stepwise and (fills_code.sum(axis=0) <= 1).all():
        step = np.where(fills_code.any(axis=0), fills_code.argmax(axis=0), len(steps) + 1)
        plan = plan._replace(fast_step=step.astype(np.int64))
    return plan


def _previous(optional: npt.NDArray[np.bool_], step: int) -> int:
    required = np.flatnonzero(~optional[:step])
    return int(required[-1]) if len(required) else -1
