"""What a user did up to a moment, in few numbers: what a churn analysis may know at its origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ulm_core.lifecycle.periods import DAY_US
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

#: Name -> what one unit of it is. Days are 24-hour blocks counted back from the moment.
BEHAVIOURS: dict[str, str] = {
    "silence": N_("week since the last activity"),
    "tenure": N_("month since the first activity"),
    "active_days": N_("active day in the last {days} days"),
    "trend": N_("active day more in the last {half} days than in the {half} before"),
    "value": N_("doubling of the value of the last {days} days"),
    "items": N_("doubling of the different items of the last {days} days"),
}
MONTH_DAYS = 30.4375  # a year in twelve


@njit(cache=True, nogil=True)
def behaviour_rows(
    offsets: Any, time: Any, event: Any, item: Any, value: Any, active: Any, conversion: Any, at_us: int, days: int
) -> Any:
    """Return float64[n_users, 6] in the order of `BEHAVIOURS`, from active events before `at_us`; nan if none.

    A week, a month and a doubling are one unit each: of silence, of tenure, of (1 + value) and (1 + items).
    """
    n_users = len(offsets) - 1
    out = np.full((n_users, 6), np.nan)
    for user in range(n_users):
        first, last, last_day = np.int64(-1), np.int64(-1), np.int64(-1)
        whole, recent, total = 0, 0, 0.0
        seen = set()
        seen.add(np.int32(-1))
        for i in range(offsets[user], offsets[user + 1]):
            if time[i] >= at_us:
                break
            if not active[event[i]]:
                continue
            if last_day == -1:
                first = time[i]
            last = time[i]
            day = (at_us - 1 - time[i]) // DAY_US
            if day < days:
                if day != last_day:
                    whole += 1
                    recent += 2 * day < days
                if conversion[event[i]] and not np.isnan(value[i]):
                    total += value[i]
                seen.add(item[i])
            last_day = day
        if last_day != -1:
            out[user, 0] = (at_us - last) / DAY_US / 7
            out[user, 1] = (at_us - first) / DAY_US / MONTH_DAYS
            out[user, 2] = whole
            out[user, 3] = 2 * recent - whole
            out[user, 4] = np.log2(1 + max(total, 0.0))
            out[user, 5] = np.log2(len(seen))  # one of them is "no item"
    return out


def behaviour_at(
    index: TimelineIndex, config: WorkspaceConfig, at_us: int, days: int, names: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return float64[n_users, len(names)], what every user did before `at_us`; nan for users not seen by then.

    Parameters
    ----------
    at_us
        The moment (UTC us); nothing at or after it is looked at.
    days
        Length of the window that ends there.
    names
        Which of `BEHAVIOURS`.
    """
    active, conversion = index.active_mask(config), index.conversion_mask(config)

    def kernel(part: Partition) -> npt.NDArray[np.float64]:
        rows: npt.NDArray[np.float64] = behaviour_rows(
            part.offsets, part.time, part.event, part.item, part.value, active, conversion, at_us, days
        )
        return rows

    every = list(BEHAVIOURS)
    found: npt.NDArray[np.float64] = map_merge(index, kernel, np.concatenate)
    return np.ascontiguousarray(found[:, [every.index(name) for name in names]])
