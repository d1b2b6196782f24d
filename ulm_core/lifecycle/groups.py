"""Breakdowns: every user's group by stage, by attribute or by cohort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ulm_core.lifecycle.cohorts.evaluate import cohort_mask
from ulm_core.lifecycle.cohorts.store import SEPARATOR, Cohorts
from ulm_core.lifecycle.filters import UserLabels, attribute_labels
from ulm_core.lifecycle.rules import UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

BY_STAGE = "stage"
BY_COHORT = "cohort:"
ELSE = N_("everyone else")
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
        ``stage``, ``cohort:NAME`` or several ``cohort:NAME|NAME|...``, or the name of a user attribute.
    at_us
        The time at which stages and cohorts are looked at (UTC us).
    rules
        Stage rules; None: the workspace's.

    Raises
    ------
    NotFoundError
        When there is no such attribute or cohort; the message names the known ones.
    """
    if by.startswith(BY_COHORT):
        chosen = [name.strip() for name in by.removeprefix(BY_COHORT).split(SEPARATOR)]
        return cohort_labels(index, config, snapshot, chosen, at_us, rules)
    if by != BY_STAGE:
        return attribute_labels(index, snapshot, by)
    rules = rules or workspace_rules(index, config)
    codes = stages_at(index, config, at_us, rules).astype(np.int32)
    return UserLabels(BY_STAGE, rules.sources, np.where(codes == UNSEEN, np.int32(len(rules.stages)), codes))


def cohort_labels(
    index: TimelineIndex,
    config: WorkspaceConfig,
    snapshot: Snapshot,
    names: Sequence[str],
    at_us: int,
    rules: StageRules | None = None,
) -> UserLabels:
    """Return every user's cohort among `names`, else "everyone else".

    A user who belongs to several counts in the first one named, so that groups add up to all users.
    """
    saved = Cohorts.beside(snapshot)
    log = saved.log(index, config, snapshot, rules)
    codes = np.full(index.n_users, len(names), np.int32)
    for code in reversed(range(len(names))):
        codes[cohort_mask(log, saved.rule(names[code]), at_us)] = code
    return UserLabels(BY_COHORT + SEPARATOR.join(names), (*names, ELSE), codes)


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
