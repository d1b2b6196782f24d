"""Which users an analysis looks at: by stage and by attribute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from ulm_core.lifecycle.cohorts.evaluate import cohort_mask, users_mask
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.rules import StageRules, workspace_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.reports import attribute_of_users, users_with
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

NOT_KNOWN = N_("(not known)")


@dataclass(frozen=True, eq=False)
class UserLabels:
    """One label per user, for breakdowns.

    Attributes
    ----------
    title
        What is labelled, for example the attribute's name.
    names
        The labels, by code.
    codes
        int32[n_users]; -1 = the user belongs to no group.
    """

    title: str
    names: tuple[str, ...]
    codes: npt.NDArray[np.int32]


class UserFilter(BaseModel):
    """A segment: users in one of the stages, with one of the values of every attribute, and in every cohort.

    Attributes
    ----------
    stages
        Stage names, at the time the filter is evaluated; empty: any stage.
    attributes
        Attribute name -> accepted values. Users without the attribute never match.
    cohorts
        Names of saved cohorts, or rules in JSON; users belong to every one of them.
    one_in
        A sample: one user in so many, chosen by a hash of the id, the same ones whenever it is asked. None: everyone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    cohorts: tuple[str, ...] = ()
    one_in: int | None = Field(None, ge=2, le=1_000)

    @property
    def is_empty(self) -> bool:
        """Whether the filter lets everyone through."""
        return not (self.stages or self.attributes or self.cohorts or self.one_in)


def filter_mask(
    index: TimelineIndex,
    config: WorkspaceConfig,
    wanted: UserFilter,
    at_us: int,
    snapshot: Snapshot | None = None,
    rules: StageRules | None = None,
) -> npt.NDArray[np.bool_] | None:
    """Return the users a filter lets through, or None when it lets everyone through.

    Parameters
    ----------
    at_us
        The time at which stages and cohorts are looked at (UTC us): the end of the period on screen.
    snapshot
        Where attributes and saved cohorts are found; needed when the filter names one.
    rules
        Stage rules; None: the workspace's.

    Returns
    -------
    bool[n_users] or None

    Raises
    ------
    NotFoundError
        When no user has such an attribute, or no stage or cohort has that name.
    """
    if wanted.is_empty:
        return None
    mask = np.ones(index.n_users, np.bool_)
    if wanted.stages:
        rules = rules or workspace_rules(index, config)
        codes = [rules.code(stage) for stage in wanted.stages]
        mask &= np.isin(stages_at(index, config, at_us, rules), codes)
    for attribute, values in wanted.attributes.items():
        if snapshot is None:
            raise ValueError("a filter by attribute needs the snapshot")
        mask &= users_mask(index, users_with(snapshot, attribute, values))
    if wanted.one_in:
        mask &= sample_mask(index, wanted.one_in)
    if wanted.cohorts:
        if snapshot is None:
            raise ValueError("a filter by cohort needs the snapshot")
        saved = Cohorts.beside(snapshot)
        log = saved.log(index, config, snapshot, rules)
        for name in wanted.cohorts:
            mask &= cohort_mask(log, saved.resolve(name), at_us)
    return mask


def sample_mask(index: TimelineIndex, one_in: int) -> npt.NDArray[np.bool_]:
    """Return bool[n_users]: about one user in `one_in`, by a hash of the id alone.

    The same user is in the sample of every version of the data, and in every smaller share of it that divides it.
    """
    hashed = pd.util.hash_array(index.user_ids, categorize=False)
    mask: npt.NDArray[np.bool_] = hashed % one_in == 0
    return mask


def attribute_labels(index: TimelineIndex, snapshot: Snapshot, attribute: str) -> UserLabels:
    """Return every user's value of one attribute; users without it are labelled "(not known)".

    Raises
    ------
    NotFoundError
        When no user has such an attribute.
    """
    users_with(snapshot, attribute, [])  # names the known attributes when this one is unknown
    values = attribute_of_users(snapshot, attribute)
    names = (*sorted(set(values.values())), NOT_KNOWN)
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of[values.get(user, NOT_KNOWN)] for user in index.user_ids], np.int32)
    return UserLabels(attribute, names, codes)
