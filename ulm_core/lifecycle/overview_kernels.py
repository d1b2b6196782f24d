"""One walk per user for the headline figures of a range and of the range before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

ACTIVE, NEW, CONVERTED, CHURNED = 1, 2, 4, 8


@njit(cache=True, nogil=True)
def range_figures(
    offsets: Any, time: Any, event: Any, value: Any, active: Any, conversion: Any,
    from_us: int, to_us: int, horizon_us: int, end_us: int,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Return uint8 flags, int64 conversion events and float64 their value, per user, for ``[from_us, to_us)``.

    Values are summed per user, in time order, so that a total does not depend on the partitions.
    """
    n_users = len(offsets) - 1
    flags, conversions, revenue = np.zeros(n_users, np.uint8), np.zeros(n_users, np.int64), np.zeros(n_users)
    for user in range(n_users):
        last = np.int64(-1)
        is_seen = False
        for i in range(offsets[user], offsets[user + 1]):
            if not active[event[i]]:
                continue
            t = time[i]
            if is_seen and t - last > horizon_us and from_us <= last + horizon_us < to_us:
                flags[user] |= CHURNED
            if from_us <= t < to_us:
                flags[user] |= ACTIVE
                if not is_seen:
                    flags[user] |= NEW
                if conversion[event[i]]:
                    flags[user] |= CONVERTED
                    conversions[user] += 1
                    if not np.isnan(value[i]):
                        revenue[user] += value[i]
            is_seen, last = True, t
        if is_seen and end_us - last > horizon_us and from_us <= last + horizon_us < to_us:
            flags[user] |= CHURNED
    return flags, conversions, revenue
