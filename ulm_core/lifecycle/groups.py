"""Breakdowns: every user's group by stage, by attribute or by cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ulm_core.lifecycle.filters import UserLabels, attribute_labels
from ulm_core.lifecycle.rules import NOT_YET_SEEN, UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

BY_STAGE = "stage"
OTHER = N_("Other")
DEFAULT_TOP = 5


def group_labels(
    index: TimelineIndex,
    config: WorkspaceConfig,
    snapshot: Snapshot,
    by: str,
    at_us: int,
    rules: StageRules | None = None,
) -> UserLabels:
    """Return every user's group.

    Parameters
    ----------
    by
        ``stage``, or the name of a user attribute.
    at_us
        The time at which the stage is looked at (UTC us).
    rules
        Stage rules; None: the workspace's.

    Raises
    ------
    NotFoundError
        When there is no such attribute; the message names the known ones.
    """
    if by != BY_STAGE:
        return attribute_labels(index, snapshot, by)
    rules = rules or workspace_rules(index, config)
    codes = stages_at(index, config, at_us, rules).astype(np.int32)
    names = (*rules.stages, NOT_YET_SEEN)
    return UserLabels(BY_STAGE, names, np.where(codes == UNSEEN, np.int32(len(rules.stages)), codes))


def largest_groups(labels: UserLabels, top: int = DEFAULT_TOP) -> UserLabels:
    """Return labels with the `top` largest groups, largest first, and all others together as "Other".

    Groups of one size stand in the order of their codes. Users without a group stay without one.
    """
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.names))
    order = np.argsort(-sizes, kind="stable")
    kept = [int(code) for code in order[:top] if sizes[code]]
    place = np.full(len(labels.names) + 1, len(kept), np.int32)  # the last entry is where code -1 points
    place[kept] = np.arange(len(kept), dtype=np.int32)
    place[-1] = -1
    has_others = int(sizes.sum() - sizes[kept].sum()) > 0
    names = tuple(labels.names[code] for code in kept) + ((OTHER,) if has_others else ())
    return UserLabels(labels.title, names, place[labels.codes])
