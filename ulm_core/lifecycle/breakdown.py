"""What counts by group share: every user's row of the counts, and adding partial counts up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.results import UserMask, mask_or_all

LEFT_OUT = -1
ANY_ROW = -1  # asked of a cell: whichever row a user is in
_DENSE = 1 << 18  # cells; above this a partial keeps only the cells that count anybody

Counts = npt.NDArray[np.int64]
Partial = tuple[tuple[int, ...], npt.NDArray[np.int64] | None, Counts]


def user_rows(labels: UserLabels | None, users: UserMask | None, n_users: int) -> npt.NDArray[np.int32]:
    """Return every user's row in counts by group.

    Returns
    -------
    int32[n_users]
        -1 = left out by the filter; the group's code; ``len(labels.names)`` for users without a group.
    """
    rows = np.zeros(n_users, np.int32) if labels is None else labels.codes.astype(np.int32)
    n_groups = n_rows(labels) - 1
    rows[rows < 0] = n_groups
    if users is not None:
        rows[~mask_or_all(users, n_users)] = LEFT_OUT
    return rows


def n_rows(labels: UserLabels | None) -> int:
    """Return the number of rows of counts by group: one a group, and one for users without a group."""
    return 1 if labels is None else len(labels.names) + 1


def row_of(labels: UserLabels | None, group: str) -> int:
    """Return a group's row.

    Raises
    ------
    NotFoundError
        When there is no such group.
    """
    names = () if labels is None else labels.names
    if group not in names:
        raise NotFoundError.for_name("group", group, names)
    return names.index(group)


def thin(counts: Counts) -> Partial:
    """Return partial counts in the smaller of two forms: thousands of hourly cohorts are nearly empty."""
    if counts.size <= _DENSE:
        return counts.shape, None, counts
    filled = np.flatnonzero(counts)
    return counts.shape, filled, counts.reshape(-1)[filled]


def add_up(partials: Sequence[Partial]) -> Counts:
    """Return the sum of partial counts; whole numbers, so that the order does not matter."""
    total = np.zeros(partials[0][0], np.int64)
    flat = total.reshape(-1)
    for _, filled, counts in partials:
        if filled is None:
            total += counts
        else:
            flat[filled] += counts
    return total
