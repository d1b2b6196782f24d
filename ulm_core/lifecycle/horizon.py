"""The churn horizon: how long a silence has to last before a user counts as lost, learnt from the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ulm_core.errors import InputError
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.results import join
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

WEEK_DAYS = 7


@dataclass(frozen=True, eq=False)
class ChurnHorizon:
    """The learnt horizon and the curve it was read from.

    Attributes
    ----------
    days
        The horizon: a whole number of weeks.
    share
        The share of users who may still come back after it.
    n_users
        Users with activity: the denominator of the curve.
    curve_days
        int64[n]; silences of 1, 2, 3, ... weeks, in days.
    curve_share
        float64[n]; share of users who ever came back after a silence longer than that.
    """

    days: int
    share: float
    n_users: int
    curve_days: npt.NDArray[np.int64]
    curve_share: npt.NDArray[np.float64]

    @property
    def returned_share(self) -> float:
        """Share of users who ever came back after a silence longer than the horizon."""
        return float(self.curve_share[self.days // WEEK_DAYS - 1])

    def to_arrow(self) -> pa.Table:
        """Return the curve."""
        return pa.table({"silence_days": self.curve_days, "returned_share": self.curve_share})

    def sentence(self) -> Message:
        """Return what was learnt, in a sentence."""
        return message(
            N_(
                "Users count as churned after {days} days without activity: "
                "only {percent:.0f}% of {n_users:,} users ever came back after a longer silence."
            ),
            days=self.days,
            percent=100 * self.returned_share,
            n_users=self.n_users,
        )


@njit(cache=True, nogil=True)
def longest_silences(
    offsets: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    event: npt.NDArray[np.int16],
    active: npt.NDArray[np.bool_],
    until_us: int,
) -> npt.NDArray[np.int64]:
    """Return each user's longest time between two neighbouring active events, in us; -1 without any."""
    n_users = len(offsets) - 1
    longest = np.full(n_users, -1, np.int64)
    for user in range(n_users):
        last = np.int64(-1)
        for i in range(offsets[user], offsets[user + 1]):
            if time[i] >= until_us:
                break
            if not active[event[i]]:
                continue
            if longest[user] < 0:
                longest[user] = 0
            elif time[i] - last > longest[user]:
                longest[user] = time[i] - last
            last = time[i]
    return longest


def learn_churn_horizon(
    index: TimelineIndex, config: WorkspaceConfig, share: float = 1 / 3, until_us: int | None = None
) -> ChurnHorizon:
    """Learn the churn horizon of a log.

    The smallest whole number of weeks ``h`` for which the share of users who ever came back after a
    silence longer than ``h`` is at most `share`. Numerator: users with two neighbouring active events
    more than ``h`` apart; denominator: users with an active event; window: the whole log up to
    `until_us`; a week is 7 x 24 hours. Passive events neither start nor end a silence.

    Parameters
    ----------
    share
        Largest share of users that may be wrongly given up, in (0, 1).
    until_us
        Only events before this time are looked at, so that nothing is learnt from a test period.

    Raises
    ------
    InputError
        When `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(N_("The share of users who may return must lie between 0 and 1, not at {share}."), share=share)
    active = index.active_mask(config)
    limit = np.iinfo(np.int64).max if until_us is None else until_us

    def kernel(part: Partition) -> npt.NDArray[np.int64]:
        longest: npt.NDArray[np.int64] = longest_silences(part.offsets, part.time, part.event, active, limit)
        return longest

    longest = map_merge(index, kernel, join)
    silences = np.sort(longest[longest >= 0])
    n_users = len(silences)
    week_us = WEEK_DAYS * DAY_US
    # One week more than the longest silence, where the share is 0, so that an answer always exists.
    n_weeks = int(silences[-1] // week_us) + 1 if n_users else 1
    weeks = np.arange(1, n_weeks + 1, dtype=np.int64)
    beyond = n_users - np.searchsorted(silences, weeks * week_us, side="right")
    curve = beyond / max(n_users, 1)
    first = int(np.argmax(curve <= share))
    return ChurnHorizon(int(weeks[first]) * WEEK_DAYS, share, n_users, weeks * WEEK_DAYS, curve)
