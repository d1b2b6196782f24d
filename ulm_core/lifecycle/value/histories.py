"""Every customer's purchases in four numbers: how often, until when, since when, and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ulm_core.lifecycle.periods import Periods, make_periods
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

WEEK_DAYS = 7
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Purchases:
    """What users bought up to a moment. All purchases of a user on one calendar day are one.

    Attributes
    ----------
    customers
        int32[n], users with a purchase.
    frequency
        int64[n], repeat purchases: purchase days after the first.
    recency
        float64[n], weeks from the first purchase to the last.
    age
        float64[n], weeks from the first purchase to the last day looked at.
    spend
        float64[n], mean value of a repeat purchase; nan without one. The first is left out, as it often differs
        (Fader, Hardie and Lee 2005, RFM and CLV).
    total
        float64[n], value of all purchases.
    """

    customers: npt.NDArray[np.int32]
    frequency: Ints
    recency: Floats
    age: Floats
    spend: Floats
    total: Floats

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.customers)

    @property
    def silence(self) -> Floats:
        """float64[n], weeks since the last purchase."""
        return self.age - self.recency

    def take(self, keep: npt.NDArray[Any]) -> Purchases:
        """Return some of the customers."""
        return Purchases(
            self.customers[keep],
            self.frequency[keep],
            self.recency[keep],
            self.age[keep],
            self.spend[keep],
            self.total[keep],
        )


@njit(cache=True, nogil=True)
def purchase_days(
    offsets: Any, time: Any, event: Any, value: Any, conversion: Any, day_starts: Any, until_us: int
) -> tuple[Any, Any]:
    """Return int64[n_users, 3] (first and last purchase day, purchase days) and float64[n_users, 2] (value of the
    first day, and of all); the days are positions in `day_starts`, -1 without a purchase before `until_us`.
    """  # noqa: D205
    n_users = len(offsets) - 1
    days = np.full((n_users, 3), -1, np.int64)
    values = np.zeros((n_users, 2))
    for user in range(n_users):
        days[user, 2] = 0
        day_end: Any = np.iinfo(np.int64).min
        for i in range(offsets[user], offsets[user + 1]):
            if time[i] >= until_us:
                break
            if not conversion[event[i]]:
                continue
            if time[i] >= day_end:
                following = np.searchsorted(day_starts, time[i], side="right")
                day_end = day_starts[following] if following < len(day_starts) else np.iinfo(np.int64).max
                days[user, 1] = following - 1
                days[user, 2] += 1
                if days[user, 0] < 0:
                    days[user, 0] = following - 1
            if not np.isnan(value[i]):
                values[user, 1] += value[i]
                if days[user, 2] == 1:
                    values[user, 0] += value[i]
    return days, values


def calendar_days(index: TimelineIndex, config: WorkspaceConfig) -> Periods:
    """Return the calendar days of the log, in the workspace's time zone."""
    return make_periods(index.manifest.first_us, index.manifest.last_us + 1, "day", config.timezone)


def read_purchases(
    index: TimelineIndex, config: WorkspaceConfig, days: Periods, n_days: int, users: npt.NDArray[np.bool_]
) -> Purchases:
    """Return the purchases (conversions) of the first `n_days` calendar days.

    Parameters
    ----------
    days
        The calendar, from `calendar_days`.
    n_days
        How many of its days are looked at.
    users
        bool[n_users]; only these.
    """
    conversion = index.conversion_mask(config)
    until_us = int(days.starts_us[n_days])

    def kernel(part: Partition) -> tuple[Ints, Floats]:
        found: tuple[Ints, Floats] = purchase_days(
            part.offsets, part.time, part.event, part.value, conversion, days.starts_us, until_us
        )
        return found

    found, values = map_merge(
        index, kernel, lambda parts: tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    )
    customers = np.flatnonzero(users & (found[:, 2] > 0)).astype(np.int32)
    first, last, count = found[customers].T
    first_value, total = values[customers].T
    repeats = np.maximum(count - 1, 0)
    return Purchases(
        customers=customers,
        frequency=repeats,
        recency=(last - first) / WEEK_DAYS,
        age=(n_days - 1 - first) / WEEK_DAYS,
        spend=np.divide(total - first_value, repeats, out=np.full(len(customers), np.nan), where=repeats > 0),
        total=total,
    )
