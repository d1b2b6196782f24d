"""The protocol: which events count, where time is cut, which items and users are judged.

Global temporal split: the test period is the last share of the span of purchases; a validation period
lies before it. Nothing at or after a cut is used on its left side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ulm_core.errors import UlmError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.messages import N_
from ulm_core.model.catalogue import item_counts
from ulm_core.model.histories import DAY_US, I32, I64, Mask
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.config import FineTuneConfig
from ulm_core.workspace import WorkspaceConfig

REPEATS_MATTER = 0.05


@dataclass(frozen=True)
class Roles:
    """bool per event code: the purchases that are predicted; what counts as activity."""

    purchase: Mask
    active: Mask


@dataclass(frozen=True)
class Split:
    """One way to judge.

    Attributes
    ----------
    roles
        Which events count.
    first_us
        First purchase.
    validation_us, test_us
        The cuts, UTC microseconds; an event at a cut belongs to what comes after.
    candidates
        int32[n], item codes that are ranked in the test: enough buyers in the whole log and bought
        before the cut. The whole log only decides *which items are judged* (as in BASELINES); no model
        or baseline sees it.
    churn_days
        The churn horizon.
    keeps_seen
        Whether items a user had stay in the ranking.
    """

    roles: Roles
    first_us: int
    validation_us: int
    test_us: int
    candidates: I32
    churn_days: int
    keeps_seen: bool


def event_roles(index: TimelineIndex, config: WorkspaceConfig) -> Roles:
    """Return the roles of a log's events: conversions with an item, else any active event with one.

    Raises
    ------
    UlmError
        When no active event carries an item: there is nothing to recommend.
    """
    with_item = np.bincount(index.event[index.item >= 0], minlength=len(index.manifest.event_names)) > 0
    active = index.active_mask(config)
    purchase = index.conversion_mask(config) & active & with_item
    if not purchase.any():
        purchase = active & with_item
    if not purchase.any():
        raise UlmError(
            N_("No event of this log names an item, so there is nothing to recommend. Load a log with items."),
            code="no_items",
        )
    return Roles(purchase, active)


def make_split(index: TimelineIndex, workspace: WorkspaceConfig, config: FineTuneConfig) -> Split:
    """Return the split of a log.

    The test cut is ``first + (last - first) * (1 - test_share)`` over purchases of judged items.

    Raises
    ------
    UlmError
        When the log is too short or too thin to be cut.
    """
    roles = event_roles(index, workspace)
    first, last, enough = _judged_items(index, roles.purchase, config.min_item_users)
    test_us = first + int((last - first) * (1 - config.test_share))
    validation_us = test_us - min(config.validation_days * DAY_US, (test_us - first) // 4)
    n_items = index.manifest.n_items
    every_item = np.arange(n_items, dtype=np.int32)
    before = item_counts(index, every_item, n_items, roles.purchase, [test_us], ())
    # Learnt from the whole log, as on every page: it says what is asked (which silence is churn), and
    # stage rules and labels must mean the same everywhere.
    churn_days = config.churn_horizon_days or learn_churn_horizon(index, workspace).days
    return Split(
        roles=roles,
        first_us=first,
        validation_us=validation_us,
        test_us=test_us,
        candidates=np.flatnonzero(enough & (before.total[0] > 0)).astype(np.int32),
        churn_days=churn_days,
        keeps_seen=repeats_matter(index, roles, validation_us, config),
    )


def repeats_matter(index: TimelineIndex, roles: Roles, before_us: int, config: FineTuneConfig) -> bool:
    """Tell whether people of this log come back to items, as set or as purchases before a time show."""
    if config.repeats != "auto":
        return config.repeats == "on"
    every_item = np.arange(index.manifest.n_items, dtype=np.int32)
    counts = item_counts(index, every_item, len(every_item), roles.purchase, [before_us], ())
    repeats = 1 - counts.buyers[0].sum() / max(counts.total[0].sum(), 1)
    return bool(repeats >= REPEATS_MATTER)


def _judged_items(index: TimelineIndex, purchase: Mask, minimum: int) -> tuple[int, int, Mask]:
    """Return first and last purchase of the items with enough buyers, and which items those are."""
    n_items = index.manifest.n_items
    codes = np.arange(n_items, dtype=np.int32)
    counts = item_counts(index, codes, n_items, purchase, [index.manifest.last_us + 1], ())
    enough = counts.buyers[0] >= minimum
    used = (index.item >= 0) & purchase[index.event]
    times = index.time[used][enough[index.item[used]]]
    if len(times) < 2 or times.min() == times.max():
        raise UlmError(
            N_("No item has {minimum} buyers or more, so nothing can be learnt. Lower “min_item_users”."),
            code="too_few_events",
            minimum=minimum,
        )
    return int(times.min()), int(times.max()), enough


def reference_times(first_us: int, boundary_us: int, config: FineTuneConfig) -> I64:
    """Return the moments users are examples at, ascending: the last window ends at `boundary_us`.

    Raises
    ------
    UlmError
        When no window fits.
    """
    newest = boundary_us - config.horizon_days * DAY_US
    oldest = first_us + min(config.warm_up_days * DAY_US, max(newest - first_us, 0) // 2)
    times = np.arange(newest, oldest - 1, -config.every_days * DAY_US, dtype=np.int64)[::-1]
    if newest <= first_us or not len(times):
        raise UlmError(
            N_("The log is too short: {days} days before the test do not hold a horizon of {horizon} days."),
            code="too_short",
            days=max(boundary_us - first_us, 0) // DAY_US,
            horizon=config.horizon_days,
        )
    return np.ascontiguousarray(times)
