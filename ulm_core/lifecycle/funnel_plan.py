"""A funnel spec turned into the small arrays its kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

ANY_SLOT = -1


class FunnelPlan(NamedTuple):
    """What the kernels need; a *slot* stands for one distinct event name among the steps.

    Attributes
    ----------
    step_slot
        int64[n_steps]; slot of each step, -1 for ``*``.
    slot_of
        int64[n_event_names]; slot of each event code, -1 where no step names it.
    slot_is_any
        bool[n_slots]; whether events of the slot also count as ``*``.
    is_any
        bool[n_event_names]; counts as ``*``: everything but passive events.
    is_relevant
        bool[n_event_names]; the walk has to look at the event.
    first_step, steps
        Steps an event code can fill, later ones first: ``steps[first_step[e]:first_step[e + 1]]``.
    excluded, excluded_from, excluded_to
        int64[n_exclusions]; event code, and the two steps (from 0) it must not lie between.
    window_us
        Conversion window, boundary included.
    is_first_only
        Only the first step 1 opens an attempt.
    """

    step_slot: npt.NDArray[np.int64]
    slot_of: npt.NDArray[np.int64]
    slot_is_any: npt.NDArray[np.bool_]
    is_any: npt.NDArray[np.bool_]
    is_relevant: npt.NDArray[np.bool_]
    first_step: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    excluded: npt.NDArray[np.int64]
    excluded_from: npt.NDArray[np.int64]
    excluded_to: npt.NDArray[np.int64]
    window_us: int
    is_first_only: bool


def plan_funnel(
    index: TimelineIndex,
    config: WorkspaceConfig,
    steps: Sequence[str],
    exclusions: Sequence[tuple[str, int, int]],
    window_us: int,
    is_first_only: bool,
    is_strict: bool,
) -> FunnelPlan:
    """Return the plan of a funnel; `exclusions` are (event, from step, to step), steps counted from 1.

    Raises
    ------
    NotFoundError
        When a step or an exclusion names an event the log lacks.
    """
    codes = [ANY_SLOT if name == ANY_EVENT else index.event_code(name) for name in steps]
    named = sorted({code for code in codes if code != ANY_SLOT})
    n_events = len(index.manifest.event_names)
    slot_of = np.full(n_events, -1, np.int64)
    slot_of[named] = np.arange(len(named))
    is_any = index.active_mask(config)
    fills = [[k for k in reversed(range(len(codes))) if codes[k] == e or (codes[k] < 0 and is_any[e])]
             for e in range(n_events)]  # fmt: skip
    excluded = np.array([index.event_code(name) for name, _, _ in exclusions], np.int64)
    # In strict order anything the user does resets the attempt; what is done to the user does not.
    is_relevant = np.array([bool(steps_of) for steps_of in fills]) | (is_any if is_strict else False)
    is_relevant[excluded] = True
    return FunnelPlan(
        step_slot=np.array([slot_of[code] if code >= 0 else ANY_SLOT for code in codes], np.int64),
        slot_of=slot_of,
        slot_is_any=is_any[named],
        is_any=is_any,
        is_relevant=is_relevant,
        first_step=np.cumsum([0] + [len(steps_of) for steps_of in fills]).astype(np.int64),
        steps=np.array([k for steps_of in fills for k in steps_of], np.int64),
        excluded=excluded,
        excluded_from=np.array([first - 1 for _, first, _ in exclusions], np.int64),
        excluded_to=np.array([last - 1 for _, _, last in exclusions], np.int64),
        window_us=window_us,
        is_first_only=is_first_only,
    )
