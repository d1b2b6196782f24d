"""Active users of a day, of the 7 and of the 30 days up to it, and their ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ulm_core.lifecycle.breakdown import Counts, add_up, thin, user_rows
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.matching import resolve
from ulm_core.lifecycle.periods import DAY_US, Periods, make_periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, join, select, share_of
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

Window = Literal["day", "week", "month"]
WINDOWS: tuple[Window, ...] = ("day", "week", "month")
WINDOW_DAYS = np.array([1, 7, 30])
_LOOK_BACK = 29


class ActiveUsersSpec(RangeSpec):
    """Asks for active users day by day.

    Attributes
    ----------
    event
        What counts as activity, with conditions where wanted; ``*`` is any event but the passive ones.
    """

    event: EventMatch = EventMatch()


@dataclass(frozen=True, kw_only=True, eq=False)
class ActiveUsers(Result):
    """Active users by calendar day.

    Attributes
    ----------
    periods
        The days.
    counts
        int64[3, n_days]: users active on the day, in the 7 days up to and with it, in the 30 days.
    is_whole
        bool[3, n_days]: False where the log begins within the window, or the day still runs.
    """

    periods: Periods
    counts: Counts
    is_whole: npt.NDArray[np.bool_]
    find: Callable[[int, int], UserCodes] = field(repr=False)

    def ratio(self, part: Window, whole: Window) -> npt.NDArray[np.float64]:
        """Return active users of one window over those of a longer one, by day; nan without any."""
        return share_of(self.counts[WINDOWS.index(part)], self.counts[WINDOWS.index(whole)])

    def to_arrow(self) -> pa.Table:
        """Return one row per day: the three counts, the three ratios, whether the longest window is whole."""
        return pa.table(
            {
                "period": self.periods.iso_labels(),
                **dict(zip(("dau", "wau", "mau"), self.counts, strict=True)),
                "dau_wau": self.ratio("day", "week"),
                "dau_mau": self.ratio("day", "month"),
                "wau_mau": self.ratio("week", "month"),
                "is_complete": self.is_whole[-1],
            }
        )

    def users(self, cell: tuple[int | str, Window]) -> UserCodes:
        """Return the users of ``(day index or ISO date, "day" | "week" | "month")``."""
        day, window = cell
        return self.find(self.periods.position(day) if isinstance(day, str) else int(day), WINDOWS.index(window))

    def to_json(self) -> dict[str, Any]:
        """Return the series by name."""
        return {**self.to_arrow().to_pydict(), **self.stamp()}


@njit(cache=True, nogil=True)
def walk_active_users(
    offsets: Any, time: Any, event: Any, counted: Any, starts: Any, windows: Any, rows: Any,
    cell_day: int, cell_window: int,
) -> Any:  # fmt: skip
    """Add every user's covered days up; or find the users active in the window that ends with `cell_day`.

    Returns
    -------
    changes : int64[n_windows, n_days + 1]
        Users whose cover begins that day less those whose cover has ended: the running sum counts users.
    chosen : bool[n_users], where cell_day is not below 0
    """
    n_users, n_days, is_search = len(offsets) - 1, len(starts) - 1, cell_day >= 0
    changes = np.zeros((len(windows), n_days + 1), np.int64)
    chosen = np.zeros(n_users if is_search else 0, np.bool_)
    covered = np.empty(len(windows), np.int64)
    for user in range(n_users):
        if rows[user] < 0:
            continue
        covered[:] = -1
        day, seen = 0, -1
        for i in range(offsets[user], offsets[user + 1]):
            t = time[i]
            if t < starts[0] or (seen >= 0 and t < starts[seen + 1]) or not counted[event[i]]:
                continue
            while day < n_days and t >= starts[day + 1]:
                day += 1
            if day == n_days:
                break
            seen = day
            if is_search:
                chosen[user] |= cell_day - windows[cell_window] < day <= cell_day
                continue
            for w in range(len(windows)):
                first, last = max(day, covered[w] + 1), min(day + windows[w], n_days)
                if last > covered[w] + 1:
                    changes[w, first] += 1
                    changes[w, last] -= 1
                    covered[w] = last - 1
    return changes, chosen


def compute_active_users(
    index: TimelineIndex, config: WorkspaceConfig, spec: ActiveUsersSpec, snapshot: Snapshot | None = None
) -> ActiveUsers:
    """Return active users by day, and in the 7 and 30 days up to it (calendar days of the workspace).

    Raises
    ------
    NotFoundError
        When the event is not in the log.
    """
    watch = Stopwatch(index)
    periods = spec.periods(index, config, "day")
    earlier = make_periods(periods.from_us - (_LOOK_BACK + 2) * DAY_US, periods.from_us, "day", config.timezone)
    starts = np.concatenate([earlier.starts_us[-1 - _LOOK_BACK : -1], periods.starts_us])
    matcher = resolve((spec.event,), index, config, snapshot)
    counted, rows = matcher.flags(spec.event), user_rows(None, spec.users, index.n_users)

    def walk(part: Partition, day: int = -1, window: int = 0) -> Any:
        return walk_active_users(
            part.offsets, part.time, matcher.events(part), counted, starts, WINDOW_DAYS,
            rows[part.first_user : part.first_user + part.n_users], day, window,
        )  # fmt: skip

    def find(day: int, window: int) -> UserCodes:
        return select(map_merge(index, lambda part: walk(part, day + _LOOK_BACK, window)[1], join))

    counts = map_merge(index, lambda part: thin(walk(part)[0]), add_up).cumsum(axis=1)[:, _LOOK_BACK:-1]
    first_days = np.arange(len(periods)) + _LOOK_BACK + 1 - WINDOW_DAYS[:, None]
    is_whole = (starts[first_days] >= spec.log_start(index, config)) & periods.is_complete
    return ActiveUsers(periods=periods, counts=counts, is_whole=is_whole, find=find, **watch.fields())
